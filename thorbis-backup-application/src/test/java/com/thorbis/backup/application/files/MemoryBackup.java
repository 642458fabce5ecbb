package com.thorbis.backup.application.files;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.FileContent;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/** A backup in memory: what was written comes out as it went in. */
final class MemoryBackup implements BackupWriter, BackupReader {
  final List<StoredFile> entries = new ArrayList<>();
  final Map<String, byte[]> contents = new LinkedHashMap<>();
  final List<String> kept = new ArrayList<>();
  private final BackupId id;
  private final Optional<MemoryBackup> base;
  private final Optional<BackupStart> start;
  private Optional<BackupDescriptor> descriptor = Optional.empty();

  MemoryBackup() {
    this(0, Optional.empty(), Optional.empty());
  }

  MemoryBackup(MemoryBackup base) {
    this(0, Optional.of(base), Optional.empty());
  }

  MemoryBackup(int number, Optional<MemoryBackup> base, Optional<BackupStart> start) {
    this.id = new BackupId("20260102T030405Z-%08x".formatted(number));
    this.base = base;
    this.start = start;
  }

  List<String> paths() {
    return entries.stream().map(StoredFile::path).toList();
  }

  StoredFile entry(String path) {
    return entries.stream().filter(one -> one.path().equals(path)).findFirst().orElseThrow();
  }

  void put(StoredFile entry, byte[] content) {
    entries.add(entry);
    contents.put(entry.path(), content);
  }

  @Override
  public void directory(StoredFile directory) {
    entries.add(directory);
  }

  @Override
  public void link(StoredFile link) {
    entries.add(link);
  }

  @Override
  public boolean keep(StoredFile file) {
    if (base.isEmpty() || !base.get().entries.contains(file) || file.node().isEmpty()) {
      return false;
    }
    put(file, base.get().contents.get(file.path()));
    kept.add(file.path());
    return true;
  }

  @Override
  public FileWriter file(StoredFile file, PieceCheck check, Arrival arrival) {
    if (!(arrival instanceof Arrival.Chunked)) {
      throw new IllegalArgumentException(arrival.toString());
    }
    return file(file, check);
  }

  @Override
  public FileWriter file(StoredFile file, PieceCheck check) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    return new FileWriter() {
      @Override
      public void write(byte[] more, int offset, int length) {
        bytes.write(more, offset, length);
      }

      @Override
      public void finish() {
        put(file, bytes.toByteArray());
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public void entries(EntryVisitor visitor) throws IOException {
    for (StoredFile entry : entries) {
      visitor.visit(entry);
    }
  }

  @Override
  public long extract(Predicate<StoredFile> wanted, FileTarget target, RunControl control)
      throws IOException {
    for (StoredFile entry : entries) {
      if (entry.kind() == StoredFile.Kind.FILE && wanted.test(entry)) {
        try (FileOutput out = target.begin(entry)) {
          byte[] content = contents.get(entry.path());
          int from = 0;
          while (from < content.length) {
            int to = Math.min(content.length, from + (1 << 16));
            boolean zero = true;
            for (int i = from; i < to; i++) {
              zero &= content[i] == 0;
            }
            if (zero) {
              out.zeros(to - from);
            } else {
              out.write(ByteBuffer.wrap(content, from, to - from));
            }
            from = to;
          }
          out.finish(0);
        }
      }
    }
    return 0;
  }

  @Override
  public BackupId id() {
    return id;
  }

  @Override
  public void add(StoredFile file, FileContent content, Arrival arrival) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void settle() {}

  @Override
  public long bytesRead() {
    return 0;
  }

  @Override
  public long bytesStored() {
    return 0;
  }

  @Override
  public BackupDescriptor commit(BackupFacts facts, BackupStatus status) {
    Map<String, Object> said = new HashMap<>();
    said.put("id", id);
    said.put("type", start.orElseThrow().type());
    said.put("partial", start.get().partial());
    said.put("status", status);
    said.put("stoppedAt", facts.stoppedAt());
    said.put("warnings", facts.warnings());
    said.put("letGoBy", List.of());
    said.put("files", (long) contents.size());
    descriptor = Optional.of(MemoryRepository.saying(BackupDescriptor.class, said));
    return descriptor.get();
  }

  @Override
  public BackupDescriptor descriptor() {
    return descriptor.orElseThrow();
  }

  Optional<BackupDescriptor> committed() {
    return descriptor;
  }

  @Override
  public BackupFacts facts() {
    throw new UnsupportedOperationException();
  }

  @Override
  public Optional<byte[]> read(StoredFile.Area area, String path) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {}
}
