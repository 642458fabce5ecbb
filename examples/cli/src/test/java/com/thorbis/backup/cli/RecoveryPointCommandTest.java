package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several sources at one moment, by one id; without a server. */
class RecoveryPointCommandTest {
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
        tokens:
          type: secrets
          retention: short
          places:
            - { name: app, kind: env-file, path: %s }
        keys:
          type: secrets
          retention: short
          places:
            - { name: other, kind: env-file, path: %s }
        shop:
          type: recovery-point
          retention: short
          members: tokens, keys
      retention:
        short: { daily: 1, minimum: 1, most-deleted-percent: 100 }
      prune: { grace: 0s }
      """;

  @TempDir Path folder;
  private CommandRunner runner;
  private Path tokens;
  private Path keys;

  @BeforeEach
  void init() throws IOException {
    Path files = Files.createDirectory(folder.resolve("files"));
    tokens = files.resolve("tokens.env");
    keys = files.resolve("keys.env");
    Files.writeString(tokens, "A=1\n");
    Files.writeString(keys, "B=2\n");
    runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    write("");
    run("init", 0);
  }

  private void write(String more) throws IOException {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(folder.resolve("repo").toUri(), tokens, keys) + more);
  }

  private Result run(String command, int code) {
    Result result = runner.run(command.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  private JsonNode json(String command, int code) throws IOException {
    return new ObjectMapper().readTree(run("--json " + command, code).out());
  }

  @Test
  void everyMemberIsTakenAnewAndKeptAndFoundByOneId() throws IOException {
    JsonNode point = json("recovery-point create shop --label before-the-move", 0);
    String id = point.get("id").asText();
    assertThat(point.get("members")).hasSize(2);
    String first = point.get("members").get(0).get("backup").asText();
    assertThat(point.get("members").get(0).get("source").asText()).isEqualTo("tokens");
    assertThat(point.get("members").get(0).get("whole").asBoolean()).isTrue();
    assertThat(point.get("members").get(0).get("facts").has("secrets.set-id")).isTrue();
    assertThat(json("recovery-point show " + id, 0).get("members")).isEqualTo(point.get("members"));

    run("backup tokens", 0);
    run("backup tokens", 0);
    run("verify", 0);
    run("prune tokens --yes", 0);
    assertThat(run("list tokens", 0).out()).contains(first);
    assertThat(run("show " + first, 0).out()).contains("member of " + id);

    JsonNode plan =
        json("recovery-point restore " + id + " --plan --target-dir " + folder.resolve("t"), 0);
    assertThat(plan.get("members").get(0).get("command").asText())
        .isEqualTo("secrets restore " + first + " --into PLACE");
    assertThat(folder.resolve("t")).doesNotExist();

    Files.delete(tokens);
    Result restored =
        run("recovery-point restore " + id + " --target-dir " + folder.resolve("t"), 0);
    assertThat(restored.out()).contains("tokens: by hand: secrets restore " + first);
    run("secrets restore " + first + " --into app", 0);
    assertThat(tokens).hasContent("A=1");
  }

  @Test
  void aMemberThatFailsMakesNoPointAndIsNamed() throws IOException {
    Files.delete(keys);
    Result failed = run("recovery-point create shop", 1);
    assertThat(failed.err())
        .contains("No recovery point shop: keys cannot be backed up")
        .contains("Taken before, and kept as any backup is");
    assertThat(json("list shop", 0).get("items")).isEmpty();
    assertThat(json("list tokens", 0).get("items")).hasSize(1);
  }

  @Test
  void whatIsConfiguredWronglyIsSaidBeforeAnythingIsDone() throws IOException {
    String id = json("recovery-point create shop", 0).get("id").asText();
    assertThat(run("recovery-point restore " + id + " --source x --target-dir t", 5).err())
        .contains("has no member x")
        .contains("It has tokens, keys.");
    assertThat(run("recovery-point reconcile " + id + " --into jdbc:postgresql://h/d", 2).err())
        .contains("reconcile.query");
    Result forged = runner.run("hold", "add", id, "--reason", "member of " + id);
    assertThat(forged.code()).isEqualTo(4);
    assertThat(forged.err()).contains("placed and lifted by the backup that it names");
    assertThat(run("recovery-point create tokens", 2).err()).contains("SecretsEngine");
    Files.createDirectory(folder.resolve("full"));
    Files.createFile(folder.resolve("full/file"));
    assertThat(run("recovery-point restore " + id + " --target-dir full", 4).err())
        .contains("is not empty");
    assertThat(run("restore shop --target-dir t2", 4).err()).contains("recovery-point restore");
    assertThat(run("backup shop --type incremental", 4).err()).contains("Leave the type out");

    String config = Files.readString(folder.resolve("thorbis.yaml"));
    Files.writeString(folder.resolve("thorbis.yaml"), config.replace("tokens, keys\n", "tokens\n"));
    assertThat(run("recovery-point create shop", 2).err()).contains("Name at least two");
    Files.writeString(
        folder.resolve("thorbis.yaml"), config.replace("tokens, keys\n", "tokens, kays\n"));
    assertThat(run("recovery-point create shop", 5).err()).contains("Did you mean keys?");
  }
}
