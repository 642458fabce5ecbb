package com.thorbis.backup.dr.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(20)
class SimpleQueryTest {
  private static final String ACCEPTED = "520000000800000000" + "5a0000000549";

  @ParameterizedTest
  @CsvSource({
    "'',closed", // it hangs up
    "48545450,closed", // part of a message
    "5200000002,another form", // shorter than its own length
    "527fffffff,another form", // longer than memory
    "5200000005ff,another form", // a request for a login that is cut off
    "520000000800000007,login of kind 7", // one that nobody here knows
    "520000000800000003,sent over a socket only", // the password itself
    "52000000170000000a534352414d2d5348412d323536000000,none is configured",
    "45000000094d6e6f0000,no", // a refusal
    "4500000005ff,another form", // a refusal that does not end
    ACCEPTED + "44000000060001,does not fit", // a row without columns
    ACCEPTED + "45000000094d6e6f00005a0000000549,no",
  })
  void whatIsNoAnswerIsSaidToBeNone(String bytes, String expected) throws IOException {
    try (ServerSocket server = serve(bytes, true)) {
      assertThatThrownBy(() -> ask(server, Duration.ofSeconds(10)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining(expected);
    }
  }

  @Test
  void silenceEndsInTime() throws IOException {
    try (ServerSocket server = serve(ACCEPTED, false)) {
      assertThatThrownBy(() -> ask(server, Duration.ofMillis(100)))
          .isInstanceOf(Console.Late.class);
    }
  }

  @Test
  void whoeverIsInterruptedDoesNotWait() throws IOException {
    try (ServerSocket server = serve(ACCEPTED, false)) {
      Thread.currentThread().interrupt();
      assertThatThrownBy(() -> ask(server, Duration.ofMinutes(5)))
          .isInstanceOf(InterruptedIOException.class);
      assertThat(Thread.interrupted()).isTrue();
    }
  }

  private static void ask(ServerSocket server, Duration longest) throws IOException {
    new SimpleQuery(null, "127.0.0.1", server.getLocalPort(), "boss", null)
        .ask("SHOW DATABASES", longest);
  }

  /** Says the same to everybody, and hangs up or not. */
  private static ServerSocket serve(String bytes, boolean ends) throws IOException {
    ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    Thread thread =
        new Thread(
            () -> {
              try {
                Socket socket = server.accept();
                socket.getOutputStream().write(HexFormat.of().parseHex(bytes));
                if (ends) {
                  socket.shutdownOutput();
                }
                socket.getInputStream().readAllBytes();
              } catch (IOException e) {
                // the client has gone, or nobody came
              }
            });
    thread.setDaemon(true);
    thread.start();
    return server;
  }
}
