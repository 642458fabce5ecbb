package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The plan that is shipped, carried out by {@code bin/thorbis} after the primary was killed. The
 * process ends at a record of its journal as by a kill, and another host goes on: each effect once.
 */
class DrFailoverKillIT {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String INCIDENT = "inc-1";
  private static final String PROCEDURE = "database-failover.";

  /** Of the run, and of what two people have agreed to. */
  private static final int EVIDENCE = 3;

  /** A run writes at least as many. */
  private static final int RECORDS = 40;

  @TempDir static Path folder;
  private static Path clusters;
  private static Path launcher;
  private static Path halting;
  private static final AtomicInteger SITES = new AtomicInteger();

  @BeforeAll
  static void prepare() throws Exception {
    clusters = FailoverSite.clusters(folder.resolve("clusters"));
    halting = folder.resolve("halting.jar");
    HaltingStore.writeTo(halting);
    launcher = Path.of("").toAbsolutePath();
    while (!Files.isExecutable(launcher.resolve("bin/thorbis"))) {
      launcher = launcher.getParent();
    }
    launcher = launcher.resolve("bin/thorbis");
  }

  @Test
  void whoeverIsKilledAtARecordIsFollowedByAnotherHost() throws Exception {
    long seed = Long.getLong("thorbis.seed", System.nanoTime());
    System.out.println("DrFailoverKillIT: -Dthorbis.seed=" + seed);
    Random random = new Random(seed);
    assertThat(isKilled(1 + random.nextInt(RECORDS), random.nextBoolean())).isTrue();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  @Tag("release")
  void whoeverIsKilledAtAnyRecordIsFollowedByAnotherHost(boolean kept) throws Exception {
    int record = 1;
    while (isKilled(record, kept)) {
      record++;
    }
    assertThat(record).isGreaterThan(RECORDS);
    report(
        "failover-kills-" + (kept ? "kept" : "lost"),
        "hosts killed at a record that is " + (kept ? "kept: " : "lost: ") + (record - 1));
  }

  /** Each is killed as soon as it has begun one thing and seen its end. */
  @Test
  @Tag("release")
  void aRunEndsThoughEachHostOfItIsKilled() throws Exception {
    try (Incident incident = new Incident("one after the other")) {
      int hosts = 0;
      int exit = HaltingStore.KILLED;
      while (exit == HaltingStore.KILLED) {
        hosts++;
        assertThat(hosts).isLessThan(100);
        exit = incident.carry(incident.mortal("host-" + hosts, 3, true));
      }
      assertThat(hosts).isGreaterThan(10);
      incident.endedWell(exit, incident.site.host("last"));
      report("failover-hosts", "hosts that carried out one run, each killed: " + hosts);
    }
  }

  private static void report(String name, String counted) throws IOException {
    Path told = Files.createDirectories(Path.of("target", "release-report"));
    Files.writeString(
        told.resolve(name + ".md"),
        "* " + name + ": " + counted + ", each effect once%n".formatted());
  }

  /** False: the run ended well before it wrote as many records. */
  static boolean isKilled(int record, boolean kept) throws Exception {
    String where = "killed at record " + record + (kept ? ", which is kept" : ", which is lost");
    try (Incident incident = new Incident(where)) {
      int exit = incident.carry(incident.mortal("one", record, kept));
      Path other = incident.site.host("two");
      if (exit != HaltingStore.KILLED) {
        incident.endedWell(exit, other);
        return false;
      }
      incident.endedWell(incident.carry(other), other);
      return true;
    }
  }

  /** What happens from the moment when the primary is gone. */
  private static final class Incident implements AutoCloseable {
    final FailoverSite site;
    private final String where;
    private final Path place;
    private final Path desk;
    private final Effects effects;
    private final List<Client> clients;
    private final Writable writable;
    private final Set<String> said = new HashSet<>();
    private int pages = 1;
    private int pauses = 1;
    private String err = "";

    Incident(String where) throws Exception {
      this.where = where;
      place = Files.createDirectory(folder.resolve("site-" + SITES.incrementAndGet()));
      site = FailoverSite.start(place, clusters);
      desk = site.host("desk");
      Result init = new CommandRunner(desk).run("init");
      assertThat(init.code()).as(init.err()).isZero();
      clients =
          List.of(
              new Client(1, () -> Files.readString(site.place()).strip()),
              new Client(2, () -> "127.0.0.1:" + site.pool().port()));
      for (Client client : clients) {
        client.awaits(10);
      }
      effects = new Effects(site);
      site.primary().kill9();
      writable = new Writable(site);
    }

    /** A host that is killed at a record of its own. */
    Path mortal(String name, int record, boolean kept) throws IOException {
      return site.host(
          name,
          "uri: "
              + FailoverSite.uri(site.journal()).replaceFirst("^file", "halting")
              + ", halting: { record: "
              + record
              + ", kept: "
              + kept
              + " }");
    }

    /** Begins the run on a host, or goes on with it there, while people answer elsewhere. */
    int carry(Path host) throws Exception {
      List<JsonNode> before = journal();
      if (Files.exists(site.standby().dataDirectory().resolve("pg_wal/00000002.history"))
          && !site.primary().isRunning()) {
        site.primary().start(); // as whoever watches over servers would
      }
      boolean perhapsPaged = isStarted(before, PROCEDURE + "announce");
      int pagesBefore = pages();
      if (isStarted(before, PROCEDURE + "pool")) {
        pauses++; // it may have been told before
      }
      List<String> words = new ArrayList<>(List.of(launcher.toString(), "dr"));
      if (before.isEmpty()) {
        words.addAll(List.of("run", "database-failure", "--cause", "database-connection-failure"));
        words.addAll(List.of("--incident", INCIDENT, "--as", "recovery-lead", "--yes"));
      } else {
        words.addAll(List.of("resume", INCIDENT));
        if (isHeld() && !ended(before)) {
          refusedWhileTheLeaseLasts();
          words.addAll(List.of("--take-over", "--as", "recovery-lead"));
        }
      }
      ProcessBuilder builder =
          new ProcessBuilder(words)
              .directory(host.toFile())
              .redirectInput(Path.of("/dev/null").toFile())
              .redirectOutput(host.resolve("out").toFile())
              .redirectError(host.resolve("err").toFile());
      builder.environment().put("THORBIS_CLASS_PATH", halting.toString());
      Process process = builder.start();
      try {
        long deadline = System.nanoTime() + Duration.ofMinutes(3).toNanos();
        while (!process.waitFor(20, TimeUnit.MILLISECONDS)) {
          assertThat(System.nanoTime()).as("%s: %s", where, err(host)).isLessThan(deadline);
          answer();
        }
      } finally {
        process.destroyForcibly();
      }
      err += err(host);
      if (perhapsPaged && pagesBefore == pages) {
        pages++; // rather twice than never
      }
      return process.exitValue();
    }

    private void refusedWhileTheLeaseLasts() {
      Result refused = new CommandRunner(desk).run("dr", "resume", INCIDENT);
      assertThat(refused.code()).as(where).isEqualTo(Exit.REFUSED);
      assertThat(refused.err()).as(where).contains("carries out run inc-1, at least until");
    }

    /** People do what they are asked for, once. */
    private void answer() throws IOException {
      for (JsonNode record : journal()) {
        String kind = record.path("kind").asText();
        String task = record.at("/data/task").asText();
        if (kind.equals("task.waiting") && task.equals(PROCEDURE + "agree")) {
          say("approve", PROCEDURE + "agree", "--as", "first-dba");
          say("approve", PROCEDURE + "agree", "--as", "second-dba");
        } else if (kind.equals("window.opened")) {
          say("commit", "--as", "recovery-lead");
        }
      }
    }

    private void say(String what, String... words) {
      if (said.add(what + String.join(" ", words))) {
        Result result =
            new CommandRunner(desk)
                .run(
                    Stream.concat(Stream.of("dr", what, INCIDENT), Stream.of(words))
                        .toArray(String[]::new));
        assertThat(result.code()).as("%s: %s", where, result.err()).isZero();
      }
    }

    /** What the store has. */
    private List<JsonNode> journal() throws IOException {
      Path records = site.journal().resolve("runs").resolve(INCIDENT);
      List<JsonNode> found = new ArrayList<>();
      if (Files.exists(records)) {
        try (Stream<Path> all = Files.list(records)) {
          for (Path each :
              all.filter(it -> it.getFileName().toString().matches("[0-9a-f]{16}"))
                  .sorted()
                  .toList()) {
            found.add(JSON.readTree(each.toFile()));
          }
        }
      }
      return found;
    }

    private boolean isHeld() throws IOException {
      Path leases = site.journal().resolve("leases").resolve(INCIDENT);
      if (!Files.exists(leases)) {
        return false;
      }
      try (Stream<Path> all = Files.list(leases)) {
        return all.findAny().isPresent();
      }
    }

    private static boolean ended(List<JsonNode> journal) {
      return states(journal).contains("succeeded");
    }

    private static List<String> states(List<JsonNode> journal) {
      return journal.stream()
          .filter(it -> it.path("kind").asText().equals("run.state"))
          .map(it -> it.at("/data/state").asText())
          .toList();
    }

    /** Whether nobody knows what came of a step that was begun. */
    private static boolean isStarted(List<JsonNode> journal, String task) {
      List<String> kinds =
          journal.stream()
              .filter(it -> it.at("/data/task").asText().equals(task))
              .map(it -> it.path("kind").asText())
              .toList();
      return !kinds.isEmpty() && kinds.get(kinds.size() - 1).equals("task.started");
    }

    private int pages() throws IOException {
      try {
        return Files.readString(site.told()).split(PROCEDURE + "announce\"", -1).length - 1;
      } catch (NoSuchFileException e) {
        return 0;
      }
    }

    private static String err(Path host) throws IOException {
      return Files.readString(host.resolve("err")) + Files.readString(host.resolve("out"));
    }

    /** Everything that has to be so, however many hosts it took. */
    void endedWell(int exit, Path last) throws Exception {
      assertThat(exit).as("%s: %s", where, err).isZero();
      PostgresServer primary = site.primary();
      PostgresServer standby = site.standby();
      if (!primary.isRunning()) {
        primary.start();
      }
      assertThat(primary.query("postgres", "SELECT pg_is_in_recovery()")).as(where).isEqualTo("t");
      standby.execute("postgres", "CHECKPOINT");
      assertThat(
              standby.query(
                  "postgres",
                  "SELECT pg_is_in_recovery() || ' ' || timeline_id FROM"
                      + " pg_control_checkpoint()"))
          .as(where)
          .isEqualTo("false 2");
      assertThat(Files.readString(site.place()).strip())
          .as(where)
          .isEqualTo("127.0.0.1:" + standby.port());
      assertThat(site.pool().leadsTo()).as(where).isEqualTo("127.0.0.1:" + standby.port());
      assertThat(site.pool().told("PAUSE")).as(where).isBetween(1L, (long) pauses);
      assertThat(site.pool().told("RELOAD")).as(where).isEqualTo(1);
      assertThat(site.pool().told("RESUME")).as(where).isEqualTo(1);
      for (Client client : clients) {
        client.awaitsMoreThrough(standby);
        assertThat(client.lost(standby)).as("%s: acknowledged and gone", where).isEmpty();
      }
      assertThat(writable.both()).as("%s: two took writes", where).isEmpty();
      assertThat(effects.seen())
          .as(where)
          .containsEntry("primary: thorbis.fenced made", 1)
          .containsEntry("primary: standby.signal made", 1)
          .doesNotContainKey("primary: standby.signal gone")
          .containsEntry("standby: standby.signal gone", 1)
          .containsEntry("standby log: 00000002.history made", 1)
          .doesNotContainKey("standby log: 00000003.history made")
          .containsEntry("clients: place made", 1)
          .containsEntry("pool: pgbouncer.ini made", 1);
      assertThat(pages()).as(where).isEqualTo(pages);
      wasWrittenDownOnce();
      assertThat(evidence()).as("%s: records of evidence", where).isEqualTo(EVIDENCE);
      // Whoever looks once more changes nothing of it.
      Result again = new CommandRunner(last).run("dr", "resume", INCIDENT);
      assertThat(again.code()).as("%s: %s", where, again.err()).isZero();
      assertThat(evidence()).as("%s: records of evidence", where).isEqualTo(EVIDENCE);
    }

    /** Nothing else keeps any here. */
    private int evidence() throws IOException {
      Result list = new CommandRunner(desk).run("list", "evidence", "--json");
      assertThat(list.code()).as("%s: %s", where, list.err()).isZero();
      return JSON.readTree(list.out()).path("items").size();
    }

    private void wasWrittenDownOnce() throws IOException {
      List<JsonNode> journal = journal();
      Map<String, List<String>> ends = new HashMap<>();
      for (JsonNode record : journal) {
        if (record.path("kind").asText().equals("task.ended")) {
          ends.computeIfAbsent(record.at("/data/task").asText(), task -> new ArrayList<>())
              .add(record.at("/data/outcome").asText());
        }
      }
      Set<String> steps =
          new HashSet<>(journal.get(0).at("/data/plan/tasks").findValuesAsText("id"));
      assertThat(steps).as(where).contains(PROCEDURE + "fence", PROCEDURE + "promote");
      assertThat(ends.keySet()).as(where).isEqualTo(steps);
      assertThat(ends.values()).as(where).allMatch(List.of("done")::equals);
      assertThat(states(journal)).as(where).containsOnlyOnce("succeeded");
    }

    @Override
    public void close() throws Exception {
      try (site;
          effects) {
        writable.close();
        for (Client client : clients) {
          client.close();
        }
      }
      try (Stream<Path> all = Files.walk(place)) {
        for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(each);
        }
      }
    }
  }

