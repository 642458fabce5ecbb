package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.postgres.cluster.BackupBracket;
import com.thorbis.backup.postgres.cluster.ClusterFiles;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Entry;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Tablespace;
import com.thorbis.backup.postgres.cluster.ControlData;
import com.thorbis.backup.postgres.cluster.ControlFileCopy;
import com.thorbis.backup.postgres.cluster.Exclusions;
import com.thorbis.backup.postgres.cluster.RateLimit;
import com.thorbis.backup.postgres.cluster.ReadFile;
import com.thorbis.backup.postgres.cluster.TreeWalk;
import com.thorbis.backup.postgres.page.PageChecksums;
import com.thorbis.backup.postgres.page.RelationFiles;
import com.thorbis.backup.postgres.restore.EntryPath;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.BaseBackupListener.Archive;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.FileContent;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Reads the files of a running server, several at a time, within a backup that the server knows of:
 * what it writes meanwhile is made whole by its log.
 */
final class FilesReader implements ClusterReader {
  private static final String LABEL = "backup_label";
  private static final int FILE_MODE = 0600;
  private static final int MOST_DROPPED = 10_000;

  /** Below these nothing goes away and comes back. */
  private static final Set<String> WATCHED =
      Set.of("base/", "global/", "pg_tblspc/", "pg_xact/", "pg_multixact/");

  private static final String TEMPORARY_STATISTICS = "postgres.stats-temp-directory";

  /** Without these there is no cluster, and a server never removes them. */
  private static final Set<String> REQUIRED = Set.of("PG_VERSION", "global/pg_filenode.map");

  private final String name;
  private final PostgresSettings settings;
  private final RunControl control;
  private final ClusterFiles files;
  private final BackupBracket bracket;

