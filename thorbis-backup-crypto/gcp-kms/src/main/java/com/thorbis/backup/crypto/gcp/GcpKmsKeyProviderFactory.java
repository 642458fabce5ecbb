package com.thorbis.backup.crypto.gcp;

import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.KeyProviderFactory;
import java.net.URI;
import java.net.http.HttpClient;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Opens {@code gcp-kms:projects/P/locations/L/keyRings/R/cryptoKeys/K}. Settings, all optional:
 * {@code credentials-file} (else the application default credentials), {@code endpoint}, {@code
 * timeout} of one attempt (10 s), {@code attempts} (4).
 */
public final class GcpKmsKeyProviderFactory implements KeyProviderFactory {
  /** For the service loader. */
  public GcpKmsKeyProviderFactory() {}

  @Override
  public String scheme() {
    return GcpKmsKeyProvider.SCHEME;
  }

  @Override
  public KeyProvider open(URI recipient, ProviderContext context) {
    Settings settings = context.settings();
    Duration timeout = settings.duration("timeout", Duration.ofSeconds(10));
    GcpKmsKeyProvider.Builder builder =
        GcpKmsKeyProvider.builder()
            .client(HttpClient.newBuilder().connectTimeout(timeout).build())
            .login(OwnLogin.of(settings.find("credentials-file").map(Path::of)))
            .key(recipient.getSchemeSpecificPart().replaceFirst("^/+", ""))
            .timeout(timeout)
            .attempts(settings.integer("attempts", 4, 1, 20));
    Endpoints.find(settings, "endpoint").ifPresent(builder::endpoint);
    return builder.build();
  }
}
