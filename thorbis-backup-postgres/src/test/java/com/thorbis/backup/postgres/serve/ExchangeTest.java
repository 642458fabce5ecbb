package com.thorbis.backup.postgres.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.postgres.server.ServerUser;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(900)
class ExchangeTest {
  @TempDir Path data;

  private Path folder;

  @BeforeEach
  void prepare() throws IOException {
    Files.createDirectory(data.resolve("pg_wal"));
    Exchange.create(data, ServerUser.owning(data));
    folder = data.resolve(Exchange.FOLDER);
  }

  @Test
  void w13WhoeverTakesAFileTakesItWhole() throws Exception {
    long seed = Long.getLong("thorbis.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    int rounds = 10_000;
    int length = 40_000;
    ExecutorService publisher = Executors.newSingleThreadExecutor();
    try (Exchange exchange = Exchange.open(data)) {
      for (int round = 0; round < rounds; round++) {
        String name = "%024X".formatted(round);
        byte[] content = new byte[1 + random.nextInt(length - 1)];
        random.nextBytes(content);
        int yields = random.nextInt(50);
        Future<?> done =
            publisher.submit(
                () -> {
                  exchange.publish(name, ByteBuffer.wrap(content), length, false);
                  return null;
                });
        for (int i = 0; i < yields; i++) {
          Thread.onSpinWait();
        }
        Path taken = data.resolve("taken");
        while (true) {
          try {
            Files.move(folder.resolve(name), taken, StandardCopyOption.ATOMIC_MOVE);
            break;
          } catch (NoSuchFileException e) {
            Thread.onSpinWait();
          }
        }
        byte[] whole = Files.readAllBytes(taken);
        assertThat(whole).hasSize(length);
        assertThat(Arrays.mismatch(whole, 0, content.length, content, 0, content.length))
            .isEqualTo(-1);
        done.get();
      }
    } finally {
      publisher.shutdownNow();
    }
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void filesArePrivate() throws IOException {
    try (Exchange exchange = Exchange.open(data)) {
      exchange.publish("000000010000000000000001", ByteBuffer.wrap(new byte[3]), 10, true);
      assertThat(Files.size(folder.resolve("000000010000000000000001"))).isEqualTo(10);
      assertThat(
              PosixFilePermissions.toString(
                  Files.getPosixFilePermissions(folder.resolve("000000010000000000000001"))))
          .isEqualTo("rw-------");
      assertThat(exchange.list()).containsExactly("000000010000000000000001");
    }
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)))
        .isEqualTo("rwx------");
  }

  @Test
  void aLinkInItsPlaceIsNotFollowed() throws IOException {
    Files.delete(folder);
    Path elsewhere = Files.createDirectory(data.resolve("elsewhere"));
    Files.createSymbolicLink(folder, elsewhere);
    assertThatThrownBy(() -> Exchange.open(data)).isInstanceOf(IOException.class);
  }

  @Test
  void aPipeInTheMarkersPlaceIsRefused() throws Exception {
    Process made = new ProcessBuilder("mkfifo", folder.resolve("restore").toString()).start();
    assertThat(made.waitFor()).isZero();
    try (Exchange exchange = Exchange.open(data)) {
      assertThatThrownBy(exchange::incarnation).isInstanceOf(IOException.class);
    }
    assertThatThrownBy(() -> Exchange.incarnationBeside(data.resolve("pg_wal/RECOVERYXLOG")))
        .isInstanceOf(IOException.class);
  }

  @Test
  void aLogFolderOfAnotherOwnerIsLeftAlone() throws IOException {
    if (!"root".equals(System.getProperty("user.name"))) {
      return; // only root could write there
    }
    Path foreign = Files.createDirectory(data.resolve("foreign"));
    Path cluster = Files.createDirectory(data.resolve("cluster"));
    Files.createSymbolicLink(cluster.resolve("pg_wal"), foreign);
    Files.setAttribute(cluster, "unix:uid", 12345);
    assertThatThrownBy(() -> Exchange.create(cluster, ServerUser.owning(data)))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("belongs to");
    assertThatThrownBy(() -> Exchange.open(cluster)).hasMessageContaining("belongs to");
    assertThat(foreign).isEmptyDirectory();
  }

  @Test
  void aLogFolderElsewhereOfTheSameOwnerIsUsed() throws IOException {
    Path log = Files.createDirectory(data.resolve("log"));
    Path cluster = Files.createDirectory(data.resolve("cluster"));
    Files.createSymbolicLink(cluster.resolve("pg_wal"), log);
    Exchange.create(cluster, ServerUser.owning(cluster));
    Exchange.create(cluster, ServerUser.owning(cluster));
    assertThat(log.resolve("thorbis")).isEmptyDirectory();
    Exchange.open(cluster).close();
  }

  @Test
  void whatARestoreFollowsIsReadBackFromBothSides() throws IOException {
    assertThat(Exchange.incarnationBeside(data.resolve("pg_wal/RECOVERYXLOG"))).isEmpty();
    Exchange.follow(data, "0123456789abcdef", ServerUser.owning(data));
    assertThat(Exchange.incarnationBeside(data.resolve("pg_wal/RECOVERYXLOG")))
        .contains("0123456789abcdef");
    try (Exchange exchange = Exchange.open(data)) {
      assertThat(exchange.incarnation()).contains("0123456789abcdef");
    }
  }
}
