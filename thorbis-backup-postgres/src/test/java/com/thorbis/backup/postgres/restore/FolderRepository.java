package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/** One backup in memory or in a folder, and the WAL that a server copied into another. */
public final class FolderRepository implements Repository {
  public static final BackupId ID = new BackupId("20260102T030405Z-0a1b2c3d");
  public static final String INCARNATION = "0123456789abcdef";

  private final ClusterIdentity cluster;
  private final Path archive;
  private final List<Entry> entries = new ArrayList<>();
  private BackupFacts facts;
  private Runnable onWrite = () -> {};

  /** Whether the store can be reached. */
  public volatile boolean reachable = true;

  /** The name of each file of the log that was given to store, as often as it was. */
  public final Queue<String> given = new ConcurrentLinkedQueue<>();

  /** Where a source was adopted. */
  public volatile SourceInfo.Fork fork;

  /** What of the backup must be brought back first. */
  public Frozen frozen = Frozen.NOTHING;

  /** What of the log must be brought back first. */
  public Frozen frozenLog = Frozen.NOTHING;

  /** Whether the log's headers must be brought back first. */
  public boolean headersFrozen;

  private interface Content {
    byte[] read() throws IOException;
  }

  private record Entry(StoredFile file, Content content) {}

  public FolderRepository(ClusterIdentity cluster, Path archive, BackupFacts facts) {
    this.cluster = cluster;
    this.archive = archive;
    this.facts = facts;
  }

  /** Takes every file of a plain base backup. */
  public FolderRepository addTree(Path folder) throws IOException {
    try (Stream<Path> tree = Files.walk(folder, java.nio.file.FileVisitOption.FOLLOW_LINKS)) {
      for (Path path : tree.sorted().toList()) {
        String name = folder.relativize(path).toString();
        if (name.isEmpty()) {
          continue;
        }
        if (Files.isDirectory(path)) {
          add(Area.DATA, name, Kind.DIRECTORY, new byte[0]);
        } else {
          Area area = name.equals("backup_manifest") ? Area.META : Area.DATA;
          Instant modified = Files.getLastModifiedTime(path).toInstant();
          entries.add(
              new Entry(
                  new StoredFile(area, name, Kind.FILE, Files.size(path), 0600, modified),
                  () -> Files.readAllBytes(path)));
        }
      }
    }
    return this;
  }

  public FolderRepository add(StoredFile file) {
    entries.add(new Entry(file, () -> new byte[0]));
    return this;
  }

  public FolderRepository add(Area area, String path, Kind kind, byte[] content) {
    entries.add(
        new Entry(
            new StoredFile(area, path, kind, content.length, 0777, facts.stoppedAt()),
            () -> content));
    return this;
  }

  public FolderRepository remove(String path) {
    entries.removeIf(entry -> entry.file().path().equals(path));
    return this;
  }

  public void facts(BackupFacts changed) {
    facts = changed;
  }

  /** Runs before each page is written. */
  public void onWrite(Runnable action) {
    onWrite = action;
  }

  public BackupDescriptor descriptor() {
    return new Descriptor();
  }

  private void reach() throws IOException {
    if (!reachable) {
      throw new IOException("The store cannot be reached");
    }
  }

