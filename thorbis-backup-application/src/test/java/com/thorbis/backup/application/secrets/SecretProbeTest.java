package com.thorbis.backup.application.secrets;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SecretProbeTest {
  private static final Duration SOON = Duration.ofSeconds(20);

  @TempDir Path folder;
  private HttpServer server;

  @AfterEach
  void stop() {
    if (server != null) {
      server.stop(0);
    }
  }

  private SecretProbe http(int others) throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          String shown = exchange.getRequestHeaders().getFirst("Authorization");
          boolean known = "Bearer k-1".equals(shown);
          if (others == 302) {
            exchange.getResponseHeaders().set("Location", "/elsewhere");
          }
          exchange.sendResponseHeaders(known ? 204 : others, -1);
          exchange.close();
        });
    server.start();
    return SecretProbe.http(
        URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/me"),
        "Authorization: Bearer {}",
        SOON);
  }

  private static SecretValue value(String text) {
    return SecretValue.copyOf(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void aServiceThatAcceptsItProvesIt() throws IOException {
    SecretProbe probe = http(401);
    assertThat(probe.refusal(value("k-1"))).isEmpty();
    assertThat(probe.refusal(value("k-2")).orElseThrow()).contains("401").doesNotContain("k-2");
  }

  @Test
  void anyOtherAnswerSaysNothing() throws IOException {
    SecretProbe probe = http(500);
    assertThatThrownBy(() -> probe.refusal(value("k-2")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("500");
  }

  @Test
  void aSecretDoesNotFollowARedirect() throws IOException {
    SecretProbe probe = http(302);
    assertThatThrownBy(() -> probe.refusal(value("k-2"))).hasMessageContaining("302");
  }

  @Test
  void nobodyThereSaysNothing() throws IOException {
    SecretProbe probe = http(401);
    server.stop(0);
    assertThatThrownBy(() -> probe.refusal(value("k-1")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("no answer")
        .hasMessageNotContaining("k-1");
  }

  @Test
  void whatNoHeaderCanHoldIsNotSent() throws IOException {
    SecretProbe probe = http(401);
    assertThat(probe.refusal(value("a\r\nHost: other"))).isPresent();
    assertThat(probe.refusal(value(""))).isPresent();
  }

  @Test
  void anAddressWithoutTlsOnAnotherHostIsRefused() {
    assertThatThrownBy(() -> SecretProbe.http(URI.create("http://example.org/"), "X-Key: {}", SOON))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("TLS");
    assertThatThrownBy(
            () -> SecretProbe.http(URI.create("https://example.org/"), "X-Key: there", SOON))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("header");
  }

  private Path program(String body) throws IOException {
    Path file =
        Files.createFile(
            folder.resolve("try"),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    return Files.writeString(file, "#!/bin/sh\n" + body + "\n");
  }

  @Test
  void aProgramSaysByItsEndWhetherItWorks() throws IOException {
    Path program =
        program("value=$(cat); case $value in good) exit 0;; bad) exit 1;; esac; exit 7");
    SecretProbe probe = SecretProbe.command(List.of(program.toString()), SOON);
    assertThat(probe.refusal(value("good"))).isEmpty();
    assertThat(probe.refusal(value("bad"))).isPresent();
    assertThatThrownBy(() -> probe.refusal(value("other"))).hasMessageContaining("ended with 7");
  }

  @Test
  void aProgramThatDoesNotReadOrDoesNotEndHoldsNobodyUp() throws IOException {
    SecretProbe deaf = SecretProbe.command(List.of("/bin/true"), SOON);
    assertThat(deaf.refusal(value("x".repeat(1 << 20)))).isEmpty();
    SecretProbe endless = SecretProbe.command(List.of("/bin/sleep", "3600"), Duration.ofMillis(50));
    assertThatThrownBy(() -> endless.refusal(value("x"))).hasMessageContaining("did not end");
    ProcessHandle.current()
        .children()
        .filter(child -> child.info().command().filter(name -> name.endsWith("sleep")).isPresent())
        .forEach(child -> assertThat(child.onExit()).succeedsWithin(SOON));
  }

  @Test
  void aProgramHasNoneOfOurEnvironmentAndIsNamedByItsPath() throws IOException {
    Path program =
        program(
            "env | grep -v -E '^(PATH|HOME|LANG|LC_ALL|TZ|PWD|SHLVL|_|OLDPWD)=' && exit 1; exit 0");
    assertThat(SecretProbe.command(List.of(program.toString()), SOON).refusal(value("x")))
        .isEmpty();
    assertThatThrownBy(() -> SecretProbe.command(List.of("true"), SOON))
        .isInstanceOf(BackupException.class);
  }
}
