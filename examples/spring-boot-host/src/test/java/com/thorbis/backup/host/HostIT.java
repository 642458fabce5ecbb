package com.thorbis.backup.host;

import static com.thorbis.backup.host.RunningHost.await;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.crypto.KeystoreKeyProvider;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.cloud.S3Server;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.s3.S3Client;

/** The service protects a real server, in both wirings and on both kinds of store. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HostIT {
  private static final String PASSWORD = "correct horse";

  private Path folder;
  private PostgresServer server;
  private S3Server s3;
  private String recoveryKey;

  /** Where the repository lies. */
  enum Place {
    FOLDER,
    BUCKET
  }

  @BeforeAll
  void startServers() throws Exception {
    // The server may run under another account, which has to pass through.
    folder =
        Files.createTempDirectory(
            "thorbis-host",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
    server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("server"))
            .password(PASSWORD)
            .start();
    server.execute(
        "postgres",
        "CREATE ROLE thorbis_backup LOGIN REPLICATION PASSWORD '" + PASSWORD + "'",
        "GRANT pg_monitor TO thorbis_backup");
    s3 = S3Server.s3Proxy();
    try (SecretValue password = SecretValue.ofText(PASSWORD);
        RecoveryKey recovery = RecoveryKey.generate(new SecureRandom())) {
      KeystoreKeyProvider.create(folder.resolve("keys.p12"), password, "backup");
      recoveryKey = recovery.publicKey().text();
    }
  }

  @AfterAll
  void stopServers() throws Exception {
    s3.close();
    server.close();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"names, FOLDER", "names, BUCKET", "beans, FOLDER", "beans, BUCKET"})
  void aLostTableIsBroughtBack(String wiring, Place place) throws Exception {
    String table = wiring + "_" + place.name().toLowerCase(Locale.ROOT);
    if (place == Place.BUCKET) {
      s3.createBucket(bucket(table));
    }
    try (RunningHost host = start(wiring, place, table)) {
      JdbcTemplate database = host.bean(JdbcTemplate.class);
      database.execute("CREATE TABLE " + table + " (id int PRIMARY KEY, item text)");
      database.execute(
          "INSERT INTO " + table + " SELECT n, md5(n::text) FROM generate_series(1, 500) n");

      host.post("/actuator/backup", Map.of("type", "FULL"));
      await("the backup", () -> !host.get("/actuator/backup").get("state").equals("running"));
      assertThat(host.get("/actuator/backup")).containsEntry("state", "complete");
      await("health", () -> host.health().get("status").equals("UP"));
      assertThat(host.healthDetails())
          .containsKeys("lastBackupAt", "recoverableFrom", "recoverableTo", "unstored")
          .containsEntry("gaps", 0);
      await("its age", () -> host.metric("backup.age") >= 0);
      await("how long the log is not stored", () -> host.metric("backup.unstored") >= 0);
      assertThat(host.metric("backup.stored")).isPositive();
      assertThat(host.metric("backup.runs?tag=outcome:complete")).isEqualTo(1);

      database.execute("INSERT INTO " + table + " VALUES (501, 'after the backup')");
      List<Map<String, Object>> before = content(database, table);
      Instant moment =
          Instant.parse(
              server.query(
                  "postgres",
                  "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',"
                      + " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"));
      database.execute("DROP TABLE " + table);
      awaitStored(host, table);

      List<Map<String, Object>> found = restored(host.bean(ThorbisBackup.class), table, moment);

      database.execute("CREATE TABLE " + table + " (id int PRIMARY KEY, item text)");
      database.batchUpdate(
          "INSERT INTO " + table + " VALUES (?, ?)",
          found.stream().map(row -> new Object[] {row.get("id"), row.get("item")}).toList());
      assertThat(content(database, table)).hasSize(501).isEqualTo(before);
    }
    assertNothingRuns();
  }

  @Test
  void closingEndsARunningBackupAndKeepsWhatIsAcknowledged() throws Exception {
    String source = "closing";
    RunningHost host = start("names", Place.FOLDER, source, "--backup.settings.rate-limit=1MiB");
    CompletableFuture<BackupDescriptor> backup =
        host.bean(BackupService.class).backup(BackupType.FULL);
    await("a running backup", () -> host.metric("backup.progress?tag=job:backup") > 0);

    host.close();

    assertThatThrownBy(backup::join)
        .cause()
        .asInstanceOf(InstanceOfAssertFactories.type(BackupException.class))
        .returns(FailureKind.CANCELLED, BackupException::kind);
    assertNothingRuns();
    Lsn acknowledged =
        Lsn.parse(
            server.query(
                "postgres",
                "SELECT restart_lsn FROM pg_replication_slots"
                    + " WHERE slot_name = 'thorbis_closing' AND NOT active"));
    try (ThorbisBackup later = reader(source)) {
      assertThat(later.backups(Optional.of(source))).isEmpty();
      assertThat(later.walRanges(source))
          .last()
          .matches(range -> range.end().compareTo(acknowledged) >= 0);
    }

    try (RunningHost again = start("names", Place.FOLDER, source)) {
      BackupDescriptor made =
          again.bean(BackupService.class).backup(BackupType.FULL).get(1, TimeUnit.MINUTES);
      assertThat(made.status().restorable()).isTrue();
      assertThat(again.bean(ThorbisBackup.class).status(source).gaps()).isEmpty();
    }
    assertNothingRuns();
  }

  @Test
  void theExecutableJarFindsItsProvidersAndEndsABackupWhenItIsToldTo() throws Exception {
    int port = PostgresServer.freePort();
    List<String> words =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:TieredStopAtLevel=1",
                "-jar",
                System.getProperty("host.jar")));
    words.addAll(arguments("names", Place.FOLDER, "jar", "--backup.settings.rate-limit=1MiB"));
    words.set(words.indexOf("--server.port=0"), "--server.port=" + port);
    Path log = folder.resolve("jar.log");
    Process process =
        new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      RunningHost outside = new RunningHost(null, RunningHost.client(port));
      await("the service", () -> answers(process, outside, log));
      outside.post("/actuator/backup", Map.of());
      await("a running backup", () -> outside.metric("backup.progress?tag=job:backup") > 0);

      process.destroy();

      assertThat(process.waitFor(1, TimeUnit.MINUTES)).as("it ends").isTrue();
      assertThat(process.exitValue()).isEqualTo(128 + 15); // what the signal makes of any end
      assertThat(log)
          .content()
          .contains("Graceful shutdown complete", "No backup was taken (cancelled)")
          .doesNotContain("still running after timeout");
      assertNothingRuns();
      try (ThorbisBackup later = reader("jar")) {
        assertThat(later.backups(Optional.of("jar"))).isEmpty();
      }
    } finally {
      process.destroyForcibly().waitFor();
    }
  }

  private static boolean answers(Process process, RunningHost host, Path log) {
    try {
      assertThat(process.isAlive()).as(() -> read(log)).isTrue();
      return host.health().get("status").equals("DOWN"); // there is no backup yet
    } catch (RuntimeException e) {
      return false;
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  private RunningHost start(String wiring, Place place, String source, String... more) {
    return RunningHost.start(
        wiring,
        arguments(wiring, place, source, more),
        beans -> {
          if (wiring.equals("beans") && place == Place.BUCKET) {
            beans.registerBean("s3OfTheHost", S3Client.class, this::client);
          }
        });
  }

  private List<String> arguments(String wiring, Place place, String source, String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--server.port=0",
                "--spring.main.banner-mode=off",
                "--spring.datasource.url=" + server.jdbcUrl("postgres"),
                "--spring.datasource.username=postgres",
                "--spring.datasource.password=" + PASSWORD,
                "--backup.source=" + source,
                "--backup.state-directory=" + folder.resolve("state-" + source),
                "--backup.create-repository=true",
                "--backup.schedule=-",
                "--backup.look-every=500ms",
                "--backup.settings.password=" + PASSWORD,
                "--backup.settings.bin-directory=" + server.binaries().binDirectory(),
                "--backup.settings.server-user=" + owner(),
                "--backup.settings.wal.ship-interval=1s"));
    if (wiring.equals("beans")) {
      arguments.add("--backup.keystore.file=" + folder.resolve("keys.p12"));
      arguments.add("--backup.keystore.password=" + PASSWORD);
      arguments.add("--backup.recovery-key=" + recoveryKey);
      arguments.add(
          place == Place.FOLDER
              ? "--backup.folder=" + repository(source)
              : "--backup.bucket=" + bucket(source));
      if (place == Place.BUCKET) {
        arguments.add("--backup.folder=false");
      }
    } else {
      arguments.add("--backup.recipients[0].uri=keystore://" + folder.resolve("keys.p12"));
      arguments.add("--backup.recipients[0].settings.alias=backup");
      arguments.add("--backup.recipients[0].settings.password=" + PASSWORD);
      arguments.add("--backup.recipients[1].uri=recovery:" + recoveryKey);
      if (place == Place.FOLDER) {
        arguments.add("--backup.copies[0].uri=" + repository(source).toUri());
      } else {
        arguments.add("--backup.copies[0].uri=s3://" + bucket(source) + "/database");
        arguments.add("--backup.copies[0].settings.endpoint=" + s3.endpoint());
        arguments.add("--backup.copies[0].settings.access-key-id=" + s3.accessKeyId());
        arguments.add("--backup.copies[0].settings.secret-access-key=" + s3.secretAccessKey());
      }
    }
    arguments.addAll(List.of(more));
    return arguments;
  }

  private Path repository(String source) {
    return folder.resolve("repository-" + source);
  }

  private static String bucket(String source) {
    return source.replace('_', '-');
  }

  private String owner() {
    try {
      return Files.getOwner(server.dataDirectory()).getName();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** One that a service may have for purposes of its own. */
  private S3Client client() {
    return S3Client.builder()
        .endpointOverride(s3.endpoint())
        .forcePathStyle(true)
        .region(Region.of(S3Server.REGION))
        .credentialsProvider(
            StaticCredentialsProvider.create(
                AwsBasicCredentials.create(s3.accessKeyId(), s3.secretAccessKey())))
        .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
        .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED)
        .overrideConfiguration(of -> of.retryStrategy(DefaultRetryStrategy.doNotRetry()))
        .build();
  }

  private ThorbisBackup reader(String source) {
    return ThorbisBackup.builder()
        .stateDirectory(folder.resolve("state-reader"))
        .readOnly(true)
        .copy(repository(source).toUri(), Map.of())
        .recipient(
            URI.create("keystore://" + folder.resolve("keys.p12")),
            Map.of("alias", "backup", "password", PASSWORD))
        .source(
            source,
            "postgres",
            Map.of("url", server.jdbcUrl("postgres"), "user", "nobody", "password", "none"))
        .build();
  }

  private void awaitStored(RunningHost host, String source) throws Exception {
    Lsn written = Lsn.parse(server.query("postgres", "SELECT pg_current_wal_flush_lsn()"));
    ThorbisBackup thorbis = host.bean(ThorbisBackup.class);
    await(
        "the log in the repository",
        () ->
            thorbis.walRanges(source).stream()
                .anyMatch(range -> range.end().compareTo(written) >= 0));
  }

  private List<Map<String, Object>> restored(ThorbisBackup thorbis, String table, Instant moment)
      throws Exception {
    Path target = folder.resolve("restored-" + table);
    RestoreReport report =
        thorbis.restore(
            RestoreRequest.builder(table, target)
                .target(new RecoveryTarget.AtTime(moment, true))
                // While recovery waits, so does whoever reads what was about to be dropped.
                .action(RestoreRequest.Action.PROMOTE)
                .start(true)
                .build(),
            RunControl.unattended());
    try {
      return content(
          new JdbcTemplate(
              new DriverManagerDataSource(
                  "jdbc:postgresql://127.0.0.1:" + report.port().orElseThrow() + "/postgres",
                  "postgres",
                  PASSWORD)),
          table);
    } finally {
      long pid = Long.parseLong(Files.readAllLines(target.resolve("postmaster.pid")).get(0));
      ProcessHandle restored = ProcessHandle.of(pid).orElseThrow();
      restored.destroy();
      restored.onExit().get(1, TimeUnit.MINUTES);
    }
  }

  private static List<Map<String, Object>> content(JdbcTemplate database, String table) {
    return database.queryForList("SELECT id, item FROM " + table + " ORDER BY id");
  }

  /** Neither on the server nor in this process. */
  private void assertNothingRuns() throws Exception {
    server.awaitTrue(
        "postgres",
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'thorbis_backup'",
        Duration.ofSeconds(30));
    assertThat(
            server.query("postgres", "SELECT count(*) FROM pg_replication_slots WHERE temporary"))
        .isEqualTo("0");
    await(
        "the end of every thread",
        () ->
            Thread.getAllStackTraces().keySet().stream()
                .noneMatch(thread -> thread.getName().matches("(backup|thorbis).*")));
  }
}
