package com.thorbis.backup.application.platform;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * How a service is asked, and as whom, for any number of sources and targets. Safe for several
 * threads.
 */
public final class Connection implements AutoCloseable {
  /** Waits between attempts. */
  @FunctionalInterface
  interface Pauses {
    void pause(Duration duration) throws InterruptedException;
  }

  private final SecretValue token;
  private final Optional<URI> endpoint;
  private final HttpClient client;
  private final Duration timeout;
  private final int attempts;
  private final Duration longestPause;
  private final Clock clock;
  private final Pauses pauses;
  private volatile boolean closed;

  private Connection(Builder builder) {
    token = builder.token;
    endpoint = Optional.ofNullable(builder.endpoint);
    timeout = builder.timeout;
    attempts = builder.attempts;
    longestPause = builder.longestPause;
    clock = builder.clock;
    pauses = builder.pauses;
    client = builder.client != null ? builder.client : newClient(timeout, builder.tls);
  }

  private static HttpClient newClient(Duration timeout, @Nullable SSLContext tls) {
    HttpClient.Builder client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(timeout);
    if (tls != null) {
      client.sslContext(tls);
    }
    return client.build();
  }

  /**
   * As whoever has this token.
   *
   * @param token visible ASCII; copied, the caller closes its own
   * @throws BackupException of kind CONFIGURATION if it cannot be one
   */
  public static Builder as(SecretValue token) {
    boolean visible =
        token.useBytes(
            bytes -> {
              boolean all = bytes.length > 0;
              for (byte one : bytes) {
                all &= one > ' ' && one < 0x7f;
              }
              return all;
            });
    if (!visible) {
      throw invalid(
          "The token is empty, or holds spaces, line ends or other than ASCII",
          "Give the token alone, without a line end.");
    }
    return new Builder(token.useBytes(SecretValue::copyOf));
  }

  private static BackupException invalid(String problem, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
        .remedy(remedy)
        .build();
  }

  SecretValue copyOfToken() {
    if (closed) {
      throw new IllegalStateException("The connection was closed");
    }
    return token.useBytes(SecretValue::copyOf);
  }

  /** Erases the token. Sources and targets that were made before keep theirs until they close. */
  @Override
  public void close() {
    closed = true;
    token.close();
  }

  /** A place's name, which is another one for each service that has such a place. */
  String instance(String name, String publicAddress) {
    String address = endpoint(publicAddress).toString().replaceFirst("/+$", "");
    return address.equals(publicAddress) ? name : name + " at " + address;
  }

  URI endpoint(String otherwise) {
    return endpoint.orElseGet(() -> URI.create(otherwise));
  }

  HttpClient client() {
    return client;
  }

  Duration timeout() {
    return timeout;
  }

  int attempts() {
    return attempts;
  }

  Duration longestPause() {
    return longestPause;
  }

  Clock clock() {
    return clock;
  }

  Pauses pauses() {
    return pauses;
  }

  /** Collects how a service is asked. */
  public static final class Builder {
    private final SecretValue token;
    private @Nullable URI endpoint;
    private @Nullable HttpClient client;
    private @Nullable SSLContext tls;
    private Duration timeout = Duration.ofSeconds(20);
    private int attempts = 5;
    private Duration longestPause = Duration.ofSeconds(60);
    private Clock clock = Clock.systemUTC();
    private Pauses pauses = pause -> Thread.sleep(pause.toMillis());

    private Builder(SecretValue token) {
      this.token = token;
    }

    /**
     * Another address than the service's public one.
     *
     * @throws BackupException of kind CONFIGURATION if it goes to another host without TLS
     */
    public Builder endpoint(URI address) {
      this.endpoint = Endpoints.parse("endpoint", address.toString());
      return this;
    }

    /**
     * An address that may go to another host without TLS: whoever is on the way reads the
     * credential and every value.
     */
    public Builder dangerouslyUnencryptedEndpoint(URI address) {
      if (address.getHost() == null || address.getUserInfo() != null) {
        throw invalid("endpoint: is no address", "Write http://HOST.");
      }
      this.endpoint = address;
      return this;
    }

    /**
     * The host's own client, for a proxy or a certificate of its own; never closed.
     *
     * @throws BackupException of kind CONFIGURATION if it follows redirects, as it would carry the
     *     credential to wherever one leads
     */
    public Builder client(HttpClient own) {
      if (own.followRedirects() != HttpClient.Redirect.NEVER) {
        throw invalid(
            "The HTTP client follows redirects, with the credential",
            "Build it with followRedirects(NEVER).");
      }
      this.client = own;
      return this;
    }

    /**
     * Trusts the certificates of a file in PEM, and no others; for services with an authority of
     * their own. Not together with a client.
     *
     * @throws BackupException of kind CONFIGURATION if the file holds none
     */
    public Builder certificateAuthority(Path file) {
      try (InputStream in = Files.newInputStream(file)) {
        KeyStore known = KeyStore.getInstance("PKCS12");
        known.load(null, null);
        int count = 0;
        for (Certificate one : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
          known.setCertificateEntry("authority " + count++, one);
        }
        if (count == 0) {
          throw new CertificateException("none");
        }
        TrustManagerFactory trust =
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(known);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        this.tls = context;
        return this;
      } catch (IOException | GeneralSecurityException e) {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                "certificate-authority: " + file + " holds no certificates in PEM")
            .remedy("Give the file with the certificate of the service's authority.")
            .cause(e)
            .build();
      }
    }

    /** How long one attempt may take, its answer included; 20 s if not given. */
    public Builder timeout(Duration each) {
      this.timeout = each;
      return this;
    }

    /** How often a call is tried that may succeed later, 1 to 20; 5 if not given. */
    public Builder attempts(int most) {
      if (most < 1 || most > 20) {
        throw new IllegalArgumentException("1 to 20 attempts, not " + most);
      }
      this.attempts = most;
      return this;
    }

    /**
     * The longest pause that a service may ask for; a call to one that asks for more fails. 60 s if
     * not given.
     */
    public Builder longestPause(Duration most) {
      this.longestPause = most;
      return this;
    }

    /** The time, to tell how long until a moment that a service names. */
    public Builder clock(Clock now) {
      this.clock = now;
      return this;
    }

    Builder pauses(Pauses other) {
      this.pauses = other;
      return this;
    }

    /** The connection; nobody is asked yet. */
    public Connection build() {
      return new Connection(this);
    }
  }
}
