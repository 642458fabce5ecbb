package com.thorbis.backup.postgres.wire.driver;

import com.thorbis.backup.postgres.wire.UnixSocket;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Path;
import javax.net.SocketFactory;

/** Lets the JDBC driver talk through a Unix-domain socket. */
public final class UnixSocketFactory extends SocketFactory {
  private final Path file;

  /** Called by the driver with the socket's file. */
  public UnixSocketFactory(String file) {
    this.file = Path.of(file);
  }

  @Override
  public Socket createSocket() throws IOException {
    return new UnixSocket(file);
  }

  @Override
  public Socket createSocket(String host, int port) throws IOException {
    throw new IOException("Not used by the driver");
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress from, int fromPort)
      throws IOException {
    throw new IOException("Not used by the driver");
  }

  @Override
  public Socket createSocket(InetAddress host, int port) throws IOException {
    throw new IOException("Not used by the driver");
  }

  @Override
  public Socket createSocket(InetAddress host, int port, InetAddress from, int fromPort)
      throws IOException {
    throw new IOException("Not used by the driver");
  }
}
