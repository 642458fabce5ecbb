package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What {@code everything.sql} makes, through a dump and into other databases: nothing differs. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DumpRoundTripIT {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %1$s
        encryption:
          recipients:
            - uri: keystore:target/keys.p12
              password: ${file:passphrase}
              alias: main
          accept-single-key-risk: true
      sources:
        everything:
          type: postgres
          url: "%2$s"
          user: reader
          reader: dump
        split:
          type: postgres
          url: "%2$s"
          user: reader
          reader: dump
          split-tables-above: 8KiB
          parallelism: 3
        large:
          type: postgres
          url: "%3$s"
          user: reader
          reader: dump
          split-tables-above: 16MiB
          parallelism: 3
        hashed:
          type: postgres
          url: "%4$s"
          user: reader
          reader: dump
          split-tables-above: 8KiB
      """;

  /** Rows that lie in many blocks, with holes, out of line, and beside what was dropped. */
  private static final String[] LARGE = {
    "CREATE TABLE large (id int PRIMARY KEY, gone int, big text, twice int GENERATED ALWAYS AS (id * 2)"
        + " STORED, filler text, always int GENERATED ALWAYS AS IDENTITY)",
    "ALTER TABLE large ALTER COLUMN big SET STORAGE EXTERNAL",
    "INSERT INTO large (id, gone, big, filler) SELECT n, 1, CASE WHEN n % 1000 = 0 THEN"
        + " repeat(md5(n::text), 200) END, repeat(md5(n::text), 5) || E'\\n\\t\\\\.' FROM"
        + " generate_series(1, 250000) n",
    "ALTER TABLE large DROP COLUMN gone",
    "DELETE FROM large WHERE id % 7 = 0",
    "UPDATE large SET filler = 'moved' WHERE id % 5 = 0",
    "CREATE TABLE refers (id int REFERENCES large, doubt text)",
    "INSERT INTO refers SELECT id FROM large WHERE id % 100 = 1",
    "CREATE TABLE pieces (n int) PARTITION BY RANGE (n)",
    "CREATE TABLE pieces_1 PARTITION OF pieces FOR VALUES FROM (0) TO (1000000)",
    "CREATE TABLE pieces_2 PARTITION OF pieces FOR VALUES FROM (1000000) TO (2000000)",
    "INSERT INTO pieces SELECT n * 2 FROM generate_series(1, 900000) n",
  };

  /**
   * Without BYPASSRLS it could load rows that their table forces policies on, and not count them.
   */
  private static final String LOADER = "CREATE ROLE loader LOGIN BYPASSRLS NOSUPERUSER";

  private static final String OURS =
      " n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM"
          + " pg_depend e WHERE e.deptype = 'e' AND e.objid = ";

  /**
   * What servers of all versions say of it in the same words. Since version 17 partitions have the
   * identity columns of their parent.
   */
  private static final String[] CATALOGUE = {
    "SELECT n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity,"
        + " c.relforcerowsecurity, c.relispartition, c.relreplident, c.reloptions,"
        + " pg_get_expr(c.relpartbound, c.oid), obj_description(c.oid, 'pg_class') FROM pg_class c"
        + " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind <> 't' AND"
        + OURS
        + "c.oid)",
    "SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
        + " CASE WHEN NOT c.relispartition THEN a.attidentity END, a.attgenerated, a.attstorage, a.attcompression, pg_get_expr(d.adbin,"
        + " d.adrelid), o.collname, col_description(c.oid, a.attnum) FROM pg_class c JOIN"
        + " pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid"
        + " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum LEFT JOIN"
        + " pg_collation o ON o.oid = a.attcollation WHERE a.attnum > 0 AND NOT a.attisdropped AND"
        + OURS
        + "c.oid)",
    "SELECT n.nspname, k.conrelid::regclass, k.contypid::regtype, k.conname,"
        + " pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_namespace n ON n.oid ="
        + " k.connamespace WHERE k.contype <> 'n' AND k.conparentid = 0 AND"
        + OURS
        + "k.oid)",
    "SELECT n.nspname, pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered FROM pg_index"
        + " i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        + " WHERE"
        + OURS
        + "c.oid)",
    "SELECT n.nspname, p.proname, pg_get_functiondef(p.oid) FROM pg_proc p JOIN"
        + " pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind <> 'a' AND"
        + OURS
        + "p.oid)",
    "SELECT n.nspname, t.typname, t.typtype, format_type(t.typbasetype, t.typtypmod), t.typdefault,"
        + " (SELECT array_agg(l.enumlabel ORDER BY l.enumsortorder) FROM pg_enum l WHERE"
        + " l.enumtypid = t.oid), obj_description(t.oid, 'pg_type') FROM pg_type t JOIN"
        + " pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype <> 'b' AND"
        + OURS
        + "t.oid)",
    "SELECT polrelid::regclass, polname, polcmd, polpermissive, polroles::regrole[],"
        + " pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy",
    "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT ev_class::regclass, rulename, ev_type, ev_enabled, is_instead FROM pg_rewrite r JOIN"
        + " pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE"
        + OURS
        + "c.oid)",
    "SELECT schemaname, sequencename, data_type, start_value, min_value, max_value, increment_by,"
        + " cycle, cache_size, last_value FROM pg_sequences",
    "SELECT inhrelid::regclass, inhparent::regclass, inhseqno FROM pg_inherits",
    "SELECT extname, extnamespace::regnamespace FROM pg_extension",
    "SELECT loid, pageno, md5(data) FROM pg_largeobject",
    "SELECT collname, collprovider, collisdeterministic FROM pg_collation WHERE collnamespace ="
        + " 'public'::regnamespace",
    "SELECT stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    "SELECT oprname, oprleft::regtype, oprright::regtype FROM pg_operator o JOIN pg_namespace n ON"
        + " n.oid = o.oprnamespace WHERE"
        + OURS
        + "o.oid)",
    "TABLE totals",
    "TABLE adults",
  };

  private Path folder;
  private PostgresServer server;
  private CommandRunner runner;
  private String dump;

  @BeforeAll
  void dumpEverything() throws Exception {
    folder =
        Files.createTempDirectory(
            "thorbis-round",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
    server =
        PostgresServer.builder(PostgresBinaries.with("pg_dump"))
            .dataDirectory(folder.resolve("server"))
            .start();
    server.execute(
        "postgres",
        "CREATE ROLE owner LOGIN",
        LOADER,
        "CREATE ROLE reader LOGIN BYPASSRLS",
        "GRANT pg_read_all_data TO reader",
        "CREATE DATABASE everything OWNER owner");
    Path script = folder.resolve("everything.sql");
    try (InputStream text =
        Objects.requireNonNull(DumpRoundTripIT.class.getResourceAsStream("everything.sql"))) {
      Files.write(script, text.readAllBytes());
    }
    program("psql", "everything", "owner", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "-f" + script);
    Files.writeString(folder.resolve("passphrase"), "correct horse battery staple\n");
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(
            folder.resolve("repository").toUri(),
            server.jdbcUrl("everything"),
            server.jdbcUrl("large"),
            server.jdbcUrl("hashed")));
    runner = new CommandRunner(folder);
    run("init");
    dump = dump("everything");
  }

  private String dump(String source) {
    Result made = run("dump", source, "--json");
    assertThat(made.out()).doesNotContain("cannot compare");
    Matcher id = Pattern.compile("\"id\":\"([^\"]+)\"").matcher(made.out());
    assertThat(id.find()).isTrue();
    return id.group(1);
  }

  @AfterAll
  void stop() throws Exception {
    server.close();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  @Test
  void whatAnOrdinaryRoleLoadsDumpsAsTheSourceDoes() throws Exception {
    server.execute("postgres", "CREATE DATABASE copy OWNER loader");
    loadsTheSame(dump, server, "copy", "loader");
    assertThat(text("copy", "--no-owner", "--no-privileges"))
        .isEqualTo(text("everything", "--no-owner", "--no-privileges"));
  }

  @Test
  void whatASuperuserLoadsWithOwnersDumpsAsTheSourceDoesToTheLastPrivilege() throws Exception {
    server.execute("postgres", "CREATE DATABASE twin OWNER owner");
    loadsTheSame(dump, server, "twin", server.superuser(), "--owners");
    assertThat(text("twin")).isEqualTo(text("everything"));
  }

  @ParameterizedTest
  @MethodSource("newer")
  void anOrdinaryRoleLoadsItIntoANewerServer(PostgresBinaries binaries) throws Exception {
    Path data = folder.resolve("server-" + binaries.major());
    try (PostgresServer target = PostgresServer.builder(binaries).dataDirectory(data).start()) {
      target.execute("postgres", LOADER, "CREATE DATABASE upgraded OWNER loader");
      loadsTheSame(dump, target, "upgraded", "loader");
      for (String question : CATALOGUE) {
        assertThat(catalogue(target, "upgraded", question))
            .as(question)
            .isNotEmpty()
            .isEqualTo(catalogue(server, "everything", question));
      }
    }
  }

  @Test
  void whatWasSplitIsTheSameDatabaseWhoeverLoadsIt() throws Exception {
    String split = dump("split");
    server.execute(
        "postgres",
        "CREATE DATABASE split OWNER loader",
        "CREATE DATABASE split_twin OWNER owner",
        "CREATE DATABASE taken OWNER loader",
        "CREATE DATABASE part OWNER loader");
    loadsTheSame(split, server, "split", "loader");
    assertThat(text("split", "--no-owner", "--no-privileges"))
        .isEqualTo(text("everything", "--no-owner", "--no-privileges"));
    loadsTheSame(split, server, "split_twin", server.superuser(), "--owners");
    assertThat(text("split_twin")).isEqualTo(text("everything"));

    // One that comes after all rows, in what is made last.
    server.execute("taken", "CREATE VIEW by_day AS SELECT 1", "CREATE TABLE kept AS SELECT 1 AS x");
    Result failed = load(split, "taken");
    assertThat(failed.code()).isEqualTo(1);
    assertThat(failed.out()).contains("load.failed", "by_day", "(nothing was loaded)");
    assertThat(
            server.rows(
                "taken",
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace ="
                    + " 'public'::regnamespace ORDER BY 1"))
        .containsExactly("by_day", "kept");
    assertThat(server.query("taken", "SELECT count(*) FROM pg_largeobject")).isEqualTo("0");

    Result alone = load(split, "part", "--tables", "public.animals,public.log");
    assertThat(alone.code()).isZero();
    assertThat(alone.out()).contains("\"same\":true", "\"compared\":2");
    Result replaced = load(split, "part", "--tables", "public.animals", "--clean", "--yes");
    assertThat(replaced.code()).isEqualTo(4);
    assertThat(replaced.out()).contains("load.replaces-split", "public.animals");
    assertThat(run("load", split, "--output", "by-hand").out()).contains("rows-1.copy");
  }

  @Test
  void aTableOfManyBlocksIsReadBySeveralSessionsWhileItChanges() throws Exception {
    server.execute("postgres", "CREATE DATABASE large OWNER owner");
    server.execute("large", LARGE);
    String before = server.query("large", "SELECT count(*) || ' ' || sum(id) FROM large");
    Thread writer =
        new Thread(
            () -> {
              try {
                for (int i = 0; i < 20; i++) {
                  server.execute(
                      "large",
                      "UPDATE large SET filler = 'later' WHERE id % 200 = " + i,
                      "INSERT INTO large (id) SELECT n FROM generate_series("
                          + (300_000 + i * 1000)
                          + ", "
                          + (300_999 + i * 1000)
                          + ") n",
                      "DELETE FROM large WHERE id % 1000 = " + (i * 5 + 3));
                }
              } catch (SQLException e) {
                throw new AssertionError(e);
              }
            });
    String early = dump("large");
    writer.start();
    String late = dump("large");
    writer.join();
    assertThat(server.query("large", "SELECT count(*) || ' ' || sum(id) FROM large"))
        .isNotEqualTo(before);
    server.execute(
        "postgres", "CREATE DATABASE early OWNER loader", "CREATE DATABASE late OWNER loader");
    assertThat(load(early, "early").out()).contains("\"same\":true", "\"compared\":4");
    assertThat(server.query("early", "SELECT count(*) || ' ' || sum(id) FROM large"))
        .isEqualTo(before);
    assertThat(server.query("early", "SELECT count(*) FROM large WHERE twice <> id * 2"))
        .isEqualTo("0");
    assertThat(load(late, "late").out()).contains("\"same\":true", "\"compared\":4");
    assertThat(run("verify", "--json").out()).contains("\"damaged\":[]");
    assertThat(run("show", early, "--files").out()).contains("rows-1.copy", "rows-2.copy");
  }

  /** Its values have other numbers in each database, and so their hashes. */
  @Test
  void partitionsByTheHashOfAnEnumAreNotSplit() throws Exception {
    server.execute(
        "postgres", "CREATE DATABASE hashed OWNER owner", "CREATE DATABASE rehashed OWNER loader");
    server.execute(
        "hashed",
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')",
        "CREATE TABLE moods (feels mood, n int) PARTITION BY HASH (feels)",
        "CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO moods SELECT m, n FROM unnest(enum_range(NULL::mood)) m,"
            + " generate_series(1, 1000) n",
        "CREATE TABLE plain AS SELECT n FROM generate_series(1, 10000) n");
    String hashed = dump("hashed");
    Result loaded = load(hashed, "rehashed");
    assertThat(loaded.out()).doesNotContain("load.failed");
    String rows = "SELECT feels || ' ' || count(*) FROM moods GROUP BY feels ORDER BY feels";
    assertThat(server.rows("rehashed", rows)).hasSize(8).isEqualTo(server.rows("hashed", rows));
    assertThat(run("show", hashed, "--files").out())
        .contains("rows-1.copy")
        .doesNotContain("rows-2.copy");
    // The partitions themselves differ: pg_dump has their rows go where the new numbers belong.
    assertThat(loaded.out())
        .contains("\"public.plain\",\"rows\":10000,\"expectedRows\":10000,\"outcome\":\"same\"");
  }

  private Result load(String backup, String database, String... options) {
    return runner.run(
        Stream.concat(
                Stream.of(
                    "load",
                    backup,
                    "--into",
                    server.jdbcUrl(database),
                    "--user",
                    "loader",
                    "--json"),
                Stream.of(options))
            .toArray(String[]::new));
  }

  static List<PostgresBinaries> newer() {
    int source = PostgresBinaries.with("pg_dump").major();
    return PostgresBinaries.all().stream().filter(each -> each.major() > source).toList();
  }

  private void loadsTheSame(
      String backup, PostgresServer target, String database, String user, String... options)
      throws SQLException {
    List<String> words =
        new ArrayList<>(
            List.of("load", backup, "--into", target.jdbcUrl(database), "--user", user, "--json"));
    words.addAll(List.of(options));
    Result loaded = run(words.toArray(new String[0]));
    assertThat(loaded.out()).contains("\"same\":true", "\"outcome\":\"same\"", "\"warnings\":[]");
    int outcomes = loaded.out().split("\"outcome\":").length - 1;
    assertThat(outcomes)
        .isEqualTo(loaded.out().split("\"outcome\":\"same\"").length - 1)
        .isEqualTo(
            Integer.parseInt(
                server.query(
                    "everything",
                    "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace NOT IN"
                        + " ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)")));
  }

  private static List<String> catalogue(PostgresServer server, String database, String question)
      throws SQLException {
    return server.rows(database, question).stream().sorted().toList();
  }

  private String text(String database, String... options) throws IOException {
    String text = program("pg_dump", database, server.superuser(), options);
    assertThat(text).contains("lo_create('4711')", "ATTACH PARTITION", "CREATE POLICY");
    return text.lines()
        // A new one is drawn for each dump.
        .filter(line -> !line.startsWith("\\restrict ") && !line.startsWith("\\unrestrict "))
        .collect(Collectors.joining("\n"));
  }

  private String program(String name, String database, String user, String... options)
      throws IOException {
    return server.run(
        name,
        Stream.concat(
                Stream.of(
                    "--host=" + server.socketDirectory(),
                    "--port=" + server.port(),
                    "--username=" + user,
                    "--dbname=" + database),
                Stream.of(options))
            .toArray(String[]::new));
  }

  private Result run(String... words) {
    Result result = runner.run(words);
    assertThat(result.code())
        .as("%s%n%s%n%s", String.join(" ", words), result.out(), result.err())
        .isZero();
    return result;
  }
}
