package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.capture.AwaitingBackups;
import com.thorbis.backup.postgres.capture.Descent;
import com.thorbis.backup.postgres.capture.Pause;
import com.thorbis.backup.postgres.capture.WalCompanion;
import com.thorbis.backup.postgres.capture.WalTail;
import com.thorbis.backup.postgres.page.PageChecksums;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings.Reader;
import com.thorbis.backup.postgres.wal.ChangedBlocks;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.BaseBackupListener;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.postgres.wire.ServerException;
import com.thorbis.backup.postgres.wire.ServerSession;
import com.thorbis.backup.postgres.wire.SqlSession;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes one backup, whichever way its cluster is read, and sees to it that its WAL is stored. What
 * was to build on an earlier backup becomes a full one, in the same run, where that is not
 * possible.
 */
public final class ClusterBackup {
  private static final int FIRST_WITH_IN_PLACE = 15;
  private static final Logger LOG = LoggerFactory.getLogger(ClusterBackup.class);

  /** How long a backup that is all but whole waits before it is recorded as waiting. */
  private static final Duration FIRST_WAIT = Duration.ofSeconds(5);

  private static final Duration FIRST_LOOK = Duration.ofMillis(250);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);

  /** No privilege, and no rule in pg_hba.conf. */
  private static final Set<String> NOT_ALLOWED = Set.of("42501", "28000");

  private static final int CONFIGURATION_MODE = 0600;

  /** What a repository says of a base that no backup should build on. */
  private static final Set<String> UNUSABLE =
      Set.of(
          "backup.base-damaged",
          "backup.base-let-go",
          "backup.base-too-short",
          "backup.cross-check-failed",
          "backup.not-found");

  private final PostgresSettings settings;
  private final BackupRequest request;
  private final Repository repository;
  private final RunControl control;
  private final Progress progress;

  private final Journal journal;
  private Optional<Instant> postmaster = Optional.empty();
  private boolean checksums;
  private @Nullable TimelineHistory history;

  /** What of the list of changed blocks was found to be wrong. */
  private final AtomicReference<@Nullable String> contradiction = new AtomicReference<>();

  /** One run. */
  public ClusterBackup(
      PostgresSettings settings, BackupRequest request, Repository repository, RunControl control) {
    this.settings = settings;
    this.request = request;
    this.repository = repository;
    this.control = control;
    this.progress = control.progress();
    this.journal = new Journal(progress);
  }

  /** Takes it. */
  public BackupDescriptor run() throws IOException {
    try {
      return attempt(request.type());
    } catch (UnusableBaseException e) {
      return insteadOf(e);
    } catch (IOException e) {
      if (request.type() == BackupType.FULL || !isUnusable(e)) {
        throw e;
      }
      return insteadOf(e);
    }
  }

  /**
   * Whether there is no building on the base now. What must be brought back first takes longer than
   * a server should wait with an open backup.
   */
  private static boolean isUnusable(Exception e) {
    return e instanceof ClassifiedFailure known && UNUSABLE.contains(known.code())
        || Frozen.isWhy(e);
  }

  private BackupDescriptor insteadOf(IOException problem) throws IOException {
    LOG.warn(
        "source={} takes a full backup instead of type={}",
        settings.source(),
        request.type().label(),
        problem);
    journal.clear();
    contradiction.set(null);
    journal.warn(
        "this was to be of type "
            + request.type().label()
            + " and became a full backup: "
            + problem.getMessage());
    return attempt(BackupType.FULL);
  }

  private BackupDescriptor attempt(BackupType type) throws IOException {
    try (ServerSession connection = connect()) {
      SystemIdentity server = connection.identify();
      ClusterIdentity cluster =
          new ClusterIdentity(
              server.systemId(), connection.majorVersion(), connection.segmentSize());
      SourceInfo source = repository.register(settings.source(), "postgres", cluster);
      Descent.require(settings, source, connection, server);
      AwaitingBackups.settle(repository, settings.source());
      WalArchive archive = repository.wal(settings.source());
      if (walIsCaptured(archive, cluster)) {
        return take(type, connection, server, cluster, archive, Optional.empty());
      }
      if (!(connection instanceof ReplicationConnection)) {
        throw nobodyCaptures();
      }
      progress.note("Nobody captures WAL: this backup streams its own over a second connection");
      try (WalCompanion companion = WalCompanion.open(settings, cluster, archive)) {
        return take(type, connection, server, cluster, archive, Optional.of(companion));
      }
    } catch (IOException e) {
      if (e instanceof ClassifiedFailure || e instanceof UnusableBaseException) {
        throw e;
      }
      if (e instanceof ServerException refused
          && refused.answer().message().contains("standby was promoted")) {
        throw ReplicationReader.timelineChanged("The standby was promoted during the backup", e);
      }
      throw Failures.of(settings, e);
    }
  }

  /** For replication if the role may, and a reader needs it; else for SQL. */
  private ServerSession connect() throws IOException {
    try {
      return ReplicationConnection.open(settings, control.cancellation());
    } catch (ServerException e) {
      if (settings.reader() == Reader.REPLICATION || !NOT_ALLOWED.contains(e.answer().sqlState())) {
        throw e;
      }
      LOG.debug("source={} goes on without replication", settings.source(), e);
      journal.note("The role may not replicate: " + e.answer().message());
      return SqlSession.open(settings);
    }
  }

  private BackupException nobodyCaptures() {
    return BackupException.of(
            "backup.wal-not-captured",
            FailureKind.REFUSED,
            "Nobody brings the WAL of source "
                + settings.source()
                + " into the repository, and role \""
                + settings.user()
                + "\" may not stream it")
        .remedy(
            "Set archive_command to what thorbis wal hook --archive prints, with thorbis wal serve"
                + " running; or ALTER ROLE \""
                + settings.user().replace("\"", "\"\"")
                + "\" REPLICATION.")
        .build();
  }

  /** Whether a receiver or an archiver brings WAL into this repository now. */
  private boolean walIsCaptured(WalArchive archive, ClusterIdentity cluster) throws IOException {
    if (!archive.shared()) {
      return false; // whatever others bring, nobody here sees it
    }
    try (ServerFacts facts = ServerFacts.open(settings)) {
      if (facts.slotActive(settings.slot())) {
        return true;
      }
      // At the end of a backup it is a file that is named after the segment where that began.
      Optional<String> archived =
          facts
              .lastArchived()
              .map(name -> name.replaceFirst("\\.[0-9A-F]{8}\\.backup$", ""))
              .filter(WalSegment::isName);
      if (archived.isEmpty()) {
        return false;
      }
      WalSegment last = WalSegment.parse(archived.get(), cluster.segmentSize());
      return AwaitingBackups.covers(archive, last.timeline(), last.start(), last.end());
    } catch (SQLException e) {
      LOG.debug("source={} cannot ask by SQL who captures WAL", settings.source(), e);
      return false;
    }
  }

  private BackupDescriptor take(
      BackupType type,
      ServerSession connection,
      SystemIdentity server,
      ClusterIdentity cluster,
      WalArchive archive,
      Optional<WalCompanion> companion)
      throws IOException {
    Instant startedAt = before(connection);
    try (ClusterReader reader =
        ReaderChoice.of(settings, control, connection, repository, cluster, journal)) {
      return take(type, connection, server, cluster, archive, companion, startedAt, reader);
    }
  }

  private BackupDescriptor take(
      BackupType type,
      ServerSession connection,
      SystemIdentity server,
      ClusterIdentity cluster,
      WalArchive archive,
      Optional<WalCompanion> companion,
      Instant startedAt,
      ClusterReader reader)
      throws IOException {
    if (reader instanceof ReplicationReader && connection.majorVersion() < FIRST_WITH_IN_PLACE) {
      requireNothingInPlace();
    }
    BaseChoice choice = choose(type, connection, server, cluster);
    BackupDescriptor base = choice.base();
    try (BackupWriter writer =
        repository.begin(
            new BackupStart(
                settings.source(),
                base == null ? BackupType.FULL : type,
                Optional.ofNullable(base).map(BackupDescriptor::id),
                request.label(),
                startedAt))) {
      LOG.info(
          "backup={} source={} base={} begins",
          writer.id(),
          settings.source(),
          base == null ? "" : base.id());
      BackupReceiver.Begun begun =
          (position, planned) -> {
            if (base != null && position.lsn().compareTo(base.stopLsn()) < 0) {
              throw new UnusableBaseException(
                  "it would begin at " + position.lsn() + ", before the end of " + base.id());
            }
            companion.ifPresent(wal -> wal.start(position.timeline(), position.lsn()));
            boolean wanted =
                planned.equals(ChangeDetection.COMPARISON)
                    || reader.selective() && planned.judgedFrom().isPresent();
            return base != null && wanted
                ? listed(base, position, archive, reader.selective(), planned)
                : planned;
          };
      ClusterReader.Outcome outcome =
          reader.read(
              new Reading(
                  writer,
                  journal,
                  cluster,
                  server,
                  choice,
                  label(writer),
                  startedAt,
                  checksums,
                  checksums && settings.verifyChecksums(),
                  postmaster,
                  begun));
      databases(writer);
      configuration(writer);
      writer.settle();
      requireNoContradiction();
      outcome.pages().ifPresent(pages -> judge(pages, outcome.stop().lsn()));
      if (writer.bytesResumed() > 0) {
        progress.note(
            writer.bytesResumed()
                + " bytes were stored by a backup that was interrupted, and need not be again");
      }
      BackupFacts facts = facts(outcome.start(), outcome.stop(), startedAt, outcome.tablespaces());
      return commit(writer, facts, cluster, archive, companion);
    }
  }

  /** Finds what the log changed since the base began, if that is known. */
  private ChangeDetection listed(
      BackupDescriptor base,
      WalPosition start,
      WalArchive archive,
      boolean selective,
      ChangeDetection otherwise)
      throws IOException {
    try {
      TimelineHistory line = history;
      if (line == null || !line.timeline().equals(start.timeline())) {
        throw new WalMap.Unknown("the server has changed to timeline " + start.timeline());
      }
      Optional<ChangedBlocks> summarized =
          selective ? summarized(archive.cluster(), line, base, start) : Optional.empty();
      if (summarized.isPresent()) {
        return found(
            ChangeDetection.summaries(listed(summarized.get(), base, start), checksums),
            "from the server's summaries of its WAL");
      }
      WalTail tail = new WalTail(settings, control.cancellation());
      ChangedBlocks changed =
          new WalMap(archive, Optional.of(tail), control.cancellation())
              .between(line, base.startLsn(), start.lsn());
      return found(
          ChangeDetection.walMap(listed(changed, base, start), checksums),
          "from the WAL since " + base.startLsn());
    } catch (WalMap.Unknown e) {
      String name = "change-detection-because";
      String before = journal.attributes().get("postgres." + name);
      journal.put(name, before == null ? e.reason() : before + "; " + e.reason());
      journal.note("The WAL does not tell what changed: " + e.reason());
      return otherwise;
    }
  }

  private Optional<ChangedBlocks> summarized(
      ClusterIdentity cluster, TimelineHistory line, BackupDescriptor base, WalPosition start)
      throws IOException {
    if (cluster.majorVersion() < ServerSummaries.FIRST_MAJOR) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          new ServerSummaries(settings, control.cancellation())
              .between(line, base.startLsn(), start.lsn()));
    } catch (WalMap.Unknown e) {
      journal.note("The server's summaries do not tell what changed: " + e.reason());
      return Optional.empty();
    }
  }

  private ChangeDetection.Listed listed(
      ChangedBlocks blocks, BackupDescriptor base, WalPosition start) {
    return new ChangeDetection.Listed(
        blocks,
        base.startLsn(),
        start.lsn(),
        problem -> contradiction.compareAndSet(null, problem));
  }

  private ChangeDetection found(ChangeDetection detection, String how) {
    journal.put("change-detection", detection.label());
    journal.put("cross-check", detection.crossCheck());
    journal.note("What changed is known " + how);
    return detection;
  }

  private void requireNoContradiction() throws UnusableBaseException {
    String problem = contradiction.get();
    if (problem != null) {
      throw new UnusableBaseException("what the WAL is said to have changed lacks " + problem);
    }
  }

  /** Finds what to build on; none for a full backup, or where there is nothing. */
  private BaseChoice choose(
      BackupType type, ServerSession connection, SystemIdentity server, ClusterIdentity cluster)
      throws IOException {
    if (type == BackupType.FULL) {
      return new BaseChoice(null, null, Optional.empty());
    }
    TimelineHistory line =
        server.timeline().number() == 1
            ? TimelineHistory.first(server.timeline())
            : TimelineHistory.parse(
                server.timeline(), connection.timelineHistory(server.timeline()));
    history = line;
    SourceInfo source =
        repository
            .source(settings.source())
            .orElseThrow(() -> new IllegalStateException("The source was registered just now"));
    BaseChoice choice =
        BaseChoice.of(type, repository, source, cluster, server, line, journal.attributes());
    if (choice.base() == null) {
      String nothing = "this is a full backup: ";
      if (choice.refused().isPresent()) {
        journal.warn(nothing + choice.refused().get());
      } else {
        progress.note(nothing + "there is none yet that one of type " + type.label() + " needs");
      }
    }
    return choice;
  }

  /** What is to be known beforehand; says when the backup begins, by the server's clock. */
  private Instant before(ServerSession connection) throws IOException {
    checksums = connection.show("data_checksums").equals("on");
    journal.put("server-version", connection.serverVersion());
    try (ServerFacts facts = ServerFacts.open(settings)) {
      facts.parameters().forEach((name, value) -> journal.put(name.replace('_', '-'), value));
      journal.put("in-recovery", Boolean.toString(facts.inRecovery()));
      postmaster = Optional.of(facts.postmasterStart());
      return facts.clock();
    } catch (SQLException e) {
      sqlUnavailable(e);
      for (String name : ServerFacts.recorded()) {
        shown(connection, name).ifPresent(value -> journal.put(name.replace('_', '-'), value));
      }
      return settings.clock().instant();
    }
  }

  /** PostgreSQL 14 has tablespaces inside its data directory, and leaves them out of a backup. */
  private void requireNothingInPlace() {
    List<String> names;
    try (ServerFacts facts = ServerFacts.open(settings)) {
      names = facts.tablespacesInPlace();
    } catch (SQLException e) {
      LOG.debug("source={} SQL is not available", settings.source(), e);
      return; // said where the backup began
    }
    if (!names.isEmpty()) {
      throw BackupException.of(
              "backup.tablespace-left-out",
              FailureKind.REFUSED,
              "Tablespaces inside the data directory of "
                  + settings.address()
                  + " would be missing from its own backup: "
                  + String.join(", ", names))
          .remedy("Set reader to local or sql, or move their relations to other tablespaces.")
          .build();
    }
  }

  private static Optional<String> shown(ServerSession connection, String name) throws IOException {
    try {
      return Optional.of(connection.show(name));
    } catch (ServerException e) {
      return Optional.empty();
    }
  }

  private void sqlUnavailable(SQLException e) {
    progress.note(
        "Without SQL the backup's times are by this host's clock, and names of tablespaces and"
            + " configuration outside the data directory are missing: "
            + Failures.of(settings, e).getMessage());
    LOG.debug("source={} SQL is not available", settings.source(), e);
  }

  private String label(BackupWriter writer) {
    // The server keeps it in one line of backup_label, at most 1024 bytes with the path.
    String words = request.label().map(text -> " " + text.replaceAll("\\p{Cntrl}", " ")).orElse("");
    String label = "thorbis " + writer.id() + words;
    return label.substring(0, Math.min(label.length(), 200));
  }

  /** Which database is which, so that some can be restored without the others. */
  private void databases(BackupWriter writer) throws IOException {
    byte[] names;
    try (ServerFacts facts = ServerFacts.open(settings)) {
      names = DatabaseNames.format(facts.databases());
    } catch (SQLException e) {
      LOG.debug("source={} SQL is not available", settings.source(), e);
      return; // said once, where the backup began
    }
    try (BackupWriter.FileWriter out =
        writer.file(
            new StoredFile(
                StoredFile.Area.META,
                DatabaseNames.FILE,
                StoredFile.Kind.FILE,
                names.length,
                CONFIGURATION_MODE,
                settings.clock().instant()),
            PieceCheck.NONE)) {
      out.write(names, 0, names.length);
      out.finish();
    }
  }

  /** Configuration that the data directory does not hold, as far as the role may read it. */
  private void configuration(BackupWriter writer) throws IOException {
    String dataDirectory = journal.attributes().get("postgres.data-directory");
    if (dataDirectory == null) {
      progress.note(
          "Configuration outside the data directory is not in this backup; to have it:"
              + " GRANT pg_read_all_settings, pg_read_server_files TO \""
              + settings.user()
              + "\"");
      return;
    }
    try (ServerFacts facts = ServerFacts.open(settings)) {
      for (String file : facts.configurationFiles(facts.parameters())) {
        if (file.startsWith(dataDirectory + "/")) {
          continue;
        }
        ServerFacts.ConfigurationFile found = facts.read(file);
        String path = file.replaceFirst("^/+", "");
        try (BackupWriter.FileWriter out =
            writer.file(
                new StoredFile(
                    StoredFile.Area.CONFIG,
                    path,
                    StoredFile.Kind.FILE,
                    found.content().length,
                    CONFIGURATION_MODE,
                    found.modifiedAt()),
                PieceCheck.NONE)) {
          out.write(found.content(), 0, found.content().length);
          out.finish();
        }
      }
    } catch (SQLException e) {
      progress.note(
          "Configuration outside the data directory is not in this backup; to have it:"
              + " GRANT pg_read_server_files TO \""
              + settings.user()
              + "\"");
      LOG.debug("source={} cannot read configuration", settings.source(), e);
    }
  }

  private void judge(PageChecksums pages, Lsn stop) {
    pages.finish(stop);
    if (pages.failed() == 0) {
      return;
    }
    for (PageChecksums.Failure failure :
        pages.failures().subList(0, Math.min(Journal.MOST_WARNINGS, pages.failures().size()))) {
      journal.warn(
          "damaged page: "
              + failure.file()
              + " block "
              + failure.block()
              + ": "
              + failure.problem());
    }
    if (pages.failed() > Journal.MOST_WARNINGS) {
      journal.warn(pages.failed() + " damaged pages in all");
    }
  }

  private BackupFacts facts(
      WalPosition start,
      WalPosition stop,
      Instant startedAt,
      List<BaseBackupListener.Archive> archives) {
    Map<Long, String> names = Map.of();
    Instant stoppedAt;
    try (ServerFacts facts = ServerFacts.open(settings)) {
      names = facts.tablespaces();
      stoppedAt = facts.clock();
    } catch (SQLException e) {
      LOG.debug("source={} SQL is not available", settings.source(), e);
      stoppedAt = settings.clock().instant();
    }
    List<BackupFacts.Tablespace> tablespaces = new ArrayList<>();
    for (BaseBackupListener.Archive archive : archives) {
      tablespaces.add(
          new BackupFacts.Tablespace(
              archive.oid(),
              names.getOrDefault(archive.oid(), Long.toString(archive.oid())),
              archive.location()));
    }
    return new BackupFacts(
        start.lsn(),
        stop.lsn(),
        start.timeline(),
        startedAt,
        stoppedAt,
        tablespaces,
        journal.attributes(),
        journal.warnings());
  }

  /** Commits it whole if its WAL is there soon; otherwise as waiting, and completes it later. */
  private BackupDescriptor commit(
      BackupWriter writer,
      BackupFacts facts,
      ClusterIdentity cluster,
      WalArchive archive,
      Optional<WalCompanion> companion)
      throws IOException {
    progress.begin("wal", -1);
    Duration first = settings.walWait().compareTo(FIRST_WAIT) < 0 ? settings.walWait() : FIRST_WAIT;
    if (awaitWal(facts, archive, companion, first)) {
      progress.end("wal");
      return writer.commit(
          facts,
          facts.warnings().isEmpty() ? BackupStatus.COMPLETE : BackupStatus.COMPLETED_WITH_WARNING);
    }
    // From here on the backup survives us: a later run completes it.
    BackupDescriptor waiting = writer.commit(facts, BackupStatus.AWAITING_WAL);
    Duration left = settings.walWait().minus(first);
    if (companion.isPresent()
        ? awaitWal(facts, archive, companion, left)
        : awaitOrStream(facts, cluster, archive, left)) {
      progress.end("wal");
      return repository.complete(waiting.id());
    }
    throw BackupException.of(
            "backup.awaiting-wal",
            FailureKind.TRANSIENT,
            "Backup "
                + waiting.id()
                + " is stored, but not its WAL from "
                + facts.startLsn()
                + " to "
                + facts.stopLsn()
                + companion
                    .flatMap(WalCompanion::failure)
                    .map(problem -> ": " + problem.getMessage())
                    .orElse(""))
        .remedy(
            "Let wal receive or the archiver bring it; the next backup or receiver completes this"
                + " one.")
        .detail("backup", waiting.id().toString())
        .detail("startLsn", facts.startLsn().toString())
        .detail("stopLsn", facts.stopLsn().toString())
        .build();
  }

  /** Whoever seemed to bring the WAL does not, or is slow: what comes first will do. */
  private boolean awaitOrStream(
      BackupFacts facts, ClusterIdentity cluster, WalArchive archive, Duration patience)
      throws IOException {
    if (patience.isZero()) {
      return false;
    }
    Optional<WalCompanion> own = Optional.empty();
    try {
      own = Optional.of(WalCompanion.open(settings, cluster, archive));
      progress.note(
          "The WAL of this backup does not come: it is streamed over a second connection");
      own.get().start(facts.timeline(), facts.startLsn());
    } catch (IOException e) {
      LOG.debug("source={} cannot stream the WAL of the backup", settings.source(), e);
    }
    try {
      boolean there = awaitWal(facts, archive, Optional.empty(), patience);
      if (!there) {
        own.flatMap(WalCompanion::failure)
            .ifPresent(
                problem ->
                    progress.warning(
                        "The WAL of this backup could not be streamed: " + problem.getMessage()));
      }
      return there;
    } finally {
      own.ifPresent(WalCompanion::close);
    }
  }

  /**
   * Somebody else may still bring the WAL after a passing failure; after another it is hopeless.
   */
  private void streamingFailed(Exception problem) {
    BackupException failure =
        problem instanceof BackupException known
            ? known
            : problem instanceof ClassifiedFailure
                ? BackupException.from((IOException) problem)
                : Failures.of(settings, (IOException) problem);
    if (failure.kind() != FailureKind.TRANSIENT && failure.kind() != FailureKind.OUTCOME_UNKNOWN) {
      throw failure;
    }
    progress.warning("The WAL of this backup is not streamed any more: " + failure.getMessage());
  }

  private boolean awaitWal(
      BackupFacts facts, WalArchive archive, Optional<WalCompanion> companion, Duration patience)
      throws IOException {
    long deadline = System.nanoTime() + Math.max(0, patience.toNanos());
    Lsn stop = facts.stopLsn();
    if (companion.isPresent() && !companion.get().await(stop, patience, control.cancellation())) {
      companion.get().failure().ifPresent(this::streamingFailed);
    }
    Duration pause = FIRST_LOOK;
    while (!AwaitingBackups.covers(archive, facts.timeline(), facts.startLsn(), stop)) {
      control.cancellation().check();
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        return false;
      }
      Pause.of(Duration.ofNanos(Math.min(left, pause.toNanos())), control.cancellation());
      pause = Pause.longer(pause, LONGEST_PAUSE);
    }
    return true;
  }
}
