package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ships what a journal holds, in order, and lets the journal forget what is stored. A store that
 * cannot be reached stops the shipping and not the journal.
 */
final class JournalDrain implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(JournalDrain.class);
  private static final long TICK_MILLIS = 50;
  private static final Duration FIRST_PAUSE = Duration.ofMillis(500);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  private final WalJournal journal;
  private final ClusterIdentity cluster;
  private final WalArchive archive;
  private final Duration shipInterval;
  private final BiConsumer<Timeline, Lsn> stored;
  private final Consumer<String> warning;
  private final AtomicReference<@Nullable Heard> heard = new AtomicReference<>();
  private final Thread thread = new Thread(this::work, "thorbis-wal-journal");

  private volatile boolean ending;
  private volatile @Nullable Throwable failure;
  private volatile boolean drained;

  private @Nullable Shipper shipper;
  private @Nullable TimelineCapture capture;
  private long lastShipped = System.nanoTime();
  private Lsn lost = new Lsn(0);

  private record Heard(Lsn serverEnd, Instant serverTime) {}

  /**
   * Not started.
   *
   * @param stored told, on other threads, up to where the log is durable in the archive
   */
  JournalDrain(
      WalJournal journal,
      WalArchive archive,
      Duration shipInterval,
      BiConsumer<Timeline, Lsn> stored,
      Consumer<String> warning) {
    this.journal = journal;
    this.cluster = archive.cluster();
    this.archive = archive;
    this.shipInterval = shipInterval;
    this.stored = stored;
    this.warning = warning;
    thread.setDaemon(true);
  }

  /** Ships all that the journal holds and empties it. */
  void shipAll() throws IOException {
    journal.damage().forEach(warning);
    ending = true;
    pass();
    if (journal.damage().isEmpty() && lost.value() == 0) {
      journal.clear();
      return;
    }
    warning.accept("What the journal holds is kept in " + journal.setAside() + ", to be looked at");
  }

  /** Ships in the background what is appended from now on, again and again if it must. */
  void start() {
    thread.start();
  }

  /** Told how far the server's log reached when it said so. */
  void heard(Lsn serverEnd, Instant serverTime) {
    heard.set(new Heard(serverEnd, serverTime));
  }

  /** Throws what no repetition mends. */
  void check() throws IOException {
    Throwable problem = failure;
    if (problem instanceof IOException io) {
      throw io;
    }
    if (problem instanceof RuntimeException unchecked) {
      throw unchecked;
    }
    if (problem != null) {
      throw new IOException("Shipping what the journal holds ended: " + problem, problem);
    }
  }

  private void work() {
    Duration pause = FIRST_PAUSE;
    while (true) {
      long begun = System.nanoTime();
      try {
        pass();
        drained = true;
        return;
      } catch (Error e) {
        failure = e; // nobody ships any more, and nobody may confirm any more
        return;
      } catch (IOException | RuntimeException e) {
        if (ending || !mayPass(e)) {
          failure = e;
          return;
        }
        LOG.warn("WAL waits in the journal; the repository did not take it", e);
        warning.accept(
            "The repository does not take WAL (" + e.getMessage() + "); it is kept here");
      }
      if (System.nanoTime() - begun > LONGEST_PAUSE.toNanos()) {
        pause = FIRST_PAUSE;
      }
      long until = System.nanoTime() + pause.toNanos();
      while (!ending && System.nanoTime() - until < 0) {
        try {
          Thread.sleep(TICK_MILLIS);
        } catch (InterruptedException e) {
          failure = new InterruptedIOException("Interrupted while WAL waited in the journal");
          return;
        }
      }
      pause = Pause.longer(pause, LONGEST_PAUSE);
    }
  }

  private static boolean mayPass(Exception e) {
    return e instanceof ClassifiedFailure known
        ? known.kind() == FailureKind.TRANSIENT || known.kind() == FailureKind.OUTCOME_UNKNOWN
        : e instanceof IOException;
  }

  /** From the oldest frame to the end; returns when told to end and there is no more. */
  private void pass() throws IOException {
    WalJournal.Cursor cursor = journal.cursor();
    try {
      while (true) {
        boolean last = ending; // before looking: what is appended later is not looked for
        WalJournal.Frame frame = cursor.next(last ? 0 : TICK_MILLIS);
        if (frame != null) {
          take(frame);
        } else if (last) {
          endRun();
          return;
        }
        shipInTime();
      }
    } finally {
      Shipper left = shipper;
      shipper = null;
      capture = null;
      if (left != null) {
        left.close();
      }
    }
  }

  private void shipInTime() throws IOException {
    TimelineCapture run = capture;
    Shipper to = shipper;
    if (run == null || to == null) {
      return;
    }
    to.check();
    Heard told = heard.getAndSet(null);
    if (told != null) {
      run.heard(told.serverEnd(), told.serverTime());
    }
    long now = System.nanoTime();
    if (now - lastShipped >= shipInterval.toNanos()) {
      run.ship();
      lastShipped = now;
    }
  }

  private void take(WalJournal.Frame frame) throws IOException {
    byte[] bytes = frame.bytes();
    TimelineCapture run = capture;
    if (run == null
        || !run.timeline().equals(frame.timeline())
        || !run.received().equals(frame.start())) {
      endRun();
      run = beginRun(frame);
    }
    if (run == null) {
      Lsn end = frame.start().plus(bytes.length);
      Lsn next =
          WalSegment.containing(frame.timeline(), frame.start(), cluster.segmentSize()).end();
      if (next.compareTo(lost) > 0) {
        lost = next;
        warning.accept(
            "Gap: the WAL before "
                + frame.start()
                + " of timeline "
                + frame.timeline()
                + " is neither stored nor in the journal; the segment cannot be completed. Take a"
                + " backup now");
      }
      if (end.compareTo(next) > 0) {
        int rest = (int) (end.value() - next.value());
        take(
            new WalJournal.Frame(
                frame.timeline(),
                next,
                Arrays.copyOfRange(bytes, bytes.length - rest, bytes.length)));
      }
      return;
    }
    run.accept(frame.start(), bytes, 0, bytes.length);
  }

  /**
   * Begins where a frame does; what precedes it in its segment must be stored already.
   *
   * @return null if it is not
   */
  private @Nullable TimelineCapture beginRun(WalJournal.Frame frame) throws IOException {
    WalSegment segment =
        WalSegment.containing(frame.timeline(), frame.start(), cluster.segmentSize());
    int offset = (int) (frame.start().value() - segment.start().value());
    byte[] before = new byte[offset];
    if (offset > 0) {
      Optional<WalArchive.WalContent> there = archive.open(segment);
      if (there.isEmpty() || there.get().bytes().remaining() < offset) {
        return null;
      }
      ByteBuffer content = there.get().bytes();
      content.duplicate().get(before);
    }
    Timeline timeline = frame.timeline();
    Shipper to = new Shipper(archive, end -> settled(timeline, end));
    shipper = to;
    TimelineCapture run = new TimelineCapture(cluster, segment, archive, to);
    capture = run;
    run.skipTo(frame.start());
    if (offset > 0) {
      run.accept(segment.start(), before, 0, offset);
    }
    return run;
  }

  private void endRun() throws IOException {
    TimelineCapture run = capture;
    Shipper to = shipper;
    if (run != null && to != null) {
      run.ship();
      to.await();
      Lsn end = run.shipped();
      to.close();
      settled(run.timeline(), end);
    }
    capture = null;
    shipper = null;
  }

  private void settled(Timeline timeline, Lsn end) {
    try {
      journal.release(timeline, end);
    } catch (IOException e) {
      LOG.warn("The journal keeps what is stored already", e);
    }
    stored.accept(timeline, end);
  }

  /**
   * Ships what is left, without repeating what fails: then it stays in the journal.
   *
   * @throws BackupException or an IOException, why it stayed
   */
  void end() throws IOException {
    close();
    check();
    if (!drained) {
      throw new IOException("What the journal holds was not shipped to its end; it stays there");
    }
    journal.clear();
  }

  /** Returns when nothing is shipped any more. */
  @Override
  public void close() {
    ending = true;
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
