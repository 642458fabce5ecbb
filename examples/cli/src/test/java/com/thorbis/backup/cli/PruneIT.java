package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Backups of a real server are given up, held, brought back, and removed. */
class PruneIT {
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
        orders:
          type: postgres
          url: %s
          user: thorbis_backup
          password: secret
          bin-directory: %s
          retention: short
          wal: { wait: 1m }
        other:
          type: postgres
          url: jdbc:postgresql://127.0.0.1:1/other
          user: thorbis_backup
      retention:
        short: { yearly: 1, pitr: 1s }
      prune: { grace: GRACE }
      """;

  private Path folder;
  private PostgresServer server;
  private CommandRunner runner;
  private String config;

  @BeforeEach
  void startServer() throws Exception {
    folder =
        Files.createTempDirectory(
            "thorbis-prune",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
    PostgresBinaries binaries = PostgresBinaries.newest();
    server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("server"))
            .password("super")
            .start();
    server.execute("postgres", "CREATE ROLE thorbis_backup LOGIN REPLICATION PASSWORD 'secret'");
    Files.writeString(folder.resolve("passphrase"), "correct horse battery staple\n");
    config =
        CONFIG.formatted(
            folder.resolve("repository").toUri(),
            server.jdbcUrl("postgres"),
            binaries.binDirectory());
    grace("1h");
    runner = new CommandRunner(folder);
  }

  @AfterEach
  void stopServer() throws Exception {
    server.close();
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  @Test
  void backupsGoInTwoStepsAndComeBackInBetween() throws Exception {
    ok("init", 0);
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      Result made = ok("backup orders --json", 0);
      Matcher id = Pattern.compile("\"id\":\"([^\"]+)\"").matcher(made.out());
      assertThat(id.find()).isTrue();
      ids.add(id.group(1));
      server.execute("postgres", "SELECT pg_sleep(1.1)"); // each lies before the window of the next
    }
    assertThat(ok("prune orders --plan", 0).out()).contains("below-minimum");
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]");
    assertThat(ok("list --json", 0).out()).contains("\"verifiedAt\":\"2");

    assertThat(ok("prune orders --forecast 400d --every 7d", 0).out())
        .contains("KEPT BY")
        .contains("1 yearly");
    assertThat(ok("prune --forecast 400d --json", 0).out())
        .startsWith("{\"items\":[{\"source\":\"orders\"")
        .contains("\"rules\":{");
    assertThat(ok("prune --forecast soon", 2).err()).contains("no length of time");
    assertThat(ok("prune --every 1d", 2).err()).contains("--forecast");

    Result plan = ok("prune --plan --json", 0);
    assertThat(plan.out())
        .startsWith("{\"items\":[{\"backup\":\"" + ids.get(0) + "\",\"source\":\"orders\"")
        .contains("\"backup\":\"" + ids.get(0) + "\",\"source\":\"orders\",\"keep\":false")
        .contains("\"backup\":\"" + ids.get(2) + "\",\"source\":\"orders\",\"keep\":true");
    assertThat(ok("prune orders", 4).err()).contains(ids.get(0)).contains("prune --plan");
    assertThat(ok("prune other --yes", 2).err()).contains("sources.other.retention");
    assertThat(ok("prune nobody --yes", 5).err()).contains("nobody");

    ok("hold add " + ids.get(0) + " --reason case-7 --until 2090-01-01T00:00Z", 0);
    assertThat(ok("list", 0).out()).contains("live, held");
    assertThat(ok("prune orders --yes --json", 0).out()).contains("\"deleted\":[]");
    assertThat(ok("hold remove " + ids.get(0) + " --reason case-8", 5).err()).contains("case-7");
    ok("hold remove " + ids.get(0) + " --reason case-7", 0);

    Result pruned = ok("prune orders --yes --json", 0);
    assertThat(pruned.out()).contains("\"deleted\":[\"" + ids.get(0)).contains("\"bytesFreed\":0");
    assertThat(ok("list --json", 0).out()).doesNotContain(ids.get(0));
    assertThat(ok("list --deleted --json", 0).out())
        .contains(ids.get(0))
        .contains("\"state\":\"deleted\"");
    assertThat(ok("show " + ids.get(0), 5).err()).contains(ids.get(0));
    assertThat(ok("undelete " + ids.get(0) + " --json", 0).out()).contains("\"state\":\"live\"");
    assertThat(
            ok("restore orders --target-dir x --plan --immediate --backup " + ids.get(0), 0).out())
        .contains("Reachable");

    grace("0s");
    assertThat(ok("prune orders --yes --json", 0).out())
        .contains("\"deleted\":[\"" + ids.get(0))
        .contains("\"swept\":[]");
    long before = size();
    Result swept = ok("prune orders --yes", 0);
    assertThat(swept.out()).contains("gone: " + ids.get(0));
    assertThat(size()).isLessThan(before);
    assertThat(ok("undelete " + ids.get(0), 5).err()).contains(ids.get(0));
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]");
    assertThat(ok("check orders --json", 0).out()).contains("repository.clock");
    assertThat(ok("restore orders --target-dir x --plan", 0).out()).contains("Reachable");
  }

  @Test
  void aCopyWithARetentionOfItsOwnKeepsLess() throws Exception {
    String place = folder.resolve("repository").toUri().toString();
    String second = "\n    - uri: " + folder.resolve("second").toUri() + "\n      retention: one";
    config =
        config
            .replace("- uri: " + place, "- uri: " + place + "\n      retention: one" + second)
            .replace("  short:", "  one: { yearly: 1 }\n  short:")
            .replace("repository:\n", "repository:\n  write-policy: all\n")
            .replace("pitr: 1s", "pitr: 1d");
    grace("0s");
    ok("init", 0);
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      Matcher id =
          Pattern.compile("\"id\":\"([^\"]+)\"").matcher(ok("backup orders --json", 0).out());
      assertThat(id.find()).isTrue();
      ids.add(id.group(1));
      server.execute("postgres", "SELECT pg_sleep(1.1)");
    }
    ok("verify", 0);

    assertThat(ok("prune --plan", 2).err()).contains("every copy has a retention of its own");
    assertThat(ok("prune --yes", 2).err()).contains("Take the retention from one of them");
    assertThat(ok("check --json", 1).out()).contains("as every other copy has");
    ok("restore orders --target-dir x --plan --immediate", 0);

    config = config.replace(second, second.replace("\n      retention: one", ""));
    grace("0s");
    assertThat(ok("prune --plan", 0).out())
        .contains("Of what stays, on " + place + ":")
        .containsPattern(ids.get(0) + " +orders +no +replaced yearly");
    assertThat(ok("prune --plan --json", 0).out())
        .contains("\"copy\":\"" + place + "\",\"backup\":\"" + ids.get(0))
        .contains("\"backup\":\"" + ids.get(0) + "\",\"source\":\"orders\",\"keep\":true")
        .contains("\"backup\":\"" + ids.get(0) + "\",\"source\":\"orders\",\"keep\":false");
    assertThat(ok("prune --yes", 0).out())
        .contains("let go: " + ids.get(0) + " of orders on " + place);
    long before = size();
    assertThat(ok("prune --yes --json", 0).out()).contains("\"letGo\":[{\"copy\":\"" + place);
    assertThat(size()).isLessThan(before);
    assertThat(ok("list --json", 0).out()).contains("\"letGoBy\":[\"" + place + "\"]");
    assertThat(ok("copies", 0).out()).contains(place + " let go of 1 backups").contains("complete");
    assertThat(ok("status", 0).out())
        .contains("it keeps 3 of 4 backups"); // two of which say what retention did
    assertThat(ok("verify --json", 0).out()).contains("\"damaged\":[]");
    ok(
        "restore orders --target-dir "
            + folder.resolve("old")
            + " --immediate --backup "
            + ids.get(0),
        0);

    config = config.replace(second, "").replace(second.replace("\n      retention: one", ""), "");
    grace("0s");
    assertThat(ok("list", 0).out()).contains(ids.get(0));
    assertThat(
            ok(
                    "restore orders --target-dir "
                        + folder.resolve("gone")
                        + " --immediate --backup "
                        + ids.get(0),
                    5)
                .err())
        .contains("was let go of there")
        .contains("Configure a copy that keeps it: file://" + folder.resolve("second"));
    ok(
        "restore orders --target-dir "
            + folder.resolve("new")
            + " --immediate --backup "
            + ids.get(1),
        0);
  }

  private void grace(String span) throws IOException {
    Files.writeString(folder.resolve("thorbis.yaml"), config.replace("GRACE", span));
  }

  private long size() throws IOException {
    try (Stream<Path> all = Files.walk(folder.resolve("repository"))) {
      long size = 0;
      for (Path each : all.filter(Files::isRegularFile).toList()) {
        size += Files.size(each);
      }
      return size;
    }
  }

  private Result ok(String line, int code) {
    Result result = runner.run(line.split(" "));
    assertThat(result.code()).as("%s%n%s%n%s", line, result.out(), result.err()).isEqualTo(code);
    return result;
  }
}
