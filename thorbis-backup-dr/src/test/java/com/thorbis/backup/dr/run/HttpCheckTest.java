package com.thorbis.backup.dr.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.api.BackupException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(30)
class HttpCheckTest {
  private static final String RUN = "incident-1";

  @TempDir Path folder;
  private final TestRuns runs = new TestRuns();
  private final AtomicInteger unwell = new AtomicInteger();
  private HttpServer server;
  private String url;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            byte[] body = "all is well".getBytes(StandardCharsets.UTF_8);
            boolean rest = exchange.getRequestURI().getPath().equals("/api/rest/health");
            exchange.sendResponseHeaders(
                rest && unwell.getAndDecrement() > 0 ? 503 : 200, body.length);
            exchange.getResponseBody().write(body);
          }
        });
    server.start();
    url = "http://127.0.0.1:" + server.getAddress().getPort();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private static RunPlan plan(Map<String, String> inputs) {
    return RunPlan.of(
        "database-failure",
        "",
        List.of(
            Task.builder("health", "http-check")
                .inputs(inputs)
                .timeout(Duration.ofSeconds(10))
                .deadline(Duration.ofSeconds(10))
                .build()));
  }

  private static String detail(RunReport report) {
    return report.task("health").map(RunReport.TaskReport::detail).orElseThrow();
  }

  @Test
  void aRunWaitsUntilEveryEndpointAnswers() {
    unwell.set(2);
    RunReport done =
        runs.engine(folder).start(plan(Map.of("url", url, "paths", "standard")), RUN, "alice");
    assertThat(done.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(detail(done)).isEqualTo(url + ": 5/5 endpoints available");
    assertThat(unwell.get()).isNegative();
    assertThat(done.timeline())
        .anyMatch(record -> record.data().toString().contains("4/5 endpoints available"));
  }

  @Test
  void oneAddressHasToAnswerWhatIsWanted() {
    RunReport done =
        runs.engine(folder)
            .start(plan(Map.of("url", url + "/", "contains", "is well")), RUN, "alice");
    assertThat(done.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(detail(done)).isEqualTo(url + "/ answers 200");
  }

  @ParameterizedTest
  @CsvSource({
    "url, ftp://host/",
    "url, http://me:secret@host/",
    "paths, api/health",
    "paths, //elsewhere.example/",
    "status, 900",
    "body, x"
  })
  void whatCannotBeAskedDoesNotBegin(String key, String value) {
    Map<String, String> inputs = new HashMap<>(Map.of("url", url));
    inputs.put(key, value);
    assertThatThrownBy(() -> runs.engine(folder).start(plan(inputs), RUN, "alice"))
        .isInstanceOf(BackupException.class)
        .hasMessageNotContaining("secret");
    assertThat(runs.store.contents()).isEmpty();
  }
}
