package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.postgres.wire.WalStream;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Streams WAL into an archive over one connection, from timeline to timeline, until told to stop.
 */
final class StreamSession {
  private static final Logger LOG = LoggerFactory.getLogger(StreamSession.class);
  private static final Duration LONGEST_STATUS_INTERVAL = Duration.ofSeconds(10);
  private static final Duration STOP_PATIENCE = Duration.ofSeconds(5);

  private final ReplicationConnection connection;
  private final ClusterIdentity cluster;
  private final WalArchive archive;
  private final Optional<String> slot;
  private final Duration shipInterval;
  private final Duration silence;
  private final boolean synchronous;
  private final Listener listener;

  private volatile Lsn received = new Lsn(0);
  private volatile Lsn durable = new Lsn(0);
  private volatile Timeline timeline = new Timeline(1);
  private volatile @Nullable WalStream current;

  StreamSession(
      ReplicationConnection connection,
      ClusterIdentity cluster,
      WalArchive archive,
      Optional<String> slot,
      Options options,
      Listener listener) {
    this.connection = connection;
    this.cluster = cluster;
    this.archive = archive;
    this.slot = slot;
    this.shipInterval = options.shipInterval();
    this.silence = options.silence();
    this.synchronous = options.synchronous();
    this.listener = listener;
  }

  /**
   * How to stream.
   *
   * @param shipInterval how long new WAL of an open segment may stay unshipped
   * @param silence how long a server may say nothing
   * @param synchronous whether every byte is shipped at once
   */
  record Options(Duration shipInterval, Duration silence, boolean synchronous) {}

  /** Told how far it is; from any thread. */
  interface Listener {
    /** Streaming has begun. */
    default void streaming(Timeline timeline, Lsn from) {}

    /** So many bytes came. */
    default void received(int bytes) {}

    /** The log is durable up to here. */
    default void durable(Timeline timeline, Lsn end) {}
  }

  /** Streams until {@code stop}, and ships what has come by then. */
  void run(WalPosition start, BooleanSupplier stop) throws IOException {
    Duration status =
        connection
            .showDuration("wal_sender_timeout")
            .map(timeout -> timeout.dividedBy(3))
            .filter(third -> third.compareTo(LONGEST_STATUS_INTERVAL) < 0)
            .orElse(LONGEST_STATUS_INTERVAL);
    Optional<WalPosition> next = Optional.of(start);
    while (next.isPresent()) {
      next = follow(next.get(), status, stop);
    }
  }

  /** One timeline; returns where the next one begins, or nothing if told to stop. */
  private Optional<WalPosition> follow(WalPosition from, Duration status, BooleanSupplier stop)
      throws IOException {
    WalSegment first = WalSegment.containing(from.timeline(), from.lsn(), cluster.segmentSize());
    try (Shipper shipper = new Shipper(archive, this::stored)) {
      TimelineCapture capture = new TimelineCapture(cluster, first, archive, shipper);
      capture.skipTo(from.lsn());
      timeline = from.timeline();
      received = first.start();
      durable = first.start();
      WalStream stream = connection.startStreaming(slot, first.start(), from.timeline());
      listener.streaming(from.timeline(), first.start());
      stored(capture.shipped());
      ScheduledExecutorService clock =
          Executors.newSingleThreadScheduledExecutor(
              task -> {
                Thread thread = new Thread(task, "thorbis-wal-status");
                thread.setDaemon(true);
                return thread;
              });
      current = stream;
      ScheduledFuture<?> ticks =
          clock.scheduleAtFixedRate(
              () -> report(stream, true), 0, status.toMillis(), TimeUnit.MILLISECONDS);
      try {
        boolean ended = pump(stream, capture, shipper, stop);
        capture.ship();
        shipper.await();
        report(stream, false);
        if (!ended) {
          ticks.cancel(false);
          stream.stop(STOP_PATIENCE);
          return Optional.empty();
        }
      } finally {
        current = null;
        clock.shutdownNow();
      }
      return Optional.of(next(stream, from.timeline()));
    }
  }

  /** Takes what comes; true at the end of the timeline, false if told to stop. */
  private boolean pump(
      WalStream stream, TimelineCapture capture, Shipper shipper, BooleanSupplier stop)
      throws IOException {
    long lastShipped = System.nanoTime();
    while (!stop.getAsBoolean()) {
      WalStream.Event event = stream.poll();
      switch (event) {
        case DATA -> {
          int length = stream.dataLength();
          capture.accept(stream.dataStart(), stream.data(), stream.dataOffset(), length);
          received = capture.received();
          capture.heard(stream.serverEnd(), stream.serverTime());
          listener.received(length);
        }
        case KEEPALIVE -> {
          capture.heard(stream.serverEnd(), stream.serverTime());
          if (stream.replyRequested()) {
            report(stream, false);
          }
        }
        case END_OF_TIMELINE -> {
          return true;
        }
        case NOTHING -> {
          if (System.nanoTime() - stream.lastReceived() > silence.toNanos()) {
            throw new SocketTimeoutException(
                "The server was silent for " + silence.toSeconds() + " s");
          }
        }
      }
      shipper.check();
      long now = System.nanoTime();
      if (capture.holdsNew()
          && (synchronous && !stream.holdsMore() || now - lastShipped >= shipInterval.toNanos())) {
        capture.ship();
        lastShipped = now;
      }
    }
    return false;
  }

  private WalPosition next(WalStream stream, Timeline ended) throws IOException {
    WalPosition next =
        stream
            .nextTimeline()
            .orElseThrow(() -> new IOException("The server ended the stream of timeline " + ended));
    byte[] content = connection.timelineHistory(next.timeline());
    TimelineHistory history = TimelineHistory.parse(next.timeline(), content);
    if (!history.switchPoint(ended).equals(Optional.of(next.lsn()))) {
      throw BackupException.of(
              "wal.timeline-diverged",
              FailureKind.REFUSED,
              "Timeline "
                  + next.timeline()
                  + " does not continue timeline "
                  + ended
                  + " at "
                  + next.lsn())
          .remedy("Check which server the URL names.")
          .build();
    }
    archive.storeHistory(next.timeline(), content);
    LOG.info(
        "source timeline={} ended at {}, follows timeline={}", ended, next.lsn(), next.timeline());
    return next;
  }

  private void stored(Lsn end) {
    if (end.compareTo(durable) > 0) {
      durable = end;
      WalStream stream = current;
      if (stream != null) {
        report(stream, false);
      }
      listener.durable(timeline, end);
    }
  }

  private void report(WalStream stream, boolean answer) {
    try {
      Lsn written = received;
      Lsn safe = durable;
      stream.report(written.compareTo(safe) < 0 ? safe : written, safe, answer);
    } catch (IOException e) {
      // Whoever reads finds out.
      LOG.debug("Could not report to the server", e);
    }
  }
}
