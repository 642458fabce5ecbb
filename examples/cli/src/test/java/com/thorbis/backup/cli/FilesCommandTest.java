package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of this machine go into the repository, changed ones alone, and come back. */
class FilesCommandTest {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: keystore:target/keys.p12
              password: ${env:PASSPHRASE}
              alias: main
      sources:
        home:
          type: files
          retention: short
          paths:
            - %s
            - %s
          exclude:
            - "*.tmp"
            - cache/
      retention:
        short: { daily: 1, minimum: 1, most-deleted-percent: 100 }
      prune: { grace: 0s }
      """;

  @TempDir Path folder;
  private Path docs;
  private Path notes;
  private CommandRunner runner;

  @BeforeEach
  void init() throws IOException {
    docs = Files.createDirectories(folder.resolve("files/docs"));
    notes = folder.resolve("files/notes");
    byte[] noise = new byte[5 << 20];
    new Random(1).nextBytes(noise);
    Files.write(docs.resolve("large"), noise);
    Files.writeString(docs.resolve("small"), "small");
    Files.writeString(docs.resolve("x.tmp"), "left out");
    Files.writeString(Files.createDirectories(docs.resolve("cache")).resolve("f"), "left out");
    Files.createLink(docs.resolve("small-again"), docs.resolve("small"));
    Files.createSymbolicLink(docs.resolve("there"), Path.of("large"));
    Files.createDirectories(docs.resolve("a/b/empty"));
    Files.setAttribute(docs.resolve("a/b"), "unix:mode", 0750);
    Files.writeString(notes, "notes");
    runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(folder.resolve("repo").toUri(), docs, notes));
    run("init", 0);
  }

  private Result run(String command, int code) {
    Result result = runner.run(command.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  private JsonNode json(String command) throws IOException {
    return new ObjectMapper().readTree(run(command + " --json", 0).out());
  }

  /** What must come back of each entry. */
  private static Map<String, String> tree(Path root) throws IOException {
    Map<String, String> tree = new TreeMap<>();
    try (Stream<Path> all = Files.walk(root)) {
      for (Path path : all.toList()) {
        String name = root.relativize(path).toString();
        if (name.endsWith(".tmp") || name.equals("cache") || name.startsWith("cache/")) {
          continue;
        }
        Map<String, Object> found =
            Files.readAttributes(
                path, "unix:mode,uid,gid,lastModifiedTime", LinkOption.NOFOLLOW_LINKS);
        boolean link = Files.isSymbolicLink(path);
        FileTime time = (FileTime) found.get("lastModifiedTime");
        tree.put(
            name,
            String.join(
                " ",
                Integer.toOctalString((Integer) found.get("mode")),
                "" + found.get("uid"),
                "" + found.get("gid"),
                link ? "" + time.toMillis() : "" + time.toInstant(),
                link
                    ? Files.readSymbolicLink(path).toString()
                    : Files.isRegularFile(path)
                        ? java.util.HexFormat.of().formatHex(Files.readAllBytes(path))
                        : ""));
      }
    }
    return tree;
  }

  private Path below(Path target, Path source) {
    return target.resolve(source.toString().substring(1));
  }

  @Test
  void changedFilesAloneAreReadAndEachBackupRestoresAsItWas() throws Exception {
    Thread.sleep(2_200); // what changed right before a backup is read again by the next one
    JsonNode first = json("backup home");
    assertThat(first.get("type").asText()).isEqualTo("full");
    assertThat(first.get("status").asText()).isEqualTo("complete");
    Map<String, String> before = tree(docs);

    Files.writeString(docs.resolve("small"), "changed");
    Files.delete(docs.resolve("there"));
    Files.writeString(docs.resolve("new"), "new");
    JsonNode second = json("backup home");
    assertThat(second.get("type").asText()).isEqualTo("incremental");
    assertThat(second.get("bytesRead").asLong()).isLessThan(1000);
    assertThat(second.get("bytesChanged").asLong()).isLessThan(1000);
    Map<String, String> after = tree(docs);
    assertThat(after).isNotEqualTo(before);

    run("restore home --target-dir one --backup " + first.get("id").asText(), 0);
    assertThat(tree(below(folder.resolve("one"), docs))).isEqualTo(before);
    run("restore home --target-dir two", 0);
    assertThat(tree(below(folder.resolve("two"), docs))).isEqualTo(after);
    assertThat(below(folder.resolve("two"), notes)).hasContent("notes");
    assertThat(
            Files.getAttribute(
                below(folder.resolve("two"), docs.resolve("small-again")), "unix:ino"))
        .isEqualTo(
            Files.getAttribute(below(folder.resolve("two"), docs.resolve("small")), "unix:ino"));

    run(
        "restore home --target-dir three --to-time "
            + Instant.parse(first.get("stoppedAt").asText())
                .plusNanos(1000)
                .truncatedTo(ChronoUnit.MICROS)
            + " --include small*",
        0);
    assertThat(tree(below(folder.resolve("three"), docs)).keySet())
        .containsExactly("", "small", "small-again");
    assertThat(below(folder.resolve("three"), docs.resolve("small"))).hasContent("small");

    run("verify --level data", 0);
    assertThat(run("list home", 0).out()).contains(second.get("id").asText());
    assertThat(run("show " + second.get("id").asText() + " --files", 0).out())
        .contains("docs/small");
    run("status home", 0);
    run("prune home --yes", 0);
    run("restore home --target-dir four", 0);
    assertThat(tree(below(folder.resolve("four"), docs))).isEqualTo(after);
  }

  @Test
  void restoresThatWouldMeetSomethingOrMeanAServerAreRefused() throws IOException {
    run("backup home", 0);
    Files.createDirectory(folder.resolve("full"));
    Files.writeString(folder.resolve("full/mine"), "x");
    assertThat(run("restore home --target-dir full --plan", 0).out())
        .contains("is not empty")
        .contains("3 files");
    assertThat(run("restore home --target-dir full", 4).err()).contains("is not empty");
    assertThat(folder.resolve("full")).isDirectoryContaining("glob:**/mine");
    assertThat(run("restore home --target-dir new --start --timeline 3", 2).err())
        .contains("--timeline, --start");
    assertThat(run("restore home --target-dir new --immediate", 2).err())
        .contains("a moment that is not a time");
    run("restore home --target-dir new --delta", 2);
    run("restore home --target-dir new --include nothing-like-it", 5);
    run("restore home --target-dir new --to-time 2020-01-01T00:00:00Z", 5);
    assertThat(folder.resolve("new")).doesNotExist();
    assertThat(run("backup home --type dump", 4).err()).contains("each is full or incremental");
  }

  @Test
  void aPathThatIsMissingMakesThePartialAndNoneFails() throws IOException {
    assertThat(run("check home", 0).out()).contains("files.paths.1");
    Files.delete(notes);
    JsonNode backup = json("backup home");
    assertThat(backup.get("status").asText()).isEqualTo("completed-with-warning");
    assertThat(backup.get("partial").asBoolean()).isTrue();
    assertThat(backup.get("warnings").toString()).contains("notes is not there");
    assertThat(run("check home", 1).out()).contains("notes is not there");
    Files.move(docs, folder.resolve("elsewhere"));
    assertThat(run("backup home --json", 5).out()).contains("files.nothing-there");
  }

  @Test
  void noPathsAndNoPatternsAreSaidApart() throws IOException {
    Path config = folder.resolve("thorbis.yaml");
    String right = Files.readString(config);
    Files.writeString(config, right.replaceAll("(?s)    paths:.*?    exclude:", "    exclude:"));
    assertThat(run("backup home", 2).err()).contains("sources.home.paths");
    Files.writeString(
        config, right.replaceAll("(?s)    paths:.*?    exclude:", "    paths: []\n    exclude:"));
    assertThat(run("backup home", 2).err())
        .contains("sources.home.paths")
        .contains("names nothing");
    Files.writeString(config, right.replace("\"*.tmp\"", "\"a**b\""));
    assertThat(run("backup home", 2).err()).contains("a**b");
    Files.writeString(config, right.replace(notes.toString(), docs + "/a"));
    assertThat(run("backup home", 2).err()).contains("lies in it");
  }
}