  /** What appears in folders and goes from them, as the operating system tells it. */
  private static final class Effects implements AutoCloseable {
    private final WatchService watch = FileSystems.getDefault().newWatchService();
    private final Map<WatchKey, String> names = new HashMap<>();
    private final Map<String, Integer> seen = new HashMap<>();

    Effects(FailoverSite site) throws IOException {
      add("primary", site.primary().dataDirectory());
      add("standby", site.standby().dataDirectory());
      add("standby log", site.standby().dataDirectory().resolve("pg_wal"));
      add("clients", site.place().getParent());
      add("pool", site.pool().file().getParent());
    }

    private void add(String name, Path folder) throws IOException {
      WatchKey key =
          folder.register(
              watch, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_DELETE);
      names.put(key, name);
    }

    Map<String, Integer> seen() {
      names.forEach(
          (key, name) -> {
            for (WatchEvent<?> event : key.pollEvents()) {
              boolean made = event.kind() == StandardWatchEventKinds.ENTRY_CREATE;
              seen.merge(
                  name + ": " + event.context() + (made ? " made" : " gone"),
                  event.count(),
                  Integer::sum);
              assertThat(event.kind()).isNotEqualTo(StandardWatchEventKinds.OVERFLOW);
            }
          });
      return seen;
    }

