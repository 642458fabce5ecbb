package com.thorbis.backup.postgres.wire.driver;

import com.thorbis.backup.postgres.settings.TlsSettings;
import com.thorbis.backup.postgres.wire.Tls;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Properties;
import javax.net.ssl.SSLSocketFactory;

/** Gives the JDBC driver the same TLS as our own connections have. */
public final class TlsSocketFactory extends SSLSocketFactory {
  private final SSLSocketFactory delegate;

  /** Called by the driver with its properties. */
  public TlsSocketFactory(Properties properties) {
    String mode = properties.getProperty("sslmode", TlsSettings.Mode.VERIFY_FULL.label());
    this.delegate =
        Tls.context(
                new TlsSettings(
                    Arrays.stream(TlsSettings.Mode.values())
                        .filter(known -> known.label().equals(mode))
                        .findFirst()
                        .orElseThrow(),
                    path(properties, "sslrootcert"),
                    path(properties, "sslcert"),
                    path(properties, "sslkey"),
                    Optional.ofNullable(properties.getProperty("sslpassword"))
                        .map(SecretValue::ofText),
                    false))
            .getSocketFactory();
  }

  private static Optional<Path> path(Properties properties, String name) {
    return Optional.ofNullable(properties.getProperty(name)).map(Path::of);
  }

  @Override
  public String[] getDefaultCipherSuites() {
    return delegate.getDefaultCipherSuites();
  }

  @Override
  public String[] getSupportedCipherSuites() {
    return delegate.getSupportedCipherSuites();
  }

  @Override
  public Socket createSocket(Socket socket, String host, int port, boolean autoClose)
      throws IOException {
    return delegate.createSocket(socket, host, port, autoClose);
  }

  @Override
  public Socket createSocket(String host, int port) throws IOException {
    return delegate.createSocket(host, port);
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress from, int fromPort)
      throws IOException {
    return delegate.createSocket(host, port, from, fromPort);
  }

  @Override
  public Socket createSocket(InetAddress host, int port) throws IOException {
    return delegate.createSocket(host, port);
  }

  @Override
  public Socket createSocket(InetAddress host, int port, InetAddress from, int fromPort)
      throws IOException {
    return delegate.createSocket(host, port, from, fromPort);
  }
}