  /**
   * Reads files.
   *
   * @param name the way, under the name that is recorded
   * @param files become this reader's
   * @param bracket becomes this reader's; not begun
   */
  FilesReader(
      String name,
      PostgresSettings settings,
      RunControl control,
      ClusterFiles files,
      BackupBracket bracket) {
    this.name = name;
    this.settings = settings;
    this.control = control;
    this.files = files;
    this.bracket = bracket;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public boolean selective() {
    return true;
  }

  @Override
  public Outcome read(Reading reading) throws IOException {
    ChangeDetection planned = reading.byPages("");
    WalPosition start = bracket.start(reading.label(), settings.fastCheckpoint());
    ChangeDetection detection = reading.begun().at(start, planned);
    ControlData before = ControlFileCopy.of(files).data();
    if (before.systemId() != reading.cluster().systemId()
        || before.redo().compareTo(start.lsn()) < 0
        || before.inRecovery() != bracket.standby()) {
      throw otherServer(start);
    }
    List<Tablespace> tablespaces = files.tablespaces();
    try (ManifestSpool manifest =
        ManifestSpool.create(
            settings.stateDirectory(),
            reading.cluster().majorVersion(),
            reading.cluster().systemIdText())) {
      Copy copy = new Copy(reading, detection, start, manifest);
      copy.tree(before, tablespaces);
      bracket.check();
      // Pages that a standby wrote until now are covered by the position that this file has.
      byte[] last = ControlFileCopy.of(files).content();
      copy.bytes(Area.DATA, ControlData.PATH, last);
      BackupBracket.End end = bracket.stop();
      copy.bytes(Area.DATA, LABEL, end.label());
      if (end.tablespaceMap().length > 0) {
        copy.bytes(Area.META, BackupReceiver.TABLESPACE_MAP, end.tablespaceMap());
      }
      manifest.finish(start.timeline(), start.lsn(), end.stop().lsn());
      try (BackupWriter.FileWriter to =
          reading
              .writer()
              .file(
                  new StoredFile(
                      Area.META,
                      BackupReceiver.MANIFEST,
                      StoredFile.Kind.FILE,
                      manifest.length(),
                      FILE_MODE,
                      reading.startedAt()),
                  PieceCheck.NONE)) {
        manifest.copyTo(to::write);
        to.finish();
      }
      List<Archive> archives = new ArrayList<>();
      tablespaces.forEach(each -> archives.add(new Archive(each.oid(), each.location())));
      return new Outcome(start, end.stop(), archives, Optional.ofNullable(copy.pages));
    }
  }

  @Override
  public void close() throws IOException {
    try {
      files.close();
    } finally {
      bracket.close();
    }
  }

  /** Takes what a walk through the tree finds. */
  private final class Copy implements TreeWalk.Target {
    private final Reading reading;
    private final ChangeDetection detection;
    private final ManifestSpool manifest;
    private final RateLimit limit = new RateLimit(settings.rateLimit(), control.cancellation());
    private final @Nullable PageChecksums pages;
    private final Set<String> missing = new HashSet<>(REQUIRED);
    private final AtomicLong done = new AtomicLong();
    private final List<String> dropped = new ArrayList<>();
    private int droppedMore;
    private long expected;
    private int skipped;

    Copy(Reading reading, ChangeDetection detection, WalPosition start, ManifestSpool manifest) {
      this.reading = reading;
      this.detection = detection;
      this.manifest = manifest;
      this.pages = reading.checkPages() ? new PageChecksums(start.lsn()) : null;
    }

    void tree(ControlData server, List<Tablespace> tablespaces) throws IOException {
      Progress progress = reading.journal().progress();
      walk(server, tablespaces, new Counting()).run();
      progress.begin("copy", expected);
      TreeWalk walk = walk(server, tablespaces, this);
      walk.run();
      reading.writer().settle();
      progress.end("copy");
      walk.stillThere();
      requireGone();
      if (!missing.isEmpty()) {
        throw filesGone(String.join(", ", missing));
      }
      if (skipped > Journal.MOST_WARNINGS) {
        reading.journal().warn(skipped + " entries in all are not in the backup");
      }
    }

    private TreeWalk walk(
        ControlData server, List<Tablespace> tablespaces, TreeWalk.Target target) {
      int major = reading.cluster().majorVersion();
      return new TreeWalk(
          files,
          new Exclusions(
              major, reading.journal().attributes().getOrDefault(TEMPORARY_STATISTICS, "")),
          server.tablespaceFolder(major),
          tablespaces,
          reading.journal().attributes().getOrDefault("postgres.data-directory", ""),
          target);
    }

    @Override
    public void directory(String path, Entry entry) throws IOException {
      if (!EntryPath.isLawful(path)) {
        skipped(path, "has a name that no server gives");
        return;
      }
      reading
          .writer()
          .directory(
              new StoredFile(
                  Area.DATA, path, StoredFile.Kind.DIRECTORY, 0, entry.mode(), entry.modifiedAt()));
    }

    @Override
    public void file(String path, Entry entry) throws IOException {
      bracket.check();
      if (!EntryPath.isLawful(path)) {
        skipped(path, "has a name that no server gives");
        return;
      }
      long length = length(path, entry);
      boolean required = missing.remove(path);
      reading
          .writer()
          .add(
              new StoredFile(
                  Area.DATA, path, StoredFile.Kind.FILE, length, entry.mode(), entry.modifiedAt()),
              new ReadFile(
                  new Watched(files.content(path), () -> gone(path, required)),
                  limit,
                  pages == null ? PageChecksums.InPlace.NONE : pages.rereading(path),
                  this::passed,
                  crc -> manifest.file(path, length, entry.modifiedAt(), crc)),
              detection.selective(path, length));
    }

    @Override
    public void skipped(String path, String reason) {
      if (skipped++ < Journal.MOST_WARNINGS) {
        reading.journal().warn("not in the backup: " + path + " " + reason);
      }
    }

    /** A server does not see what is less than a page, and writes it whole where it is needed. */
    private static long length(String path, Entry entry) {
      return RelationFiles.firstBlock(path).isPresent()
          ? entry.length() - entry.length() % Arrival.PAGE
          : entry.length();
    }

    /** A dropped relation, a file that the server needs no more; or something that must not be. */
    private void gone(String path, boolean required) {
      if (required) {
        throw filesGone(path);
      }
      if (WATCHED.stream().anyMatch(path::startsWith)) {
        synchronized (dropped) {
          if (dropped.size() < MOST_DROPPED) {
            dropped.add(path);
          } else {
            droppedMore++;
          }
        }
      }
    }

    /** The name of a dropped relation does not come back; that of an unmounted one does. */
    private void requireGone() throws IOException {
      byte[] one = new byte[1];
      synchronized (dropped) {
        if (droppedMore > 0) {
          reading
              .journal()
              .warn(
                  droppedMore
                      + " files more than are looked for again went away while they were read");
        }
        for (String path : dropped) {
          try (FileContent content = files.content(path)) {
            if (content.read(0, one, 0, 1)) {
              throw filesGone(path + " for a moment");
            }
          }
        }
      }
    }

    private void passed(long bytes) {
      long now = done.addAndGet(bytes);
      reading.journal().progress().advance(now, Math.max(expected, now));
    }

    /** Adds what is in memory. */
    void bytes(Area area, String path, byte[] content) throws IOException {
      try (BackupWriter.FileWriter to =
          reading
              .writer()
              .file(
                  new StoredFile(
                      area,
                      path,
                      StoredFile.Kind.FILE,
                      content.length,
                      FILE_MODE,
                      reading.startedAt()),
                  PieceCheck.NONE)) {
        to.write(content, 0, content.length);
        to.finish();
      }
      if (area == Area.DATA) {
        CRC32C crc = new CRC32C();
        crc.update(content, 0, content.length);
        manifest.file(
            path, content.length, reading.startedAt(), OptionalInt.of((int) crc.getValue()));
      }
    }

    /** Adds up what will come, so that somebody who watches knows how long it takes. */
    private final class Counting implements TreeWalk.Target {
      @Override
      public void directory(String path, Entry entry) {}

      @Override
      public void file(String path, Entry entry) {
        bracket.check();
        expected += length(path, entry);
      }

      @Override
      public void skipped(String path, String reason) {}
    }
  }

  /** A file whose absence is told. */
  private static final class Watched implements FileContent {
    private final FileContent content;
    private final Runnable absent;

    Watched(FileContent content, Runnable absent) {
      this.content = content;
      this.absent = absent;
    }

    @Override
    public boolean read(long offset, byte[] into, int at, int length) throws IOException {
      boolean there = content.read(offset, into, at, length);
      return told(there);
    }

    @Override
    public boolean readRanges(long offset, byte[] into, int[] ranges) throws IOException {
      return told(content.readRanges(offset, into, ranges));
    }

    private boolean told(boolean there) {
      if (!there) {
        absent.run();
      }
      return there;
    }

    @Override
    public void close() throws IOException {
      content.close();
      if (content instanceof ClusterFiles.Vanishing one && one.vanished()) {
        absent.run();
      }
    }
  }

  private static BackupException filesGone(String what) {
    return BackupException.of(
            "postgres.files-gone",
            FailureKind.TRANSIENT,
            "The cluster's files are not all there: no " + what)
        .remedy("See whether its file system is still mounted; then run the backup again.")
        .build();
  }

  private BackupException otherServer(WalPosition start) {
    return BackupException.of(
            "postgres.other-data-directory",
            FailureKind.REFUSED,
            "The files are not those of the server at "
                + settings.address()
                + ", which began the backup at "
                + start.lsn())
        .remedy("Name the data directory of that server, as SHOW data_directory says it.")
        .build();
  }
}
