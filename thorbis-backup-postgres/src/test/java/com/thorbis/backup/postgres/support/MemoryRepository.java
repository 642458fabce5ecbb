package com.thorbis.backup.postgres.support;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.FileContent;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Predicate;
import java.util.zip.CRC32C;

/** A repository in memory that keeps what it is given, in the clear. */
public final class MemoryRepository implements Repository {
  private static final int PIECE = 1 << 20;

  private final Map<String, SourceInfo> sources = new LinkedHashMap<>();
  private final Map<String, MemoryWalArchive> archives = new LinkedHashMap<>();
  private final Map<BackupId, StoredBackup> backups = new LinkedHashMap<>();
  private int count;

  /** What a backup holds. */
  public record StoredBackup(
      BackupDescriptor descriptor, BackupFacts facts, Map<String, Entry> entries) {
    /** The entry of an area under its path. */
    public Optional<Entry> entry(StoredFile.Area area, String path) {
      return Optional.ofNullable(entries.get(area.label() + ":" + path));
    }
  }

  /** A file or folder. */
  public record Entry(StoredFile file, byte[] content) {}

  @Override
  public String id() {
    return "00000000000000000000000000000000";
  }

  @Override
  public void refresh() {}

  @Override
  public synchronized List<SourceInfo> sources() {
    return List.copyOf(sources.values());
  }

  @Override
  public synchronized Optional<SourceInfo> source(String name) {
    return Optional.ofNullable(sources.get(name));
  }

  @Override
  public synchronized SourceInfo register(String name, String type, ClusterIdentity cluster)
      throws RepositoryException {
    SourceInfo known = sources.get(name);
    if (known == null) {
      known =
          new SourceInfo(
              name,
              type,
              List.of(new SourceInfo.Incarnation("%016x".formatted(1), cluster, Optional.empty())));
      sources.put(name, known);
      archives.put(known.current().id(), new MemoryWalArchive(known.current().id(), cluster));
    }
    if (!known.current().cluster().equals(cluster)) {
      throw new RepositoryException(
          "source.identity-mismatch",
          FailureKind.REFUSED,
          name
              + " is the cluster "
              + known.current().cluster().systemIdText()
              + ", not "
              + cluster.systemIdText(),
          Map.of(),
          "",
          null);
    }
    return known;
  }

  @Override
  public SourceInfo adopt(String name, ClusterIdentity cluster, SourceInfo.Fork fork) {
    throw new UnsupportedOperationException();
  }

  @Override
  public synchronized List<BackupDescriptor> backups(Optional<String> source) {
    return backups.values().stream().map(StoredBackup::descriptor).toList();
  }

  @Override
  public synchronized Optional<BackupDescriptor> backup(BackupId id) {
    return Optional.ofNullable(backups.get(id)).map(StoredBackup::descriptor);
  }

  /** What was committed under an id. */
  public synchronized StoredBackup stored(BackupId id) {
    StoredBackup stored = backups.get(id);
    if (stored == null) {
      throw new IllegalArgumentException("No backup " + id);
    }
    return stored;
  }

  @Override
  public synchronized BackupWriter begin(BackupStart start) {
    return new Writer(new BackupId("20260102T030405Z-%08x".formatted(++count)), start);
  }

