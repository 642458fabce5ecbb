package com.thorbis.backup.dr.failover;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.testkit.CuttableLink;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every set of links that are cut, with a primary that is killed, that is to be replaced as
 * planned, and that works although somebody reports it. Clients write to whichever server takes it,
 * the whole time and past all links: once the standby has taken a write, the old primary takes
 * none.
 */
class PartitionMatrixIT {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final long SEED = Long.getLong("thorbis.partition.seed", 20260101L);
  private static final int SLICE = 2;

  @TempDir Path folder;

  private enum Link {
    US_PRIMARY,
    US_STANDBY,
    PRIMARY_STANDBY,
    WITNESS
  }

  private enum Event {
    KILLED,
    PLANNED,
    FALSE_ALARM
  }

  private record Case(Event event, Set<Link> cut) {
    /** The primary's host can be reached to fence it, and the standby to promote it. */
    boolean promotes() {
      return switch (event) {
        case KILLED -> !cut.contains(Link.US_PRIMARY) && !cut.contains(Link.US_STANDBY);
        // With the way between them cut, the standby lacks what was written last.
        case PLANNED -> cut.isEmpty() || cut.equals(Set.of(Link.WITNESS));
        case FALSE_ALARM -> false;
      };
    }
  }

  private static List<Case> cases() {
    List<Link> links = List.of(Link.values());
    List<Case> all = new ArrayList<>();
    for (Event event : Event.values()) {
      for (int bits = 0; bits < 1 << links.size(); bits++) {
        Set<Link> cut = EnumSet.noneOf(Link.class);
        for (int i = 0; i < links.size(); i++) {
          if ((bits >> i & 1) != 0) {
            cut.add(links.get(i));
          }
        }
        all.add(new Case(event, cut));
      }
    }
    Collections.shuffle(all, new Random(SEED));
    if (RELEASE) {
      return all;
    }
    List<Case> some = new ArrayList<>(all.subList(0, SLICE));
    some.add(new Case(Event.KILLED, Set.of()));
    // Nothing but the proof that is missing keeps it from being promoted.
    some.add(
        new Case(Event.FALSE_ALARM, Set.of(Link.US_PRIMARY, Link.PRIMARY_STANDBY, Link.WITNESS)));
    return some;
  }

  @Test
  void atNoMomentDoTwoServersTakeWritesAndInDoubtNothingIsPromoted() throws Exception {
    Path template = Pair.template(folder);
    int number = 0;
    for (Case each : cases()) {
      Path own = folder.resolve("case" + number++);
      try (World world = new World(template, own)) {
        world.run(each);
      } catch (AssertionError | Exception e) {
        throw new AssertionError("Seed " + SEED + ", " + each, e);
      }
      delete(own);
    }
  }

