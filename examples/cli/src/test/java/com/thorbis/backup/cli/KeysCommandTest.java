package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Keys are listed, tried, changed, and wrapped to others. */
class KeysCommandTest {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
        encryption:
          recipients:
      %s
      sources:
        orders:
          type: postgres
          url: jdbc:postgresql://127.0.0.1:1/orders?sslmode=disable
          user: backup
      prune: { grace: 0s }
      """;
  private static final String PASSPHRASE =
      """
            - uri: passphrase:main
              passphrase: ${env:PASSPHRASE}
      """;
  private static final String SINGLE = "    accept-single-key-risk: true\n";

  @TempDir Path folder;
  private CommandRunner runner;

  @BeforeEach
  void init() throws IOException {
    runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    configure(PASSPHRASE + "      - uri: \"recovery:\"\n");
    run("init --recovery-key-file key", 0);
  }

  private void configure(String recipients) throws IOException {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(folder.resolve("repo").toUri(), recipients));
  }

  private Result run(String command, int code) {
    Result result = runner.run(command.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  @Test
  void aRotationShowsInTheList() {
    assertThat(run("keys rotate --if-due", 0).out()).contains("nothing was changed");
    assertThat(run("keys rotate", 0).out()).contains("(repository): epoch 2");
    assertThat(run("keys list", 0).out())
        .containsPattern("\\(repository\\) +1 .*passphrase")
        .containsPattern("\\(repository\\) +2 .*recovery [0-9a-f]{32}");
    String json = run("keys list --json", 0).out();
    assertThat(json)
        .startsWith("{\"items\":[{\"tree\":\"")
        .contains("\"source\":null", "\"number\":1,\"since\":\"", "\"number\":2,\"since\":\"")
        .contains("\"scheme\":\"passphrase\"", "\"configured\":true", "\"problems\":[]");
    assertThat(run("keys check", 0).out()).contains("opens 2 keys", "kept elsewhere: not tried");
    assertThat(run("keys rotate nobody", 5).err()).contains("nobody");
    assertThat(run("list", 0).code()).isZero();
    assertThat(run("status", 0).out()).doesNotContain("older than");
  }

  @Test
  void whoLosesAccessIsNamedBeforeAnythingChanges() throws IOException {
    Matcher known = Pattern.compile("recovery ([0-9a-f]{32})").matcher(run("keys list", 0).out());
    assertThat(known.find()).isTrue();
    String recovery =
        "      - uri: recovery:"
            + known.group(1)
            + "\n        key-file: "
            + folder.resolve("key")
            + "\n";
    configure(recovery);
    assertThat(run("keys rewrap --plan", 4).err()).contains("All recipients are of one kind");
    configure(recovery + SINGLE);
    assertThat(run("keys rewrap --plan", 0).out())
        .contains("opens them no more: passphrase.", "1 keys to be wrapped", "rotate too");
    assertThat(run("keys rewrap", 4).err()).contains("opens them no more", "--yes");
    assertThat(run("keys list", 0).out()).contains("passphrase");
    assertThat(run("keys rewrap --yes --json", 0).out())
        .contains("\"removed\":[\"passphrase\"]", "\"slotsRetired\":1", "\"slotsRemoved\":0");
    assertThat(run("keys list", 0).out()).doesNotContain("passphrase");
    assertThat(run("keys rewrap --json", 0).out()).contains("\"slotsRemoved\":1");
    assertThat(run("keys check", 0).out()).contains("opens the only key");
    configure(PASSPHRASE + SINGLE);
    assertThat(run("list", 1).err()).contains("does not open");
    configure(PASSPHRASE + recovery);
    assertThat(run("keys rewrap", 0).out()).contains("opens them from now on: passphrase");
    configure(PASSPHRASE + SINGLE);
    run("list", 0);
  }
}
