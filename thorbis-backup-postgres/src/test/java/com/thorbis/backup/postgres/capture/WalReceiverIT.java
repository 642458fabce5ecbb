package com.thorbis.backup.postgres.capture;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.MemoryWalArchive;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class WalReceiverIT {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  /** A receiver on a thread of its own. */
  private static final class Running implements AutoCloseable {
    private final Cancellation cancellation = new Cancellation();
    private final CompletableFuture<Void> end;

    Running(PostgresSettings settings, MemoryRepository repository) {
      WalReceiver receiver =
          new WalReceiver(
              settings,
              new ReceiveRequest("orders", false),
              repository,
              new RunControl(cancellation, Progress.NONE));
      end =
          CompletableFuture.runAsync(
              () -> {
                try {
                  receiver.run();
                } catch (java.io.IOException e) {
                  throw new java.io.UncheckedIOException(e);
                }
              });
    }

    void await(BooleanSupplier condition) throws Exception {
      long deadline = System.nanoTime() + PATIENCE.toNanos();
      while (!condition.getAsBoolean()) {
        if (System.nanoTime() > deadline) {
          throw new TimeoutException();
        }
        try {
          end.get(20, TimeUnit.MILLISECONDS);
          throw new IllegalStateException("The receiver ended");
        } catch (TimeoutException e) {
          continue;
        }
      }
    }

    @Override
    public void close() throws Exception {
      cancellation.cancel();
      end.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }
  }

  private static Lsn end(MemoryRepository repository, int timeline) {
    if (repository.source("orders").isEmpty()) {
      return new Lsn(0);
    }
    List<WalRange> ranges = repository.wal("orders").ranges(new Timeline(timeline));
    return ranges.isEmpty() ? new Lsn(0) : ranges.get(ranges.size() - 1).end();
  }

  private static Lsn flushed(PostgresServer server) throws Exception {
    return Lsn.parse(server.query("postgres", "SELECT pg_current_wal_flush_lsn()"));
  }

  private static void assertEqualToServer(MemoryWalArchive archive, PostgresServer server)
      throws Exception {
    int compared = 0;
    for (WalSegment segment : archive.segments()) {
      Path file = server.dataDirectory().resolve("pg_wal").resolve(segment.fileName());
      if (!Files.exists(file)) {
        continue;
      }
      WalArchive.WalContent content = archive.open(segment).orElseThrow();
      byte[] stored = new byte[content.bytes().remaining()];
      content.bytes().get(stored);
      byte[] original = Arrays.copyOf(Files.readAllBytes(file), stored.length);
      assertThat(Arrays.mismatch(stored, original)).as(segment.fileName()).isEqualTo(-1);
      compared++;
    }
    assertThat(compared).isPositive();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void storesWhatTheServerWritesAndGoesOnAfterARestart(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .setting("wal_keep_size", "512MB")
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      PostgresSettings settings =
          Sources.settings(
              folder, server.jdbcUrl("postgres"), server.superuser(), "wal.ship-interval", "100ms");
      try (Running receiver = new Running(settings, repository)) {
        server.execute(
            "postgres",
            "CREATE TABLE t AS SELECT g AS id, repeat(md5(g::text), 20) AS words"
                + " FROM generate_series(1, 60000) g",
            "SELECT pg_switch_wal()",
            "INSERT INTO t SELECT * FROM t LIMIT 100");
        Lsn first = flushed(server);
        receiver.await(() -> end(repository, 1).compareTo(first) >= 0);

        server.restart();
        server.execute("postgres", "INSERT INTO t SELECT * FROM t LIMIT 100");
        Lsn second = flushed(server);
        receiver.await(() -> end(repository, 1).compareTo(second) >= 0);

        server.kill9();
        server.start();
        server.execute("postgres", "INSERT INTO t SELECT * FROM t LIMIT 50000");
        Lsn third = flushed(server);
        receiver.await(() -> end(repository, 1).compareTo(third) >= 0);
      }

      MemoryWalArchive archive = repository.wal("orders");
      assertThat(archive.ranges(new Timeline(1))).hasSize(1);
      assertThat(archive.parts()).isPositive();
      assertEqualToServer(archive, server);
      assertThat(
              Lsn.parse(
                  server.query(
                      "postgres",
                      "SELECT restart_lsn FROM pg_replication_slots"
                          + " WHERE slot_name = 'thorbis_orders'")))
          .isGreaterThan(new Lsn(0));
    }
  }
}
