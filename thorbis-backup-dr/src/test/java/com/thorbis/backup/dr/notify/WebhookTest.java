package com.thorbis.backup.dr.notify;

import static com.thorbis.backup.dr.notify.Notices.NOW;
import static com.thorbis.backup.dr.notify.Notices.notice;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is sent, and where it is never sent to. */
class WebhookTest {
  private static final String SECRET = "a secret of 24 characters";

  private final SettableClock clock = SettableClock.at(NOW);
  private final List<String> calls = new ArrayList<>();
  private final Map<String, String> headers = new HashMap<>();
  private byte[] body = {};
  private int answer = 204;
  private HttpServer server;
  private int port;

  @BeforeEach
  void serve() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    port = server.getAddress().getPort();
    server.createContext("/", this::handle);
    server.start();
  }

  private synchronized void handle(HttpExchange exchange) throws IOException {
    calls.add(exchange.getRequestMethod() + " " + exchange.getRequestURI());
    exchange.getRequestHeaders().forEach((name, values) -> headers.put(name, values.get(0)));
    body = exchange.getRequestBody().readAllBytes();
    exchange.getResponseHeaders().set("Location", "http://127.0.0.1:" + port + "/elsewhere");
    exchange.sendResponseHeaders(answer, -1);
    exchange.close();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private Settings settings(Map<String, ?> more) {
    Map<String, Object> all =
        new HashMap<>(Map.of("url", "http://127.0.0.1:" + port + "/hook?team=a", "secret", SECRET));
    all.putAll(more);
    return Settings.of("notify.hook", all);
  }

  private WebhookNotifier local() {
    return WebhookNotifier.of(settings(Map.of("allow-http", true, "allow-private", true)), clock);
  }

  @Test
  void whoeverHasTheSecretCanTellThatItIsOurs() throws Exception {
    local().tell(List.of(notice()));
    assertThat(calls).containsExactly("POST /hook?team=a");
    String timestamp = headers.get("Thorbis-timestamp");
    assertThat(timestamp).isEqualTo(Long.toString(NOW.getEpochSecond()));
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(SECRET.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
    mac.update((timestamp + ".").getBytes(StandardCharsets.UTF_8));
    assertThat(headers.get("Thorbis-signature"))
        .isEqualTo("v1=" + HexFormat.of().formatHex(mac.doFinal(body)));
    assertThat(headers.get("Content-type")).isEqualTo("application/json");
  }

  @Test
  void theBodyIsJsonWhateverNamesAreInIt() throws IOException {
    local().tell(List.of(notice(), notice()));
    Map<String, String> fields = new HashMap<>();
    int objects = 0;
    try (JsonParser json = new JsonFactory().createParser(body)) {
      while (json.nextToken() != null) {
        if (json.currentToken() == JsonToken.START_OBJECT) {
          objects++;
        }
        if (json.currentToken() == JsonToken.VALUE_STRING) {
          fields.put(json.currentName(), json.getText());
        }
      }
    }
    assertThat(objects).isEqualTo(3);
    Alarm alarm = notice().alarm();
    assertThat(fields)
        .containsEntry("event", "raised")
        .containsEntry("id", alarm.id())
        .containsEntry("code", "backup.late")
        .containsEntry("severity", "critical")
        .containsEntry("subject", "orders")
        .containsEntry("expected", alarm.expected())
        .containsEntry("found", alarm.found())
        .containsEntry("since", "2026-03-01T11:59:00Z");
  }

  @ParameterizedTest
  @ValueSource(ints = {301, 302, 307, 308})
  void aRedirectIsNotFollowed(int status) {
    answer = status;
    assertThatThrownBy(() -> local().tell(List.of(notice())))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("redirect");
    assertThat(calls).hasSize(1);
  }

  @Test
  void anotherAnswerIsAFailureThatRepeatsNoSecret() {
    answer = 500;
    assertThatThrownBy(() -> local().tell(List.of(notice()))).hasMessage("127.0.0.1 answered 500");
  }

  @Test
  void withoutTlsOrToAnInnerAddressNothingIsSent() {
    assertThatThrownBy(() -> WebhookNotifier.of(settings(Map.of()), clock))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("notify.hook.url")
        .hasMessageNotContaining("team=a");
    assertThatThrownBy(
            () ->
                WebhookNotifier.of(settings(Map.of("allow-http", true)), clock)
                    .tell(List.of(notice())))
        .hasMessageContaining("not of the public Internet");
    assertThat(calls).isEmpty();
    for (String url : List.of("https://a:b@host/", "https://", "file:///x", "https://host/#x")) {
      assertThatThrownBy(() -> WebhookNotifier.of(settings(Map.of("url", url)), clock))
          .isInstanceOf(BackupException.class);
    }
    assertThatThrownBy(
            () ->
                WebhookNotifier.of(settings(Map.of("secret", "short", "allow-http", true)), clock))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("notify.hook.secret");
  }

  private PinnedHttp pinned(String host, PinnedHttp.Resolver resolver) {
    return new PinnedHttp(
        URI.create("http://" + host + ":" + port + "/"),
        false,
        Duration.ofMillis(300),
        (SSLSocketFactory) SSLSocketFactory.getDefault(),
        resolver);
  }

  @Test
  void aNameOneOfWhoseAddressesIsInnerIsRefusedWhole() {
    PinnedHttp http =
        pinned(
            "hooks.example",
            host ->
                new InetAddress[] {
                  InetAddress.getByAddress(new byte[] {8, 8, 8, 8}),
                  InetAddress.getByAddress(new byte[] {127, 0, 0, 1})
                });
    assertThatThrownBy(() -> http.send("POST", Map.of(), body))
        .hasMessageContaining("hooks.example leads to 127.0.0.1");
    assertThat(calls).isEmpty();
  }

  @Test
  void aNameIsLookedUpOnceAndThatAddressIsTheOneThatIsUsed() throws IOException {
    List<String> asked = new ArrayList<>();
    PinnedHttp rebinding =
        new PinnedHttp(
            URI.create("http://hooks.example:" + port + "/"),
            true,
            Duration.ofSeconds(5),
            (SSLSocketFactory) SSLSocketFactory.getDefault(),
            host -> {
              asked.add(host);
              if (asked.size() > 1) {
                throw new UnknownHostException(host);
              }
              return new InetAddress[] {InetAddress.getLoopbackAddress()};
            });
    rebinding.send("POST", Map.of(), body);
    assertThat(asked).containsExactly("hooks.example");
    assertThat(headers.get("Host")).isEqualTo("hooks.example:" + port);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 2"})
  @Timeout(20)
  void whoeverDoesNotAnswerDoesNotHoldItUp(String drop) throws Exception {
    try (ServerSocket silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      PinnedHttp http =
          new PinnedHttp(
              URI.create("http://127.0.0.1:" + silent.getLocalPort() + "/"),
              true,
              Duration.ofMillis(300),
              (SSLSocketFactory) SSLSocketFactory.getDefault(),
              InetAddress::getAllByName);
      Thread answering =
          new Thread(
              () -> {
                try (Socket asking = silent.accept()) {
                  asking.getOutputStream().write(drop.getBytes(StandardCharsets.UTF_8));
                  asking.getInputStream().transferTo(OutputStream.nullOutputStream());
                } catch (IOException e) {
                  // The test ends with what the other side sees.
                }
              });
      answering.start();
      assertThatThrownBy(() -> http.send("GET", Map.of(), new byte[0]))
          .isInstanceOf(SocketTimeoutException.class);
      answering.join();
    }
  }

  @Test
  void theHeartbeatBeatsAsLongAsNothingIsCritical() {
    Settings plain =
        settings(
            Map.of(
                "allow-http",
                true,
                "allow-private",
                true,
                "url",
                "http://127.0.0.1:" + port + "/ping/1"));
    Heartbeat quiet =
        Heartbeat.of(
            Settings.of(
                "heartbeat",
                Map.of("url", plain.require("url"), "allow-http", true, "allow-private", true)),
            clock);
    quiet.begin();
    assertThat(quiet.end(List.of(Notices.late(Severity.WARNING)))).isEmpty();
    assertThat(quiet.end(List.of(Notices.late(Severity.CRITICAL)))).isEmpty();
    assertThat(calls).containsExactly("GET /ping/1");
    calls.clear();
    Heartbeat talking =
        Heartbeat.of(
            Settings.of(
                "heartbeat",
                Map.of(
                    "url", plain.require("url"),
                    "allow-http", true,
                    "allow-private", true,
                    "method", "POST",
                    "start", true,
                    "fail", true)),
            clock);
    talking.begin();
    assertThat(talking.end(List.of(Notices.late(Severity.CRITICAL)))).isEmpty();
    assertThat(calls).containsExactly("POST /ping/1/start", "POST /ping/1/fail");
    answer = 404;
    Optional<Alarm> failed = talking.end(List.of());
    assertThat(failed.orElseThrow().kind()).isEqualTo(AlarmKind.HEARTBEAT);
    assertThat(failed.get().since()).contains(NOW);
    clock.advance(Duration.ofMinutes(5));
    assertThat(talking.end(List.of()).orElseThrow().since()).contains(NOW);
    answer = 200;
    assertThat(talking.end(List.of())).isEmpty();
  }

  @Test
  void aSecretIsErasedWithIt() {
    SecretValue secret = SecretValue.ofText(SECRET);
    WebhookNotifier notifier =
        new WebhookNotifier(pinned("127.0.0.1", InetAddress::getAllByName), secret, clock);
    notifier.close();
    assertThat(secret.<Integer>useBytes(bytes -> (int) bytes[0])).isZero();
  }
}
