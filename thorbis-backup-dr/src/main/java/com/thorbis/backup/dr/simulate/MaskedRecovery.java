package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillCheck.Category;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.drill.DrillReport.Problem;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.ServerChecks;
import com.thorbis.backup.spi.engine.Trial;
import com.thorbis.backup.spi.engine.TrialEngine;
import com.thorbis.backup.spi.engine.TrialRequest;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Tries recovery in an environment that is small and that others may get at: the newest backup is
 * restored there, and its personal data masked before anybody else could connect. Without masking
 * it is refused. All of it is removed, whatever comes of it. Used by one thread.
 */
public final class MaskedRecovery {
  /** The name unless another is given. */
  public static final String NAME = "dr-test-secondary";

  private static final String BUFFERS = "16MB";
  private static final String CONNECTIONS = "10";
  private static final Duration READING = Duration.ofMinutes(2);
  private static final SecureRandom RANDOM = new SecureRandom();

  private final ThorbisBackup opened;
  private final String source;
  private final Environments environments;
  private final Clock clock;
  private final List<Masking> masking;
  private final String name;
  private final Duration lease;
  private final String product;
  private final Consumer<MaskedReport> recorder;

  private MaskedRecovery(Builder builder) {
    this.opened = builder.opened;
    this.source = builder.source;
    this.environments = builder.environments;
    this.clock = builder.clock;
    this.masking = List.copyOf(builder.masking);
    this.name = builder.name;
    this.lease = builder.lease;
    this.product = builder.product;
    this.recorder = builder.recorder;
  }

  /**
   * Starts one.
   *
   * @param opened stays the caller's
   */
  public static Builder builder(
      ThorbisBackup opened, String source, Environments environments, Clock clock) {
    return new Builder(opened, source, environments, clock);
  }

  /**
   * Tries it. What stands in the way is in the report, which the recorder has when this returns.
   */
  public MaskedReport run(RunControl control) {
    Attempted attempted = new Attempted();
    try {
      attempted.run(control);
    } catch (BackupException e) {
      attempted.ended(e);
    } catch (IOException e) {
      attempted.ended(BackupException.from(e));
    } catch (SQLException e) {
      attempted.ended(
          BackupException.of(
                  "simulation.server-silent",
                  FailureKind.PERMANENT,
                  "The restored server does not answer: " + e.getMessage())
              .cause(e)
              .build());
    }
    MaskedReport report = attempted.report();
    recorder.accept(report);
    return report;
  }

  private final class Attempted {
    private final Instant startedAt = clock.instant().truncatedTo(ChronoUnit.MILLIS);
    private final long start = System.nanoTime();
    private final String id;
    private final List<DrillCheck> checks = new ArrayList<>();
    private List<CheckItem> isolation = List.of();
    private @Nullable String backup;
    private @Nullable Reached reached;
    private Status status = Status.ABORTED;
    private Verdict verdict = Verdict.NONE;
    private @Nullable Problem problem;

    Attempted() {
      byte[] drawn = new byte[8];
      RANDOM.nextBytes(drawn);
      this.id = HexFormat.of().formatHex(drawn);
    }

