package com.thorbis.backup.dr.failover;

import static com.thorbis.backup.dr.failover.Sighting.Reading.CANNOT_TELL;
import static com.thorbis.backup.dr.failover.Sighting.Reading.DOWN;
import static com.thorbis.backup.dr.failover.Sighting.Reading.UP;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(30)
class SignalsTest {
  private static final Duration PATIENCE = Duration.ofMillis(300);

  private static Sighting.Reading port(int port, Duration patience) throws Exception {
    ServerAccess server =
        ServerAccess.builder(
                "db1",
                "127.0.0.1",
                port,
                () -> {
                  throw new java.sql.SQLException("is not asked");
                })
            .build();
    return Signals.port("port", "here", server, patience).look().reading();
  }

  /** What stands at a port: it answers with a byte, closes, or says nothing. */
  @ParameterizedTest
  @CsvSource({"N,UP", "S,UP", "E,UP", "H,CANNOT_TELL", "close,CANNOT_TELL", "silence,DOWN"})
  void aPortIsUpIfAServerAnswersThere(String answer, Sighting.Reading reading) throws Exception {
    try (ServerSocket listener = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      Thread server =
          new Thread(
              () -> {
                try (Socket client = listener.accept()) {
                  client.getInputStream().readNBytes(8);
                  if (answer.length() == 1) {
                    client.getOutputStream().write(answer.charAt(0));
                  } else if (answer.equals("silence")) {
                    client.getInputStream().read();
                  }
                } catch (IOException e) {
                  return; // the test is over
                }
              });
      server.start();
      Duration patience = answer.equals("silence") ? PATIENCE : Duration.ofSeconds(20);
      assertThat(port(listener.getLocalPort(), patience)).isEqualTo(reading);
      server.join();
    }
  }

  @Test
  void nobodyAtThePortIsDownAndANameThatLeadsNowhereIsNot() throws Exception {
    int free;
    try (ServerSocket listener = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      free = listener.getLocalPort();
    }
    assertThat(port(free, PATIENCE)).isEqualTo(DOWN);
    assertThat(Signals.port("[nowhere", 1, PATIENCE).reading()).isEqualTo(CANNOT_TELL);
  }

  @ParameterizedTest
  @CsvSource({"200,UP", "503,DOWN", "404,CANNOT_TELL", "500,CANNOT_TELL"})
  void anotherPlaceTellsByItsStatus(int status, Sighting.Reading reading) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/db1",
        exchange -> {
          exchange.sendResponseHeaders(status, -1);
          exchange.close();
        });
    server.start();
    URI url = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/db1");
    Signal signal = Signals.http("witness", "elsewhere", url, 200, 503, Duration.ofSeconds(20));
    try {
      assertThat(signal.look().reading()).isEqualTo(reading);
    } finally {
      server.stop(0);
    }
    assertThat(signal.look().reading()).isEqualTo(CANNOT_TELL);
  }

  @ParameterizedTest
  @CsvSource({"0,UP", "1,DOWN", "2,CANNOT_TELL", "255,CANNOT_TELL"})
  void aProgramTellsByHowItEnds(int code, Sighting.Reading reading) throws Exception {
    Signal signal =
        Signals.command(
            "ssh", "db2", List.of("/bin/sh", "-c", "exit " + code), Duration.ofSeconds(20));
    assertThat(signal.look().reading()).isEqualTo(reading);
  }

  @Test
  void aProgramThatIsNotThereOrDoesNotEndTellsNothing() throws Exception {
    assertThat(
            Signals.command("gone", "db2", List.of("/no/such/program"), PATIENCE).look().reading())
        .isEqualTo(CANNOT_TELL);
    assertThat(
            Signals.command("slow", "db2", List.of("/bin/sleep", "60"), PATIENCE).look().reading())
        .isEqualTo(CANNOT_TELL);
  }

  @Test
  void anAnswerThatDoesNotEndTellsNothing() throws Exception {
    try (ServerSocket listener = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      Thread server =
          new Thread(
              () -> {
                try (Socket client = listener.accept()) {
                  client
                      .getOutputStream()
                      .write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1".getBytes(US_ASCII));
                  while (client.getInputStream().read() >= 0) {
                    // until the other side has had enough
                  }
                } catch (IOException e) {
                  return; // the test is over
                }
              });
      server.start();
      URI url = URI.create("http://127.0.0.1:" + listener.getLocalPort() + "/");
      assertThat(Signals.http("witness", "elsewhere", url, 200, 503, PATIENCE).look().reading())
          .isEqualTo(CANNOT_TELL);
      server.interrupt();
    }
  }

  /** Only that nobody is there says something about the server. */
  @Test
  void aNameACertificateOrANetworkThatIsAwayIsNoServerThatIsDown() throws Exception {
    Map<IOException, Sighting.Reading> causes =
        Map.of(
            new UnknownHostException("db1"), CANNOT_TELL,
            new SSLHandshakeException("expired"), CANNOT_TELL,
            new ConnectException("Network is unreachable"), CANNOT_TELL,
            new ConnectException("Connection refused"), DOWN,
            new NoRouteToHostException("No route to host"), DOWN,
            new SocketTimeoutException("Connect timed out"), DOWN);
    for (Map.Entry<IOException, Sighting.Reading> each : causes.entrySet()) {
      ServerAccess server =
          ServerAccess.builder(
                  "db1",
                  "db1.example",
                  5432,
                  () -> {
                    throw new SQLException("no", "08001", each.getKey());
                  })
              .build();
      assertThat(Signals.query("query", "here", server).look().reading())
          .as(each.getKey().toString())
          .isEqualTo(each.getValue());
    }
  }

  @Test
  void aQueryTellsARefusalFromSilence() throws Exception {
    FakeServer server = new FakeServer("db1", false);
    assertThat(Signals.query("query", "here", server.access()).look().reading()).isEqualTo(UP);
    server.reachable = false;
    assertThat(Signals.query("query", "here", server.access()).look().reading()).isEqualTo(DOWN);
    for (String[] each :
        new String[][] {
          {"28P01", "UP"}, {"53300", "UP"}, {"57P03", "CANNOT_TELL"}, {"57014", "DOWN"}
        }) {
      ServerAccess answers =
          ServerAccess.builder(
                  "db1",
                  "db1.example",
                  5432,
                  () -> {
                    throw new java.sql.SQLException("no", each[0]);
                  })
              .build();
      assertThat(Signals.query("query", "here", answers).look().reading().name())
          .isEqualTo(each[1]);
    }
  }
}
