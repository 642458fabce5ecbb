package com.thorbis.backup.testkit;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A way over TCP to a port of this host that can be cut as networks are: what was connected stays
 * so and hears nothing, not even that the other side has ended; who connects anew gets no answer.
 * When it is healed, what was on its way arrives.
 */
public final class CuttableLink implements AutoCloseable {
  private final int target;
  private final ServerSocket listener;
  private final Set<Closeable> open = ConcurrentHashMap.newKeySet();
  private boolean cut;
  private boolean closed;

  /** One to a port of 127.0.0.1. */
  public CuttableLink(int target) throws IOException {
    this.target = target;
    this.listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    start(this::accept);
  }

  /** Where it begins, at 127.0.0.1. */
  public int port() {
    return listener.getLocalPort();
  }

  /** Lets nothing through from here on. */
  public synchronized void cut() {
    cut = true;
  }

  /** Whether it lets nothing through. */
  public synchronized boolean isCut() {
    return cut;
  }

  /** Lets everything through again. */
  public synchronized void heal() {
    cut = false;
    notifyAll();
  }

  private synchronized void awaitOpen() throws IOException {
    while (cut && !closed) {
      try {
        wait();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("Interrupted", e);
      }
    }
    if (closed) {
      throw new IOException("Closed");
    }
  }

  private void accept() {
    try {
      while (true) {
        Socket client = listener.accept();
        open.add(client);
        start(() -> connect(client));
      }
    } catch (IOException e) {
      return; // it was closed
    }
  }

  private void connect(Socket client) {
    try {
      awaitOpen();
      Socket server = new Socket(InetAddress.getLoopbackAddress(), target);
      open.add(server);
      start(() -> pump(client, server));
      pump(server, client);
    } catch (IOException e) {
      end(client);
    }
  }

  /** Each direction ends by itself, and both with an error. */
  private void pump(Socket from, Socket to) {
    try {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      byte[] part = new byte[64 << 10];
      int length = in.read(part);
      while (length >= 0) {
        awaitOpen();
        out.write(part, 0, length);
        length = in.read(part);
      }
      awaitOpen();
      to.shutdownOutput();
      return;
    } catch (IOException e) {
      // What ended with an error is known to the other side only when it may be.
    }
    try {
      awaitOpen();
    } catch (IOException e) {
      // It is closed, and so are they.
    }
    end(from);
    end(to);
  }

  private void end(Socket socket) {
    open.remove(socket);
    try {
      socket.close();
    } catch (IOException e) {
      return; // it was closed
    }
  }

  private static void start(Runnable work) {
    Thread thread = new Thread(work, "cuttable-link");
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void close() throws IOException {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    listener.close();
    for (Closeable each : open) {
      each.close();
    }
  }
}
