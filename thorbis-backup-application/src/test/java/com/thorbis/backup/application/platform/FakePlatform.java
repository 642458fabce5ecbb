package com.thorbis.backup.application.platform;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A service on this host that knows one token, remembers what it was asked, and fails on demand.
 */
abstract class FakePlatform implements AutoCloseable {
  static final String TOKEN = "fake-token-0123456789";

  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool(FakePlatform::daemon);
  private final Deque<Fault> faults = new ArrayDeque<>();
  final List<String> asked = new ArrayList<>();
  final List<Duration> pauses = new ArrayList<>();

  /** What came in, its path and query decoded. */
  record Request(
      String method,
      String path,
      Map<String, String> query,
      Map<String, String> headers,
      String body) {}

  /** What goes out. */
  record Answer(int status, String body, Map<String, String> headers) {
    static Answer of(int status, String body) {
      return new Answer(status, body, Map.of());
    }
  }

  /**
   * What strikes a call.
   *
   * @param method whom; empty for all
   * @param done whether the call is carried out all the same
   * @param cut whether the answer breaks off
   */
  record Fault(String method, Answer answer, boolean done, boolean cut) {}

  FakePlatform() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", this::serve);
    server.start();
  }

  private static Thread daemon(Runnable task) {
    Thread thread = new Thread(task, "fake platform");
    thread.setDaemon(true);
    return thread;
  }

  URI endpoint() {
    return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
  }

  Connection.Builder connect() {
    return connect(TOKEN);
  }

  Connection.Builder connect(String token) {
    try (SecretValue value = SecretValue.ofText(token)) {
      return Connection.as(value)
          .endpoint(endpoint())
          .timeout(Duration.ofSeconds(10))
          .pauses(pauses::add);
    }
  }

  /** Lets the next calls of a method be answered so. */
  synchronized void strike(String method, int status, Map<String, String> headers, int times) {
    for (int i = 0; i < times; i++) {
      faults.add(new Fault(method, new Answer(status, "{}", headers), false, false));
    }
  }

  /** Lets the next call of a method be refused with words. */
  synchronized void refuse(String method, int status, String body) {
    faults.add(new Fault(method, Answer.of(status, body), false, false));
  }

  /** Lets the next call of a method be carried out, and its answer break off. */
  synchronized void cut(String method) {
    faults.add(new Fault(method, Answer.of(200, "{}"), true, true));
  }

  abstract Answer answer(Request request);

  String tokenHeader() {
    return "authorization";
  }

  String tokenPrefix() {
    return "Bearer ";
  }

  private void serve(HttpExchange exchange) throws IOException {
    try (exchange) {
      Map<String, String> headers = new LinkedHashMap<>();
      exchange
          .getRequestHeaders()
          .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values.get(0)));
      Map<String, String> query = new LinkedHashMap<>();
      String raw = exchange.getRequestURI().getRawQuery();
      for (String part : raw == null ? new String[0] : raw.split("&")) {
        String[] sides = part.split("=", 2);
        query.put(
            sides[0], sides.length == 2 ? URLDecoder.decode(sides[1], StandardCharsets.UTF_8) : "");
      }
      Request request =
          new Request(
              exchange.getRequestMethod(),
              exchange.getRequestURI().getPath(),
              query,
              headers,
              new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
      Fault fault;
      Answer answer;
      synchronized (this) {
        asked.add(request.method() + " " + exchange.getRequestURI());
        fault = next(request.method());
        if (fault != null && !fault.done()) {
          answer = fault.answer();
        } else if (!(tokenPrefix() + TOKEN).equals(headers.get(tokenHeader()))) {
          answer = unknownToken();
        } else {
          answer = answer(request);
        }
      }
      byte[] body = answer.body().getBytes(StandardCharsets.UTF_8);
      answer.headers().forEach(exchange.getResponseHeaders()::set);
      exchange.sendResponseHeaders(answer.status(), body.length == 0 ? -1 : body.length);
      if (fault != null && fault.cut()) {
        return;
      }
      try (OutputStream out = exchange.getResponseBody()) {
        out.write(body);
      }
    }
  }

  Answer unknownToken() {
    return Answer.of(401, "{\"message\":\"Bad credentials\"}");
  }

  private Fault next(String method) {
    Fault fault = faults.peek();
    return fault != null && (fault.method().isEmpty() || fault.method().equals(method))
        ? faults.poll()
        : null;
  }

  static String json(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (int i = 0; i < text.length(); i++) {
      char one = text.charAt(i);
      if (one == '"' || one == '\\') {
        out.append('\\').append(one);
      } else if (one < 0x20) {
        out.append(String.format("\\u%04x", (int) one));
      } else {
        out.append(one);
      }
    }
    return out.append('"').toString();
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
