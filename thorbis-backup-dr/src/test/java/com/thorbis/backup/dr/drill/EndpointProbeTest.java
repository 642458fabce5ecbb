package com.thorbis.backup.dr.drill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class EndpointProbeTest {
  private final Map<String, Integer> answers = new ConcurrentHashMap<>();
  private final CountDownLatch silent = new CountDownLatch(1);
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private HttpServer server;
  private URI base;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            int status = answers.getOrDefault(exchange.getRequestURI().getPath(), 200);
            if (status == 0) {
              silent.await();
            }
            exchange.getResponseHeaders().set("X-Response-Time", "1ms");
            exchange.getResponseHeaders().set("Location", "/api/health");
            exchange.sendResponseHeaders(status == 0 ? 200 : status, -1);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    server.start();
    base = URI.create("http://127.0.0.1:" + server.getAddress().getPort());
  }

  @AfterEach
  void stop() {
    silent.countDown();
    server.stop(0);
    threads.shutdownNow();
  }

  private EndpointProbe probe() {
    return EndpointProbe.of(base, EndpointProbe.STANDARD, EndpointProbe.TIMEOUT);
  }

  @Test
  void fiveEndpointsAreAskedUnlessOthersAreNamed() throws InterruptedException {
    assertThat(EndpointProbe.STANDARD)
        .containsExactly(
            "/api/health",
            "/api/hs/health",
            "/api/rest/health",
            "/api/auto/health",
            "/api/ret/health");
    assertThat(EndpointProbe.TIMEOUT).hasSeconds(10);
    assertThat(probe().ask())
        .allSatisfy(
            answer -> {
              assertThat(answer.available()).isTrue();
              assertThat(answer.status()).hasValue(200);
              assertThat(answer.problem()).isEmpty();
            })
        .extracting(EndpointProbe.Answer::endpoint)
        .containsExactlyElementsOf(EndpointProbe.STANDARD);
    DrillCheck check = probe().check();
    assertThat(check.name()).isEqualTo("application-availability");
    assertThat(check.category()).isEqualTo(DrillCheck.Category.AVAILABILITY);
    assertThat(check.outcome()).isEqualTo(DrillCheck.Outcome.PASSED);
    assertThat(check.detail()).isEqualTo("5/5 endpoints available");
  }

  @Test
  void oneThatDoesNotAnswerWellMakesAllUnavailable() throws InterruptedException {
    answers.put("/api/hs/health", 503);
    answers.put("/api/auto/health", 302); // to one that works
    DrillCheck check = probe().check();
    assertThat(check.holds()).isFalse();
    assertThat(check.detail())
        .isEqualTo(
            "3/5 endpoints available; /api/hs/health answers 503; /api/auto/health answers 302");
  }

  @Test
  void whoeverSaysNothingHoldsUpNobodyAndTimeIsMeasuredHere() throws InterruptedException {
    answers.put("/api/ret/health", 0);
    List<EndpointProbe.Answer> seen =
        EndpointProbe.of(base, EndpointProbe.STANDARD, Duration.ofMillis(300)).ask();
    EndpointProbe.Answer last = seen.get(4);
    assertThat(last.available()).isFalse();
    assertThat(last.problem()).isEqualTo("has not answered within 300 ms");
    assertThat(last.status()).isEmpty();
    assertThat(last.millis()).isBetween(300L, 9_000L);
    assertThat(seen.get(0).claimed()).contains("1ms");
    assertThat(last.claimed()).isEmpty();
  }

  @Test
  void nobodyThereIsNotAvailable() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      base = URI.create("http://127.0.0.1:" + taken.getLocalPort());
    }
    assertThat(probe().check().detail())
        .startsWith("0/5 endpoints available; /api/health does not answer: ConnectException");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "api/health", "//elsewhere.example/api/health", "/a b"})
  void aPathThatLeadsElsewhereIsRefused(String path) {
    assertThatThrownBy(() -> EndpointProbe.of(base, List.of(path), Duration.ofSeconds(1)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(
            () ->
                EndpointProbe.of(
                    URI.create("https://me:secret@host"), List.of("/a"), Duration.ofSeconds(1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageNotContaining("secret");
  }
}
