package com.thorbis.backup.testkit.cloud;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A server that speaks the language of S3, as a process of its own that listens on this machine's
 * loopback and forgets everything when it is closed.
 *
 * <p>The programs are {@code org.gaul:s3proxy:jar:jar-with-dependencies} and {@code
 * com.adobe.testing:s3mock:jar:exec}, which a build copies into the folder {@code
 * target/cloud-servers} of the module, or that {@value #PROGRAMS_PROPERTY} names. They are on
 * nobody's class path.
 */
public final class S3Server implements AutoCloseable {
  /** The system property that names the folder of programs. */
  public static final String PROGRAMS_PROPERTY = "thorbis.cloud.servers";

  /** The region that the servers accept. */
  public static final String REGION = "us-east-1";

  private static final String ID = "thorbis-test";
  private static final String SECRET = "thorbis test's secret";
  private static final Duration LONGEST_START = Duration.ofMinutes(2);
  private static final int TRIES = 3;

  private final Process process;
  private final Path folder;
  private final URI endpoint;
  private final HttpClient http = HttpClient.newHttpClient();

  private S3Server(Process process, Path folder, URI endpoint) {
    this.process = process;
    this.folder = folder;
    this.endpoint = endpoint;
  }

  /** S3Proxy, with objects in memory: checks signatures and conditions, has versions, no locks. */
  public static S3Server s3Proxy() throws IOException {
    return start(
        "s3proxy-.*-jar-with-dependencies\\.jar",
        (folder, port) -> {
          Path properties = folder.resolve("s3proxy.properties");
          Files.writeString(
              properties,
              String.join(
                  "\n",
                  "s3proxy.endpoint=http://127.0.0.1:" + port,
                  "s3proxy.authorization=aws-v2-or-v4",
                  "s3proxy.identity=" + ID,
                  "s3proxy.credential=" + SECRET,
                  "jclouds.provider=transient-nio2",
                  "jclouds.identity=none",
                  "jclouds.credential=none",
                  ""));
          return List.of("--properties", properties.toString());
        });
  }

  /**
   * S3Mock, with objects in files: checks the newer checksums and conditions, no signatures. The
   * program also listens on a port of its own choice on every address of this machine.
   */
  public static S3Server s3Mock() throws IOException {
    return start(
        "s3mock-.*-exec\\.jar",
        (folder, port) ->
            List.of(
                "--server.address=127.0.0.1",
                "--server.port=" + port,
                "--server.ssl.enabled=false",
                "--http.port=0", // a second one, which cannot be told to listen on loopback only
                "--com.adobe.testing.s3mock.store.root=" + folder.resolve("objects")));
  }

  /** Where it listens. */
  public URI endpoint() {
    return endpoint;
  }

  /** The id of the one account. */
  public String accessKeyId() {
    return ID;
  }

  /** The secret of the one account. */
  public String secretAccessKey() {
    return SECRET;
  }

  /** Makes a bucket. */
  public void createBucket(String name) throws IOException {
    signed("PUT", "/" + name, "", "");
  }

  /** Makes a bucket that keeps what is deleted. */
  public void createBucketWithVersions(String name) throws IOException {
    createBucket(name);
    signed(
        "PUT",
        "/" + name,
        "?versioning",
        "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            + "<Status>Enabled</Status></VersioningConfiguration>");
  }

  /** How many uploads to a bucket were begun and neither ended nor given up. */
  public int openUploads(String bucket) throws IOException {
    return signed("GET", "/" + bucket, "?uploads", "").split("<UploadId>", -1).length - 1;
  }

  @Override
  public void close() throws IOException {
    process.destroyForcibly();
    try {
      process.waitFor(1, TimeUnit.MINUTES);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    deleteTree(folder);
  }

  /** A request with the older signature, which needs no vendor's client. */
  private String signed(String method, String resource, String query, String body)
      throws IOException {
    String date =
        DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.ENGLISH)
            .format(ZonedDateTime.now(ZoneOffset.UTC));
    String type = "application/xml";
    String signed = method + "\n\n" + type + "\n\nx-amz-date:" + date + "\n" + resource + query;
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(endpoint + resource + query))
            .header("Content-Type", type)
            .header("x-amz-date", date)
            .header("Authorization", "AWS " + ID + ":" + sign(signed))
            .method(method, HttpRequest.BodyPublishers.ofString(body))
            .build();
    HttpResponse<String> answer = send(request);
    if (answer.statusCode() / 100 != 2) {
      throw new IOException(
          request + " was answered with " + answer.statusCode() + ": " + answer.body());
    }
    return answer.body();
  }

  private HttpResponse<String> send(HttpRequest request) throws IOException {
    try {
      return http.send(request, HttpResponse.BodyHandlers.ofString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted during " + request);
    }
  }

  private static String sign(String text) {
    try {
      Mac mac = Mac.getInstance("HmacSHA1");
      mac.init(new SecretKeySpec(SECRET.getBytes(UTF_8), "HmacSHA1"));
      return Base64.getEncoder().encodeToString(mac.doFinal(text.getBytes(UTF_8)));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What a program is started with. */
  @FunctionalInterface
  private interface Arguments {
    List<String> of(Path folder, int port) throws IOException;
  }

  private static S3Server start(String jar, Arguments arguments) throws IOException {
    Path program = program(jar);
    for (int attempt = 1; ; attempt++) {
      Path folder = Files.createTempDirectory("thorbis-s3-server");
      int port;
      try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        port = free.getLocalPort();
      }
      List<String> words =
          new ArrayList<>(
              List.of(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx512m",
                  "-XX:TieredStopAtLevel=1",
                  "-jar",
                  program.toString()));
      words.addAll(arguments.of(folder, port));
      Path log = folder.resolve("log");
      Process process =
          new ProcessBuilder(words)
              .directory(folder.toFile())
              .redirectErrorStream(true)
              .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
              .redirectOutput(log.toFile())
              .start();
      Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
      S3Server server = new S3Server(process, folder, URI.create("http://127.0.0.1:" + port));
      if (server.awaitAnswer()) {
        return server;
      }
      String said = Files.readString(log);
      server.close();
      if (attempt == TRIES) { // another process may have taken the port each time, but hardly
        throw new IOException(program.getFileName() + " did not start:\n" + said);
      }
    }
  }

  private boolean awaitAnswer() throws IOException {
    HttpRequest look =
        HttpRequest.newBuilder(endpoint).timeout(Duration.ofSeconds(10)).GET().build();
    long until = System.nanoTime() + LONGEST_START.toNanos();
    while (process.isAlive() && System.nanoTime() < until) {
      try {
        send(look);
        return true;
      } catch (InterruptedIOException e) {
        throw e;
      } catch (IOException e) {
        pause();
      }
    }
    return false;
  }

  private static void pause() throws InterruptedIOException {
    try {
      Thread.sleep(50);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while a server starts");
    }
  }

  private static Path program(String name) {
    Path folder =
        Path.of(
            System.getProperty(PROGRAMS_PROPERTY, Path.of("target", "cloud-servers").toString()));
    if (Files.isDirectory(folder)) {
      try (Stream<Path> files = Files.list(folder)) {
        List<Path> found =
            files.filter(file -> file.getFileName().toString().matches(name)).toList();
        if (!found.isEmpty()) {
          return found.get(0).toAbsolutePath();
        }
      } catch (IOException e) {
        throw new UncheckedIOException("Cannot read " + folder, e);
      }
    }
    throw new IllegalStateException(
        "No "
            + name
            + " in "
            + folder.toAbsolutePath()
            + ": declare maven-dependency-plugin in the module, or run with -D"
            + PROGRAMS_PROPERTY
            + "=FOLDER");
  }

  private static void deleteTree(Path directory) throws IOException {
    try (Stream<Path> tree = Files.walk(directory)) {
      for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    }
  }
}
