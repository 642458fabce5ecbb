package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.postgres.wire.ServerException;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Streams the WAL of one backup into the archive while the backup is taken, where nobody else does.
 * A temporary slot keeps the WAL on the server from before the backup begins.
 */
public final class WalCompanion implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WalCompanion.class);
  private static final Duration SHIP_INTERVAL = Duration.ofSeconds(1);
  private static final String TOO_MANY_SLOTS = "53400";

  private final ReplicationConnection connection;
  private final PostgresSettings settings;
  private final ClusterIdentity cluster;
  private final WalArchive archive;
  private final Optional<String> slot;
  private @Nullable Thread thread;
  private volatile boolean stopping;
  private @Nullable Exception failure;
  private Lsn durable = new Lsn(0);
  private boolean over;

  private WalCompanion(
      ReplicationConnection connection,
      PostgresSettings settings,
      ClusterIdentity cluster,
      WalArchive archive,
      Optional<String> slot) {
    this.connection = connection;
    this.settings = settings;
    this.cluster = cluster;
    this.archive = archive;
    this.slot = slot;
  }

  /** Connects and makes the server keep its WAL from now on. */
  public static WalCompanion open(
      PostgresSettings settings, ClusterIdentity cluster, WalArchive archive) throws IOException {
    ReplicationConnection connection = ReplicationConnection.open(settings, new Cancellation());
    try {
      String name =
          "thorbis_backup_" + Long.toHexString(new java.security.SecureRandom().nextLong());
      Optional<String> slot = Optional.of(name);
      try {
        connection.createTemporarySlot(name);
      } catch (ServerException e) {
        if (!e.sqlState().equals(TOO_MANY_SLOTS)) {
          throw e;
        }
        // Without one the server keeps at least what wal_keep_size says, which mostly suffices.
        LOG.warn("source={} no slot is free for the WAL of the backup", settings.source());
        slot = Optional.empty();
      }
      return new WalCompanion(connection, settings, cluster, archive, slot);
    } catch (IOException | RuntimeException e) {
      connection.close();
      throw e;
    }
  }

  /** Starts streaming, once it is known where the backup begins. */
  public void start(Timeline timeline, Lsn from) {
    Thread started = new Thread(() -> run(timeline, from), "thorbis-backup-wal");
    started.setDaemon(true);
    thread = started;
    started.start();
  }

  private void run(Timeline timeline, Lsn from) {
    try {
      StartPoint.history(connection, archive, connection.identify().timeline());
      new StreamSession(
              connection,
              cluster,
              archive,
              slot,
              new StreamSession.Options(SHIP_INTERVAL, settings.readTimeout(), Optional.empty()),
              new StreamSession.Listener() {
                @Override
                public void durable(Timeline reached, Lsn end) {
                  if (reached.equals(timeline)) {
                    advance(end);
                  }
                }
              })
          .run(
              new WalPosition(StartPoint.segmentStart(from, cluster.segmentSize()), timeline),
              () -> stopping);
    } catch (IOException | BackupException e) {
      synchronized (this) {
        failure = e;
      }
    } finally {
      synchronized (this) {
        over = true;
        notifyAll();
      }
    }
  }

  private synchronized void advance(Lsn end) {
    durable = end;
    notifyAll();
  }

  /**
   * Waits until the log is durable up to {@code position}.
   *
   * @return false if it is not in time, or streaming has failed
   */
  public boolean await(Lsn position, Duration patience, Cancellation cancellation) {
    long deadline = System.nanoTime() + patience.toNanos();
    synchronized (this) {
      while (durable.compareTo(position) < 0) {
        cancellation.check();
        long left = deadline - System.nanoTime();
        if (over || left <= 0) {
          return false;
        }
        try {
          wait(Math.max(1, Math.min(200, left / 1_000_000)));
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          return false;
        }
      }
      return true;
    }
  }

  /** Why streaming ended, if it failed. */
  public synchronized Optional<Exception> failure() {
    return Optional.ofNullable(failure);
  }

  /** Stops with everything stored that has come. */
  @Override
  public void close() {
    stopping = true;
    Thread running = thread;
    boolean interrupted = false;
    while (running != null && running.isAlive()) {
      try {
        running.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    connection.close();
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
