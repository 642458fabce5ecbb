package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A source is erased by somebody who means it, in two steps. */
class EraseCommandTest {
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
        orders:
          type: postgres
          url: jdbc:postgresql://127.0.0.1:1/orders?sslmode=disable
          user: backup
          retention: standard
      prune: { grace: %s }
      """;

  @TempDir Path folder;
  private CommandRunner runner;

  @BeforeEach
  void init() throws IOException {
    runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    configure("0s");
    run("init", 0);
    register();
  }

  private void configure(String grace) throws IOException {
    Files.writeString(
        folder.resolve("thorbis.yaml"), CONFIG.formatted(folder.resolve("repo").toUri(), grace));
  }

  private void register() throws IOException {
    Config config = Config.load(folder.resolve("thorbis.yaml"), runner.host(), false);
    try (ThorbisBackup backup = Recipients.all(config).build()) {
      backup
          .repository()
          .register("orders", "postgres", new ClusterIdentity(7, 15, WalSegmentSize.DEFAULT));
    }
  }

  private Result run(String command, int code) {
    Result result = runner.run(command.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  @Test
  void whoMeansItSaysWhyAndTypesTheName() {
    assertThat(run("keys erase orders --plan", 0).out())
        .contains("under 1 keys in 1 slots", "everything stays until the delay is over");
    assertThat(run("keys erase orders", 2).err()).contains("--reason");
    assertThat(run("keys erase orders --reason ended", 4).err()).contains("--confirm orders");
    assertThat(run("keys erase orders --reason ended --yes", 4).err()).contains("--confirm");
    assertThat(run("keys erase orders --reason ended --yes --confirm other", 4).err())
        .contains("nothing was changed");
    runner.typing("yes\n");
    assertThat(run("keys erase orders --reason ended", 4).err()).contains("Type the name");
    assertThat(run("keys erasures", 0).out()).contains("No source was erased");
    runner.typing("orders\n");
    assertThat(run("keys erase orders --reason ended --by ann", 0).out())
        .contains("orders is to be erased, by ann (ended)", "keys unerase orders");
  }

  @Test
  void untilTheDelayIsOverNothingHappensAndItIsTakenBack() throws IOException {
    run("keys erase orders --reason ended --yes --confirm orders", 0);
    assertThat(run("keys erase orders --json", 0).out()).contains("\"stage\":\"requested\"");
    assertThat(run("keys erase orders --plan --json", 0).out()).contains("\"step\":\"wait\"");
    assertThat(run("keys erasures", 0).out()).contains("orders", "to be erased from");
    assertThat(run("list", 0).out()).contains("orders may be erased for good");
    assertThat(run("status", 0).out()).contains("keys unerase takes it back");
    assertThat(run("keys check", 0).out()).contains("repository.erasure");
    assertThat(run("keys unerase orders", 0).out()).contains("not to be erased any more");
    assertThat(run("keys unerase orders", 5).err()).contains("taken back");
    configure("2d");
    assertThat(run("keys erase orders --reason x --delay 1d --yes --confirm orders", 2).err())
        .contains("shorter than prune.grace");
  }

  @Test
  void whatWasDestroyedIsCertified() throws IOException {
    run("keys erase orders --reason ended --delay 0s --yes --confirm orders", 0);
    assertThat(run("keys erase orders", 4).err()).contains("Nobody can ever bring back");
    Result done = run("keys erase orders --yes --confirm orders --certificate erased.json", 0);
    assertThat(done.out()).contains("nothing of it opens any more", "destroy that key at its");
    String certificate = Files.readString(folder.resolve("erased.json"));
    assertThat(certificate)
        .startsWith("{\"format\":\"thorbis-erasure\",\"version\":1,\"stage\":\"erased\"")
        .contains("\"reason\":\"ended\"", "\"object\":\"keys/", "\"sha256\":\"", "\"copies\":[{")
        .contains("\"recipients\":[\"keystore", "\"open\":[]");
    assertThat(run("keys erase orders --json", 0).out()).isEqualTo(certificate);
    assertThat(run("keys erase orders --certificate erased.json", 2).err()).contains("exists");
    assertThat(run("keys erasures --json", 0).out()).contains(certificate.strip());
    assertThat(run("list orders", 0).out()).contains("orders was erased at", "No backups");
    assertThat(run("status", 0).out()).contains("orders was erased at");
    assertThat(run("prune --yes", 0).out()).contains("0 backups given up");
    assertThat(run("verify", 0).code()).isZero();
    assertThat(run("keys unerase orders", 5).err()).contains("was erased");
    register();
    assertThat(run("keys list", 0).out()).contains("orders");
  }
}
