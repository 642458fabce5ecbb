package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import com.thorbis.backup.spi.secret.SecretTarget;
import com.thorbis.backup.spi.secret.SecretTargetFactory;
import com.thorbis.backup.testkit.SettableClock;
import com.thorbis.backup.testkit.cloud.LoopbackTls;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Places by name, as a host that has settings alone opens them. */
class FactoriesTest {
  @TempDir Path folder;

  private record Context(Settings settings) implements ProviderContext {
    @Override
    public Clock clock() {
      return SettableClock.at(Instant.parse("2026-03-01T00:00:00Z"));
    }

    @Override
    public Path stateDirectory() {
      throw new IllegalStateException("No place needs one");
    }
  }

  private static SecretTarget open(String type, Map<String, ?> values) {
    Settings settings = Settings.of("secrets.x", values);
    SecretTarget target =
        ServiceLoader.load(SecretTargetFactory.class).stream()
            .map(ServiceLoader.Provider::get)
            .filter(factory -> factory.type().equals(type))
            .findFirst()
            .orElseThrow()
            .open(new Context(settings));
    settings.requireAllRead();
    assertThat(target.type()).isEqualTo(type);
    return target;
  }

  private static Map<String, Object> to(FakePlatform service, Map<String, String> more) {
    Map<String, Object> values = new HashMap<>(more);
    values.put("token", FakePlatform.TOKEN);
    values.put("address", service.endpoint().toString());
    values.put("attempts", 1);
    values.put("timeout", "10s");
    return values;
  }

  private static void assertLists(
      String type, FakePlatform service, Map<String, String> more, String... names)
      throws Exception {
    try (SecretTarget target = open(type, to(service, more))) {
      assertThat(target.list()).extracting(SecretInfo::name).containsExactly(names);
    }
  }

  @Test
  void aFileIsNamedByAnAbsolutePath() {
    for (String path : List.of("app.env", "./app.env", "/srv/\0.env")) {
      assertThatThrownBy(() -> open("env-file", Map.of("path", path)))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo("configuration.invalid");
                assertThat(e.remedy()).contains("absolute path");
              });
    }
  }

  @Test
  void everyPlaceIsOpenedByItsName() throws Exception {
    Path file = Files.writeString(folder.resolve(".env"), "A=1\n");
    try (SecretTarget target = open("env-file", Map.of("path", file.toString()))) {
      assertThat(target.list()).extracting(SecretInfo::name).containsExactly("A");
    }
    try (FakeVault vault = new FakeVault()) {
      vault.put("app/web", "{}");
      assertLists("vault-kv2", vault, Map.of(), "app/web");
      assertLists(
          "vault-kv2", vault, Map.of("mount", "secret", "path", "app", "namespace", "n"), "web");
    }
    try (FakeGitHub github = FakeGitHub.ofRepository()) {
      github.put("A", "1");
      assertLists("github-actions", github, Map.of("repository", "acme/shop"), "A");
    }
    try (FakeGitHub github = FakeGitHub.ofEnvironment()) {
      github.put("B", "1");
      assertLists(
          "github-actions",
          github,
          Map.of("repository", "acme/shop", "environment", "production"),
          "B");
    }
    try (FakeKubernetes kubernetes = new FakeKubernetes()) {
      kubernetes.put("db", "Opaque", Map.of());
      assertLists("kubernetes", kubernetes, Map.of("namespace", "shop"), "db");
    }
    try (FakeVercel vercel = new FakeVercel()) {
      vercel.team = "t";
      vercel.put("A", "encrypted", "1", "[\"production\"]");
      assertLists("vercel", vercel, Map.of("project", "shop", "team", "t"), "A:production");
    }
    try (FakeSupabase supabase = new FakeSupabase()) {
      assertLists(
          "supabase",
          supabase,
          Map.of("project", "abc"),
          "api-key/anon",
          "api-key/secret:default",
          "vault-root-key");
    }
  }

  @Test
  void whatIsMissingOrWrongIsNamed() {
    assertThatThrownBy(() -> open("vault-kv2", Map.of()))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.CONFIGURATION))
        .hasMessageContaining("secrets.x.token");
    assertThatThrownBy(() -> open("github-actions", Map.of("token", "t", "repository", "acme")))
        .hasMessageContaining("secrets.x.repository");
    assertThatThrownBy(
            () -> open("vault-kv2", Map.of("token", "t", "address", "http://vault.example:8200")))
        .hasMessageContaining("without TLS");
    assertThatThrownBy(
            () ->
                open("vault-kv2", Map.of("token", "t", "certificate-authority", folder.toString())))
        .hasMessageContaining("certificate-authority");
  }

  @Test
  void aServiceWithAnAuthorityOfItsOwnIsTrustedOnlyWithItsCertificate() throws Exception {
    LoopbackTls tls = LoopbackTls.create();
    HttpsServer server =
        HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setHttpsConfigurator(new HttpsConfigurator(tls.server()));
    server.createContext(
        "/",
        exchange -> {
          byte[] body = "{\"errors\":[]}".getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(404, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    server.start();
    try {
      int port = server.getAddress().getPort();
      Map<String, Object> values = new HashMap<>();
      values.put("token", "t");
      values.put("attempts", 1);
      values.put("address", "https://localhost:" + port);
      try (SecretTarget stranger = open("vault-kv2", values)) {
        assertThatThrownBy(stranger::list)
            .isInstanceOfSatisfying(
                SecretException.class,
                e -> assertThat(e.code()).isEqualTo(SecretException.UNAVAILABLE))
            .hasMessageContaining("SSLHandshakeException");
      }
      Path authority = folder.resolve("ca.pem");
      try (SSLSocket socket =
          (SSLSocket) tls.client().getSocketFactory().createSocket("localhost", port)) {
        socket.startHandshake();
        byte[] certificate = socket.getSession().getPeerCertificates()[0].getEncoded();
        Files.writeString(
            authority,
            "-----BEGIN CERTIFICATE-----\n"
                + Base64.getMimeEncoder().encodeToString(certificate)
                + "\n-----END CERTIFICATE-----\n");
      }
      values.put("certificate-authority", authority.toString());
      try (SecretTarget known = open("vault-kv2", values)) {
        assertThat(known.list()).isEqualTo(List.of());
      }
    } finally {
      server.stop(0);
    }
  }
}
