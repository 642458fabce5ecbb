package com.thorbis.backup.postgres.wire;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Records a session with a real server and replays it. The records in {@code target/transcripts}
 * are what the unit tests' resources are made of.
 */
class TranscriptIT {
  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void aReplayLooksLikeTheServer(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
            PostgresServer.builder(binaries)
                .dataDirectory(folder.resolve("data"))
                .setting("wal_keep_size", "512MB")
                .start();
        Recorder recorder = new Recorder(server.port())) {
      server.createTablespace("side", folder.resolve("side"));
      PostgresSettings settings =
          Sources.settings(
              folder,
              "jdbc:postgresql://127.0.0.1:" + recorder.port() + "/postgres?sslmode=disable",
              server.superuser());
      List<String> live;
      try (ReplicationConnection connection =
          ReplicationConnection.open(settings, new Cancellation())) {
        live = Session.run(connection);
      }
      byte[] transcript = Transcript.compacted(recorder.recorded(), binaries.major() >= 15);

      try (ReplicationConnection replay = Transcript.client(transcript)) {
        assertThat(Session.run(replay)).isEqualTo(live);
      }
      Path out = Files.createDirectories(Path.of("target", "transcripts"));
      try (OutputStream packed =
          new GZIPOutputStream(
              Files.newOutputStream(out.resolve("transcript-" + binaries.major() + ".bin.gz")))) {
        packed.write(transcript);
      }
      Files.write(out.resolve("transcript-" + binaries.major() + ".txt"), live);
    }
  }

  /** Passes on both ways, and keeps what the server says. */
  private static final class Recorder implements AutoCloseable {
    private final ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    private final ByteArrayOutputStream said = new ByteArrayOutputStream();
    private final Thread thread;

    Recorder(int target) throws IOException {
      thread =
          new Thread(
              () -> {
                try (Socket client = listener.accept();
                    Socket server = new Socket(InetAddress.getLoopbackAddress(), target)) {
                  Thread up =
                      new Thread(
                          () -> {
                            try {
                              client.getInputStream().transferTo(server.getOutputStream());
                              server.shutdownOutput();
                            } catch (IOException e) {
                              said.writeBytes(new byte[0]);
                            }
                          });
                  up.start();
                  InputStream in = server.getInputStream();
                  byte[] buffer = new byte[64 << 10];
                  for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                    said.write(buffer, 0, n);
                    client.getOutputStream().write(buffer, 0, n);
                  }
                } catch (IOException e) {
                  said.writeBytes(new byte[0]);
                }
              });
      thread.start();
    }

    int port() {
      return listener.getLocalPort();
    }

    byte[] recorded() throws InterruptedException {
      thread.join();
      return said.toByteArray();
    }

    @Override
    public void close() throws IOException {
      listener.close();
    }
  }
}
