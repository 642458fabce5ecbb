package com.thorbis.backup.storage.azure;

import com.azure.core.http.HttpClient;
import com.azure.core.http.jdk.httpclient.JdkHttpClientBuilder;
import com.azure.storage.blob.BlobContainerClient;
import com.azure.storage.blob.BlobContainerClientBuilder;
import com.azure.storage.common.policy.RequestRetryOptions;
import com.azure.storage.common.policy.RetryPolicyType;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The vendor's emulator, one for all tests of this process. Installed, the first time, with the
 * versions of {@code azurite/package-lock.json}, from what npm has at hand or can get.
 */
final class AzuriteServer {
  /** What the emulator lets in; it is the same everywhere. */
  static final String ACCOUNT = "devstoreaccount1";

  static final String KEY =
      "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

  private static final Pattern LISTENS = Pattern.compile("listens on (http://[0-9.:]+)");
  private static AzuriteServer running;

  private final URI endpoint;

  private AzuriteServer(URI endpoint) {
    this.endpoint = endpoint;
  }

  static synchronized AzuriteServer start() throws IOException {
    if (running == null) {
      Path folder =
          Path.of(System.getProperty("thorbis.azurite", "target/azurite"))
              .normalize()
              .toAbsolutePath();
      Path command = folder.resolve("node_modules/.bin/azurite-blob");
      if (!Files.exists(command)) {
        install(folder);
      }
      running = new AzuriteServer(run(command, Files.createTempDirectory("azurite")));
    }
    return running;
  }

  private static void install(Path folder) throws IOException {
    Files.createDirectories(folder);
    for (String file : List.of("package.json", "package-lock.json")) {
      try (InputStream in = AzuriteServer.class.getResourceAsStream("/azurite/" + file)) {
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
    String said = new String(npm.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
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
    BufferedReader out = process.inputReader(StandardCharsets.UTF_8);
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

  URI endpoint() {
    return endpoint;
  }

  /** A new container, through whatever lies between. */
  BlobContainerClient createContainer(URI through) {
    BlobContainerClient client = client("c" + UUID.randomUUID(), through);
    client.create();
    return client;
  }

  static BlobContainerClient client(String container, URI through) {
    return client(container, through, new JdkHttpClientBuilder().build());
  }

  static BlobContainerClient client(String container, URI through, HttpClient http) {
    return new BlobContainerClientBuilder()
        .connectionString(connectionString(through))
        .containerName(container)
        .httpClient(http)
        .retryOptions(
            new RequestRetryOptions(RetryPolicyType.FIXED, 1, (Integer) null, null, null, null))
        .buildClient();
  }

  static String connectionString(URI through) {
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
}
