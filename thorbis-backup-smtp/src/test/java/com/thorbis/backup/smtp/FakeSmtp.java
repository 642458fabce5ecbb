package com.thorbis.backup.smtp;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/** A mail server on this host that keeps what it is sent. */
final class FakeSmtp implements AutoCloseable {
  final List<String> commands = new CopyOnWriteArrayList<>();
  final List<String> mails = new CopyOnWriteArrayList<>();
  volatile String answerToData = "250 taken";
  private final ServerSocket socket;
  private final Optional<SSLContext> tls;

  /**
   * Listens.
   *
   * @param tls what it offers with STARTTLS; empty: it offers none
   */
  FakeSmtp(Optional<SSLContext> tls) throws IOException {
    this.tls = tls;
    this.socket = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    Thread thread = new Thread(this::accept, "smtp");
    thread.setDaemon(true);
    thread.start();
  }

  int port() {
    return socket.getLocalPort();
  }

  private void accept() {
    while (!socket.isClosed()) {
      try (Socket connection = socket.accept()) {
        talk(connection, false);
      } catch (IOException e) {
        // The next one.
      }
    }
  }

  private void talk(Socket connection, boolean secure) throws IOException {
    BufferedReader in =
        new BufferedReader(
            new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8));
    OutputStream out = connection.getOutputStream();
    if (!secure) {
      say(out, "220 fake");
    }
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      commands.add((secure ? "tls " : "") + line);
      String verb = line.split(" ", 2)[0].toUpperCase(Locale.ROOT);
      switch (verb) {
        case "EHLO" ->
            say(
                out,
                secure
                    ? "250-fake\r\n250 AUTH PLAIN LOGIN"
                    : tls.isPresent() ? "250-fake\r\n250 STARTTLS" : "250-fake\r\n250 8BITMIME");
        case "STARTTLS" -> {
          say(out, "220 go");
          SSLSocket wrapped =
              (SSLSocket)
                  tls.orElseThrow()
                      .getSocketFactory()
                      .createSocket(connection, "localhost", connection.getPort(), true);
          wrapped.setUseClientMode(false);
          talk(wrapped, true);
          return;
        }
        case "AUTH" -> say(out, "235 in");
        case "DATA" -> {
          say(out, "354 go");
          StringBuilder mail = new StringBuilder();
          for (String text = in.readLine(); !".".equals(text); text = in.readLine()) {
            mail.append(text).append('\n');
          }
          mails.add(mail.toString());
          say(out, answerToData);
        }
        case "QUIT" -> {
          say(out, "221 bye");
          return;
        }
        default -> say(out, "250 fine");
      }
    }
  }

  private static void say(OutputStream out, String text) throws IOException {
    out.write((text + "\r\n").getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
