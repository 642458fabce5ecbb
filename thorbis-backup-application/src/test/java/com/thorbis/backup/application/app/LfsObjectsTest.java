package com.thorbis.backup.application.app;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.thorbis.backup.application.app.LfsObjects.Pointer;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against a server of the batch API as its documentation describes it. */
class LfsObjectsTest {
  private static final String TOKEN = "planted-token-Mv71";

  @TempDir Path folder;
  private HttpServer server;
  private HttpServer storage;
  private final Map<String, byte[]> held = new ConcurrentHashMap<>();
  private final List<String> asked = new ArrayList<>();
  private final AtomicInteger troubles = new AtomicInteger();
  private volatile int status = 200;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    storage = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/shop.git/info/lfs/objects/batch", this::batch);
    storage.createContext("/", this::give);
    server.start();
    storage.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
    storage.stop(0);
  }

  private static void answer(HttpExchange exchange, int code, byte[] body) throws IOException {
    try (exchange) {
      exchange.sendResponseHeaders(code, body.length == 0 ? -1 : body.length);
      if (body.length > 0) {
        exchange.getResponseBody().write(body);
      }
    }
  }

  private void batch(HttpExchange exchange) throws IOException {
    Document request = Document.parse("request", exchange.getRequestBody().readAllBytes());
    String basic = "x:" + TOKEN;
    boolean known =
        ("Basic " + Base64.getEncoder().encodeToString(basic.getBytes(StandardCharsets.UTF_8)))
            .equals(exchange.getRequestHeaders().getFirst("Authorization"));
    asked.add(request.require("operation") + " " + request.list("objects").size());
    if (troubles.getAndDecrement() > 0) {
      answer(exchange, 503, new byte[0]);
      return;
    }
    if (!known || status != 200) {
      answer(exchange, known ? status : 401, new byte[0]);
      return;
    }
    List<Object> objects = new ArrayList<>();
    for (Document one : request.list("objects")) {
      String oid = one.require("oid");
      Map<String, Object> object = new TreeMap<>(Map.of("oid", oid, "size", one.number("size", 0)));
      if (held.containsKey(oid)) {
        String href = "http://127.0.0.1:" + storage.getAddress().getPort() + "/" + oid;
        object.put(
            "actions",
            Map.of("download", Map.of("href", href, "header", Map.of("X-Ticket", "granted"))));
      } else {
        object.put("error", Map.of("code", 404, "message", TOKEN));
      }
      objects.add(object);
    }
    answer(exchange, 200, Document.of(Map.of("objects", objects)).bytes());
  }

  private void give(HttpExchange exchange) throws IOException {
    boolean ours =
        "granted".equals(exchange.getRequestHeaders().getFirst("X-Ticket"))
            && exchange.getRequestHeaders().getFirst("Authorization") == null;
    byte[] content = held.get(exchange.getRequestURI().getPath().substring(1));
    answer(exchange, ours ? 200 : 403, content);
  }

  private LfsObjects service(String token) {
    return service(token, "/shop", Optional.empty());
  }

  private LfsObjects service(String token, String path, Optional<String> configured) {
    GitAddress address =
        GitAddress.parse("http://127.0.0.1:" + server.getAddress().getPort() + path);
    GitAccess access =
        new GitAccess(address, Optional.empty(), Optional.empty(), Duration.ofSeconds(20));
    access.login(address.origin(), "x", SecretValue.copyOf(token.getBytes(StandardCharsets.UTF_8)));
    return new LfsObjects(address, access, configured);
  }

  private static Pointer pointer(String content) {
    Reference reference = Reference.of(content.getBytes(StandardCharsets.UTF_8));
    return new Pointer(reference.sha256(), reference.length(), "media/" + content);
  }

  private Pointer hold(String content) {
    Pointer made = pointer(content);
    held.put(made.oid(), content.getBytes(StandardCharsets.UTF_8));
    return made;
  }

  private Map<String, Gap> fetch(LfsObjects from, List<Pointer> wanted) throws IOException {
    return from.fetch(wanted, folder.resolve("lfs"), RunControl.unattended());
  }

  @Test
  void objectsComeFromWhereTheServiceSaysWithWhatItSaysForIt() throws IOException {
    Pointer one = hold("one");
    Pointer gone = pointer("gone");
    troubles.set(2);
    Map<String, Gap> missing = fetch(service(TOKEN), List.of(one, gone));
    assertThat(folder.resolve("lfs").resolve(one.oid())).hasContent("one");
    assertThat(missing).containsOnlyKeys(gone.oid());
    assertThat(missing.get(gone.oid()).code()).isEqualTo("application.lfs-object");
    assertThat(missing.get(gone.oid()).message()).contains("media/gone", "404");
    assertThat(missing.toString()).doesNotContain(TOKEN);
  }

  @Test
  void manyAreAskedForTogether() throws IOException {
    List<Pointer> many = new ArrayList<>();
    for (int each = 0; each < 230; each++) {
      many.add(hold("object " + each));
    }
    assertThat(fetch(service(TOKEN), many)).isEmpty();
    assertThat(asked).containsExactly("download 100", "download 100", "download 30");
    assertThat(folder.resolve("lfs")).isDirectoryContaining("glob:**/*");
  }

  @Test
  void whatIsNotWhatItsPointerNamesIsNotKept() throws IOException {
    Pointer other = pointer("what it should be");
    held.put(other.oid(), "something that is longer than it".getBytes(StandardCharsets.UTF_8));
    Pointer same = pointer("12345");
    held.put(same.oid(), "12346".getBytes(StandardCharsets.UTF_8));
    Map<String, Gap> missing = fetch(service(TOKEN), List.of(other, same));
    assertThat(missing.values())
        .extracting(Gap::code)
        .containsExactly("application.lfs-damaged", "application.lfs-damaged");
    assertThat(folder.resolve("lfs")).isEmptyDirectory();
  }

  @Test
  void aTokenThatIsNotAcceptedAndAServerWithoutLfsAreToldApart() throws IOException {
    Pointer one = hold("one");
    assertThat(fetch(service("other"), List.of(one)).get(one.oid()).code())
        .isEqualTo("application.unauthorized");
    status = 404;
    assertThat(fetch(service(TOKEN), List.of(one)).get(one.oid()).code())
        .isEqualTo("application.no-lfs");
    status = 500;
    assertThat(fetch(service(TOKEN), List.of(one)).get(one.oid()).code())
        .isEqualTo("application.unavailable");
    status = 302;
    assertThat(fetch(service(TOKEN), List.of(one)).get(one.oid()).message()).contains("302");
  }

  @Test
  void aFolderHasThemWhereGitLaysThem() throws IOException {
    Pointer one = pointer("one");
    Pointer two = pointer("two");
    Path place =
        folder
            .resolve("work/.git/lfs/objects")
            .resolve(one.oid().substring(0, 2))
            .resolve(one.oid().substring(2, 4));
    Files.createDirectories(place);
    Files.writeString(place.resolve(one.oid()), "one");
    GitAddress address = GitAddress.parse(folder.resolve("work").toString());
    LfsObjects local =
        new LfsObjects(
            address,
            new GitAccess(address, Optional.empty(), Optional.empty(), Duration.ofSeconds(20)),
            Optional.empty());
    assertThat(fetch(local, List.of(one, two))).containsOnlyKeys(two.oid());
    assertThat(folder.resolve("lfs").resolve(one.oid())).hasContent("one");
  }

  @Test
  void theServerThatTheRepositoryNamesIsAskedWithoutTheToken() throws IOException {
    Pointer one = hold("one");
    List<String> headers = new ArrayList<>();
    HttpServer other =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    other.createContext(
        "/media/objects/batch",
        exchange -> {
          headers.add(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
          String href = "http://127.0.0.1:" + storage.getAddress().getPort() + "/" + one.oid();
          answer(
              exchange,
              200,
              Document.of(
                      Map.of(
                          "objects",
                          List.of(
                              Map.of(
                                  "oid",
                                  one.oid(),
                                  "actions",
                                  Map.of(
                                      "download",
                                      Map.of(
                                          "href",
                                          href,
                                          "header",
                                          Map.of("X-Ticket", "granted")))))))
                  .bytes());
        });
    other.start();
    try {
      String named = "http://127.0.0.1:" + other.getAddress().getPort() + "/media";
      assertThat(fetch(service(TOKEN, "/shop", Optional.of(named)), List.of(one))).isEmpty();
      assertThat(folder.resolve("lfs").resolve(one.oid())).hasContent("one");
      assertThat(headers).containsExactly("null");
      assertThat(asked).isEmpty();
    } finally {
      other.stop(0);
    }
  }

  @Test
  void theServerThatTheRepositoryNamesHasTheTokenIfItIsTheSame() throws IOException {
    Pointer one = hold("one");
    String named = "http://127.0.0.1:" + server.getAddress().getPort() + "/shop.git/info/lfs/";
    assertThat(fetch(service(TOKEN, "/elsewhere", Optional.of(named)), List.of(one))).isEmpty();
    assertThat(asked).containsExactly("download 1");
  }

  @Test
  void aServerThatIsNotFollowedIsAGapThatNamesIt() throws IOException {
    Pointer one = hold("one");
    for (String named :
        List.of(
            "http://host.example/lfs",
            "ssh://git@host.example/lfs",
            "file:///etc",
            "https://u:" + TOKEN + "@host.example/lfs",
            "https://169.254.169.254/lfs",
            "-x")) {
      Gap gap = fetch(service(TOKEN, "/shop", Optional.of(named)), List.of(one)).get(one.oid());
      assertThat(gap.code()).as(named).isEqualTo("application.lfs-address");
      assertThat(gap.message()).contains(".lfsconfig").doesNotContain(TOKEN);
    }
    assertThat(asked).isEmpty();
  }
}
