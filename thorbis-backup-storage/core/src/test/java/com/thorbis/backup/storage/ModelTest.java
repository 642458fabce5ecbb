package com.thorbis.backup.storage;

import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Random sequences of commands by two processes, with faults, against what was acknowledged. A
 * sequence that fails is made shorter as long as it fails, and printed as a text that {@link
 * #replay} takes.
 */
class ModelTest {
  private static final int CASES = FaultSuite.RELEASE ? 3200 : 40;

  private static final List<Fault> FAULTS = List.of(Fault.values());

  @TempDir Path states;

  /** What a process may be told. */
  private enum Command {
    BACKUP("backup", 3) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.backUpAtTheEnd(Scenario.files(number));
      }
    },
    BACKUP_AWAITING("backup-awaiting", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.backUp(Scenario.files(number), BackupStatus.AWAITING_WAL);
      }
    },
    INCREMENTAL("incremental", 3) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.backUpOver(BackupType.INCREMENTAL, Scenario.files(number % 3));
      }
    },
    DIFFERENTIAL("differential", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.backUpOver(BackupType.DIFFERENTIAL, Scenario.files(number % 3));
      }
    },
    PRUNE("prune", 2) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.prune(Duration.ofHours(number % 3));
      }
    },
    DELETE("delete", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.deleteByHand();
      }
    },
    UNDELETE("undelete", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.undelete();
      }
    },
    /** Time passes: graces end, leases lapse. */
    WAIT("wait", 2) {
      @Override
      void run(TestClient client, int number) {
        client.rest();
      }
    },
    COMPLETE("complete", 2) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.complete();
      }
    },
    SHIP("ship", 12) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.shipNext(1 + number % 9000);
      }
    },
    SHIP_SEGMENT("ship-segment", 4) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.shipSegment();
      }
    },
    HISTORY("history", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.storeHistory(1 + number % 3);
      }
    },
    REGISTER("register", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.register("source-" + number % 3);
      }
    },
    READ_WAL("read-wal", 4) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.readWal(1 + number % 6);
      }
    },
    RANGES("ranges", 2) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.ranges();
      }
    },
    RESTORE("restore", 2) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.restore();
      }
    },
    REFRESH("refresh", 3) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.refresh();
      }
    },
    ROTATE("rotate", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.rotate();
      }
    },
    /** The second recipient opens it too from now on, or does no longer. */
    REWRAP("rewrap", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.rewrap(
            number % 2 == 0
                ? List.of(TestRepository.RECIPIENT)
                : List.of(TestRepository.RECIPIENT, TestWorld.SECOND));
      }
    },
    VERIFY("verify", 1) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.verify(VerifyRequest.Level.DATA);
      }
    },
    /** The process ends and starts again; if told so, on a machine that remembers nothing. */
    RESTART("restart", 3) {
      @Override
      void run(TestClient client, int number) throws IOException {
        client.open();
      }
    };

    private final String label;
    private final int weight;

    Command(String label, int weight) {
      this.label = label;
      this.weight = weight;
    }

    abstract void run(TestClient client, int number) throws IOException;

    static Command pick(Random random) {
      int all = 0;
      for (Command command : values()) {
        all += command.weight;
      }
      int picked = random.nextInt(all);
      for (Command command : values()) {
        picked -= command.weight;
        if (picked < 0) {
          return command;
        }
      }
      throw new AssertionError();
    }

    static Command of(String label) {
      for (Command command : values()) {
        if (command.label.equals(label)) {
          return command;
        }
      }
      throw new IllegalArgumentException(label);
    }
  }

  /** One command to one process, maybe with a fault at one of its calls. */
  private record Step(int process, Command command, int number, int call, String fault) {
    @Override
    public String toString() {
      return process + " " + command.label + " " + number + " " + call + " " + fault;
    }

    static Step parse(String text) {
      String[] words = text.trim().split(" ", -1);
      return new Step(
          Integer.parseInt(words[0]),
          Command.of(words[1]),
          Integer.parseInt(words[2]),
          Integer.parseInt(words[3]),
          words[4]);
    }
  }

  @Test
  void randomSequencesHoldWhatWasAcknowledged() throws Exception {
    FaultSuite suite =
        new FaultSuite("model-sequences", "sequences of 30 to 60 commands with faults in them");
    TestWorld before = Scenario.named("wal-segment").world(states);
    suite.forEachSeed(
        CASES,
        random -> {
          List<Step> steps = sequence(random);
          return new FaultSuite.Labelled("model", 1, () -> runOrShrink(before, steps));
        });
    suite.report();
  }

  private static List<Step> sequence(Random random) {
    List<Step> steps = new ArrayList<>();
    int length = 30 + random.nextInt(31);
    while (steps.size() < length) {
      Fault fault = FAULTS.get(random.nextInt(FAULTS.size()));
      boolean faulty = random.nextInt(100) < 50;
      steps.add(
          new Step(
              random.nextInt(2),
              Command.pick(random),
              random.nextInt(100_000),
              faulty ? 1 + random.nextInt(1 + random.nextInt(18)) : 0, // most make few calls
              faulty ? fault.label() : "-"));
    }
    return steps;
  }

  private int runOrShrink(TestWorld before, List<Step> steps) throws IOException {
    try (TestWorld world = before.copy()) {
      return run(world, steps);
    } catch (Throwable e) {
      List<Step> shortest = shrink(before, steps);
      StringBuilder text = new StringBuilder("Replay:\n");
      shortest.forEach(step -> text.append(step).append('\n'));
      throw new AssertionError(text.toString(), e);
    }
  }

  /** Leaves out whatever does not matter for the failure. */
  private List<Step> shrink(TestWorld before, List<Step> steps) {
    List<Step> shortest = steps;
    for (int at = steps.size() - 1; at >= 0; at--) {
      List<Step> shorter = new ArrayList<>(shortest);
      shorter.remove(at);
      if (fails(before, shorter)) {
        shortest = shorter;
      }
    }
    return shortest;
  }

  private boolean fails(TestWorld before, List<Step> steps) {
    try (TestWorld world = before.copy()) {
      run(world, steps);
      return false;
    } catch (Throwable e) {
      return true;
    }
  }

  /** Runs a sequence that was printed. */
  void replay(String text) throws IOException {
    run(
        Scenario.named("wal-segment").world(states),
        text.lines().filter(line -> !line.isBlank()).map(Step::parse).toList());
  }

  /** Says how many faults struck. */
  private int run(TestWorld world, List<Step> steps) throws IOException {
    List<TestClient> processes = new ArrayList<>();
    List<FaultyObjectStore> views = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      views.add(FaultyObjectStore.over(world.disk));
      processes.add(world.client(views.get(i)));
    }
    int done = 0;
    int struck = 0;
    for (Step step : steps) {
      TestClient client = processes.get(step.process());
      FaultyObjectStore view = views.get(step.process());
      EnumSet<Fault> faults = EnumSet.noneOf(Fault.class);
      int before = view.struck();
      if (step.call() > 0) {
        Fault fault = Fault.of(step.fault());
        faults.add(fault);
        view.failAtCall(view.calls().size() + step.call(), fault);
      }
      try {
        step.command().run(client, step.number());
      } catch (FaultyObjectStore.Died e) {
        faults.add(Fault.DEATH_AFTER);
      } catch (IOException e) {
        if (!TestClient.steppedBack(e)) {
          FaultSuite.requireTyped(e, faults);
        }
      }
      Thread.interrupted();
      struck += view.struck() - before;
      view.recover();
      if (view.dead()) { // another takes its place, with or without its memory
        client.close();
        view = FaultyObjectStore.over(world.disk);
        views.set(step.process(), view);
        processes.set(
            step.process(), step.number() % 2 == 0 ? world.client(view) : client.successor(view));
      }
      if (++done % 12 == 0) {
        world.check(false);
      }
    }
    for (TestClient client : processes) {
      client.close();
    }
    world.check(true);
    world.checkNothingIsLeftOver();
    world.check(false);
    return struck;
  }
}