  @Override
  public BackupReader open(BackupId id) {
    StoredBackup stored = stored(id);
    return new BackupReader() {
      @Override
      public BackupDescriptor descriptor() {
        return stored.descriptor();
      }

      @Override
      public BackupFacts facts() {
        return stored.facts();
      }

      @Override
      public void entries(EntryVisitor visitor) throws IOException {
        for (Entry entry : stored.entries().values()) {
          visitor.visit(entry.file());
        }
      }

      @Override
      public Optional<byte[]> read(StoredFile.Area area, String path) {
        return stored.entry(area, path).map(Entry::content);
      }

      @Override
      public long extract(Predicate<StoredFile> wanted, FileTarget target, RunControl control)
          throws IOException {
        for (Entry entry : stored.entries().values()) {
          if (entry.file().kind() == StoredFile.Kind.FILE && wanted.test(entry.file())) {
            try (FileOutput output = target.begin(entry.file())) {
              output.write(ByteBuffer.wrap(entry.content()));
              output.finish(0);
            }
          }
        }
        return 0;
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public synchronized BackupDescriptor complete(BackupId id) {
    StoredBackup stored = stored(id);
    Descriptor now = ((Descriptor) stored.descriptor()).with(BackupStatus.COMPLETE);
    backups.put(id, new StoredBackup(now, stored.facts(), stored.entries()));
    return now;
  }

  @Override
  public synchronized MemoryWalArchive wal(String source) {
    SourceInfo known = sources.get(source);
    if (known == null) {
      throw new IllegalArgumentException("No source " + source);
    }
    return wal(source, known.current().id());
  }

  @Override
  public synchronized MemoryWalArchive wal(String source, String incarnation) {
    MemoryWalArchive archive = archives.get(incarnation);
    if (archive == null) {
      throw new IllegalArgumentException("No incarnation " + incarnation);
    }
    return archive;
  }

  @Override
  public VerifyReport verify(VerifyRequest request, RunControl control) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {}

  private final class Writer implements BackupWriter {
    private final BackupId id;
    private final BackupStart start;
    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private long bytes;

    Writer(BackupId id, BackupStart start) {
      this.id = id;
      this.start = start;
    }

    @Override
    public BackupId id() {
      return id;
    }

    @Override
    public void directory(StoredFile directory) {
      add(directory, new byte[0]);
    }

    /** Keeps whole files whatever way they come, and proves what a judge says. */
    @Override
    public FileWriter file(StoredFile file, PieceCheck check, Arrival arrival) {
      Optional<byte[]> base =
          start
              .base()
              .flatMap(id -> MemoryRepository.this.stored(id).entry(file.area(), file.path()))
              .map(Entry::content);
      if (base.isEmpty() && !(arrival instanceof Arrival.Sparse)) {
        return file(file, check);
      }
      FileWriter whole = file(file, arrival instanceof Arrival.Sparse ? PieceCheck.NONE : check);
      ByteArrayOutputStream content = new ByteArrayOutputStream();
      byte[] old = base.orElse(new byte[0]);
      return new FileWriter() {
        @Override
        public void write(byte[] more, int offset, int length) {
          content.write(more, offset, length);
        }

        @Override
        public OptionalLong baseLength() {
          return base.isPresent() ? OptionalLong.of(old.length) : OptionalLong.empty();
        }

        @Override
        public void unchanged(long length) {
          content.write(old, content.size(), (int) length);
        }

        @Override
        public void zeros(long length) {
          content.writeBytes(new byte[(int) length]);
        }

        @Override
        public void finish() throws IOException {
          byte[] now = content.toByteArray();
          if (arrival instanceof Arrival.Judged judged) {
            requireRight(file.path(), judged.judge(), old, now);
          }
          whole.write(now, 0, now.length);
          whole.finish();
        }

        @Override
        public void close() {}
      };
    }

    /** Reads all of it, and proves what a list of pages says. */
    @Override
    public void add(StoredFile file, FileContent content, Arrival arrival) throws IOException {
      byte[] now = new byte[(int) file.length()];
      try (content) {
        if (!content.read(0, now, 0, now.length)) {
          return;
        }
      }
      boolean listed = arrival instanceof Arrival.Listed;
      try (FileWriter to = file(file, PieceCheck.NONE, listed ? new Arrival.Sparse() : arrival)) {
        if (arrival instanceof Arrival.Listed how) {
          int known = (int) Math.min(now.length, to.baseLength().orElse(0));
          for (int at = 0; at < known; at += Arrival.PAGE) {
            int length = Math.min(Arrival.PAGE, known - at);
            if (how.pages().get(at / Arrival.PAGE)) {
              to.write(now, at, length);
            } else {
              requireSame(file, how.judge(), at, ByteBuffer.wrap(now, at, length).slice());
              to.unchanged(length);
            }
          }
          to.write(now, known, now.length - known);
        } else {
          to.write(now, 0, now.length);
        }
        to.finish();
      }
      CRC32C crc = new CRC32C();
      crc.update(now, 0, now.length);
      // Of a list the unchanged pages are not the ones that were read.
      content.taken(listed ? OptionalInt.empty() : OptionalInt.of((int) crc.getValue()));
    }

    private void requireSame(StoredFile file, Arrival.PageJudge judge, int at, ByteBuffer page)
        throws IOException {
      byte[] old =
          start
              .base()
              .flatMap(id -> MemoryRepository.this.stored(id).entry(file.area(), file.path()))
              .map(Entry::content)
              .orElseThrow();
      ByteBuffer before = ByteBuffer.wrap(old, at, page.remaining()).slice();
      if (!page.equals(before) && !judge.same(at, page, before)) {
        throw new RepositoryException(
            "backup.cross-check-failed",
            FailureKind.DAMAGED,
            file.path() + " at " + at,
            Map.of(),
            "",
            null);
      }
    }

    private void requireRight(String path, Arrival.PageJudge judge, byte[] old, byte[] now)
        throws IOException {
      for (int at = 0; at + Arrival.PAGE <= Math.min(old.length, now.length); at += Arrival.PAGE) {
        ByteBuffer page = ByteBuffer.wrap(now, at, Arrival.PAGE).slice();
        ByteBuffer before = ByteBuffer.wrap(old, at, Arrival.PAGE).slice();
        if (!judge.changed(at, page) && !judge.same(at, page, before)) {
          throw new RepositoryException(
              "backup.cross-check-failed",
              FailureKind.DAMAGED,
              path + " at " + at,
              Map.of(),
              "",
              null);
        }
      }
    }

    private void add(StoredFile file, byte[] content) {
      if (entries.putIfAbsent(file.area().label() + ":" + file.path(), new Entry(file, content))
          != null) {
        throw new IllegalStateException("Twice: " + file.path());
      }
    }

    @Override
    public FileWriter file(StoredFile file, PieceCheck check) {
      return new FileWriter() {
        private final ByteArrayOutputStream content = new ByteArrayOutputStream();

        @Override
        public void write(byte[] more, int offset, int length) {
          content.write(more, offset, length);
          bytes += length;
        }

        @Override
        public void finish() {
          byte[] whole = content.toByteArray();
          for (int at = 0; at < whole.length; at += PIECE) {
            check.check(
                at,
                ByteBuffer.wrap(whole, at, Math.min(PIECE, whole.length - at))
                    .slice()
                    .asReadOnlyBuffer());
          }
          add(
              new StoredFile(
                  file.area(),
                  file.path(),
                  file.kind(),
                  whole.length,
                  file.mode(),
                  file.modifiedAt()),
              whole);
        }

        @Override
        public void close() {}
      };
    }

    @Override
    public void settle() {}

    @Override
    public long bytesRead() {
      return bytes;
    }

    @Override
    public long bytesStored() {
      return bytes;
    }

    @Override
    public BackupDescriptor commit(BackupFacts facts, BackupStatus status) throws IOException {
      SourceInfo.Incarnation incarnation =
          source(start.source()).orElseThrow(() -> new IOException("not registered")).current();
      Descriptor descriptor =
          new Descriptor(
              id,
              start.source(),
              incarnation.id(),
              incarnation.cluster(),
              start.type(),
              start.base(),
              status,
              start.label(),
              facts.startedAt(),
              facts.stoppedAt(),
              facts.startLsn(),
              facts.stopLsn(),
              facts.timeline(),
              entries.size(),
              bytes,
              bytes,
              bytes,
              0,
              List.of("memory"),
              facts.warnings());
      synchronized (MemoryRepository.this) {
        backups.put(id, new StoredBackup(descriptor, facts, Map.copyOf(entries)));
      }
      return descriptor;
    }

    @Override
    public void close() {}
  }

  private record Descriptor(
      BackupId id,
      String source,
      String incarnation,
      ClusterIdentity cluster,
      BackupType type,
      Optional<BackupId> base,
      BackupStatus status,
      Optional<String> label,
      Instant startedAt,
      Instant stoppedAt,
      Lsn startLsn,
      Lsn stopLsn,
      Timeline timeline,
      long files,
      long bytesRead,
      long bytesChanged,
      long bytesStored,
      long durationMillis,
      List<String> copies,
      List<String> warnings)
      implements BackupDescriptor {
    Descriptor with(BackupStatus now) {
      return new Descriptor(
          id,
          source,
          incarnation,
          cluster,
          type,
          base,
          now,
          label,
          startedAt,
          stoppedAt,
          startLsn,
          stopLsn,
          timeline,
          files,
          bytesRead,
          bytesChanged,
          bytesStored,
          durationMillis,
          copies,
          warnings);
    }
  }

  /** Names of every entry, for messages. */
  public static List<String> names(StoredBackup backup) {
    return new ArrayList<>(backup.entries().keySet());
  }
}