  private static void delete(Path tree) throws IOException {
    try (java.util.stream.Stream<Path> all = Files.walk(tree)) {
      for (Path each : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  /** One that writes whenever it can, and remembers when it began what was committed. */
  private static final class Client implements AutoCloseable {
    private final PostgresServer server;
    private final Thread thread = new Thread(this::work, "client");
    private final List<Long> begun = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean ended;

    Client(PostgresServer server) {
      this.server = server;
      thread.start();
    }

    private void work() {
      while (!ended) {
        try (Connection session = server.connect("postgres");
            Statement statement = session.createStatement()) {
          while (!ended) {
            long now = System.nanoTime();
            statement.execute("INSERT INTO told (client) VALUES (1)");
            begun.add(now);
            Thread.sleep(2);
          }
        } catch (SQLException e) {
          rest();
        } catch (InterruptedException e) {
          return;
        }
      }
    }

    private void rest() {
      try {
        Thread.sleep(10);
      } catch (InterruptedException e) {
        ended = true;
      }
    }

    void awaitAnother() throws InterruptedException {
      int before = begun.size();
      long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
      while (begun.size() <= before) {
        assertThat(System.nanoTime()).as("nobody could write").isLessThan(deadline);
        Thread.sleep(5);
      }
    }

    @Override
    public void close() throws InterruptedException {
      ended = true;
      thread.join();
    }
  }

  /** A fence that reaches the host of its server over the same link as everything else. */
  private record Reached(Fence fence, CuttableLink link, boolean cut) implements Fence {
    @Override
    public String kind() {
      return fence.kind();
    }

    @Override
    public Finding look() throws IOException, InterruptedException {
      return cut ? Finding.cannotTell("the host cannot be reached") : fence.look();
    }

    @Override
    public Finding close(Mode mode, Duration patience) throws IOException, InterruptedException {
      return cut ? look() : fence.close(mode, patience);
    }

    @Override
    public String describe() {
      return fence.describe();
    }
  }

  /** Two servers, a witness, and two clients. */
  private static final class World implements AutoCloseable {
    private final Pair pair;
    private final HttpServer witness;
    private final CuttableLink usWitness;
    private final Client one;
    private final Client two;
    private final Path machine;

    World(Path template, Path folder) throws Exception {
      Files.createDirectories(folder);
      pair = Pair.start(template, folder);
      machine = folder.resolve("machine");
      witness = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      witness.createContext(
          "/db1",
          exchange -> {
            Sighting seen = Signals.port("127.0.0.1", pair.primary.port(), Duration.ofSeconds(10));
            exchange.sendResponseHeaders(seen.reading() == Sighting.Reading.UP ? 200 : 503, -1);
            exchange.close();
          });
      witness.start();
      usWitness = new CuttableLink(witness.getAddress().getPort());
      one = new Client(pair.primary);
      two = new Client(pair.standby);
    }

    void run(Case each) throws Exception {
      one.awaitAnother();
      for (Link link : each.cut()) {
        link(link).cut();
      }
      one.awaitAnother();
      if (each.event() == Event.KILLED) {
        pair.primary.kill9();
      }
      if (each.event() == Event.KILLED || each.cut().contains(Link.PRIMARY_STANDBY)) {
        pair.awaitSilence();
      }
      RunReport report = engine(each).start(plan(each.event()), "incident-1", "alice");
      assertThat(primary(pair.standby)).as(report.toString()).isEqualTo(each.promotes());
      assertThat(report.status() == RunStatus.SUCCEEDED)
          .as(report.toString())
          .isEqualTo(each.promotes());
      for (Link link : each.cut()) {
        link(link).heal();
      }
      if (each.promotes()) {
        two.awaitAnother();
        Pair.startAgain(pair.primary);
        assertThat(primary(pair.primary)).isFalse();
      } else if (each.event() == Event.FALSE_ALARM) {
        one.awaitAnother();
      }
      Thread.sleep(100);
      one.close();
      two.close();
      if (!two.begun.isEmpty()) {
        assertThat(Collections.max(one.begun)).isLessThan(Collections.min(two.begun));
      }
      assertThat(two.begun.isEmpty()).isEqualTo(!each.promotes());
    }

    private static boolean primary(PostgresServer server) throws SQLException {
      return server.query("postgres", "SELECT NOT pg_is_in_recovery()").equals("t");
    }

    private CuttableLink link(Link link) {
      return switch (link) {
        case US_PRIMARY -> pair.usPrimary;
        case US_STANDBY -> pair.usStandby;
        case PRIMARY_STANDBY -> pair.primaryStandby;
        case WITNESS -> usWitness;
      };
    }

    private RunEngine engine(Case each) {
      ServerAccess primary = pair.primaryAccess();
      ServerAccess standby = pair.standbyAccess();
      Failover failover =
          Failover.builder("database", primary, standby)
              .detector(
                  Detector.builder()
                      .signal(Signals.port("port", "here", primary, Pair.patience(pair.usPrimary)))
                      .signal(
                          Signals.standby(
                              "stream", standby.name(), standby, Duration.ofMillis(900)))
                      .signal(
                          Signals.http(
                              "witness",
                              "witness",
                              URI.create("http://127.0.0.1:" + usWitness.port() + "/db1"),
                              200,
                              503,
                              Pair.patience(usWitness)))
                      .looks(2, Duration.ofMillis(100))
                      .build())
              .fence(
                  new Reached(
                      LocalFence.of(primary), pair.usPrimary, each.cut().contains(Link.US_PRIMARY)))
              .patience(Duration.ofSeconds(5))
              .build();
      Actions.Builder actions = Actions.builder();
      FailoverActions.of(List.of(failover), Map.of()).forEach(actions::add);
      return RunEngine.builder(
              machine,
              MemoryObjectStore.create(Clock.systemUTC(), 1000),
              actions.build(),
              "machine")
          .build();
    }

    private static RunPlan plan(Event event) {
      List<Task> tasks =
          event == Event.PLANNED
              ? List.of(task("fence", "", "mode", "graceful"), task("promote", "fence"))
              : List.of(
                  task("detect", ""),
                  task("fence", "detect"),
                  task("promote", "fence", "max-loss", "any"));
      return RunPlan.of(event.name(), "text", tasks);
    }

    private static Task task(String kind, String needs, String... inputs) {
      Map<String, String> with = new HashMap<>(Map.of("source", "database"));
      for (int i = 0; i < inputs.length; i += 2) {
        with.put(inputs[i], inputs[i + 1]);
      }
      return Task.builder(kind, kind)
          .needs(Optional.of(needs).filter(id -> !id.isEmpty()).stream().toList())
          .inputs(with)
          .attempts(2)
          .backoff(Duration.ofMillis(50))
          .build();
    }

    @Override
    public void close() throws Exception {
      one.close();
      two.close();
      witness.stop(0);
      usWitness.close();
      pair.close();
    }
  }
}
