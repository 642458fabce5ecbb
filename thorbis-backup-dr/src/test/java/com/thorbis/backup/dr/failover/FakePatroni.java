package com.thorbis.backup.dr.failover;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The part of Patroni's REST API that is used, over two members in memory. */
final class FakePatroni implements AutoCloseable {
  final List<String> requests = Collections.synchronizedList(new ArrayList<>());
  volatile @Nullable String leader = "db1";
  volatile boolean paused;
  volatile String lag = "0";
  volatile int answers;
  volatile boolean dropsAnswer;
  volatile String chooses = "";
  volatile String password = "";

  private final HttpServer server;

  FakePatroni() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "patroni");
              thread.setDaemon(true);
              return thread;
            }));
    server.createContext("/", this::handle);
    server.start();
  }

  URI address() {
    return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
  }

  private void handle(HttpExchange exchange) throws IOException {
    String body = new String(exchange.getRequestBody().readAllBytes(), UTF_8);
    String asked = exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath();
    requests.add(asked + (body.isEmpty() ? "" : " " + body));
    boolean changes = !exchange.getRequestMethod().equals("GET");
    if (changes && !password.isEmpty() && !authorized(exchange)) {
      answer(exchange, 401, "no auth header received");
      return;
    }
    if (changes && answers != 0) {
      answer(exchange, answers, "failover is not possible: no good candidates have been found");
      return;
    }
    switch (asked) {
      case "GET /cluster" -> answer(exchange, 200, cluster());
      case "POST /switchover", "POST /failover" -> change(exchange, body);
      default -> answer(exchange, 404, "");
    }
  }

  private boolean authorized(HttpExchange exchange) {
    String expected = Base64.getEncoder().encodeToString(("admin:" + password).getBytes(UTF_8));
    return ("Basic " + expected).equals(exchange.getRequestHeaders().getFirst("Authorization"));
  }

  private void change(HttpExchange exchange, String body) throws IOException {
    String from = field(body, "leader");
    String to = field(body, "candidate");
    if (from != null && !from.equals(leader)) {
      answer(exchange, 412, "leader name does not match");
      return;
    }
    leader = chooses.isEmpty() ? to : chooses;
    if (dropsAnswer) {
      exchange.close();
      return;
    }
    answer(exchange, 200, "Successfully failed over to \"" + leader + "\"");
  }

  private static @Nullable String field(String json, String name) {
    Matcher form = Pattern.compile("\"" + name + "\":\"([^\"]+)\"").matcher(json);
    return form.find() ? form.group(1) : null;
  }

  private String cluster() {
    StringBuilder members = new StringBuilder();
    for (String name : List.of("db1", "db2")) {
      boolean leads = name.equals(leader);
      members
          .append(members.length() == 0 ? "" : ", ")
          .append("{\"name\": \"" + name + "\", \"role\": \"")
          .append(leads ? "leader" : "replica")
          .append("\", \"state\": \"" + (leads ? "running" : "streaming") + "\", ")
          .append("\"api_url\": \"http://10.0.0.4:8008/patroni\", \"host\": \"10.0.0.4\", ")
          .append("\"port\": 5432, \"timeline\": 5, \"tags\": {\"clonefrom\": true}")
          .append(leads ? "}" : ", \"lag\": " + lag + "}");
    }
    return "{\"members\": ["
        + members
        + "], \"scope\": \"demo\""
        + (paused ? ", \"pause\": true" : "")
        + "}";
  }

  private static void answer(HttpExchange exchange, int status, String text) throws IOException {
    byte[] bytes = text.getBytes(UTF_8);
    exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
    if (bytes.length > 0) {
      exchange.getResponseBody().write(bytes);
    }
    exchange.close();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