    @Override
    public void close() throws IOException {
      watch.close();
    }
  }

  /** Something that goes on beside the run. */
  private abstract static class Beside implements AutoCloseable {
    private final Thread thread = new Thread(this::turn, getClass().getSimpleName());
    private volatile boolean stopped;

    final void begin() {
      thread.setDaemon(true);
      thread.start();
    }

    private void turn() {
      try {
        while (!stopped) {
          attempt();
          Thread.sleep(20);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    private void attempt() {
      try {
        once();
      } catch (SQLException | IOException e) {
        return; // that is what a failover is like
      }
    }

    abstract void once() throws SQLException, IOException;

    static Connection connect(String address) throws SQLException {
      return DriverManager.getConnection(
          "jdbc:postgresql://"
              + address
              + "/postgres?connectTimeout=2&socketTimeout=10&prepareThreshold=0",
          "postgres",
          "");
    }

    @Override
    public void close() throws InterruptedException {
      stopped = true;
      thread.join();
    }
  }

  /** Where somebody is sent. */
  @FunctionalInterface
  private interface Sent {
    String to() throws IOException;
  }

  /** Writes wherever it is sent, and remembers what it was told is committed, and by whom. */
  private static final class Client extends Beside {
    private static final int CLIENTS = 2;

    private final Sent sent;
    private final Map<Long, Integer> acknowledged = new ConcurrentHashMap<>();
    private long next;
    private Optional<Connection> session = Optional.empty();

    Client(long first, Sent sent) {
      this.next = first;
      this.sent = sent;
      begin();
    }

    @Override
    void once() throws SQLException, IOException {
      try {
        if (session.isEmpty()) {
          session = Optional.of(connect(sent.to()));
        }
        long id = next;
        next += CLIENTS;
        try (Statement statement = session.get().createStatement();
            ResultSet row =
                statement.executeQuery(
                    "INSERT INTO told VALUES (" + id + ") RETURNING inet_server_port()")) {
          row.next();
          acknowledged.put(id, row.getInt(1));
        }
      } catch (SQLException e) {
        disconnect();
        throw e;
      }
    }

    private void disconnect() throws SQLException {
      if (session.isPresent()) {
        session.get().close();
      }
      session = Optional.empty();
    }

    void awaits(int commits) throws InterruptedException {
      for (int turns = 0; turns < 1000 && acknowledged.size() < commits; turns++) {
        Thread.sleep(20);
      }
      assertThat(acknowledged).hasSizeGreaterThanOrEqualTo(commits);
    }

    void awaitsMoreThrough(PostgresServer server) throws InterruptedException {
      for (int turns = 0; turns < 1000 && !acknowledged.containsValue(server.port()); turns++) {
        Thread.sleep(20);
      }
      assertThat(acknowledged).containsValue(server.port());
    }

    Set<Long> lost(PostgresServer server) throws SQLException {
      Set<Long> missing = new HashSet<>(acknowledged.keySet());
      server
          .rows("postgres", "SELECT id FROM told")
          .forEach(id -> missing.remove(Long.valueOf(id)));
      return missing;
    }

    @Override
    public void close() throws InterruptedException {
      super.close();
      try {
        disconnect();
      } catch (SQLException e) {
        return; // its server is gone
      }
    }
  }

  /** Asks both, all the time. */
  private static final class Writable extends Beside {
    private final FailoverSite site;
    private final Set<String> both = ConcurrentHashMap.newKeySet();
    private final Map<Integer, Connection> sessions = new HashMap<>();

    Writable(FailoverSite site) {
      this.site = site;
      begin();
    }

    /** The new one first: what it is it stays, so both answers hold at the second. */
    @Override
    void once() throws SQLException {
      if (takesWrites(site.standby().port()) && takesWrites(site.primary().port())) {
        both.add("both");
      }
    }

    private boolean takesWrites(int port) throws SQLException {
      try {
        if (!sessions.containsKey(port)) {
          sessions.put(port, connect("127.0.0.1:" + port));
        }
        try (Statement statement = sessions.get(port).createStatement();
            ResultSet row = statement.executeQuery("SELECT NOT pg_is_in_recovery()")) {
          return row.next() && row.getBoolean(1);
        }
      } catch (SQLException e) {
        sessions.remove(port);
        throw e;
      }
    }

    @Override
    public void close() throws InterruptedException {
      super.close();
      sessions.values().forEach(Writable::hangUp);
    }

    private static void hangUp(Connection session) {
      try {
        session.close();
      } catch (SQLException e) {
        return; // its server is gone
      }
    }

    Set<String> both() {
      return both;
    }
  }
}
