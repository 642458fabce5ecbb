package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Clusters of every kind through a whole story: a full backup, changes, an incremental one,
 * captured log, a restore to a position, and a comparison.
 */
class ClusterKindsIT {
  /** All that a name may hold. */
  private static final String ODD = "it's \"odd\"\n\t\\ Ünïcødé 数据 $x %d #";

  private static final String WORDS = "('Zebra'), ('äpfel'), ('apfel'), ('Öl'), ('a 10'), ('a 9')";

  @TempDir Path folder;

  private Workbench bench;

  @BeforeEach
  void prepare() throws Exception {
    bench = new Workbench(folder);
  }

  @AfterEach
  void close() throws Exception {
    bench.close();
  }

  static Stream<Arguments> kinds() {
    String only = System.getProperty("thorbis.major", "");
    return Stream.of(
            Arguments.of(14, 1, true, "replication"),
            Arguments.of(15, 64, true, "local"),
            Arguments.of(16, 1, false, "replication"),
            Arguments.of(17, 64, false, "sql"),
            Arguments.of(18, 1, true, "sql"))
        .filter(kind -> only.isEmpty() || only.equals("" + kind.get()[0]));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void whatWasThereAtTheTargetIsThereWhateverTheClusterIsLike(
      int major, int segmentMebibytes, boolean checksums, String reader) throws Exception {
    PostgresServer.Builder builder =
        PostgresServer.builder(Workbench.binaries(major))
            .dataDirectory(folder.resolve("data"))
            .walSegmentMebibytes(segmentMebibytes)
            .checksums(checksums)
            .setting("max_prepared_transactions", "8")
            .setting("autovacuum", "off");
    if (major >= 17) {
      builder.setting("summarize_wal", "on");
    }
    PostgresServer server = bench.keep(builder.start());
    assertThat(server.query("postgres", "SHOW data_checksums")).isEqualTo(checksums ? "on" : "off");
    String database = createDatabase(server);
    boolean inPlace = createTablespaces(server);
    server.execute(
        database,
        "CREATE SCHEMA " + name(ODD),
        "CREATE TABLE %s.%s (id serial PRIMARY KEY, t text)".formatted(name(ODD), name(ODD)),
        "CREATE TABLE words (w text) TABLESPACE " + name(ODD),
        "CREATE INDEX words_w ON words (w COLLATE numeric)",
        "INSERT INTO words VALUES " + WORDS,
        "CREATE UNLOGGED TABLE passing (id serial PRIMARY KEY, t text)",
        "INSERT INTO passing (t) SELECT md5(g::text) FROM generate_series(1, 5000) g",
        "CREATE TABLE here (id int, t text)" + (inPlace ? " TABLESPACE here" : ""),
        "INSERT INTO here SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 5000) g",
        fill(1000));
    prepare(server, database, "before the backup");

    ThorbisBackup thorbis = bench.thorbis(server, "repo", "zstd", reader, database);
    List<String> truth;
    Lsn target;
    BackupDescriptor last;
    try (AutoCloseable receiver = bench.receiving(thorbis)) {
      server.awaitTrue(
          "postgres",
          "SELECT count(*) = 1 FROM pg_replication_slots",
          java.time.Duration.ofMinutes(1));
      if (major == 14 && reader.equals("replication")) {
        assertThatThrownBy(() -> bench.take(thorbis, BackupType.FULL))
            .isInstanceOfSatisfying(
                BackupException.class,
                e -> assertThat(e.code()).isEqualTo("backup.tablespace-left-out"));
        server.execute(database, "ALTER TABLE here SET TABLESPACE pg_default");
        server.execute(database, "DROP TABLESPACE here");
      }
      BackupDescriptor full = bench.take(thorbis, BackupType.FULL);
      prepare(server, database, "it's \"between\"");
      change(server, database);
      last = bench.take(thorbis, BackupType.INCREMENTAL);
      assertThat(last.base()).contains(full.id());
      assertThat(last.warnings()).isEmpty();
      prepare(server, database, "behind the last");
      change(server, database);
      try (Connection connection = server.connect(database)) {
        truth = truth(connection);
        assertThat(one(connection, "SELECT count(*) FROM passing")).isEqualTo("5000");
      }
      target = Lsn.parse(server.query("postgres", "SELECT pg_current_wal_insert_lsn()"));
      server.execute(
          database,
          "DELETE FROM words",
          "COMMIT PREPARED 'before the backup'",
          "ROLLBACK PREPARED 'behind the last'",
          "SELECT pg_switch_wal()");
      Workbench.awaitStored(server, server.query("postgres", "SELECT pg_current_wal_lsn()"));
      assertThat(receiver).isNotNull();
    }
    server.stop();

    Path restored = folder.resolve("restored " + ODD.replaceAll("[\n\t]", ""));
    RestoreReport report =
        thorbis.restore(
            bench
                .request(thorbis, last, restored)
                .target(new RecoveryTarget.AtLsn(target, false))
                .action(RestoreRequest.Action.PROMOTE)
                .start(true)
                .build(),
            RunControl.unattended());
    try (Connection connection = connect(report.port().orElseThrow(), database)) {
      assertThat(truth(connection)).isEqualTo(truth);
      assertThat(one(connection, "SELECT count(*) FROM passing")).isEqualTo("0");
      finish(connection, "before the backup", "it's \"between\"", "behind the last");
      assertThat(one(connection, "SELECT count(*) FROM words WHERE w LIKE 'of %'")).isEqualTo("3");
      assertThat(one(connection, "SELECT count(*) FROM pg_prepared_xacts")).isEqualTo("0");
      assertThat(
              one(
                  connection,
                  "INSERT INTO passing (t) SELECT 'again' FROM generate_series(1, 10) RETURNING id"))
          .isNotNull();
    } finally {
      RecoveryStoryIT.Story.stop(restored);
    }
    if (server.binaries().has("pg_checksums") && checksums) {
      RecoveryStoryIT.Story.asOwner(
          restored, server.binaries().tool("pg_checksums"), "--check", "-D", restored.toString());
    }
  }

  /** A database of ICU's order where the version has such databases. */
  private static String createDatabase(PostgresServer server) throws SQLException {
    server.execute(
        "postgres",
        "CREATE DATABASE "
            + name(ODD)
            + " TEMPLATE template0"
            + (server.binaries().major() >= 15
                ? " LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kn-true' LOCALE 'C'"
                : ""));
    server.execute(ODD, "CREATE COLLATION numeric (provider = icu, locale = 'de-u-kn-true')");
    return ODD;
  }

  /** One under an odd name and in an odd place, and one inside the data directory. */
  private boolean createTablespaces(PostgresServer server) throws Exception {
    // The server refuses quotes in places of tablespaces, and nothing else.
    server.createTablespace(name(ODD), folder.resolve(ODD.replace("'", "")));
    boolean inPlace =
        server
            .query(
                "postgres",
                "SELECT count(*) FROM pg_settings WHERE name = 'allow_in_place_tablespaces'")
            .equals("1");
    if (inPlace) {
      server.execute(
          "postgres", "SET allow_in_place_tablespaces = on", "CREATE TABLESPACE here LOCATION ''");
    }
    return inPlace;
  }

  private static String fill(int rows) {
    return "INSERT INTO %s.%s (t) SELECT repeat(md5(g::text), 8) FROM generate_series(1, %d) g"
        .formatted(name(ODD), name(ODD), rows);
  }

  private static void prepare(PostgresServer server, String database, String transaction)
      throws SQLException {
    server.execute(
        database,
        "BEGIN",
        "INSERT INTO words VALUES (" + text("of " + transaction) + ")",
        "PREPARE TRANSACTION " + text(transaction));
  }

  /** With images of pages in the log under every compression that this server has. */
  private static void change(PostgresServer server, String database) throws SQLException {
    List<String> compressions =
        server.rows(
            database,
            "SELECT unnest(coalesce(enumvals, '{on}')) FROM pg_settings"
                + " WHERE name = 'wal_compression' ORDER BY 1");
    assertThat(compressions).contains("on");
    for (int i = 0; i < compressions.size(); i++) {
      server.execute(
          database,
          "SET wal_compression = " + compressions.get(i),
          "CHECKPOINT",
          "UPDATE %s.%s SET t = reverse(t) || id WHERE id %% 50 = %d"
              .formatted(name(ODD), name(ODD), i),
          "UPDATE here SET t = md5(t) WHERE id % 100 = " + i,
          "INSERT INTO passing (t) VALUES ('more')",
          "DELETE FROM passing WHERE t = 'more'",
          fill(100));
    }
  }

  private static List<String> truth(Connection connection) throws SQLException {
    List<String> truth = new ArrayList<>();
    for (String sql :
        List.of(
            "SELECT string_agg(w, ',' ORDER BY w COLLATE numeric) FROM words",
            "SELECT count(*) || md5(string_agg(id || t, ',' ORDER BY id)) FROM "
                + name(ODD)
                + "."
                + name(ODD),
            "SELECT count(*) || md5(string_agg(id || t, ',' ORDER BY id)) FROM here",
            "SELECT string_agg(gid || database || owner, ',' ORDER BY gid) FROM pg_prepared_xacts",
            "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database",
            "SELECT string_agg(spcname, ',' ORDER BY spcname) FROM pg_tablespace",
            "SELECT string_agg(relname::text || relpersistence::text, ',' ORDER BY relname) FROM pg_class"
                + " WHERE oid >= 16384 AND relkind IN ('r', 'i', 'S')")) {
      truth.add(one(connection, sql));
    }
    return truth;
  }

  private static void finish(Connection connection, String... transactions) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      for (String transaction : transactions) {
        statement.execute("COMMIT PREPARED " + text(transaction));
      }
    }
  }

  private static Connection connect(int port, String database) throws SQLException {
    return DriverManager.getConnection(
        "jdbc:postgresql://127.0.0.1:"
            + port
            + "/"
            + URLEncoder.encode(database, StandardCharsets.UTF_8),
        "postgres",
        null);
  }

  private static String one(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return String.valueOf(rows.getString(1));
    }
  }

  private static String name(String text) {
    return "\"" + text.replace("\"", "\"\"") + "\"";
  }

  private static String text(String text) {
    return "'" + text.replace("'", "''") + "'";
  }
}
