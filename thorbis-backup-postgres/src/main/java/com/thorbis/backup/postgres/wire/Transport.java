package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.settings.ServerAddress;
import com.thorbis.backup.postgres.settings.TlsSettings;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.security.cert.X509Certificate;
import java.util.Optional;
import javax.net.ssl.SSLSocket;

/**
 * A connected socket, with TLS on it or not.
 *
 * @param socket what to talk through
 * @param below what to close when nothing may wait
 * @param certificate the server's, with TLS
 */
record Transport(Socket socket, Socket below, Optional<X509Certificate> certificate)
    implements AutoCloseable {
  private static final int SSL_REQUEST = 80877103;

  /** Whether and how to ask for TLS. */
  enum Asking {
    NEVER,
    IF_OFFERED,
    ALWAYS
  }

  static Transport open(PostgresSettings settings, Asking asking) throws IOException {
    ServerAddress address = settings.address();
    int millis = Math.toIntExact(settings.connectTimeout().toMillis());
    Socket plain = address.unixSocket() ? new UnixSocket(address.socketFile()) : new Socket();
    try {
      plain.connect(place(address), millis);
      plain.setSoTimeout(millis);
      plain.setTcpNoDelay(true);
      plain.setKeepAlive(true);
      if (asking == Asking.NEVER || address.unixSocket()) {
        return new Transport(plain, plain, Optional.empty());
      }
      if (!settings.tls().direct() && !offered(plain)) {
        if (asking == Asking.ALWAYS) {
          throw new TlsMissing();
        }
        return new Transport(plain, plain, Optional.empty());
      }
      SSLSocket secret = Tls.wrap(plain, address.host(), address.port(), settings.tls());
      return new Transport(secret, plain, Tls.certificate(secret));
    } catch (IOException | RuntimeException e) {
      try {
        plain.close();
      } catch (IOException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
  }

  private static SocketAddress place(ServerAddress address) throws UnknownHostException {
    if (address.unixSocket()) {
      return UnixDomainSocketAddress.of(address.socketFile());
    }
    InetSocketAddress place = new InetSocketAddress(address.host(), address.port());
    if (place.isUnresolved()) {
      throw new UnknownHostException(address.host());
    }
    return place;
  }

  /**
   * Asks with the one byte read that leaves nothing behind which could be taken for the server's.
   */
  private static boolean offered(Socket plain) throws IOException {
    plain.getOutputStream().write(ByteBuffer.allocate(8).putInt(8).putInt(SSL_REQUEST).array());
    int answer = plain.getInputStream().read();
    return switch (answer) {
      case 'S' -> true;
      case 'N' -> false;
      case -1 -> throw new EOFException("The server closed the connection when asked for TLS");
      default ->
          throw new ProtocolException(
              "the answer '" + MessageReader.printable(answer) + "' to the question for TLS");
    };
  }

  boolean encrypted() {
    return socket != below;
  }

  /** Closes without waiting for anybody. */
  @Override
  public void close() throws IOException {
    below.close();
  }

  /** In which order to try, for the mode that is configured. */
  static Asking[] attempts(TlsSettings.Mode mode) {
    return switch (mode) {
      case DISABLE -> new Asking[] {Asking.NEVER};
      case ALLOW -> new Asking[] {Asking.NEVER, Asking.ALWAYS};
      case PREFER -> new Asking[] {Asking.IF_OFFERED, Asking.NEVER};
      case REQUIRE, VERIFY_CA, VERIFY_FULL -> new Asking[] {Asking.ALWAYS};
    };
  }

  /** The server has no TLS where it is demanded. */
  static final class TlsMissing extends IOException {
    private static final long serialVersionUID = 1L;

    TlsMissing() {
      super("The server does not offer TLS");
    }
  }
}
