package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.Assertion;
import com.thorbis.backup.dr.drill.Drill;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillHistory;
import com.thorbis.backup.dr.drill.DrillReport;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.DrillSettings;
import com.thorbis.backup.dr.drill.DrillSettings.SentinelTable;
import com.thorbis.backup.dr.drill.Expectation;
import com.thorbis.backup.dr.drill.Plant;
import com.thorbis.backup.dr.simulate.Environments;
import com.thorbis.backup.dr.simulate.MaskedRecovery;
import com.thorbis.backup.dr.simulate.MaskedReport;
import com.thorbis.backup.dr.simulate.Masking;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.Pgbench;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/** A source is tried while it works, and its damage is noticed by name. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class DrillIT {
  private static final int RANDOM_DRILLS = Boolean.getBoolean("thorbis.release") ? 50 : 3;
  private static final String SERVER_TIME =
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
  private static final Assertion ORDERS =
      new Assertion(
          "orders",
          "bench",
          "SELECT count(*) FROM orders",
          new Expectation.AtLeast(BigDecimal.valueOf(1000)),
          Optional.empty());
  private static final Assertion ORPHANS =
      new Assertion(
          "orphans",
          "bench",
          "SELECT count(*) FROM orders o LEFT JOIN customers c ON c.id = o.customer WHERE c.id IS"
              + " NULL",
          new Expectation.EqualTo("0"),
          Optional.empty());
  private static final Assertion FRESH =
      new Assertion(
          "fresh",
          "bench",
          "SELECT max(placed) FROM orders",
          new Expectation.NewerThan(Duration.ofHours(1)),
          Optional.empty());

  @TempDir static Path folder;

  private final SentinelTable sentinel = new SentinelTable("bench", "public", "sentinel");
  private PostgresServer server;
  private Workbench workbench;
  private ThorbisBackup thorbis;
  private AutoCloseable receiver;

  @BeforeAll
  void protect() throws Exception {
    workbench = new Workbench(folder);
    server =
        workbench.keep(
            PostgresServer.builder(PostgresBinaries.with("pgbench"))
                .dataDirectory(folder.resolve("data"))
                .checksums(true)
                .start());
    server.execute("postgres", "CREATE DATABASE bench");
    server.createTablespace("spare", folder.resolve("spare"));
    Pgbench.on(server, "bench").init(1);
    server.execute(
        "bench",
        "CREATE TABLE customers (id int PRIMARY KEY, name text CHECK (name <> ''))",
        "INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 100) i",
        "CREATE TABLE orders (id bigserial PRIMARY KEY, customer int REFERENCES customers, placed"
            + " timestamptz DEFAULT now(), note text) ",
        "CREATE INDEX ON orders (placed) TABLESPACE spare",
        "INSERT INTO orders (customer, note) SELECT 1 + i % 100, repeat('n', 3000) FROM"
            + " generate_series(1, 1000) i");
    for (String grant : sentinel.grants(server.superuser()).split(";\n")) {
      server.execute("bench", grant);
    }
    thorbis = workbench.thorbis(server, "replication");
    receiver = workbench.receiving(thorbis);
    workbench.take(thorbis, BackupType.FULL);
  }

  @AfterAll
  void stop() throws Exception {
    if (receiver != null) {
      receiver.close();
    }
    workbench.close();
  }

  @AfterEach
  void nothingRemains() throws IOException {
    assertThat(leftBehind()).isEmpty();
  }

  private List<Path> leftBehind() throws IOException {
    List<Path> left = new ArrayList<>();
    for (Path place : List.of(folder.resolve("state"), Path.of("/var/tmp"), Path.of("/tmp"))) {
      try (DirectoryStream<Path> found =
          Files.newDirectoryStream(place, "thorbis-????????????????")) {
        for (Path one : found) {
          // Others may drill on this machine, too; their folders are not ours.
          if (place.startsWith(folder)) {
            left.add(one);
          }
        }
      }
    }
    Path markers = folder.resolve("state/tables/main");
    if (Files.exists(markers)) {
      try (Stream<Path> found = Files.list(markers)) {
        found.forEach(left::add);
      }
    }
    return left;
  }

  private DrillSettings.Builder settings() {
    return DrillSettings.builder().sentinel(sentinel).assertion(ORDERS).assertion(ORPHANS);
  }

  private Drill.Builder drill(DrillSettings.Builder settings) {
    return Drill.builder(thorbis, "main", folder.resolve("state"))
        .settings(settings.build())
        .product("test");
  }

  private static DrillReport run(Drill.Builder drill) throws IOException {
    return drill.build().run(RunControl.unattended());
  }

  private static DrillCheck check(DrillReport report, String name) {
    return report.checks().stream()
        .filter(check -> check.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private void change() throws Exception {
    server.execute("bench", "INSERT INTO orders (customer) VALUES (1)");
  }

  @Test
  @Order(1)
  void comesBackAndDamageWouldBeNoticed() throws Exception {
    List<DrillReport> told = new ArrayList<>();
    DrillReport report =
        run(
            drill(
                    settings()
                        .assertion(FRESH)
                        .mostLoss(Duration.ofMinutes(5))
                        .pace(
                            new Assertion.Pace(
                                "count", "bench", "SELECT count(*) FROM orders", 1000)))
                .recorder(told::add));
    assertThat(report.problem()).isEmpty();
    assertThat(report.verdict()).isEqualTo(Verdict.PASSED);
    assertThat(report.plants())
        .filteredOn(plant -> plant.result() != Plant.Result.DETECTED)
        .isEmpty();
    assertThat(report.plants())
        .extracting(Plant::check)
        .contains(
            "target",
            "cluster",
            "log",
            "tables",
            "indexes",
            "heap",
            "constraints",
            "pages",
            "sentinel",
            "loss",
            "orders",
            "orphans",
            "fresh");
    assertThat(report.isolation()).hasSizeGreaterThan(10);
    assertThat(report.loss().orElseThrow().asked()).isTrue();
    assertThat(report.stages()).containsKeys("copy", "start", "recover", "validate", "pages");
    assertThat(report.choice().copies()).isNotEmpty();
    assertThat(told).containsExactly(report);
    assertThat(DrillReport.parse(report.bytes())).isEqualTo(report);
    assertThat(new DrillHistory(folder.resolve("state"), "main").lastPassed()).contains(report);
    Drill.Plan next = drill(settings()).build().plan();
    assertThat(next.retest()).containsExactly("what a drill looks at was changed");
  }

  private MaskedReport masked(List<Masking> masking) {
    Clock clock = Clock.systemUTC();
    return MaskedRecovery.builder(
            thorbis, "main", new Environments(folder.resolve("state"), clock), clock)
        .masking(masking)
        .build()
        .run(RunControl.unattended());
  }

  @Test
  @Order(2)
  void whatOthersMayGetAtIsMaskedFirst() throws Exception {
    MaskedReport refused = masked(List.of());
    assertThat(refused.status()).isEqualTo(Status.ABORTED);
    assertThat(refused.problem().orElseThrow().code()).isEqualTo("environment.not-masked");
    assertThat(refused.backup()).isEmpty(); // nothing was restored

    String proof = "SELECT count(*) FROM customers WHERE name ~ '^customer [0-9]'";
    MaskedReport half =
        masked(
            List.of(
                new Masking(
                    "bench",
                    List.of("UPDATE customers SET name = 'nobody' WHERE id <= 60"),
                    proof)));
    assertThat(half.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(half.problem().orElseThrow().message())
        .isEqualTo(
            "masked-bench failed: 100 rows showed personal data, 40 do now; 60 were changed");

    MaskedReport passed =
        masked(
            List.of(
                new Masking(
                    "bench",
                    List.of("UPDATE customers SET name = 'nobody'", "UPDATE orders SET note = ''"),
                    proof)));
    assertThat(passed.problem()).isEmpty();
    assertThat(passed.verdict()).isEqualTo(Verdict.PASSED);
    assertThat(passed.environment()).isEqualTo("dr-test-secondary");
    assertThat(passed.isolation()).hasSizeGreaterThan(10);
    assertThat(passed.checks().stream().map(DrillCheck::name).toList())
        .containsExactly("small", "masked-bench", "tables", "indexes", "heap", "constraints");
    assertThat(passed.json()).containsEntry("format", "thorbis-masked-recovery/1");
    assertThat(server.query("bench", proof)).isEqualTo("100"); // the source keeps its names
    assertThat(folder.resolve("state/environments")).isDirectoryNotContaining("glob:**.json");

    MaskedReport wrong =
        masked(List.of(new Masking("bench", List.of("UPDATE nothing SET x = 1"), proof)));
    assertThat(wrong.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(wrong.problem().orElseThrow().code()).isEqualTo("environment.masking-failed");
  }

  @Test
  @Order(3)
  void randomDrillsPassUnderLoad() throws Exception {
    workbench.take(thorbis, BackupType.INCREMENTAL);
    AtomicBoolean enough = new AtomicBoolean();
    FutureTask<Boolean> load =
        new FutureTask<>(
            () -> {
              Pgbench bench = Pgbench.on(server, "bench");
              while (!enough.get()) {
                bench.run(50, 2);
              }
              return true;
            });
    new Thread(load, "pgbench").start();
    try {
      Random seeds = new Random(20_261_127);
      for (int i = 0; i < RANDOM_DRILLS; i++) {
        long seed = seeds.nextLong();
        DrillReport report = run(drill(settings()).random(seed));
        assertThat(report.problem()).as("seed %d", seed).isEmpty();
        assertThat(report.passed()).isTrue();
        assertThat(report.choice().seed()).hasValue(seed);
      }
      if (RANDOM_DRILLS > 3) {
        Path told = Files.createDirectories(Path.of("target", "release-report"));
        Files.writeString(
            told.resolve("random-drills.md"),
            "* random-drills: one after the other of a server under load: %d, passed: %d%n"
                .formatted(RANDOM_DRILLS, RANDOM_DRILLS));
      }
    } finally {
      enough.set(true);
      load.get();
    }
  }

  @Test
  @Order(4)
  void aSentinelThatIsGoneIsMissed() throws Exception {
    drill(settings()).build().writeSentinel();
    server.execute("bench", "DELETE FROM sentinel");
    Instant then = Instant.parse(server.query("bench", SERVER_TIME));
    change();
    server.query("bench", "SELECT pg_switch_wal()");
    Workbench.awaitStored(server, server.query("bench", "SELECT pg_current_wal_lsn()"));
    DrillReport report = run(drill(settings()).to(then));
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(report.problem().orElseThrow().code()).isEqualTo("drill.check-failed");
    assertThat(report.problem().orElseThrow().message())
        .startsWith("sentinel failed: the newest sentinel before the target")
        .contains("is missing");
  }

  @Test
  @Order(5)
  void anAssertionThatCannotFailIsNoProof() throws Exception {
    Assertion always =
        new Assertion(
            "always", "bench", "SELECT 1", new Expectation.EqualTo("1"), Optional.empty());
    DrillReport report = run(drill(DrillSettings.builder().assertion(always)));
    assertThat(report.status()).isEqualTo(Status.COMPLETED);
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(report.problem().orElseThrow().code()).isEqualTo("drill.blind");
    assertThat(report.problem().orElseThrow().message()).contains("always did not notice");
  }

  @Test
  @Order(6)
  void whatIsNotTrueFailsByItsName() throws Exception {
    Assertion more =
        new Assertion(
            "more-orders",
            "bench",
            "SELECT count(*) FROM orders",
            new Expectation.AtLeast(BigDecimal.valueOf(1_000_000)),
            Optional.empty());
    DrillReport report =
        run(drill(DrillSettings.builder().assertion(more).assertion(ORDERS)).toEndOfBackup());
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(report.problem().orElseThrow().message()).startsWith("more-orders failed: it is 1");
    assertThat(report.plants()).isEmpty();
  }

  @Test
  @Order(7)
  void aServerThatCouldDoHarmIsNotStarted() throws Exception {
    DrillReport report =
        run(
            drill(
                DrillSettings.builder()
                    .server("archive_mode", "on")
                    .server("listen_addresses", "*")));
    assertThat(report.status()).isEqualTo(Status.ABORTED);
    assertThat(report.verdict()).isEqualTo(Verdict.NONE);
    assertThat(report.problem().orElseThrow().code()).isEqualTo("trial.not-isolated");
    assertThat(report.problem().orElseThrow().message())
        .contains("archive_mode is \"on\"", "listen_addresses is \"*\"");
    assertThat(report.reached()).isEmpty();
  }

  @Test
  @Order(8)
  void tooMuchLossFails() throws Exception {
    receiver.close();
    receiver = null;
    change();
    DrillReport report =
        run(drill(DrillSettings.builder().mostLoss(Duration.ofMillis(1))).shipping(Duration.ZERO));
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(report.problem().orElseThrow().message()).startsWith("loss failed: up to");
    assertThat(report.loss().orElseThrow().bytes()).isPositive();
    assertThat(report.loss().orElseThrow().files().orElseThrow()).isPositive();
    assertThat(report.loss().orElseThrow().transactions().orElseThrow()).isPositive();
    receiver = workbench.receiving(thorbis);
  }

  @Test
  @Order(9)
  void aSegmentThatIsGoneFailsByItsPosition() throws Exception {
    change();
    String gone = server.query("bench", "SELECT pg_walfile_name(pg_current_wal_lsn())");
    for (int i = 0; i < 2; i++) {
      server.query("bench", "SELECT pg_switch_wal()");
      change();
    }
    server.query("bench", "SELECT pg_switch_wal()");
    Workbench.awaitStored(server, server.query("bench", "SELECT pg_current_wal_lsn()"));
    for (Path file : stored("wal")) {
      if (file.getFileName().toString().startsWith(gone)) {
        Files.delete(file);
      }
    }
    DrillReport report = run(drill(DrillSettings.builder()));
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    String start = "0/" + gone.substring(22).replaceFirst("^0", "") + "000000";
    assertThat(report.problem().orElseThrow().message()).contains("missing", start);
  }

  @Test
  @Order(10)
  void aDamagedPageFailsByItsName() throws Exception {
    server.execute(
        "bench",
        "CREATE TABLE unlucky AS SELECT i FROM generate_series(1, 1000) i",
        "VACUUM FREEZE unlucky",
        "CHECKPOINT");
    String file = server.query("bench", "SELECT pg_relation_filepath('unlucky')");
    Path damaged = server.dataDirectory().resolve(file);
    byte[] bytes = Files.readAllBytes(damaged);
    bytes[8192 + 8000] ^= 0x5A;
    Files.write(damaged, bytes, StandardOpenOption.WRITE);
    workbench.take(thorbis, BackupType.FULL);
    DrillReport report = run(drill(DrillSettings.builder()).toEndOfBackup());
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(check(report, "tables").detail()).contains("bench.public.unlucky");
    assertThat(check(report, "pages").detail()).contains(file + " block 1");
    assertThat(check(report, "indexes").holds()).isTrue();
  }

  @Test
  @Order(11)
  void aStoredObjectThatIsDamagedFails() throws Exception {
    for (Path file : stored("packs")) {
      byte[] bytes = Files.readAllBytes(file);
      bytes[bytes.length / 2] ^= 1;
      Files.write(file, bytes);
    }
    DrillReport report = run(drill(DrillSettings.builder()).toEndOfBackup());
    assertThat(report.verdict()).isEqualTo(Verdict.FAILED);
    assertThat(check(report, "started").holds()).isFalse();
    assertThat(check(report, "started").detail()).contains("damaged");
    assertThat(report.reached()).isEmpty();
  }

  private static List<Path> stored(String kind) throws IOException {
    try (Stream<Path> found = Files.walk(folder.resolve("repo").resolve(kind))) {
      return found.filter(Files::isRegularFile).toList();
    }
  }
}
