package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class CommandTest {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          recipients:
            - uri: passphrase:main
              passphrase: ${env:PASSPHRASE}
          accept-single-key-risk: true
      sources:
        orders:
          type: postgres
          url: jdbc:postgresql://127.0.0.1:1/orders?sslmode=disable
          user: backup
      """;

  @TempDir Path folder;
  private CommandRunner runner;

  @BeforeEach
  void setUp() throws IOException {
    runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    write(CONFIG.formatted(folder.resolve("repo").toUri()));
  }

  @ParameterizedTest
  @EnumSource
  void everyKindOfFailureHasItsExitCode(FailureKind kind) {
    int expected =
        switch (kind) {
          case CONFIGURATION -> 2;
          case DAMAGED -> 3;
          case REFUSED -> 4;
          case NOT_FOUND -> 5;
          case TRANSIENT, PERMANENT, OUTCOME_UNKNOWN, CANCELLED -> 1;
        };

    assertThat(Failure.of(BackupException.of("x", kind, "x").build()).exitCode())
        .isEqualTo(expected);
  }

  @Test
  void aRecipientThatIsNotBuiltInSaysHowToGetIt() throws IOException {
    write(
        CONFIG
            .formatted(folder.resolve("repo").toUri())
            .replace("passphrase:main", "aws-kms:arn:aws:kms:eu-central-1:111122223333:key/x"));

    Result result = runner.run("list");

    assertThat(result.code()).isEqualTo(2);
    assertThat(result.err()).contains("aws-kms").contains("pkcs11").contains("THORBIS_WITH");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          nonsense                                        | Unmatched argument
          lst                                             | Did you mean list
          wal                                             | A command after "wal" is missing
          list --nonsense                                 | Unknown option
          backup                                          | Missing required parameter
          backup orders --type dmp                        | Write full, differential, incremental or dump
          load 20260102T030405Z-0000abcd                  | Missing required argument
          load 20260102T030405Z-0000abcd --into x --output y | mutually exclusive
          load 20260102T030405Z-0000abcd --into x --password secret | everybody on this machine sees it
          load 20260102T030405Z-0000abcd --into x --password ${env:NONE} | the environment has no NONE
          load 20260102T030405Z-0000abcd --into x --tables orders | is no list of tables
          load 20260102T030405Z-0000abcd --into x --tables "a.b | a double quote is not closed
          load 20260102T030405Z-0000abcd --into x --tables a.b --schema c | choose in two ways
          verify --level restore                          | --level restore tries one backup
          verify --level all                              | "all" is neither objects, data nor restore
          verify --sample 0                               | 0 is not a percentage
          verify --budget soon                            | "soon" is neither a size nor a time
          verify --budget 0                               | "0" is neither a size nor a time
          verify --budget 1GiB --sample 5                 | --budget goes with neither BACKUP
          verify --budget 1GiB --level objects            | --budget goes with neither BACKUP
          verify --thaw --level objects                   | --thaw goes with neither
          verify --thaw --budget 1GiB                     | --thaw goes with neither
          verify yesterday                                | Not a backup id
          show 1                                          | Not a backup id
          restore orders                                  | Missing required option: '--target-dir=DIR'
          restore orders --target-dir x --latest --immediate | mutually exclusive
          restore orders --target-dir x --to-time 2026-01-02 | does not say in which time zone
          restore orders --target-dir x --to-lsn 12       | is not a log position
          restore orders --target-dir x --to-xid 2        | Not a transaction id
          restore orders --target-dir x --to-name ''      | Not a restore point name
          restore orders --target-dir x --exclusive       | --exclusive says nothing
          restore orders --target-dir x --timeline 0      | is neither a number from 1 nor latest
          restore orders --target-dir x --action stop     | is none of promote, pause, shutdown
          restore orders --target-dir x --detla           | Unknown option
          -c missing.yaml list                            | there is no such file
          wal hook orders                                 | Missing required argument
          init --recovery-key-file x                      | there is no recipient that a new recovery key
          backup orders --recovery-key-file x             | for reading only
          """)
  void wrongUsageEndsWith2(String line, String message) {
    Result result = runner.run(words(line));

    assertThat(result.code()).isEqualTo(2);
    assertThat(result.out()).isEmpty();
    assertThat(result.err()).contains(message).startsWith("thorbis: ").doesNotContain("\tat ");
  }

  @Test
  void failuresAreOneObjectForScripts() {
    Result result = runner.run("--json", "restore", "orders", "--target-dir", "x", "--to-lsn", "1");

    assertThat(result.code()).isEqualTo(2);
    assertThat(result.out())
        .isEqualTo(
            "{\"error\":{\"code\":\"usage\",\"message\":\"--to-lsn: \\\"1\\\" is not a log"
                + " position\",\"remedy\":\"Write one such as 16/3002D50.\",\"details\":{}}}\n");
    assertThat(result.err()).isEmpty();
    assertThat(runner.run("nonsense", "--json").out()).startsWith("{\"error\":{\"code\":\"usage\"");
  }

  @Test
  void walGetNeverEndsWithACodeThatMeansTheEndOfTheLog() throws IOException {
    assertThat(runner.run("wal", "get").code()).isEqualTo(126);
    assertThat(runner.run("wal", "get", "orders", "x", "y", "z").code()).isEqualTo(126);
    assertThat(runner.run("-c", "missing.yaml", "wal", "get", "orders", "x", "y").code())
        .isEqualTo(126);
    assertThat(runner.run("wal", "get", "nobody", "000000010000000000000001", "y").code())
        .isEqualTo(126);
    assertThat(runner.run("wal", "get", "orders", "000000010000000000000001", "y").code())
        .isEqualTo(126);
    write("nonsense");
    assertThat(runner.run("wal", "get", "orders", "000000010000000000000001", "y").code())
        .isEqualTo(126);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--help",
        "init --help",
        "check -h",
        "backup --help",
        "list -h",
        "show -h",
        "status -h",
        "restore --help",
        "verify -h",
        "wal --help",
        "wal receive -h",
        "wal serve -h",
        "wal hook -h",
        "wal push -h",
        "wal get -h",
        "wal show -h",
        "source -h",
        "source adopt -h",
        "decode -h"
      })
  void everyCommandExplainsItself(String line) {
    Result result = runner.run(words(line));

    assertThat(result.code()).isZero();
    assertThat(result.out()).startsWith("Usage: thorbis").doesNotContain("null");
  }

  @Test
  void printsItsVersion() {
    assertThat(runner.run("--version").out()).matches("thorbis [0-9]+\\.[0-9]+\\.[0-9]+\\S*\n");
  }

  @Test
  void jsonKeepsPromisedFields() {
    assertThat(
            Json.text(
                Json.object(
                    "a",
                    Optional.empty(),
                    "b",
                    List.of(1, 2L),
                    "c",
                    true,
                    "d",
                    java.time.Duration.ofSeconds(1),
                    "e",
                    java.time.Instant.EPOCH,
                    "f",
                    "\"\u0001ä",
                    "g",
                    null)))
        .isEqualTo(
            "{\"a\":null,\"b\":[1,2],\"c\":true,\"d\":1000,\"e\":\"1970-01-01T00:00:00Z\","
                + "\"f\":\"\\\"\\u0001ä\",\"g\":null}");
  }

  @ParameterizedTest
  @CsvSource({"0,0 B", "1023,1023 B", "1024,1.0 KiB", "1536,1.5 KiB", "3221225472,3.0 GiB"})
  void sizesAreForPeople(long bytes, String words) {
    assertThat(Text.bytes(bytes)).isEqualTo(words);
  }

  @ParameterizedTest
  @CsvSource({"0,0 ms", "1500,1.5 s", "61000,1 min 1 s", "7260000,2 h 1 min"})
  void spansAreForPeople(long millis, String words) {
    assertThat(Text.span(millis)).isEqualTo(words);
  }

  private void write(String text) throws IOException {
    Files.writeString(folder.resolve("thorbis.yaml"), text);
  }

  private static String[] words(String line) {
    String[] words = line.split(" ");
    for (int i = 0; i < words.length; i++) {
      words[i] = words[i].equals("''") ? "" : words[i];
    }
    return words;
  }
}
