package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.Slot;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.postgres.wire.ServerException;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Captures a source's WAL through its slot until cancelled. */
public final class WalReceiver {
  private static final Logger LOG = LoggerFactory.getLogger(WalReceiver.class);
  private static final Duration FIRST_PAUSE = Duration.ofMillis(500);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** How long the server may take to notice that an earlier receiver of ours is gone. */
  private static final Duration SLOT_PATIENCE = Duration.ofSeconds(10);

  private static final Duration SETTLE_INTERVAL = Duration.ofSeconds(60);

  /** Failures that no waiting mends. */
  private static final Set<String> FINAL =
      Set.of(
          "source.identity-mismatch",
          "source.abandoned",
          "source.fenced",
          "wal.identity-mismatch",
          "wal.conflict",
          "wal.timeline-diverged");

  private static final String UNDEFINED_FILE = "58P01";
  private static final String NOT_IN_STATE = "55000";

  /** Who in the server says that a segment is gone, whatever language it says it in. */
  private static final Set<String> REMOVED = Set.of("WalSndSegmentOpen", "CheckXLogRemoval");

  private final PostgresSettings settings;
  private final Repository repository;
  private final RunControl control;
  private final ReceiveRequest request;
  private final Progress progress;
  private final AtomicLong bytes = new AtomicLong();

  private boolean streamed;
  private Duration pause = FIRST_PAUSE;
  private Optional<WalPosition> afterGap = Optional.empty();
  private volatile long lastSettled = System.nanoTime();

  /** One run. */
  public WalReceiver(
      PostgresSettings settings,
      ReceiveRequest request,
      Repository repository,
      RunControl control) {
    this.settings = settings;
    this.request = request;
    this.repository = repository;
    this.control = control;
    this.progress = control.progress();
  }

  /** Returns when cancelled, with everything shipped that had come. */
  public void run() throws IOException {
    long begun = System.nanoTime();
    progress.begin("wal", -1);
    while (!control.cancellation().requested()) {
      try {
        session();
      } catch (IOException | BackupException e) {
        if (control.cancellation().requested() && isCancelled(e)) {
          break;
        }
        BackupException failure = classified(e);
        if (!retried(failure, begun)) {
          if (e instanceof IOException io && e instanceof ClassifiedFailure) {
            throw io;
          }
          throw failure;
        }
        progress.warning(failure.getMessage() + "; trying again");
        LOG.warn("source={} receiving was interrupted", settings.source(), e);
        sleep();
      }
    }
    progress.end("wal");
  }

  private static boolean isCancelled(Exception e) {
    return e instanceof ClassifiedFailure failure && failure.kind() == FailureKind.CANCELLED;
  }

  private BackupException classified(Exception e) {
    if (e instanceof BackupException known) {
      return known;
    }
    if (e instanceof ClassifiedFailure failure) {
      return BackupException.of(failure.code(), failure.kind(), String.valueOf(e.getMessage()))
          .remedy(failure.remedy())
          .cause(e)
          .build();
    }
    return Failures.of(settings, (IOException) e);
  }

  private boolean retried(BackupException failure, long begun) {
    if (FINAL.contains(failure.code()) || failure.kind() == FailureKind.DAMAGED) {
      return false;
    }
    if (failure.code().equals("wal.slot-active")) {
      return streamed || System.nanoTime() - begun < SLOT_PATIENCE.toNanos();
    }
    return streamed
        || failure.kind() == FailureKind.TRANSIENT
        || failure.kind() == FailureKind.OUTCOME_UNKNOWN;
  }

  private void session() throws IOException {
    // First, and without the server, which may be gone for good.
    shipJournal();
    // Cancelling must not cut the stream: what has come is shipped first.
    try (ReplicationConnection connection =
        ReplicationConnection.open(settings, new Cancellation())) {
      SystemIdentity server = connection.identify();
      ClusterIdentity cluster =
          new ClusterIdentity(
              server.systemId(), connection.majorVersion(), connection.segmentSize());
      SourceInfo source = repository.register(settings.source(), "postgres", cluster);
      Descent.require(settings, source, connection, server);
      WalArchive archive = repository.wal(settings.source());
      settle();

      Slot slot = slot(connection);
      TimelineHistory history = StartPoint.history(connection, archive, server.timeline());
      WalPosition start =
          afterGap.isPresent()
              ? afterGap.get()
              : StartPoint.next(server, history, archive, slot.restartLsn(), cluster.segmentSize());
      try {
        if (request.synchronous()) {
          receiveAndAcknowledge(connection, cluster, archive, start);
        } else {
          stream(connection, cluster, archive, start, Optional.empty());
        }
      } catch (ServerException e) {
        refused(connection, e, start, server, history, slot, cluster);
      }
    }
    settle();
  }

  private void stream(
      ReplicationConnection connection,
      ClusterIdentity cluster,
      WalArchive archive,
      WalPosition start,
      Optional<StreamSession.Acknowledged> acknowledged)
      throws IOException {
    new StreamSession(
            connection,
            cluster,
            archive,
            Optional.of(settings.slot()),
            new StreamSession.Options(
                settings.shipInterval(), settings.readTimeout(), acknowledged),
            new Watcher(connection))
        .run(start, control.cancellation()::requested);
  }

  private void receiveAndAcknowledge(
      ReplicationConnection connection,
      ClusterIdentity cluster,
      WalArchive archive,
      WalPosition start)
      throws IOException {
    try (WalJournal journal = WalJournal.open(journalFolder(archive.incarnation()));
        JournalDrain drain = drain(journal, archive)) {
      drain.start();
      try {
        stream(
            connection,
            cluster,
            archive,
            start,
            Optional.of(new StreamSession.Acknowledged(journal, drain, settings.slotBudget())));
      } catch (IOException | RuntimeException e) {
        try {
          drain.end();
        } catch (IOException | RuntimeException kept) {
          e.addSuppressed(kept); // it stays in the journal
        }
        throw e;
      }
      drain.end();
    }
  }

