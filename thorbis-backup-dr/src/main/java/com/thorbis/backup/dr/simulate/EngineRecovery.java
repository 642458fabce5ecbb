package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.failover.ServerAccess;
import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.dr.traffic.PgBouncerSwitch;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import java.util.function.Function;

/** A recovery by a plan that the engine of production carries out. */
abstract class EngineRecovery implements Recovery {
  /** The source's name in the run's steps. */
  static final String SOURCE = "database";

  /** What leads clients to the database. */
  static final String POOL = "pool";

  private final Path journals;
  private final ObjectStore store;
  private final Clock clock;

  EngineRecovery(Path journals, ObjectStore store, Clock clock) {
    this.journals = journals;
    this.store = store;
    this.clock = clock;
  }

  @Override
  public final RunReport recover(LocalEnvironment environment, String incident) throws IOException {
    try (SecretValue password = environment.password();
        RunEngine engine =
            RunEngine.builder(journals, store, actions(environment, password), owner())
                .clock(clock)
                .patience(Duration.ofMinutes(2))
                .build()) {
      return engine.start(plan(environment), incident, owner());
    }
  }

  private static String owner() {
    return "simulation in process " + ProcessHandle.current().pid();
  }

  /** What acts on this environment, and on nothing else. */
  abstract Actions actions(LocalEnvironment environment, SecretValue password);

  abstract RunPlan plan(LocalEnvironment environment);

  static PgBouncerSwitch pool(LocalEnvironment environment, SecretValue password) {
    return PgBouncerSwitch.builder()
        .file(environment.poolerFile())
        .database(LocalEnvironment.DATABASE)
        .console(LocalEnvironment.LOOPBACK, environment.poolerPort())
        .user(LocalEnvironment.POOLER_ADMIN)
        .password(password)
        .pause(Duration.ofSeconds(3))
        .timeout(Duration.ofSeconds(5))
        .kill(true)
        .build();
  }

  static ServerAccess access(LocalEnvironment environment, LocalEnvironment.Node node) {
    return ServerAccess.builder(
            node.name(),
            LocalEnvironment.LOOPBACK,
            node.port(),
            () -> environment.connect(node, "postgres"))
        .cluster(node.dataDirectory(), environment.programs())
        .build();
  }

  /** Leads clients from the first server to the one that takes its place. */
  static Task.Builder switchPool(LocalEnvironment environment) {
    return task(
        "switch",
        "switch-pgbouncer",
        Map.of(
            "switch",
            POOL,
            "from",
            environment.front().address(),
            "to",
            environment.successor().address()));
  }

  /** An action that takes no inputs. */
  static Action action(String kind, Function<Task, Step> opens) {
    return new Action() {
      @Override
      public String kind() {
        return kind;
      }

      @Override
      public Step open(Task task) {
        if (!task.inputs().isEmpty()) {
          throw new IllegalArgumentException(kind + " takes nothing");
        }
        return opens.apply(task);
      }
    };
  }

  static Task.Builder task(String id, String action, Map<String, String> inputs) {
    return Task.builder(id, action)
        .inputs(inputs)
        .attempts(10)
        .backoff(Duration.ofMillis(200))
        .timeout(Duration.ofSeconds(30))
        .deadline(Duration.ofMinutes(1));
  }
}
