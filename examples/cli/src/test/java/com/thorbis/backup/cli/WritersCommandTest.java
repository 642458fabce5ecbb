package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who may write is named from the command; hosts that are not read and do not write. */
class WritersCommandTest {
  @TempDir Path folder;
  private CommandRunner runner;

  @BeforeEach
  void init() throws IOException {
    runner = new CommandRunner(folder);
    configure("thorbis.yaml", "");
    run("init", 0);
  }

  private void configure(String file, String signing) throws IOException {
    Files.writeString(
        folder.resolve(file),
        """
        state-directory: state
        repository:
          copies:
            - uri: %s
          %s
          encryption:
            recipients:
              - uri: passphrase:main
                passphrase: some passphrase
            accept-single-key-risk: true
        sources:
          orders:
            type: postgres
            url: jdbc:postgresql://127.0.0.1:1/orders?sslmode=disable
            user: backup
        """
            .formatted(folder.resolve("repo").toUri(), signing));
    Files.setPosixFilePermissions(
        folder.resolve(file), PosixFilePermissions.fromString("rw-------"));
  }

  private Result run(String command, int code) {
    Result result = runner.run(command.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  @Test
  void aKeyIsMadeOnceAndItsPublicHalfPrinted() throws IOException {
    String printed = run("keys signing-key host.key", 0).out().strip();
    assertThat(printed).hasSize(48);
    assertThat(run("keys signing-key host.key", 0).out().strip()).isEqualTo(printed);
    assertThat(run("keys signing-key host.key --json", 0).out())
        .contains("\"publicKey\":\"" + printed + "\"");
    Path file = folder.resolve("host.key");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    assertThat(run("keys signing-key host.key", 2).err())
        .contains("open to other accounts", "chmod 600")
        .doesNotContain("THORBIS-SIGNING");
  }

  @Test
  void writersAreNamedReplacedAndRemoved() throws IOException {
    String admin = run("keys signing-key admin.key", 0).out().strip();
    String host = run("keys signing-key host.key", 0).out().strip();
    String other = run("keys signing-key other.key", 0).out().strip();
    assertThat(run("keys writers list", 0).out()).contains("Nobody is named");
    assertThat(run("keys writers add admin " + admin + " --administrator", 2).err())
        .contains("repository.signing-key is not set", "keys signing-key FILE");
    configure("admin.yaml", "signing-key: admin.key");
    configure("host.yaml", "signing-key: host.key");
    assertThat(run("-c host.yaml keys writers add admin " + admin + " --administrator", 4).err())
        .contains("administrator");
    assertThat(run("-c admin.yaml keys writers add admin " + admin, 4).err())
        .contains("--administrator");
    assertThat(run("-c admin.yaml keys writers add admin " + admin + " --administrator", 0).out())
        .containsPattern("admin +" + admin + " +administrator \\(this host\\)");
    run("-c admin.yaml keys writers add host " + host, 0);

    assertThat(run("keys rotate", 4).err()).contains("signs nothing", "keys writers add");
    assertThat(run("-c host.yaml keys rotate", 4).err()).contains("administrator");
    assertThat(run("list", 0).code()).as("everybody reads who opens it").isZero();
    assertThat(run("keys writers list --json", 0).out())
        .contains("\"name\":\"host\",\"key\":\"" + host + "\",\"administrator\":false")
        .contains("\"own\":null", "\"foreignCommits\":[]");
    run("-c admin.yaml keys rotate", 0);

    assertThat(run("-c admin.yaml keys writers replace host " + other, 0).out())
        .contains(other)
        .doesNotContain(host);
    assertThat(run("-c admin.yaml keys writers replace nobody " + host, 5).err())
        .contains("nobody");
    assertThat(run("-c admin.yaml keys writers remove admin", 4).err())
        .contains("last administrator");
    assertThat(run("-c admin.yaml keys writers remove host", 0).out()).doesNotContain(other);
    assertThat(run("-c admin.yaml keys writers clear", 4).err()).contains("--yes");
    assertThat(run("-c admin.yaml keys writers clear --yes", 0).out()).contains("Nobody is named");
    run("keys rotate", 0);
  }

  @Test
  void onlyTheAdministratorsThatAreConfiguredAreBelieved() throws IOException {
    String admin = run("keys signing-key admin.key", 0).out().strip();
    String other = run("keys signing-key other.key", 0).out().strip();
    String pinned = "administrators: [" + admin + "]";
    configure("pinned.yaml", pinned);
    configure("admin.yaml", "signing-key: admin.key\n  " + pinned);
    configure("other.yaml", "signing-key: other.key\n  administrators: [" + other + "]");
    assertThat(run("-c pinned.yaml list", 4).err()).contains("nobody has said", "keys writers add");
    run("-c admin.yaml keys writers add admin " + admin + " --administrator", 0);

    run("-c pinned.yaml list", 0);
    assertThat(run("-c pinned.yaml keys writers list", 0).out())
        .contains("repository.administrators: it began with " + admin);
    assertThat(run("-c pinned.yaml keys writers list --json", 0).out())
        .contains("\"pinned\":[\"" + admin + "\"]");
    assertThat(run("keys writers list --json", 0).out()).contains("\"pinned\":[]");
    assertThat(run("-c admin.yaml check", 1).out()).contains("goes back to one of the 1 admin");
    assertThat(run("check", 1).out())
        .contains("is not configured here (repository.administrators)");
    assertThat(run("-c other.yaml list", 4).err()).contains("names the first writers", admin);
    assertThat(run("-c other.yaml restore orders --target-dir out", 4).err()).contains(admin);
    assertThat(run("-c other.yaml check", 1).out()).contains("names the first writers");
    assertThat(run("-c admin.yaml keys writers clear --yes", 4).err())
        .contains("Remove repository.administrators");
  }

  @Test
  void anAdministratorThatIsNoKeyIsNamedWithItsLine() throws IOException {
    configure("wrong.yaml", "administrators: [nonsense]");
    assertThat(run("-c wrong.yaml list", 2).err())
        .contains("wrong.yaml, line 5", "repository.administrators", "keys signing-key");
    configure("none.yaml", "administrators: []");
    assertThat(run("-c none.yaml list", 2).err()).contains("repository.administrators");
  }

  @Test
  void aSigningKeyThatIsNotThereIsNamed() throws IOException {
    configure("lost.yaml", "signing-key: lost.key");
    assertThat(run("-c lost.yaml keys rotate", 2).err()).contains("lost.key");
    run("-c lost.yaml list", 0);
  }
}
