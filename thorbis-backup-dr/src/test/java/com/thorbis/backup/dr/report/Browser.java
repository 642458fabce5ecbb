package com.thorbis.backup.dr.report;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** A headless Chromium with one page, spoken to by its DevTools protocol. */
final class Browser implements AutoCloseable {
  private final Process process;
  private final WebSocket socket;
  private final BlockingQueue<Map<?, ?>> answers = new LinkedBlockingQueue<>();
  private final List<String> complaints = new ArrayList<>();
  private String session = "";
  private int asked;
  private int requests;

  private Browser(Process process, WebSocket socket) {
    this.process = process;
    this.socket = socket;
  }

  static Browser open(Path folder) throws Exception {
    Path program = program();
    Process process =
        new ProcessBuilder(
                program.toString(),
                "--headless=new",
                "--no-sandbox", // tests run as root, and see their own pages alone
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                "--user-data-dir=" + folder.resolve("profile"),
                "about:blank")
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("said").toFile())
            .start();
    Path listens = folder.resolve("profile").resolve("DevToolsActivePort");
    for (int tenths = 0; tenths < 600 && process.isAlive(); tenths++) {
      List<String> lines = Files.exists(listens) ? Files.readAllLines(listens) : List.of();
      if (lines.size() == 2) {
        return attach(process, URI.create("ws://127.0.0.1:" + lines.get(0) + lines.get(1)));
      }
      Thread.sleep(100);
    }
    process.destroyForcibly();
    throw new IOException("The browser did not start: " + Files.readString(folder.resolve("said")));
  }

  private static Path program() {
    for (String name : List.of("chromium", "chromium-browser", "google-chrome")) {
      Path path = Path.of("/usr/bin").resolve(name);
      if (Files.isExecutable(path)) {
        return path;
      }
    }
    throw new IllegalStateException("chromium is missing: install it");
  }

  private static Browser attach(Process process, URI address) throws Exception {
    Listener listener = new Listener();
    WebSocket socket =
        HttpClient.newHttpClient()
            .newWebSocketBuilder()
            .buildAsync(address, listener)
            .get(20, TimeUnit.SECONDS);
    Browser browser = new Browser(process, socket);
    listener.to = browser.answers;
    Map<?, ?> target = browser.ask("", "Target.createTarget", "{\"url\":\"about:blank\"}");
    Map<?, ?> session =
        browser.ask(
            "",
            "Target.attachToTarget",
            "{\"flatten\":true,\"targetId\":\"" + target.get("targetId") + "\"}");
    browser.session = String.valueOf(session.get("sessionId"));
    for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
      browser.ask(domain + ".enable", "{}");
    }
    return browser;
  }

  /** Collects what comes, in whole messages. */
  private static final class Listener implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();
    private volatile BlockingQueue<Map<?, ?>> to = new LinkedBlockingQueue<>();

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence part, boolean last) {
      text.append(part);
      if (last) {
        LoadSettings settings = LoadSettings.builder().setCodePointLimit(Integer.MAX_VALUE).build();
        to.add((Map<?, ?>) new Load(settings).loadFromString(text.toString()));
        text.setLength(0);
      }
      from.request(1);
      return null;
    }
  }

  private Map<?, ?> ask(String method, String parameters) throws Exception {
    return ask(session, method, parameters);
  }

  private Map<?, ?> ask(String in, String method, String parameters) throws Exception {
    int id = ++asked;
    socket
        .sendText(
            "{\"id\":"
                + id
                + (in.isEmpty() ? "" : ",\"sessionId\":\"" + in + "\"")
                + ",\"method\":\""
                + method
                + "\",\"params\":"
                + parameters
                + "}",
            true)
        .get(20, TimeUnit.SECONDS);
    while (true) {
      Map<?, ?> answer = next();
      if (Integer.valueOf(id).equals(answer.get("id"))) {
        if (answer.get("error") != null) {
          throw new IOException(method + ": " + answer.get("error"));
        }
        return (Map<?, ?>) answer.get("result");
      }
      event(answer);
    }
  }

  private Map<?, ?> next() throws Exception {
    Map<?, ?> answer = answers.poll(120, TimeUnit.SECONDS);
    if (answer == null) {
      throw new IOException("The browser does not answer");
    }
    return answer;
  }

  private void event(Map<?, ?> event) {
    String method = String.valueOf(event.get("method"));
    boolean request = method.equals("Network.requestWillBeSent");
    if (method.equals("Log.entryAdded")
        || method.equals("Runtime.consoleAPICalled")
        || method.equals("Runtime.exceptionThrown")
        || request && !url(event).startsWith("file:") && !url(event).startsWith("data:")) {
      complaints.add(String.valueOf(event.get("params")));
    }
    if (request) {
      requests++;
    }
  }

  private static String url(Map<?, ?> event) {
    Map<?, ?> request = (Map<?, ?>) ((Map<?, ?>) event.get("params")).get("request");
    return String.valueOf(request.get("url"));
  }

  /** How much was fetched since the last time. */
  int requests() {
    int count = requests;
    requests = 0;
    return count;
  }

  /** What the console has, and requests to anywhere else. */
  List<String> complaints() {
    return complaints;
  }

  /** Opens a page as wide as this. */
  void show(Path page, int width, boolean dark) throws Exception {
    media("", dark);
    ask(
        "Emulation.setDeviceMetricsOverride",
        "{\"width\":"
            + width
            + ",\"height\":900,\"deviceScaleFactor\":1,\"mobile\":"
            + (width < 600)
            + "}");
    ask("Page.navigate", "{\"url\":\"" + page.toUri() + "\"}");
    while (!"complete".equals(evaluate("document.readyState"))
        || !String.valueOf(evaluate("location.href")).startsWith("file:")) {
      Thread.sleep(10);
    }
  }

  /** As it is printed, or not. */
  void media(String media, boolean dark) throws Exception {
    ask(
        "Emulation.setEmulatedMedia",
        "{\"media\":\""
            + media
            + "\",\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\""
            + (dark ? "dark" : "light")
            + "\"}]}");
  }

  /** The value of an expression. */
  Object evaluate(String expression) throws Exception {
    StringBuilder quoted = new StringBuilder();
    for (int i = 0; i < expression.length(); i++) {
      char c = expression.charAt(i);
      switch (c) {
        case '"', '\\' -> quoted.append('\\').append(c);
        case '\n' -> quoted.append("\\n");
        default -> quoted.append(c);
      }
    }
    Map<?, ?> result =
        ask("Runtime.evaluate", "{\"returnByValue\":true,\"expression\":\"" + quoted + "\"}");
    if (result.get("exceptionDetails") != null) {
      throw new IOException(expression + ": " + result.get("exceptionDetails"));
    }
    return ((Map<?, ?>) result.get("result")).get("value");
  }

  /** All of the page, as a picture. */
  void picture(Path file) throws Exception {
    Map<?, ?> shot =
        ask("Page.captureScreenshot", "{\"captureBeyondViewport\":true,\"format\":\"png\"}");
    Files.write(file, Base64.getDecoder().decode(String.valueOf(shot.get("data"))));
  }

  @Override
  public void close() throws Exception {
    socket.abort();
    process.descendants().forEach(ProcessHandle::destroy);
    process.destroy();
    if (!process.waitFor(Duration.ofSeconds(10).toMillis(), TimeUnit.MILLISECONDS)) {
      process.destroyForcibly().waitFor();
    }
  }
}
