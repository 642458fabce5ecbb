package com.thorbis.backup.testkit.cloud;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * Azurite, the vendor's emulator of Azure Blob Storage, one for all tests of this process: a
 * process of its own that listens on this machine's loopback, keeps everything in memory, and ends
 * with this one.
 *
 * <p>It needs Node.js with npm. The first time it is installed, from what npm has at hand or can
 * get, into the folder {@code target/azurite} of the module, or that {@value #FOLDER_PROPERTY}
 * names: 350 MB.
 */
public final class AzuriteServer {
  /** The system property that names the folder to install it in. */
  public static final String FOLDER_PROPERTY = "thorbis.azurite";

  // What the emulator lets in; it is the same everywhere.
  private static final String ACCOUNT = "devstoreaccount1";
  private static final String KEY =
      "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

  private static final String VERSION = "2021-12-02";
  private static final Pattern LISTENS = Pattern.compile("listens on (http://[0-9.:]+)");
  private static @Nullable AzuriteServer running;

  private final URI endpoint;
  private final HttpClient http = HttpClient.newHttpClient();

  private AzuriteServer(URI endpoint) {
    this.endpoint = endpoint;
  }

  /** The one of this process. */
  public static synchronized AzuriteServer start() throws IOException {
    if (running == null) {
      Path folder =
          Path.of(
                  System.getProperty(
                      FOLDER_PROPERTY, Path.of("target").resolve("azurite").toString()))
              .normalize()
              .toAbsolutePath();
      Path command = folder.resolve("node_modules/.bin/azurite-blob");
      installOnce(folder);
      running = new AzuriteServer(run(command, Files.createTempDirectory("azurite")));
    }
    return running;
  }

  /** Where it listens; the account is a part of each path. */
  public URI endpoint() {
    return endpoint;
  }

  /** What opens its account, through whatever lies between. */
  public static String connectionString(URI through) {
    return "DefaultEndpointsProtocol=http;AccountName="
        + ACCOUNT
        + ";AccountKey="
        + KEY
        + ";BlobEndpoint="
        + through
        + "/"
        + ACCOUNT
        + ";";
  }

  /** Makes a container; its name. */
  public String createContainer() throws IOException {
    String name = "c" + UUID.randomUUID();
    send("PUT", name, "restype=container");
    return name;
  }

  /** How many blobs a container has of which there are blocks alone, which nobody committed. */
  public int openUploads(String container) throws IOException {
    int whole = count(container, "");
    return count(container, "&include=uncommittedblobs") - whole;
  }

  private int count(String container, String more) throws IOException {
    String listing = send("GET", container, "comp=list" + more + "&restype=container");
    if (!listing.contains("<NextMarker/>") && !listing.contains("<NextMarker></NextMarker>")) {
      throw new IOException("More blobs than one page: " + listing);
    }
    return listing.split("<Blob>", -1).length - 1;
  }

  /** A request with a shared key, which needs no vendor's client; parameters in their order. */
  private String send(String method, String container, String query) throws IOException {
    String date =
        DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.ENGLISH)
            .format(ZonedDateTime.now(ZoneOffset.UTC));
    String path = "/" + ACCOUNT + "/" + container;
    String signed =
        method
            + "\n".repeat(12)
            + ("x-ms-date:" + date + "\nx-ms-version:" + VERSION + "\n/" + ACCOUNT + path + "\n")
            + query.replace('=', ':').replace('&', '\n');
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(endpoint + path + "?" + query))
            .header("x-ms-date", date)
            .header("x-ms-version", VERSION)
            .header("Authorization", "SharedKey " + ACCOUNT + ":" + sign(signed))
            .method(method, HttpRequest.BodyPublishers.noBody())
            .build();
    try {
      HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
      if (answer.statusCode() / 100 != 2) {
        throw new IOException(
            request + " was answered with " + answer.statusCode() + ": " + answer.body());
      }
      return answer.body();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted during " + request);
    }
  }

  private static String sign(String text) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(Base64.getDecoder().decode(KEY), "HmacSHA256"));
      return Base64.getEncoder().encodeToString(mac.doFinal(text.getBytes(UTF_8)));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Tests of a module may run in several processes, and all of them begin with this. */
  private static void installOnce(Path folder) throws IOException {
    Files.createDirectories(folder);
    try (FileChannel file =
            FileChannel.open(
                folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock alone = file.lock()) {
      Path installed = folder.resolve("installed");
      if (!Files.exists(installed)) {
        install(folder);
        Files.createFile(installed);
      }
      Objects.requireNonNull(alone);
    }
  }

  private static void install(Path folder) throws IOException {
    for (String file : List.of("package.json", "package-lock.json")) {
      try (InputStream in =
          Objects.requireNonNull(AzuriteServer.class.getResourceAsStream("/azurite/" + file))) {
        Files.write(folder.resolve(file), in.readAllBytes());
      }
    }
    Process npm =
        new ProcessBuilder(
                "npm",
                "ci",
                "--prefer-offline",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--omit=dev")
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .start();
    String said = new String(npm.getInputStream().readAllBytes(), UTF_8);
    try {
      if (npm.waitFor() != 0) {
        throw new IOException("npm could not install Azurite: " + said);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
  }

  private static URI run(Path command, Path data) throws IOException {
    List<String> line = new ArrayList<>(List.of(command.toString(), "--inMemoryPersistence"));
    line.addAll(List.of("--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck"));
    line.addAll(List.of("--blobKeepAliveTimeout", "60", "--silent"));
    line.addAll(List.of("--disableTelemetry", "--disableProductStyleUrl"));
    Process process =
        new ProcessBuilder(line).directory(data.toFile()).redirectErrorStream(true).start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(process, data)));
    BufferedReader out = process.inputReader(UTF_8);
    StringBuilder said = new StringBuilder();
    for (String text = out.readLine(); text != null; text = out.readLine()) {
      said.append(text).append('\n');
      Matcher listens = LISTENS.matcher(text);
      if (listens.find()) {
        drain(out);
        return URI.create(listens.group(1));
      }
    }
    throw new IOException("Azurite did not start: " + said);
  }

  private static void drain(BufferedReader out) {
    Thread reader =
        new Thread(
            () -> {
              try {
                while (out.readLine() != null) {
                  // it must not wait for somebody to read what it says
                }
              } catch (IOException e) {
                return; // it was stopped
              }
            },
            "azurite-output");
    reader.setDaemon(true);
    reader.start();
  }

  private static void stop(Process process, Path data) {
    process.destroy();
    try {
      process.waitFor(10, TimeUnit.SECONDS);
      Files.deleteIfExists(data);
    } catch (InterruptedException | IOException e) {
      return; // the folder is a temporary one
    }
  }
}
