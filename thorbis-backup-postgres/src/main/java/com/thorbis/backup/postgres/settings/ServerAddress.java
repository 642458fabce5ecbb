package com.thorbis.backup.postgres.settings;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;

/**
 * Where a server listens.
 *
 * @param host a name or address; for a Unix-domain socket its folder, which starts with a slash
 * @param port the port, which also names the socket's file
 */
public record ServerAddress(String host, int port) {
  /** Whether it is a Unix-domain socket. */
  public boolean unixSocket() {
    return host.startsWith("/");
  }

  /** The socket's file. */
  public Path socketFile() {
    return Path.of(host, ".s.PGSQL." + port);
  }

  /** Whether what is sent there never leaves this host. */
  public boolean local() {
    if (unixSocket()) {
      return true;
    }
    try {
      for (InetAddress address : InetAddress.getAllByName(host)) {
        if (!address.isLoopbackAddress()) {
          return false;
        }
      }
      return true;
    } catch (UnknownHostException e) {
      return false;
    }
  }

  @Override
  public String toString() {
    return unixSocket() ? socketFile().toString() : host + ":" + port;
  }
}