  @Override
  public BackupReader open(BackupId id) {
    return new BackupReader() {
      @Override
      public BackupDescriptor descriptor() {
        return new Descriptor();
      }

      @Override
      public BackupFacts facts() {
        return facts;
      }

      @Override
      public void entries(EntryVisitor visitor) throws IOException {
        for (Entry entry : entries) {
          visitor.visit(entry.file());
        }
      }

      @Override
      public Optional<byte[]> read(Area area, String path) throws IOException {
        for (Entry entry : entries) {
          if (entry.file().area() == area
              && entry.file().path().equals(path)
              && entry.file().kind() == Kind.FILE) {
            return Optional.of(entry.content().read());
          }
        }
        return Optional.empty();
      }

      @Override
      public long extract(Predicate<StoredFile> wanted, FileTarget target, RunControl control)
          throws IOException {
        long bytes = 0;
        for (Entry entry : entries) {
          if (entry.file().kind() == Kind.FILE && wanted.test(entry.file())) {
            byte[] content = entry.content().read();
            try (FileOutput output = target.begin(entry.file())) {
              for (int at = 0; at < content.length; at += 8192) {
                onWrite.run();
                int count = Math.min(8192, content.length - at);
                if (Arrays.equals(content, at, at + count, new byte[count], 0, count)) {
                  output.zeros(count);
                } else {
                  output.write(ByteBuffer.wrap(content, at, count));
                }
              }
              CRC32C crc = new CRC32C();
              crc.update(content);
              output.finish((int) crc.getValue());
            }
            bytes += content.length;
          }
        }
        return bytes;
      }

      @Override
      public Frozen frozen() {
        return frozen;
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public WalArchive wal(String source) throws IOException {
    return wal(source, INCARNATION);
  }

  @Override
  public WalArchive wal(String source, String incarnation) throws IOException {
    reach();
    return new Archive(incarnation);
  }

  @Override
  public List<SourceInfo> sources() {
    List<SourceInfo.Incarnation> lives = new ArrayList<>();
    lives.add(new SourceInfo.Incarnation(INCARNATION, cluster, Optional.empty()));
    if (fork != null) {
      lives.add(new SourceInfo.Incarnation("fedcba9876543210", cluster, Optional.of(fork)));
    }
    return List.of(new SourceInfo("orders", "postgres", lives));
  }

  @Override
  public Optional<SourceInfo> source(String name) {
    return sources().stream().filter(source -> source.name().equals(name)).findFirst();
  }

  @Override
  public SourceInfo adopt(String name, ClusterIdentity identity, SourceInfo.Fork where) {
    fork = where;
    return sources().get(0);
  }

  @Override
  public List<BackupDescriptor> backups(Optional<String> source) {
    return List.of(new Descriptor());
  }

  @Override
  public Optional<BackupDescriptor> backup(BackupId id) {
    return Optional.of(new Descriptor());
  }

  @Override
  public String id() {
    return "00000000000000000000000000000000";
  }

  @Override
  public void refresh() {}

  @Override
  public SourceInfo register(String name, String type, ClusterIdentity identity) {
    return sources().get(0);
  }

  @Override
  public BackupWriter begin(BackupStart start) {
    throw new UnsupportedOperationException();
  }

  @Override
  public BackupDescriptor complete(BackupId id) {
    throw new UnsupportedOperationException();
  }

  @Override
  public VerifyReport verify(VerifyRequest request, RunControl control) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {}

  private final class Archive implements WalArchive {
    private final String incarnation;

    Archive(String incarnation) {
      this.incarnation = incarnation;
    }

    @Override
    public String incarnation() {
      return incarnation;
    }

    @Override
    public ClusterIdentity cluster() {
      return cluster;
    }

    private Stored store(String name, byte[] content) throws IOException {
      reach();
      given.add(name);
      Path file = archive.resolve(name);
      if (Files.exists(file)) {
        if (!java.util.Arrays.equals(Files.readAllBytes(file), content)) {
          throw BackupException.of(
                  "wal.conflict", FailureKind.REFUSED, name + ": other content is stored")
              .build();
        }
        return Stored.ALREADY_PRESENT;
      }
      Files.write(file, content);
      return Stored.WRITTEN;
    }

    @Override
    public Stored storeSegment(WalSegment segment, ByteBuffer content, WalMarks marks)
        throws IOException {
      byte[] bytes = new byte[content.remaining()];
      content.get(bytes);
      return store(segment.fileName(), bytes);
    }

    @Override
    public Stored storePart(WalSegment segment, int offset, ByteBuffer content, WalMarks marks) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Stored storeHistory(Timeline timeline, byte[] content) throws IOException {
      return store(timeline.historyFileName(), content);
    }

    @Override
    public Optional<WalContent> open(WalSegment segment) throws IOException {
      reach();
      Path file = archive.resolve(segment.fileName());
      if (Files.exists(file)) {
        byte[] bytes = Files.readAllBytes(file);
        return Optional.of(
            new WalContent(ByteBuffer.wrap(bytes), bytes.length == segment.size().bytes()));
      }
      return Optional.empty();
    }

    @Override
    public Optional<WalMarks> marks(WalSegment segment) throws IOException {
      if (headersFrozen) {
        throw StorageException.offline(new ObjectKey(segment.fileName()), null);
      }
      return frozenLog == Frozen.NOTHING ? Optional.empty() : Optional.of(WalMarks.NONE);
    }

    @Override
    public Frozen frozen(List<WalRange> wanted) {
      return frozenLog;
    }

    @Override
    public Optional<byte[]> history(Timeline timeline) throws IOException {
      reach();
      Path file = archive.resolve(timeline.historyFileName());
      return Files.exists(file) ? Optional.of(Files.readAllBytes(file)) : Optional.empty();
    }

    @Override
    public List<Timeline> timelines() {
      return List.of(new Timeline(1));
    }

    @Override
    public List<WalRange> ranges(Timeline timeline) throws IOException {
      List<WalRange> ranges = new ArrayList<>();
      try (Stream<Path> files = Files.list(archive)) {
        for (Path file : files.sorted().toList()) {
          String name = file.getFileName().toString();
          if (WalSegment.isName(name)) {
            WalSegment segment = WalSegment.parse(name, cluster.segmentSize());
            if (segment.timeline().equals(timeline)) {
              ranges.add(new WalRange(timeline, segment.start(), segment.end()));
            }
          }
        }
      }
      return ranges;
    }
  }

  private final class Descriptor implements BackupDescriptor {
    @Override
    public BackupId id() {
      return ID;
    }

    @Override
    public String source() {
      return "orders";
    }

    @Override
    public String incarnation() {
      return INCARNATION;
    }

    @Override
    public ClusterIdentity cluster() {
      return cluster;
    }

    @Override
    public BackupType type() {
      return BackupType.FULL;
    }

    @Override
    public Optional<BackupId> base() {
      return Optional.empty();
    }

    @Override
    public BackupStatus status() {
      return BackupStatus.COMPLETE;
    }

    @Override
    public Optional<String> label() {
      return Optional.empty();
    }

    @Override
    public Instant startedAt() {
      return facts.startedAt();
    }

    @Override
    public Instant stoppedAt() {
      return facts.stoppedAt();
    }

    @Override
    public Lsn startLsn() {
      return facts.startLsn();
    }

    @Override
    public Lsn stopLsn() {
      return facts.stopLsn();
    }

    @Override
    public Timeline timeline() {
      return facts.timeline();
    }

    @Override
    public long files() {
      return entries.size();
    }

    @Override
    public long bytesRead() {
      return 0;
    }

    @Override
    public long bytesChanged() {
      return 0;
    }

    @Override
    public long bytesStored() {
      return 0;
    }

    @Override
    public long durationMillis() {
      return 0;
    }

    @Override
    public List<String> copies() {
      return List.of();
    }

    @Override
    public List<String> warnings() {
      return List.of();
    }
  }
}
