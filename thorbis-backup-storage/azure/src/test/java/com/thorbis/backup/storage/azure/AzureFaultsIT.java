package com.thorbis.backup.storage.azure;

import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.cloud.AzuriteServer;
import com.thorbis.backup.testkit.cloud.ObjectStoreFaultContract;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;

class AzureFaultsIT extends ObjectStoreFaultContract {
  private static final int BLOCK = 1 << 20;

  private String container;

  @Override
  protected URI startServer() throws IOException {
    AzuriteServer azurite = AzuriteServer.start();
    container = azurite.createContainer();
    return azurite.endpoint();
  }

  @Override
  protected ObjectStore open(URI endpoint, String prefix) throws IOException {
    AzureBlobObjectStore.Builder builder =
        AzureBlobObjectStore.builder()
            .client(AzureClients.of(container, endpoint))
            .prefix(prefix)
            .blockBytes(BLOCK)
            .retryFor(Duration.ofSeconds(20));
    builder.firstWait = Duration.ofMillis(1);
    builder.mostAttempts = 3;
    return builder.build();
  }

  @Override
  protected int longContent() {
    return 2 * BLOCK + 1;
  }

  @Override
  protected String error(int status) {
    String code =
        switch (status) {
          case 400 -> "InvalidInput";
          case 403 -> "AuthorizationFailure";
          case 404 -> "ContainerNotFound";
          case 409 -> "Conflict";
          case 429 -> "TooManyRequests";
          case 503 -> "ServerBusy";
          default -> "InternalError";
        };
    return "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>"
        + code
        + "</Code><Message>planted</Message></Error>";
  }
}
