package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What PostgreSQL's own regression tests leave behind, through a dump and into another database.
 */
@Tag("release")
class RegressionDatabaseIT {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          recipients:
            - uri: keystore:target/keys.p12
              password: ${file:passphrase}
              alias: main
          accept-single-key-risk: true
      sources:
        regression:
          type: postgres
          url: "%s"
          user: %s
          reader: dump
      """;

  /** Of 217: some print what is only so for the account and the locale of those who wrote them. */
  private static final int MOST_FAILED = 60;

  private Path folder;
  private PostgresServer server;

  @BeforeEach
  void start() throws Exception {
    folder =
        Files.createTempDirectory(
            "thorbis-regression",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    server =
        PostgresServer.builder(PostgresBinaries.with("pg_dump"))
            .dataDirectory(folder.resolve("server"))
            .start();
  }

  @AfterEach
  void stop() throws Exception {
    server.close();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  @Test
  void theCopyIsWhatThePlainProgramsMakeOfIt() throws Exception {
    makeRegressionDatabase();
    Files.writeString(folder.resolve("passphrase"), "correct horse battery staple\n");
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(
            folder.resolve("repository").toUri(),
            server.jdbcUrl("regression"),
            server.superuser()));
    CommandRunner runner = new CommandRunner(folder);
    assertThat(runner.run("init").code()).isZero();
    Result made = runner.run("dump", "regression", "--json");
    assertThat(made.code()).as(made.toString()).isZero();
    Matcher id = Pattern.compile("\"id\":\"([^\"]+)\"").matcher(made.out());
    assertThat(id.find()).isTrue();

    server.execute("postgres", "CREATE DATABASE copy", "CREATE DATABASE plain");
    Result loaded =
        runner.run(
            "load",
            id.group(1),
            "--into",
            server.jdbcUrl("copy"),
            "--user",
            server.superuser(),
            "--owners",
            "--json");
    assertThat(loaded.code()).as(loaded.toString()).isZero();
    assertThat(loaded.out()).contains("\"same\":true").doesNotContain("\"outcome\":\"different\"");
    int tables =
        Integer.parseInt(
            server.query(
                "regression",
                "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                    + " WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <>"
                    + " 'information_schema'"));
    assertThat(tables).isGreaterThan(400);
    assertThat(loaded.out().split("\"outcome\":\"same\"").length - 1).isEqualTo(tables);

    // Inherited columns may have another place in a copy, with the plain programs too.
    Path archive = folder.resolve("plain.dump");
    program("pg_dump", "regression", "--format=custom", "--file=" + archive);
    program("pg_restore", "plain", "--exit-on-error", archive.toString());
    long same = sameText(text("copy"), text("plain"));
    assertThat(same).isGreaterThan(100_000);
    Path told = Files.createDirectories(Path.of("target", "release-report"));
    Files.writeString(
        told.resolve("regression-database.md"),
        "* regression-database: tables digested alike: %d, lines of pg_dump alike: %d%n"
            .formatted(tables, same));
  }

  private void makeRegressionDatabase() throws Exception {
    Path script = folder.resolve("regression-database.sh");
    try (InputStream text =
        Objects.requireNonNull(
            RegressionDatabaseIT.class.getResourceAsStream("regression-database.sh"))) {
      Files.write(script, text.readAllBytes());
    }
    run(folder, "bash", script.toString(), String.valueOf(server.binaries().major()));
    Path programs = server.binaries().binDirectory();
    run(
        folder,
        "bash",
        "-c",
        "\"$@\" || true", // it compares what the tests print, which is not the question here
        "pg_regress",
        programs.resolveSibling("lib").resolve("pgxs/src/test/regress/pg_regress").toString(),
        "--bindir=" + programs,
        "--dlpath=" + folder,
        "--inputdir=" + folder.resolve("regress"),
        "--outputdir=" + folder,
        "--schedule=" + folder.resolve("regress/parallel_schedule"),
        "--host=" + server.socketDirectory(),
        "--port=" + server.port(),
        "--user=" + server.superuser());
    List<String> outcomes = Files.readAllLines(folder.resolve("regression.out"));
    assertThat(outcomes.stream().filter(line -> line.contains("... ok"))).hasSizeGreaterThan(150);
    assertThat(outcomes.stream().filter(line -> line.contains("... FAILED")).toList())
        .hasSizeLessThan(MOST_FAILED);
  }

  private static void run(Path folder, String... words) throws Exception {
    Process process =
        new ProcessBuilder(words)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("log").toFile())
            .start();
    assertThat(process.waitFor(8, TimeUnit.MINUTES)).isTrue();
    assertThat(process.exitValue()).as(Files.readString(folder.resolve("log"))).isZero();
  }

  private Path text(String database) throws IOException {
    Path text = folder.resolve(database + ".sql");
    program("pg_dump", database, "--file=" + text);
    return text;
  }

  /** How many lines both have, one by one: they are too long for a comparison as a whole. */
  private static long sameText(Path ours, Path others) throws IOException {
    try (BufferedReader left = Files.newBufferedReader(ours);
        BufferedReader right = Files.newBufferedReader(others)) {
      long number = 0;
      while (true) {
        List<String> lines = next(left);
        List<String> other = next(right);
        for (int i = 0; i < Math.min(lines.size(), other.size()); i++) {
          if (!isKey(lines.get(i))) {
            assertThat(lines.get(i)).as("line %s", number + i + 1).isEqualTo(other.get(i));
          }
        }
        assertThat(lines).as("after line %s", number).hasSameSizeAs(other);
        if (lines.isEmpty()) {
          return number;
        }
        number += lines.size();
      }
    }
  }

  /**
   * A line, or all rows of a table in order: where a server puts a row depends on the free space
   * that vacuum has found by then.
   */
  private static List<String> next(BufferedReader text) throws IOException {
    String line = text.readLine();
    if (line == null) {
      return List.of();
    }
    List<String> lines = new ArrayList<>(List.of(line));
    if (line.startsWith("COPY ") && line.endsWith(" FROM stdin;")) {
      List<String> rows = new ArrayList<>();
      for (String row = text.readLine(); row != null && !row.equals("\\."); row = text.readLine()) {
        rows.add(row);
      }
      Collections.sort(rows);
      lines.addAll(rows);
    }
    return lines;
  }

  /** A new one is drawn for each dump. */
  private static boolean isKey(String line) {
    return line.startsWith("\\restrict ") || line.startsWith("\\unrestrict ");
  }

  private String program(String name, String database, String... options) throws IOException {
    return server.run(
        name,
        Stream.concat(
                Stream.of(
                    "--host=" + server.socketDirectory(),
                    "--port=" + server.port(),
                    "--username=" + server.superuser(),
                    "--dbname=" + database),
                Stream.of(options))
            .toArray(String[]::new));
  }
}
