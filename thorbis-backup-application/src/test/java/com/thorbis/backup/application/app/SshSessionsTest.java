package com.thorbis.backup.application.app;

import static com.thorbis.backup.application.app.Repositories.commit;
import static com.thorbis.backup.application.app.Repositories.modules;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.sshd.common.config.keys.KeyUtils;
import org.apache.sshd.common.config.keys.PublicKeyEntry;
import org.apache.sshd.common.config.keys.writer.openssh.OpenSSHKeyEncryptionContext;
import org.apache.sshd.common.config.keys.writer.openssh.OpenSSHKeyPairResourceWriter;
import org.apache.sshd.common.keyprovider.KeyPairProvider;
import org.apache.sshd.server.SshServer;
import org.apache.sshd.server.command.AbstractCommandSupport;
import org.apache.sshd.server.command.Command;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.Repository;
import org.eclipse.jgit.transport.UploadPack;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against a server that speaks SSH: nothing is sent to a host that is not known. */
class SshSessionsTest {
  private static final String WORDS = "planted-words-Tz19";

  @TempDir Path folder;
  private final List<String> tried = new CopyOnWriteArrayList<>();
  private final List<String> ran = new CopyOnWriteArrayList<>();
  private SshServer server;
  private KeyPair host;
  private KeyPair own;

  @BeforeEach
  void start() throws Exception {
    host = KeyUtils.generateKeyPair("ecdsa-sha2-nistp256", 256);
    own = KeyUtils.generateKeyPair("ssh-ed25519", 256);
    server = SshServer.setUpDefaultServer();
    server.setHost("127.0.0.1");
    server.setPort(0);
    server.setKeyPairProvider(
        KeyPairProvider.wrap(host, KeyUtils.generateKeyPair("ssh-ed25519", 256)));
    server.setPublickeyAuthenticator(
        (user, key, session) -> {
          tried.add(user);
          return user.equals("git") && KeyUtils.compareKeys(key, own.getPublic());
        });
    server.setCommandFactory((channel, line) -> command(line));
    server.start();
    ObjectId lib =
        commit(folder.resolve("lib.git"), "refs/heads/main", Map.of("code", "c\n"), Map.of());
    commit(
        folder.resolve("shop.git"),
        "refs/heads/main",
        Map.of(".gitmodules", modules("lib", "lib", "../lib.git")),
        Map.of("lib", lib));
  }

  private Command command(String line) {
    ran.add(line);
    return new AbstractCommandSupport(line, null) {
      @Override
      public void run() {
        try (Repository repository =
            Repositories.open(Path.of(line.replaceAll("^git-upload-pack '|'$", "")))) {
          new UploadPack(repository).upload(getInputStream(), getOutputStream(), getErrorStream());
          onExit(0);
        } catch (IOException | RuntimeException e) {
          onExit(1);
        }
      }
    };
  }

  @AfterEach
  void stop() throws IOException {
    server.stop(true);
  }

