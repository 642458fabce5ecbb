package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Restores are kept as evidence whether they succeed or fail; people are told of a failure. */
class RestoreRecordTest {
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
        home: { type: files, paths: [%s] }
      notify:
        notifiers:
          - { name: file, kind: exec, command: [/bin/sh, -c, "cat >> %s; exit %d"] }
      """;

  @TempDir Path folder;

  @BeforeEach
  void backUp() throws IOException {
    Files.writeString(folder.resolve("file"), "content");
    configure(0);
    run("init", 0);
    run("backup home", 0);
  }

  private void configure(int notifierEnds) throws IOException {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(
            folder.resolve("repo").toUri(),
            folder.resolve("file"),
            folder.resolve("told"),
            notifierEnds));
  }

  private CommandRunner command() {
    return new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
  }

  private Result run(String words, int code) {
    Result result = command().run(words.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", words, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  private List<JsonNode> records() throws IOException {
    return KeptRecords.of("restore", command(), folder.resolve("bundle.zip"));
  }

  @Test
  void aRestoreIsKeptWithWhatCameOfIt() throws IOException {
    Result done = run("restore home --target-dir back", 0);
    assertThat(done.err()).doesNotContain("warning");
    assertThat(Files.exists(folder.resolve("told"))).isFalse();

    assertThat(records()).hasSize(1);
    JsonNode record = records().get(0);
    assertThat(record.path("outcome").asText()).isEqualTo("passed");
    assertThat(record.path("subject").asText()).isEqualTo("home");
    assertThat(record.path("actor").asText()).isNotEmpty();
    JsonNode document = record.path("document");
    assertThat(document.path("what").asText()).isEqualTo("source");
    assertThat(document.path("into").asText()).isEqualTo("folder");
    assertThat(document.path("moment").asText()).contains("latest");
    assertThat(done.out()).contains(document.path("backup").asText());
    assertThat(document.path("bytes").asLong()).isEqualTo("content".length());
    assertThat(document.has("startedAt")).isTrue();
    assertThat(document.path("millis").isNumber()).isTrue();
    assertThat(record.toString()).doesNotContain(folder.toString());
  }

  @Test
  void aFailureIsKeptAndToldAndARefusalIsKept() throws IOException {
    run("restore home --target-dir back --to-time 2020-01-01T00:00:00Z", 5);
    assertThat(Files.readString(folder.resolve("told"))).contains("restore.failed", "home");
    Files.delete(folder.resolve("told"));
    run("restore home --target-dir .", 4);
    assertThat(Files.exists(folder.resolve("told"))).isFalse();

    assertThat(records())
        .extracting(record -> record.path("outcome").asText())
        .containsExactly("failed", "failed");
    assertThat(records().get(0).path("document").path("code").asText()).isNotEmpty();
    assertThat(records().toString()).doesNotContain(folder.toString());
  }

  @Test
  void whatNobodyExpectedIsKeptAndToldToo() throws IOException {
    Thorbis thorbis = new Thorbis(new Run(command().host(), new Cancellation(), Clock.systemUTC()));
    assertThatThrownBy(
            () ->
                thorbis.writing(
                    opened ->
                        new RestoreRecord(thorbis, "source", "home")
                            .around(
                                opened,
                                () -> {
                                  throw new IllegalStateException("a fault of ours");
                                },
                                (done, record) -> {})))
        .hasMessage("a fault of ours");
    assertThat(Files.readString(folder.resolve("told"))).contains("restore.failed", "home");
    JsonNode record = records().get(0);
    assertThat(record.path("outcome").asText()).isEqualTo("failed");
    assertThat(record.path("document").path("code").asText()).isEqualTo("unexpected");
  }

  @Test
  void aNotifierThatFailsChangesNothing() throws IOException {
    configure(1);
    Result failed = run("restore home --target-dir back --to-time 2020-01-01T00:00:00Z", 5);
    assertThat(failed.err()).contains("was told to nobody");
    assertThat(records()).hasSize(1);
  }

  @Test
  void aRecordThatCannotBeKeptChangesNothing() throws IOException {
    Files.createDirectories(folder.resolve("state"));
    Files.writeString(folder.resolve("state/evidence"), "in the way");
    Files.createDirectories(folder.resolve("repo"));
    Result done = run("restore home --target-dir back", 0);
    assertThat(done.out()).contains("home is restored");
  }
}
