package com.thorbis.backup.cli;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.Callable;

/** An application that clients ask for {@code /health}. */
final class Portal implements AutoCloseable {
  private final HttpServer server;

  private Portal(HttpServer server) {
    this.server = server;
  }

  /**
   * Starts one.
   *
   * @param serves what it answers with 200; empty, or thrown: it answers with 503
   */
  static Portal start(Callable<Optional<String>> serves) throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/health",
        exchange -> {
          Optional<String> said = said(serves);
          byte[] body = said.orElse("").getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(
              said.isPresent() ? 200 : 503, body.length == 0 ? -1 : body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    server.start();
    return new Portal(server);
  }

  private static Optional<String> said(Callable<Optional<String>> serves) {
    try {
      return serves.call();
    } catch (Exception e) {
      return Optional.empty();
    }
  }

  /** Where it listens, as {@code HOST:PORT}. */
  String address() {
    return "127.0.0.1:" + server.getAddress().getPort();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