  private static SecretValue key(KeyPair pair, Optional<String> words) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    OpenSSHKeyEncryptionContext sealed = null;
    if (words.isPresent()) {
      sealed = new OpenSSHKeyEncryptionContext();
      sealed.setPassword(words.get());
      sealed.setCipherName("AES");
      sealed.setCipherType("256");
      sealed.setCipherMode("CTR");
    }
    OpenSSHKeyPairResourceWriter.INSTANCE.writePrivateKey(pair, "", sealed, out);
    return SecretValue.copyOf(out.toByteArray());
  }

  private String known(String marker, KeyPair pair) {
    return marker
        + "[127.0.0.1]:"
        + server.getPort()
        + " "
        + PublicKeyEntry.toString(pair.getPublic())
        + "\n";
  }

  private GitSource source(SecretValue key, Optional<String> words, String known) {
    return GitSource.builder(
            "ssh://git@127.0.0.1:" + server.getPort() + folder.resolve("shop.git"),
            folder.resolve("state"))
        .ssh(key, words.map(SecretValue::ofText), known)
        .timeout(Duration.ofSeconds(30))
        .build();
  }

  private static Component.Prepared prepare(GitSource source) throws IOException {
    return source.prepare(Repositories.nobody(), RunControl.unattended());
  }

  private void assertRefused(GitSource source, SecretValue key, String code) {
    try (source) {
      assertThatThrownBy(() -> prepare(source))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).as(e.getMessage()).isEqualTo(code);
                assertThat(e.remedy()).isNotEmpty();
                StringWriter trace = new StringWriter();
                e.printStackTrace(new PrintWriter(trace));
                String text = key.useBytes(bytes -> new String(bytes, StandardCharsets.US_ASCII));
                assertThat(text.lines().filter(line -> line.length() > 30))
                    .noneMatch(trace.toString()::contains);
                assertThat(trace.toString()).doesNotContain(WORDS);
              });
    }
    assertThat(ran).isEmpty();
  }

  @Test
  void aRepositoryAndItsSubmoduleComeFromAHostThatIsKnown() throws Exception {
    String others = "# a note\nother.example " + PublicKeyEntry.toString(own.getPublic()) + "\n";
    try (GitSource source =
            source(key(own, Optional.of(WORDS)), Optional.of(WORDS), others + known("", host));
        Component.Prepared prepared = prepare(source)) {
      assertThat(prepared.gaps()).isEmpty();
      assertThat(prepared.counts()).containsEntry("submoduleRepositories", 1L);
      assertThat(source.check()).contains("refs");
      Document about = new Repositories.Backup().store(prepared).document("refs.json");
      assertThat(about.object("refs").names()).containsExactly("refs/heads/main");
    }
    assertThat(tried).isNotEmpty().containsOnly("git");
    assertThat(ran)
        .contains(
            "git-upload-pack '" + folder.resolve("shop.git") + "'",
            "git-upload-pack '" + folder.resolve("lib.git") + "'");
  }

  @Test
  void aHostThatIsNotKnownIsNotAsked() throws Exception {
    SecretValue key = key(own, Optional.empty());
    String port = "127.0.0.1 " + PublicKeyEntry.toString(host.getPublic()) + "\n";
    for (String known : List.of("", "# nobody\n", port, known("@cert-authority ", host))) {
      assertRefused(source(key, Optional.empty(), known), key, "application.host-unknown");
    }
    assertThat(server.getActiveSessions()).isEmpty();
    assertThat(tried).isEmpty();
  }

  @Test
  void aHostThatShowsAnotherKeyLearnsNothing() throws Exception {
    SecretValue key = key(own, Optional.empty());
    KeyPair other = KeyUtils.generateKeyPair("ecdsa-sha2-nistp256", 256);
    assertRefused(source(key, Optional.empty(), known("", other)), key, "application.host-key");
    assertRefused(
        source(key, Optional.empty(), known("", host) + known("@revoked ", host)),
        key,
        "application.host-key");
    assertThat(tried).isEmpty();
  }

  @Test
  void aKeyThatIsNotAcceptedOrCannotBeReadIsToldApart() throws Exception {
    SecretValue other = key(KeyUtils.generateKeyPair("ssh-ed25519", 256), Optional.empty());
    assertRefused(
        source(other, Optional.empty(), known("", host)), other, "application.unauthorized");
    assertThat(tried).containsOnly("git");
    SecretValue sealed = key(own, Optional.of(WORDS));
    assertRefused(
        source(sealed, Optional.empty(), known("", host)), sealed, "configuration.invalid");
    assertRefused(
        source(sealed, Optional.of("other"), known("", host)), sealed, "configuration.invalid");
  }

  @Test
  void sshThatIsNotSetUpIsSaidWhenItIsNeeded() {
    try (GitSource source =
        GitSource.builder("git@host.example:shop.git", folder.resolve("state")).build()) {
      assertThatThrownBy(() -> prepare(source))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("configuration.invalid");
                assertThat(e.remedy()).contains("ssh-key", "known-hosts");
              });
    }
  }

  @Test
  void hostsMayStandInAFile() throws Exception {
    Path file = folder.resolve("known_hosts");
    SecretValue key = key(own, Optional.empty());
    assertRefused(source(key, Optional.empty(), file.toString()), key, "configuration.invalid");
    Files.writeString(file, known("", host));
    try (GitSource source = source(key, Optional.empty(), file.toString())) {
      assertThat(source.check()).contains("refs");
    }
  }
}
