package com.thorbis.backup.storage.azure;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.ObjectStoreContract;
import com.thorbis.backup.testkit.cloud.AzuriteServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;

class AzureBlobObjectStoreContractIT extends ObjectStoreContract {
  @Override
  protected ObjectStore openStore() throws IOException {
    AzuriteServer azurite = AzuriteServer.start();
    AzureBlobObjectStore.Builder builder =
        AzureBlobObjectStore.builder()
            .client(AzureClients.of(azurite.createContainer(), azurite.endpoint()))
            .prefix("prod/orders")
            .pageSize(20)
            .blockBytes(1 << 20)
            .retryFor(Duration.ofMillis(100));
    builder.stretchBytes = 1 << 20;
    return builder.build();
  }

  @Override
  protected ObjectStore openUnreachableStore() throws IOException {
    AzuriteServer azurite = AzuriteServer.start();
    Detour detour = new Detour(azurite.endpoint());
    try (detour) {
      return AzureBlobObjectStore.builder()
          .client(AzureClients.of(azurite.createContainer(), detour.endpoint()))
          .retryFor(Duration.ofMillis(100))
          .build();
    }
  }

  @Override
  protected int objectsOfThreePages() {
    return 50;
  }

  /** A way to the server that ends when it is closed. */
  private static final class Detour implements AutoCloseable {
    private final URI server;
    private final ServerSocket listener;

    Detour(URI server) throws IOException {
      this.server = server;
      this.listener = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
      Thread thread = new Thread(this::serve, "detour");
      thread.setDaemon(true);
      thread.start();
    }

    URI endpoint() {
      return URI.create("http://127.0.0.1:" + listener.getLocalPort());
    }

    private void serve() {
      while (!listener.isClosed()) {
        try {
          Socket client = listener.accept();
          Socket other = new Socket(server.getHost(), server.getPort());
          pump(client, other);
          pump(other, client);
        } catch (IOException e) {
          return;
        }
      }
    }

    private void pump(Socket from, Socket to) {
      Thread thread =
          new Thread(
              () -> {
                try (from;
                    to) {
                  byte[] buffer = new byte[8192];
                  for (int count = from.getInputStream().read(buffer);
                      count >= 0 && !listener.isClosed();
                      count = from.getInputStream().read(buffer)) {
                    to.getOutputStream().write(buffer, 0, count);
                  }
                } catch (IOException e) {
                  return; // the other end is closed too
                }
              },
              "detour-pump");
      thread.setDaemon(true);
      thread.start();
    }

    @Override
    public void close() throws IOException {
      listener.close();
    }
  }
}
