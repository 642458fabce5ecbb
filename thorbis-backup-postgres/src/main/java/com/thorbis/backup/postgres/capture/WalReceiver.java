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
import com.thorbis.backup.api.WalRange;
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

  private static final String OVER_BUDGET = "wal.slot-over-budget";
  private static final String OBJECT_IN_USE = "55006";
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

  private final SlotBudget budget;

  private boolean streamed;
  private Duration pause = FIRST_PAUSE;
  private Optional<WalPosition> afterGap = Optional.empty();
  private volatile Optional<Ended> ended = Optional.empty();

  /**
   * The slot came to its end, which explains what is missing of the log from before.
   *
   * @param by how far the server had written by then
   */
  private record Ended(String how, Lsn by) {}

  /** Whether the next session leaves out what the server may still have. */
  private boolean leaveOut;

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
    this.budget = new SlotBudget(settings.slotBudget(), settings.shipInterval());
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
        guardServer(failure.code().equals(OVER_BUDGET));
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
      if (request.synchronous() && !archive.shared()) {
        throw journalNeedsArchive();
      }
      settle();

      Slot slot = slot(connection);
      TimelineHistory history = StartPoint.history(connection, archive, server.timeline());
      WalPosition start =
          afterGap.isPresent()
              ? afterGap.get()
              : StartPoint.next(server, history, archive, slot.restartLsn(), cluster.segmentSize());
      if (leaveOut) {
        start = behind(start, slot, server, history, cluster);
      }
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

  /** What a journal goes on from lies in an earlier session, which nobody here can open. */
  private BackupException journalNeedsArchive() {
    return BackupException.of(
            "wal.synchronous-sealed",
            FailureKind.REFUSED,
            "This host is a sealed writer of the repository: it cannot go on with what an earlier"
                + " receiver has confirmed, and so confirms no commits of source "
                + settings.source())
        .remedy("Receive without --synchronous, or on a host that opens the repository.")
        .build();
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
            Optional.of(
                new StreamSession.Acknowledged(
                    journal, drain, budget.bytes() <= 0 ? Long.MAX_VALUE : budget.bytes())));
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
    Optional<Slot> found = Slots.find(connection, settings);
    if (found.isPresent() && !found.get().type().equals("physical")) {
      throw BackupException.of(
              "wal.slot-unusable",
              FailureKind.CONFIGURATION,
              "The replication slot "
                  + settings.slot()
                  + " is "
                  + found.get().type()
                  + ", not physical")
          .remedy("Set wal.slot to another name.")
          .build();
    }
    if (found.isPresent() && found.get().restartLsn().isEmpty()) {
      // Ours keep WAL from the beginning. Up to version 17 a server lets an invalidated one be used
      // again, and some of them limit no more what it keeps.
      replace(connection);
      found = Optional.empty();
    }
    if (found.isPresent()) {
      return found.get();
    }
    if (Slots.ensure(connection, settings)) {
      progress.note(
          "Created the replication slot " + settings.slot() + " on " + settings.address());
      LOG.info("source={} created slot={}", settings.source(), settings.slot());
    }
    return Slots.find(connection, settings).orElseGet(() -> new Slot("physical", Optional.empty()));
  }

  private void replace(ReplicationConnection connection) throws IOException {
    connection.dropSlot(settings.slot());
    ended =
        Optional.of(new Ended("the server invalidated its slot", connection.identify().position()));
    progress.warning(
        "The replication slot "
            + settings.slot()
            + " was invalidated by the server, or never kept WAL; it is created anew, and WAL may be"
            + " missing");
    LOG.warn("source={} slot={} kept no WAL", settings.source(), settings.slot());
  }

  /**
   * Drops the slot where it holds more than it may, so that the server's disk does not fill: a gap
   * in the log is less than a server that stands still. The next session makes another one. Where
   * commits wait for us the server writes nothing that we do not have.
   *
   * @param streaming whether that was seen while WAL came, so that what is left of it on the server
   *     would come too slowly again
   */
  private void guardServer(boolean streaming) throws IOException {
    if (request.synchronous() || budget.bytes() <= 0) {
      return;
    }
    try (ReplicationConnection connection =
        ReplicationConnection.open(settings, new Cancellation())) {
      SystemIdentity server = connection.identify();
      Optional<Slot> slot = Slots.find(connection, settings);
      Optional<Lsn> from = slot.flatMap(Slot::restartLsn);
      if (from.isEmpty() || !slot.get().type().equals("physical")) {
        return;
      }
      if (!exceeds(server.position().value() - from.get().value()) || !drop(connection)) {
        return;
      }
      leaveOut |= streaming;
      ended = Optional.of(new Ended("its slot was dropped at wal.slot-budget", server.position()));
      budget.reset();
      progress.warning(
          "Dropped the replication slot "
              + settings.slot()
              + ", which kept more than wal.slot-budget on "
              + settings.address()
              + ": WAL from "
              + from.get()
              + " on may be missing. It is created anew when the repository takes WAL");
      LOG.warn("source={} dropped slot={} from={}", settings.source(), settings.slot(), from.get());
    } catch (IOException | BackupException e) {
      if (control.cancellation().requested() && isCancelled(e)) {
        throw e;
      }
      LOG.debug("source={} could not look at its slot", settings.source(), e);
    }
  }

  private boolean exceeds(long kept) {
    SlotBudget.Finding finding = budget.look(kept, System.nanoTime());
    if (finding == SlotBudget.Finding.NEAR) {
      progress.warning(
          "The replication slot "
              + settings.slot()
              + " keeps "
              + (kept >> 20)
              + " MiB on "
              + settings.address()
              + ", "
              + budget.percent(kept)
              + " % of wal.slot-budget; when that is exceeded it is dropped, and WAL is missing");
      LOG.warn("source={} slot={} keeps bytes={}", settings.source(), settings.slot(), kept);
    }
    return finding == SlotBudget.Finding.EXCEEDED;
  }

  /** Returns false if the server has not noticed yet that we are gone. */
  private boolean drop(ReplicationConnection connection) throws IOException {
    for (int attempt = 0; attempt < 50 && !control.cancellation().requested(); attempt++) {
      try {
        connection.dropSlot(settings.slot());
        return true;
      } catch (ServerException e) {
        if (!e.sqlState().equals(OBJECT_IN_USE)) {
          throw e;
        }
        Pause.of(Duration.ofMillis(100), control.cancellation());
      }
    }
    return false;
  }

  /** Where a new slot goes on that is to keep little. */
  private WalPosition behind(
      WalPosition start,
      Slot slot,
      SystemIdentity server,
      TimelineHistory history,
      ClusterIdentity cluster) {
    // A new slot keeps WAL from the last checkpoint on, which may be much, too.
    Lsn kept =
        slot.restartLsn()
            .filter(at -> server.position().value() - at.value() <= budget.bytes() / 2)
            .orElse(server.position());
    Lsn next = StartPoint.segmentStart(kept, cluster.segmentSize());
    if (next.compareTo(start.lsn()) <= 0) {
      return start;
    }
    gap(new WalRange(start.timeline(), start.lsn(), next), "does not get through in time");
    return new WalPosition(next, history.owner(next));
  }

  private void gap(WalRange missing, String why) {
    Lsn from = missing.start();
    Lsn to = missing.end();
    try {
      repository
          .wal(settings.source())
          .recordGap(
              missing,
              settings.clock().instant(),
              "the log "
                  + why
                  + ended
                      .filter(slot -> from.compareTo(slot.by()) <= 0)
                      .map(slot -> ", as " + slot.how())
                      .orElse(""));
    } catch (IOException e) {
      LOG.warn("source={} could not write down a gap", settings.source(), e);
    }
    ended = Optional.empty();
    progress.warning(
        "Gap: the WAL from "
            + from
            + " to "
            + to
            + " "
            + why
            + "; moments in it cannot be restored. Take a backup now");
    LOG.warn("source={} gap from={} to={}", settings.source(), from, to);
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
    // One that was idle for too long keeps its position, and only words tell.
    if (failure.sqlState().equals(NOT_IN_STATE)
        && (failure.answer() + failure.answer().detail()).contains("invalidated")) {
      replace(connection);
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
    gap(new WalRange(wanted.timeline(), wanted.lsn(), next), "is not on the server any more");
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
      leaveOut = false;
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
    public void heard(Lsn serverEnd, Lsn durable) {
      if (exceeds(serverEnd.value() - durable.value())) {
        throw BackupException.of(
                OVER_BUDGET,
                FailureKind.TRANSIENT,
                "WAL comes faster than the repository takes it: "
                    + settings.address()
                    + " keeps"
                    + " more than wal.slot-budget")
            .remedy("See what slows the repository down, or give the slot a larger budget.")
            .build();
      }
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