  private JournalDrain drain(WalJournal journal, WalArchive archive) {
    return new JournalDrain(
        journal, archive, settings.shipInterval(), (timeline, end) -> stored(), progress::warning);
  }

  private Path journalFolder(String incarnation) {
    return settings
        .stateDirectory()
        .resolve("journal")
        .resolve(settings.source().replaceAll("[^A-Za-z0-9_-]", "_"))
        .resolve(incarnation);
  }

  /** Ships what a receiver acknowledged and did not live to ship. */
  private void shipJournal() throws IOException {
    Optional<SourceInfo> source = repository.source(settings.source());
    if (source.isEmpty()) {
      return;
    }
    for (SourceInfo.Incarnation life : source.get().incarnations()) {
      Path folder = journalFolder(life.id());
      if (!WalJournal.holdsSomething(folder)) {
        continue;
      }
      WalArchive archive = repository.wal(settings.source(), life.id());
      try (WalJournal journal = WalJournal.open(folder);
          JournalDrain drain = drain(journal, archive)) {
        drain.shipAll();
      }
      progress.note("Shipped what an earlier receiver acknowledged");
      LOG.info("source={} journal of incarnation={} is shipped", settings.source(), life.id());
    }
  }

  private Slot slot(ReplicationConnection connection) throws IOException {
    if (Slots.ensure(connection, settings)) {
      progress.note(
          "Created the replication slot " + settings.slot() + " on " + settings.address());
      LOG.info("source={} created slot={}", settings.source(), settings.slot());
    }
    Slot slot =
        Slots.find(connection, settings).orElseGet(() -> new Slot("physical", Optional.empty()));
    if (!slot.type().equals("physical")) {
      throw BackupException.of(
              "wal.slot-unusable",
              FailureKind.CONFIGURATION,
              "The replication slot " + settings.slot() + " is " + slot.type() + ", not physical")
          .remedy("Set wal.slot to another name.")
          .build();
    }
    return slot;
  }

  /** Goes on behind WAL that the server does not have any more; passes on everything else. */
  private void refused(
      ReplicationConnection connection,
      ServerException failure,
      WalPosition wanted,
      SystemIdentity server,
      TimelineHistory history,
      Slot slot,
      ClusterIdentity cluster)
      throws IOException {
    if (failure.sqlState().equals(NOT_IN_STATE)
        && (failure.answer() + failure.answer().detail()).contains("invalidated")) {
      connection.dropSlot(settings.slot());
      progress.warning(
          "The replication slot "
              + settings.slot()
              + " was invalidated by the server; it is created anew, and WAL may be missing");
      return;
    }
    if (!failure.sqlState().equals(UNDEFINED_FILE)
        || !(REMOVED.contains(failure.answer().routine())
            || failure.answer().message().contains("already been removed"))) {
      throw failure;
    }
    Lsn kept = slot.restartLsn().orElse(server.position());
    Lsn next =
        StartPoint.segmentStart(
            kept.compareTo(wanted.lsn()) > 0 ? kept : server.position(), cluster.segmentSize());
    if (next.compareTo(wanted.lsn()) <= 0) {
      throw failure;
    }
    afterGap = Optional.of(new WalPosition(next, history.owner(next)));
    progress.warning(
        "Gap: the server does not have the WAL from "
            + wanted.lsn()
            + " to "
            + next
            + " any more; moments in it cannot be restored. Take a backup now");
    LOG.warn("source={} gap from={} to={}", settings.source(), wanted.lsn(), next);
  }

  private void settle() throws IOException {
    lastSettled = System.nanoTime();
    AwaitingBackups.settle(repository, settings.source());
  }

  private void stored() {
    if (System.nanoTime() - lastSettled < SETTLE_INTERVAL.toNanos()) {
      return;
    }
    try {
      repository.refresh();
      settle();
    } catch (IOException e) {
      // The backups go on waiting; the next time settles them.
      lastSettled = System.nanoTime();
      LOG.warn("source={} could not look for waiting backups", settings.source(), e);
    }
  }

  private void sleep() throws IOException {
    long millis = pause.toMillis();
    long jittered = millis / 2 + ThreadLocalRandom.current().nextLong(millis / 2 + 1);
    pause = Pause.longer(pause, LONGEST_PAUSE);
    Pause.of(Duration.ofMillis(jittered), control.cancellation());
  }

  private final class Watcher implements StreamSession.Listener {
    private final ReplicationConnection connection;

    Watcher(ReplicationConnection connection) {
      this.connection = connection;
    }

    @Override
    public void streaming(Timeline timeline, Lsn from) {
      streamed = true;
      afterGap = Optional.empty();
      progress.note(
          "Receiving WAL of "
              + settings.address()
              + " from "
              + from
              + " on timeline "
              + timeline
              + " through slot "
              + settings.slot());
      LOG.info(
          "source={} receiving from={} timeline={} slot={}",
          settings.source(),
          from,
          timeline,
          settings.slot());
    }

    @Override
    public void switching() throws IOException {
      Descent.requireNoFence(settings, connection);
    }

    @Override
    public void received(int count) {
      pause = FIRST_PAUSE;
      progress.advance(bytes.addAndGet(count), -1);
    }

    @Override
    public void durable(Timeline timeline, Lsn end) {
      stored();
    }
  }
}
