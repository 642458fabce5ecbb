package com.thorbis.backup.dr.simulate;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The network between a server and everybody else: a port that leads to another one, until it is
 * cut. It ends with this process. Safe for several threads.
 */
final class Relay implements AutoCloseable {
  private static final int CONNECT_MILLIS = 2000;

  private final int port;
  private final int target;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private @Nullable ServerSocket listening;

  Relay(int port, int target) {
    this.port = port;
    this.target = target;
  }

  /** Lets everybody through. May be called when it does. */
  synchronized void join() throws IOException {
    if (listening != null) {
      return;
    }
    ServerSocket fresh = new ServerSocket();
    try {
      fresh.setReuseAddress(true);
      fresh.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    } catch (IOException e) {
      fresh.close();
      throw e;
    }
    listening = fresh;
    start("relay-" + port, () -> accept(fresh));
  }

  /** Ends every connection and refuses others. May be called when it does. */
  synchronized void cut() throws IOException {
    ServerSocket current = listening;
    listening = null;
    if (current != null) {
      current.close();
    }
    for (Socket each : open) {
      end(each);
    }
  }

  private void accept(ServerSocket from) {
    while (true) {
      Socket client;
      try {
        client = from.accept();
      } catch (IOException e) {
        return; // it was cut
      }
      open.add(client);
      start("relay-" + port + "-connection", () -> serve(from, client));
    }
  }

  private void serve(ServerSocket from, Socket client) {
    Socket server = new Socket();
    open.add(server);
    try {
      server.connect(
          new InetSocketAddress(InetAddress.getLoopbackAddress(), target), CONNECT_MILLIS);
      client.setTcpNoDelay(true);
      server.setTcpNoDelay(true);
      if (from.isClosed()) {
        end(client); // it was cut meanwhile
      }
      start("relay-" + port + "-answers", () -> copy(server, client));
      copy(client, server);
    } catch (IOException e) {
      end(client);
      end(server);
    }
  }

  private void copy(Socket from, Socket to) {
    try (InputStream in = from.getInputStream();
        OutputStream out = to.getOutputStream()) {
      byte[] part = new byte[1 << 14];
      for (int length = in.read(part); length >= 0; length = in.read(part)) {
        out.write(part, 0, length);
      }
    } catch (IOException e) {
      // One of both has ended, and so the other does.
    } finally {
      end(from);
      end(to);
    }
  }

  private void end(Socket socket) {
    open.remove(socket);
    try {
      socket.close();
    } catch (IOException e) {
      return; // it is gone either way
    }
  }

  private static void start(String name, Runnable work) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void close() throws IOException {
    cut();
  }
}
