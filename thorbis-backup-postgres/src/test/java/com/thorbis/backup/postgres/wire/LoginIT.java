package com.thorbis.backup.postgres.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.postgres.backup.ClusterBackup;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LoginIT {
  private static final String PASSWORD = "pāss wörd ﬁ 秘密";

  @TempDir static Path folder;
  private static PostgresServer server;

  @BeforeAll
  static void start() throws Exception {
    server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .ssl()
            .hba("hostssl replication,all tls_only 127.0.0.1/32 scram-sha-256")
            .hba("host replication,all scram 127.0.0.1/32 scram-sha-256")
            .hba("host replication,all md5 127.0.0.1/32 md5")
            .hba("host replication,all plain 127.0.0.1/32 password")
            .hba("host replication,all nobody 127.0.0.1/32 reject")
            .start();
    server.execute(
        "postgres",
        "SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN REPLICATION"
            + " PASSWORD '"
            + PASSWORD
            + "'");
    for (String role : List.of("tls_only", "scram", "plain", "nobody")) {
      server.execute(
          "postgres", "CREATE ROLE " + role + " LOGIN REPLICATION PASSWORD '" + PASSWORD + "'");
    }
    server.execute("postgres", "CREATE ROLE humble LOGIN");
  }

  @AfterAll
  static void stop() throws IOException {
    server.close();
  }

  private static PostgresSettings settings(String user, String parameters, String... more) {
    return Sources.settings(
        folder,
        server.jdbcUrl("postgres") + (parameters.isEmpty() ? "" : "?" + parameters),
        user,
        more);
  }

  private static PostgresSettings withPassword(String user, String parameters) {
    return settings(user, parameters, "password", PASSWORD);
  }

  private static void assertWorks(PostgresSettings settings) throws Exception {
    try (ReplicationConnection connection =
        ReplicationConnection.open(settings, new Cancellation())) {
      assertThat(connection.identify().systemId()).isNotZero();
    }
    try (Connection sql = SqlConnections.open(settings);
        Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery("SHOW search_path")) {
      row.next();
      assertThat(row.getString(1)).startsWith("pg_catalog");
    }
  }

  private static BackupException refusal(PostgresSettings settings) {
    try (ReplicationConnection connection =
        ReplicationConnection.open(settings, new Cancellation())) {
      throw new AssertionError("Let in: " + connection.serverVersion());
    } catch (BackupException e) {
      return e;
    } catch (IOException e) {
      return Failures.of(settings, e);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "scram, sslmode=disable",
    "scram, sslmode=allow",
    "scram, sslmode=prefer",
    "scram, sslmode=require&channel_binding=require",
    "scram, sslmode=require&channel_binding=disable",
    "scram, sslmode=require&sslnegotiation=direct",
    "tls_only, sslmode=allow",
    "tls_only, sslmode=require",
    "md5, sslmode=disable",
    "plain, sslmode=prefer",
    "postgres, ''",
  })
  void logsIn(String user, String parameters) throws Exception {
    assertWorks(withPassword(user, parameters));
  }

  @ParameterizedTest
  @ValueSource(strings = {"verify-ca", "verify-full"})
  void trustsOnlyTheNamedAuthority(String mode) throws Exception {
    Path certificate = server.configDirectory().resolve("server.crt");
    assertWorks(withPassword("scram", "sslmode=" + mode + "&sslrootcert=" + certificate));
    assertThat(refusal(withPassword("scram", "sslmode=" + mode)).code()).isEqualTo("postgres.tls");
  }

  @ParameterizedTest
  @CsvSource({
    "md5, require_auth=scram-sha-256",
    "plain, require_auth=scram-sha-256",
    "postgres, require_auth=scram-sha-256",
    "md5, sslmode=require&channel_binding=require",
    "postgres, sslmode=require&channel_binding=require",
    "scram, sslmode=disable&channel_binding=require",
  })
  void sendsNothingWhereLessIsAskedThanDemanded(String user, String parameters) {
    assertThat(refusal(withPassword(user, parameters)).code())
        .isEqualTo("postgres.authentication-refused");
    assertThatThrownBy(() -> SqlConnections.open(withPassword(user, parameters)).close())
        .isInstanceOf(SQLException.class);
  }

  @Test
  void saysWhatIsWrong() throws Exception {
    assertThat(refusal(settings("scram", "", "password", "wrong")).code())
        .isEqualTo("postgres.authentication");
    assertThat(refusal(settings("scram", "")).getMessage()).contains("none is configured");
    BackupException rejected = refusal(withPassword("nobody", ""));
    assertThat(rejected.code()).isEqualTo("postgres.authentication");
    assertThat(rejected.remedy()).contains("pg_hba.conf");
    BackupException humble = refusal(settings("humble", ""));
    assertThat(humble.code()).isEqualTo("postgres.privilege");
    assertThat(humble.remedy()).isEqualTo("ALTER ROLE \"humble\" REPLICATION;");
    PostgresSettings nobodyThere =
        Sources.settings(
            folder,
            "jdbc:postgresql://127.0.0.1:" + PostgresServer.freePort() + "/postgres",
            "postgres");
    assertThat(refusal(nobodyThere).code()).isEqualTo("postgres.unreachable");
  }

  @Test
  void talksThroughAUnixSocket() throws Exception {
    PostgresSettings settings =
        Sources.settings(
            folder,
            "jdbc:postgresql:postgres?host=" + server.socketDirectory() + "&port=" + server.port(),
            "postgres");
    assertWorks(settings);
    MemoryRepository repository = new MemoryRepository();
    assertThat(
            new ClusterBackup(
                    settings,
                    BackupRequest.builder("orders").build(),
                    repository,
                    RunControl.unattended())
                .run()
                .bytesRead())
        .isPositive();
  }

  @Test
  void takesABackupWithTheReplicationAttributeAlone() throws Exception {
    server.execute("postgres", "CREATE ROLE least LOGIN REPLICATION");
    MemoryRepository repository = new MemoryRepository();
    assertThat(
            new ClusterBackup(
                    settings("least", "sslmode=disable"),
                    BackupRequest.builder("orders").build(),
                    repository,
                    RunControl.unattended())
                .run()
                .bytesRead())
        .isPositive();
  }

  @Test
  void aCancelledBackupLeavesNothingBehind() throws Exception {
    Cancellation cancellation = new Cancellation();
    MemoryRepository repository = new MemoryRepository();
    RunControl control =
        new RunControl(
            cancellation,
            new com.thorbis.backup.api.Progress() {
              @Override
              public void advance(long bytes, long expectedBytes) {
                cancellation.cancel();
              }
            });
    assertThatThrownBy(
            () ->
                new ClusterBackup(
                        settings("postgres", ""),
                        BackupRequest.builder("orders").build(),
                        repository,
                        control)
                    .run())
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("cancelled"));
    assertThat(repository.backups(java.util.Optional.of("orders"))).isEmpty();
    server.awaitTrue(
        "postgres",
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'walsender'",
        java.time.Duration.ofSeconds(30));
  }
}
