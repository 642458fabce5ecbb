package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.Drill;
import com.thorbis.backup.dr.drill.DrillReport;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.DrillSettings;
import com.thorbis.backup.dr.drill.Plant;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/** Each copy is tried by itself, and what is wrong with one is told by its name. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class DrillCopiesIT {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");

  @TempDir static Path folder;

  private Workbench workbench;
  private PostgresServer server;
  private ThorbisBackup thorbis;
  private String one;
  private String two;

  @BeforeAll
  void protect() throws Exception {
    workbench = new Workbench(folder);
    server =
        workbench.keep(
            PostgresServer.builder(PostgresBinaries.newest())
                .dataDirectory(folder.resolve("data"))
                .start());
    server.execute("postgres", "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id");
    one = Files.createDirectory(folder.resolve("one")).toUri().toString();
    two = Files.createDirectory(folder.resolve("two")).toUri().toString();
    thorbis = opened("state", "correct horse battery staple");
    thorbis.init();
    stored(BackupType.FULL);
    thorbis.syncCopies(RunControl.unattended());
  }

  @AfterAll
  void stop() throws Exception {
    workbench.close();
  }

  private ThorbisBackup opened(String state, String passphrase) {
    return workbench.keep(
        ThorbisBackup.builder()
            .stateDirectory(folder.resolve(state))
            .copy(URI.create(one), Map.of())
            .copy(URI.create(two), Map.of())
            .recipient(
                URI.create("passphrase:ops"), Map.of("passphrase", SecretValue.ofText(passphrase)))
            .acceptSingleKeyRisk(true)
            .source(
                "main",
                "postgres",
                Map.of(
                    "reader", "replication",
                    "url", server.jdbcUrl("postgres"),
                    "user", server.superuser(),
                    "bin-directory", server.binaries().binDirectory().toString(),
                    "wal.ship-interval", "200ms"))
            .build());
  }

  /** A backup, and the log up to now. */
  private void stored(BackupType type) throws Exception {
    try (AutoCloseable receiving = workbench.receiving(thorbis)) {
      thorbis.backup(BackupRequest.builder("main").type(type).build(), RunControl.unattended());
      server.execute("postgres", "INSERT INTO kept VALUES (0)");
      Workbench.awaitStored(server, server.query("postgres", "SELECT pg_current_wal_lsn()"));
    }
  }

  private static Drill.Builder drill(ThorbisBackup from, String state) {
    return Drill.builder(from, "main", folder.resolve(state))
        .product("test")
        .shipping(Duration.ZERO)
        .negativeControl(false);
  }

  private DrillReport run(String copy) throws IOException {
    return drill(thorbis, "state").copy(copy).build().run(RunControl.unattended());
  }

  private static String code(DrillReport report) {
    return report.problem().orElseThrow().code();
  }

  private static String message(DrillReport report) {
    return report.problem().orElseThrow().message();
  }

  private void passes(String copy) throws IOException {
    DrillReport report = run(copy);
    assertThat(report.problem()).isEmpty();
    assertThat(report.choice().copy()).contains(copy);
    assertThat(report.json().toString()).contains("copy=" + copy);
    assertThat(DrillReport.parse(report.bytes())).isEqualTo(report);
  }

  @Test
  @Order(1)
  void eachCopyBringsItBackAlone() throws Exception {
    DrillReport report =
        drill(thorbis, "state")
            .copy(two)
            .negativeControl(true)
            .build()
            .run(RunControl.unattended());
    assertThat(report.problem()).isEmpty();
    assertThat(report.checks().get(0).name()).isEqualTo("copy");
    assertThat(report.plants()).extracting(Plant::check).contains("copy", "timeline");
    if (RELEASE) {
      passes(one); // later in every run, once the other is damaged
    }
    try (Repository alone = thorbis.openCopy(two)) {
      assertThat(alone.id()).isEqualTo(thorbis.repository().id());
    }
  }

  @Test
  @Order(2)
  void thoseThereAreAreNamedWhereOneIsNot() {
    assertThatThrownBy(() -> drill(thorbis, "state").copy("file:///three").build())
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("copy.not-configured"))
        .hasMessageContainingAll("file:///three", one, two);
  }

  @Test
  @Order(3)
  void aCopyThatLagsIsToldByItsName() throws Exception {
    stored(BackupType.INCREMENTAL);
    List<String> warnings = new CopyOnWriteArrayList<>();
    DrillReport report = hearing(warnings, () -> run(two));
    assertThat(warnings).noneMatch(it -> it.contains("is not configured or cannot be asked"));
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(code(report)).isEqualTo("drill.copy-behind");
    assertThat(message(report))
        .startsWith("From " + two + " alone: copy failed: it is behind: it lacks backup ")
        .contains(" and log of timeline 1 from ");
    if (RELEASE) {
      passes(one);
    }
    DrillReport little =
        drill(thorbis, "state")
            .copy(two)
            .toEndOfBackup()
            .settings(DrillSettings.builder().mostLoss(Duration.ofDays(1)).build())
            .build()
            .run(RunControl.unattended());
    assertThat(little.problem()).isEmpty();
    assertThat(little.checks().get(0).detail()).startsWith("it is behind");
    thorbis.syncCopies(RunControl.unattended());
    if (RELEASE) {
      passes(two);
    }
  }

  /** Keeps what is logged as a warning meanwhile. */
  private static DrillReport hearing(List<String> warnings, Callable<DrillReport> drill)
      throws Exception {
    Logger root = Logger.getLogger("");
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            if (record.getLevel().equals(Level.WARNING)) {
              warnings.add(record.getMessage());
            }
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    root.addHandler(handler);
    try {
      return drill.call();
    } finally {
      root.removeHandler(handler);
    }
  }

  @Test
  @Order(4)
  void theWrongKeyFailsByItsCode() throws Exception {
    ThorbisBackup stranger = opened("stranger", "another passphrase altogether");
    for (Optional<String> copy : List.of(Optional.of(two), Optional.<String>empty())) {
      Drill.Builder drill = drill(stranger, "stranger");
      copy.ifPresent(drill::copy);
      DrillReport report = drill.build().run(RunControl.unattended());
      assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
      assertThat(code(report)).isEqualTo("key.no-recipient");
    }
  }

  @Test
  @Order(5)
  void whatIsGoneFromOneCopyNoOtherMakesUpFor() throws Exception {
    for (Path pack : packs("two")) {
      Files.delete(pack);
    }
    DrillReport report = run(two);
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(code(report)).isEqualTo("repository.damaged");
    assertThat(message(report)).startsWith("From " + two + " alone: ");
    assertThat(packs("two")).isEmpty(); // and nothing was healed by trying
    passes(one);
  }

  @Test
  @Order(6)
  void aCopyThatCannotBeAskedIsToldByItsName() throws Exception {
    Files.move(folder.resolve("two"), folder.resolve("away"));
    DrillReport report = run(two);
    assertThat(report.status()).isEqualTo(Status.ABORTED);
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(code(report)).isEqualTo("drill.copy-unreachable");
    assertThat(message(report)).startsWith("From " + two + " alone: it could not be asked: ");
  }

  @Test
  @Order(7)
  void logOfABranchThatTheSourceIsNotOnIsToldByItsName() throws Exception {
    // Somebody's server of the same origin was promoted, and its log went to the repository.
    workbench.started(
        thorbis,
        thorbis.status("main").lastBackup().orElseThrow(),
        server,
        RestoreRequest.Action.PROMOTE,
        "ALTER SYSTEM SET wal_keep_size = '1GB'",
        "SELECT pg_reload_conf()",
        "SELECT pg_switch_wal()");
    Path stray = Files.createDirectory(folder.resolve("stray"));
    try (Stream<Path> log = Files.list(folder.resolve("restored-1/pg_wal"))) {
      for (Path each :
          log.filter(file -> file.getFileName().toString().startsWith("00000002"))
              .sorted() // the history, and the segment that is full
              .limit(2)
              .toList()) {
        thorbis.pushWal("main", Files.copy(each, stray.resolve(each.getFileName())));
      }
    }
    DrillReport report = drill(thorbis, "state").build().run(RunControl.unattended());
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(message(report))
        .contains(
            "timeline failed: the log leads along timeline 2, and the live source is on timeline"
                + " 1");
  }

  private static List<Path> packs(String copy) throws IOException {
    try (Stream<Path> found = Files.walk(folder.resolve(copy).resolve("packs"))) {
      return found.filter(Files::isRegularFile).toList();
    }
  }
}
