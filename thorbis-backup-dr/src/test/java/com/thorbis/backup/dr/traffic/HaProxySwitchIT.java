package com.thorbis.backup.dr.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.testkit.Daemon;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class HaProxySwitchIT {
  @TempDir Path folder;
  private Path sockets;
  private ServerSocket one;
  private ServerSocket two;
  private int front;
  private Daemon haproxy;
  private HaProxySwitch traffic;

  @BeforeEach
  @Timeout(30)
  void start() throws Exception {
    one = serve('1');
    two = serve('2');
    front = PostgresServer.freePort();
    sockets = Files.createTempDirectory(Path.of("/tmp"), "ha"); // the name must stay short
    Path config = folder.resolve("haproxy.cfg");
    Files.writeString(
        config,
        """
        global
          stats socket %1$s/admin mode 600 level admin
          stats socket %1$s/reader mode 600 level user
        defaults
          mode tcp
          timeout connect 2s
          timeout client 60s
          timeout server 60s
        frontend in
          bind 127.0.0.1:%2$d
          default_backend pg
        backend pg
          server a 127.0.0.1:%3$d
          server b 127.0.0.1:%4$d disabled
        """
            .formatted(sockets, front, one.getLocalPort(), two.getLocalPort()));
    haproxy =
        Daemon.start(
            folder.resolve("log"), front, "/usr/sbin/haproxy", "-db", "-f", config.toString());
    while (!Files.exists(sockets.resolve("reader")) || !Files.exists(sockets.resolve("admin"))) {
      Thread.sleep(5); // they get their names after the port is open
    }
    traffic = at("admin");
  }

  @AfterEach
  void stop() throws Exception {
    haproxy.close();
    one.close();
    two.close();
    Files.deleteIfExists(sockets.resolve("admin"));
    Files.deleteIfExists(sockets.resolve("reader"));
    Files.delete(sockets);
  }

  @Test
  void clientsAreMovedAndBroughtBack() throws IOException {
    String before = traffic.current();
    assertThat(before)
        .isEqualTo(
            "a=127.0.0.1:%d ready, b=127.0.0.1:%d maint"
                .formatted(one.getLocalPort(), two.getLocalPort()));
    assertThat(reached()).isEqualTo('1');
    String after =
        "a=127.0.0.1:%d maint, b=127.0.0.1:%d ready"
            .formatted(one.getLocalPort(), two.getLocalPort());
    try (Socket old = new Socket(InetAddress.getLoopbackAddress(), front)) {
      assertThat(old.getInputStream().read()).isEqualTo('1');
      traffic.set(before, after);
      old.setSoTimeout(5_000);
      assertThat(old.getInputStream().read()).isEqualTo(-1); // sessions with the old place end
    }
    assertThat(traffic.points(after)).isTrue();
    assertThat(reached()).isEqualTo('2');
    traffic.set(before, after); // repeated
    traffic.set(after, before);
    assertThat(traffic.current()).isEqualTo(before);
    assertThat(reached()).isEqualTo('1');
  }

  @Test
  void oneServerGetsAnotherAddress() throws IOException {
    String before = traffic.current();
    traffic.set(before, "a=127.0.0.1:" + two.getLocalPort() + " ready");
    assertThat(reached()).isEqualTo('2');
    traffic.set("a=127.0.0.1:" + two.getLocalPort() + " ready", before);
    assertThat(reached()).isEqualTo('1');
  }

  @Test
  void whatBrokeOffHalfwayIsFinished() throws IOException {
    String before = traffic.current();
    String after = before.replace("ready", "x").replace("maint", "ready").replace("x", "maint");
    traffic.set(before, before.replace("maint", "ready")); // as if b came in, and a was not yet out
    traffic.set(before, after);
    assertThat(traffic.current()).isEqualTo(after);
  }

  @Test
  void theLastReadyServerStays() throws IOException {
    String before = traffic.current();
    assertThatThrownBy(() -> traffic.set(before, before.replace("ready", "maint")))
        .isInstanceOfSatisfying(
            SwitchException.class, e -> assertThat(e.code()).isEqualTo("traffic.unsafe"));
    assertThat(traffic.current()).isEqualTo(before);
  }

  @Test
  void whatSomebodyElseHasMovedStays() throws IOException {
    String before = traffic.current();
    String theirs = "a=127.0.0.9:7 ready";
    traffic.set(before, theirs);
    assertThatThrownBy(() -> traffic.set(before, "a=127.0.0.8:7 ready"))
        .isInstanceOfSatisfying(
            SwitchException.class, e -> assertThat(e.code()).isEqualTo("traffic.changed"));
    assertThat(traffic.points(theirs)).isTrue();
  }

  @Test
  void aSocketThatMayNotChangeAnythingIsRefused() throws IOException {
    String before = traffic.current();
    HaProxySwitch reader = at("reader");
    assertThatThrownBy(() -> reader.set(before, "a=127.0.0.9:7 ready"))
        .isInstanceOfSatisfying(
            SwitchException.class, e -> assertThat(e.code()).isEqualTo("traffic.refused"));
    assertThat(traffic.current()).isEqualTo(before);
  }

  @Test
  void whatIsNotThereIsNamedAndWhatDoesNotAnswerIsNoAnswer() throws Exception {
    HaProxySwitch other =
        HaProxySwitch.builder().socket(sockets.resolve("admin")).backend("nobody").build();
    assertThatThrownBy(other::current).hasMessageContaining("no such backend");
    assertThatThrownBy(() -> traffic.points("c=127.0.0.1:1 ready"))
        .hasMessageContaining("has no server c");
    haproxy.close();
    assertThatThrownBy(traffic::current)
        .isInstanceOfSatisfying(
            SwitchException.class, e -> assertThat(e.code()).isEqualTo("traffic.unavailable"));
  }

  private HaProxySwitch at(String name) {
    return HaProxySwitch.builder().socket(sockets.resolve(name)).backend("pg").build();
  }

  private int reached() throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), front)) {
      return socket.getInputStream().read();
    }
  }

  /** A server that says who it is, and then nothing. */
  private static ServerSocket serve(char name) throws IOException {
    ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread thread =
        new Thread(
            () -> {
              while (!server.isClosed()) {
                try {
                  server.accept().getOutputStream().write(name);
                } catch (IOException ignored) {
                  // closed, or the client has gone: the loop looks which
                }
              }
            });
    thread.setDaemon(true);
    thread.start();
    return server;
  }
}