    void run(RunControl control) throws IOException, SQLException {
      if (masking.isEmpty()) {
        throw BackupException.of(
                "environment.not-masked",
                FailureKind.REFUSED,
                "Nothing was restored into "
                    + name
                    + ", as nothing says how personal data of "
                    + source
                    + " is masked there")
            .remedy("Set sources." + source + ".masking, or try it isolated completely: drill.")
            .build();
      }
      environments.requireNotStopped();
      Path folder = Path.of("/var/tmp").toRealPath().resolve("thorbis-dr-" + id);
      Path file = environments.lease(name);
      try (Environments.Held held = environments.take(name)) {
        environments
            .sweepWith(name)
            .forEach(it -> control.progress().note("Removed what was left of " + it.name()));
        EnvironmentLease mine =
            new EnvironmentLease(
                name,
                id,
                "process "
                    + ProcessHandle.current().pid()
                    + " of "
                    + System.getProperty("user.name"),
                startedAt,
                startedAt.plus(lease),
                folder,
                List.of());
        mine.save(file);
        Cancellation enough = new Cancellation();
        Thread watch = watch(mine, enough);
        try (Cancellation.Registration passed = control.cancellation().onCancel(enough::cancel)) {
          // Servers of root may run as another account, which must get this far.
          Files.createDirectory(
              folder,
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
          Files.writeString(folder.resolve(Environments.MARKER), mine.id(), StandardCharsets.UTF_8);
          within(folder, new RunControl(enough, control.progress()));
        } finally {
          watch.interrupt();
          Environments.destroy(mine);
          Files.deleteIfExists(file);
        }
      }
    }

    private Thread watch(EnvironmentLease mine, Cancellation enough) {
      Thread watch =
          new Thread(
              () -> {
                try {
                  while (environments.stopped().isEmpty()
                      && !clock.instant().isAfter(mine.until())) {
                    TimeUnit.MILLISECONDS.sleep(200);
                  }
                  enough.cancel();
                } catch (InterruptedException | IOException e) {
                  return; // it has ended, or the next sweep removes it
                }
              },
              "environment-" + name);
      watch.setDaemon(true);
      watch.start();
      return watch;
    }

    private void within(Path folder, RunControl control) throws IOException, SQLException {
      control.progress().note("The newest backup of " + source + " is restored into " + name);
      TrialRequest request =
          TrialRequest.builder(source)
              .workDirectory(folder)
              .server("shared_buffers", BUFFERS)
              .server("max_connections", CONNECTIONS)
              .build();
      TrialEngine engine = opened.engine(source, TrialEngine.class);
      try (Trial trial = engine.begin(request, opened.repository(), control)) {
        status = Status.COMPLETED; // from here on it is about what was tried
        isolation = trial.isolation();
        backup = trial.plan().backup().id().value();
        reached = trial.reached();
        small(trial);
        for (Masking each : masking) {
          control.cancellation().check();
          control.progress().note("Database " + each.database() + " is masked");
          mask(trial, each);
        }
        checks.addAll(ServerChecks.integrity(trial::connect, control, READING));
        control.cancellation().check();
      }
      List<String> wrong =
          checks.stream()
              .filter(it -> !it.holds())
              .map(it -> it.name() + " " + it.outcome().label() + ": " + it.detail())
              .toList();
      verdict = wrong.isEmpty() ? Verdict.PASSED : Verdict.FAILED;
      if (!wrong.isEmpty()) {
        problem =
            new Problem(
                "simulation.failed",
                String.join("; ", wrong),
                "Until it is mended, let nobody into what is restored there.");
      }
    }

    private void small(Trial trial) throws SQLException {
      long begun = System.nanoTime();
      try (Connection session = trial.connect("template1")) {
        String buffers = ask(session, "SELECT current_setting('shared_buffers')");
        String connections = ask(session, "SELECT current_setting('max_connections')");
        look(
            "small",
            Category.PERFORMANCE,
            buffers.equals(BUFFERS) ? Outcome.PASSED : Outcome.FAILED,
            buffers + " of shared buffers, " + connections + " sessions",
            begun);
      }
    }

    /** In one transaction: half of it masks nobody. */
    private void mask(Trial trial, Masking each) throws SQLException {
      long begun = System.nanoTime();
      long before;
      long changed = 0;
      long after;
      try (Connection session = trial.connect(each.database())) {
        session.setAutoCommit(false);
        try (Statement statement = session.createStatement()) {
          statement.execute("SET search_path = \"$user\", public"); // as in sessions of people
        }
        before = number(session, each.proof());
        try (Statement statement = session.createStatement()) {
          for (String sql : each.statements()) {
            statement.execute(sql);
            changed += Math.max(0, statement.getUpdateCount());
          }
        }
        session.commit();
        after = number(session, each.proof());
      } catch (SQLException e) {
        throw BackupException.of(
                "environment.masking-failed",
                FailureKind.PERMANENT,
                "Database " + each.database() + " was not masked: SQLSTATE " + e.getSQLState())
            .remedy("Correct sources." + source + ".masking; nobody got to see the data.")
            .build(); // what the server says may quote the data
      }
      String text =
          before + " rows showed personal data, " + after + " do now; " + changed + " were changed";
      look(
          "masked-" + each.database(),
          Category.SECURITY,
          after > 0 ? Outcome.FAILED : before == 0 ? Outcome.NOT_PERFORMED : Outcome.PASSED,
          before == 0 && after == 0 ? text + ": the proof has shown nothing" : text,
          begun);
    }

    private void look(String what, Category category, Outcome outcome, String detail, long begun) {
      checks.add(
          new DrillCheck(
              what, category, true, outcome, detail, (System.nanoTime() - begun) / 1_000_000));
    }

    private static long number(Connection session, String question) throws SQLException {
      return Long.parseLong(ask(session, question));
    }

    private static String ask(Connection session, String question) throws SQLException {
      try (Statement statement = session.createStatement();
          ResultSet row = statement.executeQuery(question)) {
        String answer = row.next() ? row.getString(1) : null;
        if (answer == null) {
          throw new SQLException("No answer", "22004");
        }
        return answer;
      }
    }

    void ended(BackupException e) {
      boolean cancelled = e.kind() == FailureKind.CANCELLED;
      if (status == Status.COMPLETED) {
        status = cancelled ? Status.ABORTED : Status.COMPLETED;
        verdict = cancelled ? Verdict.NONE : Verdict.FAILED;
      }
      problem = new Problem(e.code(), String.valueOf(e.getMessage()), e.remedy());
    }

    MaskedReport report() {
      return new MaskedReport(
          "masked-recovery-" + id,
          source,
          name,
          startedAt,
          (System.nanoTime() - start) / 1_000_000,
          status,
          verdict,
          Optional.ofNullable(problem),
          isolation,
          Optional.ofNullable(backup),
          Optional.ofNullable(reached),
          checks,
          product);
    }
  }

  /** Collects one. */
  public static final class Builder {
    private final ThorbisBackup opened;
    private final String source;
    private final Environments environments;
    private final Clock clock;
    private List<Masking> masking = List.of();
    private String name = NAME;
    private Duration lease = Duration.ofMinutes(30);
    private String product = "";
    private Consumer<MaskedReport> recorder = report -> {};

    private Builder(ThorbisBackup opened, String source, Environments environments, Clock clock) {
      this.opened = opened;
      this.source = source;
      this.environments = environments;
      this.clock = clock;
    }

    /** How personal data is masked; without any it is refused. */
    public Builder masking(List<Masking> all) {
      this.masking = all;
      return this;
    }

    /** Its name; {@link #NAME} unless called. There is one of a name at a time. */
    public Builder name(String other) {
      this.name = other;
      return this;
    }

    /** How long it may be there, whatever happens; half an hour unless called. */
    public Builder lease(Duration longest) {
      this.lease = longest;
      return this;
    }

    /** The version of the host's build, for reports. */
    public Builder product(String version) {
      this.product = version;
      return this;
    }

    /** Told the report, whatever came of it. */
    public Builder recorder(Consumer<MaskedReport> who) {
      this.recorder = who;
      return this;
    }

    /** The recovery. */
    public MaskedRecovery build() {
      return new MaskedRecovery(this);
    }
  }
}
