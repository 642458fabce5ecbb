package com.thorbis.backup.testkit.cloud;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * A service on this host that counts what it is asked and fails on demand. Keeps everything in
 * memory. Safe for several threads.
 */
public abstract class FakeService implements AutoCloseable {
  /** What may strike a call. */
  public enum Fault {
    /** The service says that it is asked too often, and does nothing. */
    THROTTLED,
    /** The service says that it cannot answer now, and does nothing. */
    UNAVAILABLE,
    /** The call is carried out, and the connection breaks in the middle of the answer. */
    CUT
  }

  static {
    // Its headers and its body go out apart: without this a client waits 40 ms for the second.
    System.setProperty("sun.net.httpserver.nodelay", "true");
  }

  private final HttpServer server;
  private final ExecutorService threads;
  private final String scheme;
  private final Deque<Fault> faults = new ArrayDeque<>();
  private final Map<String, Integer> calls = new LinkedHashMap<>();

  FakeService(@Nullable LoopbackTls tls) throws IOException {
    InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    if (tls == null) {
      server = HttpServer.create(address, 0);
      scheme = "http";
    } else {
      HttpsServer secure = HttpsServer.create(address, 0);
      secure.setHttpsConfigurator(new HttpsConfigurator(tls.server()));
      server = secure;
      scheme = "https";
    }
    threads =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, getClass().getSimpleName());
              thread.setDaemon(true);
              return thread;
            });
    server.setExecutor(threads);
    server.createContext("/", this::serve);
    server.start();
  }

  /** Where it listens. */
  public final URI endpoint() {
    return URI.create(scheme + "://localhost:" + server.getAddress().getPort());
  }

  /** Lets a fault strike the next calls, after those that were ordered before. */
  public final synchronized void strike(Fault fault, int times) {
    for (int i = 0; i < times; i++) {
      faults.add(fault);
    }
  }

  /** How often an operation was asked for, whatever came of it. */
  public final synchronized int calls(String operation) {
    return calls.getOrDefault(operation, 0);
  }

  /** From now on nobody answers. */
  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }

  /** What came in. */
  record Request(String method, URI uri, Map<String, String> headers, byte[] body) {
    String path() {
      return uri.getPath();
    }

    /** A header by its name in lower case; empty if absent. */
    String header(String name) {
      return headers.getOrDefault(name, "");
    }

    Map<String, Object> json() {
      return Json.read(body);
    }

    String text() {
      return new String(body, StandardCharsets.UTF_8);
    }
  }

  /** What goes out; a header named {@code Content-Type} stands before {@link #contentType}. */
  record Answer(int status, Map<String, String> headers, byte[] body) {
    Answer(int status, Map<String, String> headers, Map<String, ?> body) {
      this(status, headers, Json.write(body));
    }

    static Answer ok(Map<String, ?> body) {
      return new Answer(200, Map.of(), body);
    }
  }

  /** What a request asks for; {@link #calls} counts under it. */
  abstract String operation(Request request);

  /** Carries it out. */
  abstract Answer answer(Request request);

  /** How this service says that it is asked too often. */
  abstract Answer throttled();

  /** How this service says that it cannot answer now. */
  abstract Answer unavailable();

  private void serve(HttpExchange exchange) throws IOException {
    try (exchange) {
      Map<String, String> headers = new LinkedHashMap<>();
      exchange
          .getRequestHeaders()
          .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values.get(0)));
      Request request =
          new Request(
              exchange.getRequestMethod(),
              exchange.getRequestURI(),
              headers,
              exchange.getRequestBody().readAllBytes());
      Fault fault = next(operation(request));
      Answer answer =
          fault == Fault.THROTTLED
              ? throttled()
              : fault == Fault.UNAVAILABLE ? unavailable() : answer(request);
      byte[] body = answer.body();
      exchange.getResponseHeaders().set("Content-Type", contentType());
      answer.headers().forEach(exchange.getResponseHeaders()::set);
      // A length of 0 would mean that it is not known.
      exchange.sendResponseHeaders(answer.status(), body.length == 0 ? -1 : body.length);
      try (OutputStream out = exchange.getResponseBody()) {
        // Closing it short of its length cuts the connection.
        out.write(body, 0, fault == Fault.CUT ? body.length / 2 : body.length);
        // What is still buffered when it is cut would not be sent, and with it not even the
        // headers.
        out.flush();
      }
    }
  }

  /** The type of all answers. */
  String contentType() {
    return "application/json; charset=utf-8";
  }

  private synchronized @Nullable Fault next(String operation) {
    calls.merge(operation, 1, Integer::sum);
    return faults.poll();
  }
}
