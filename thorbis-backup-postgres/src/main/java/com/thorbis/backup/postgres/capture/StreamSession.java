package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ProtocolException;
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
  private static final int MOST_UNFORCED = 4 << 20;

  private final ReplicationConnection connection;
  private final ClusterIdentity cluster;
  private final WalArchive archive;
  private final Optional<String> slot;
  private final Duration shipInterval;
  private final Duration silence;
  private final Optional<Acknowledged> acknowledged;
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
    this.acknowledged = options.acknowledged();
    this.listener = listener;
  }

  /**
   * How to stream.
   *
   * @param shipInterval how long new WAL of an open segment may stay unshipped
   * @param silence how long a server may say nothing
   * @param acknowledged where to keep what the server counts on; empty if it counts on nothing
   */
  record Options(Duration shipInterval, Duration silence, Optional<Acknowledged> acknowledged) {}

  /**
   * WAL on its way from a server that waits for it.
   *
   * @param journal makes it durable here
   * @param drain takes it from there into the archive
   * @param budget how many bytes the journal may hold before nothing more is received
   */
  record Acknowledged(WalJournal journal, JournalDrain drain, long budget) {}

  /** Told how far it is; from any thread. */
  interface Listener {
    /** Streaming has begun. */
    default void streaming(Timeline timeline, Lsn from) {}

    /** The timeline has ended and another follows; whoever objects throws. */
    default void switching() throws IOException {}

    /**
     * The server's log reaches so far, and it must keep all from {@code durable} on; whoever
     * objects throws.
     */
    default void heard(Lsn serverEnd, Lsn durable) throws IOException {}

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
      next =
          acknowledged.isPresent()
              ? follow(next.get(), status, stop, acknowledged.get())
              : follow(next.get(), status, stop);
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
      current = stream;
      try (Ticks ticks = new Ticks(stream, status)) {
        boolean ended = pump(stream, capture, shipper, stop);
        capture.ship();
        shipper.await();
        report(stream, false);
        if (!ended) {
          ticks.close();
          stream.stop(STOP_PATIENCE);
          return Optional.empty();
        }
      } finally {
        current = null;
      }
      return Optional.of(next(stream, from.timeline()));
    }
  }

  /** The same for a server that waits until its WAL is durable here. */
  private Optional<WalPosition> follow(
      WalPosition from, Duration status, BooleanSupplier stop, Acknowledged to) throws IOException {
    Lsn first = StartPoint.segmentStart(from.lsn(), cluster.segmentSize());
    timeline = from.timeline();
    // Everything before it is in the archive.
    received = from.lsn();
    durable = from.lsn();
    WalStream stream = connection.startStreaming(slot, first, from.timeline());
    listener.streaming(from.timeline(), first);
    try (Ticks ticks = new Ticks(stream, status)) {
      boolean ended = pump(stream, first, stop, to);
      report(stream, false);
      if (!ended) {
        ticks.close();
        stream.stop(STOP_PATIENCE);
        return Optional.empty();
      }
    }
    return Optional.of(next(stream, from.timeline()));
  }

  /** Takes what comes; true at the end of the timeline, false if told to stop. */
  private boolean pump(WalStream stream, Lsn first, BooleanSupplier stop, Acknowledged to)
      throws IOException {
    Lsn expected = first;
    int unforced = 0;
    while (!stop.getAsBoolean()) {
      to.drain().check();
      if (to.journal().held() > to.budget()) {
        rest(); // the server waits, and the ticks tell it that we live
        continue;
      }
      WalStream.Event event = stream.poll();
      switch (event) {
        case DATA -> {
          int length = stream.dataLength();
          if (!stream.dataStart().equals(expected)) {
            throw new ProtocolException(
                "WAL from " + stream.dataStart() + " where " + expected + " follows");
          }
          to.journal().append(timeline, expected, stream.data(), stream.dataOffset(), length);
          expected = expected.plus(length);
          unforced += length;
          to.drain().heard(stream.serverEnd(), stream.serverTime());
          listener.received(length);
        }
        case KEEPALIVE -> {
          to.drain().heard(stream.serverEnd(), stream.serverTime());
          if (stream.replyRequested()) {
            report(stream, false);
          }
        }
        case END_OF_TIMELINE -> {
          confirm(stream, expected, to.journal());
          return true;
        }
        case NOTHING -> {
          if (System.nanoTime() - stream.lastReceived() > silence.toNanos()) {
            throw new SocketTimeoutException(
                "The server was silent for " + silence.toSeconds() + " s");
          }
        }
      }
      // One forced write for all that has come at once: many commits, where there are many.
      if (unforced > 0 && (!stream.holdsMore() || unforced >= MOST_UNFORCED)) {
        confirm(stream, expected, to.journal());
        unforced = 0;
      }
    }
    confirm(stream, expected, to.journal());
    return false;
  }

  private void confirm(WalStream stream, Lsn end, WalJournal journal) throws IOException {
    journal.force();
    if (end.compareTo(durable) > 0) {
      received = end;
      durable = end;
      report(stream, false);
    }
  }

  private static void rest() throws IOException {
    try {
      Thread.sleep(50);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("Interrupted while the journal is full");
    }
  }

  /** Tells the server at intervals that we live. */
  private final class Ticks implements AutoCloseable {
    private final ScheduledExecutorService clock =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "thorbis-wal-status");
              thread.setDaemon(true);
              return thread;
            });

    Ticks(WalStream stream, Duration interval) {
      ScheduledFuture<?> unused =
          clock.scheduleAtFixedRate(
              () -> report(stream, true), 0, interval.toMillis(), TimeUnit.MILLISECONDS);
    }

    @Override
    public void close() {
      clock.shutdownNow();
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
          listener.heard(stream.serverEnd(), durable);
        }
        case KEEPALIVE -> {
          capture.heard(stream.serverEnd(), stream.serverTime());
          listener.heard(stream.serverEnd(), durable);
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
      if (capture.holdsNew() && now - lastShipped >= shipInterval.toNanos()) {
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
    listener.switching();
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
