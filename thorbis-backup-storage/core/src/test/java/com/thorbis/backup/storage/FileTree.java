package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.FileNode;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** A tree of general files in memory, and its backups: a source without a server. */
final class FileTree {
  static final String SOURCE = "documents";

  private static final Instant TIME = TestRepository.NOW.minusSeconds(1000);

  private final Map<String, StoredFile> entries = new TreeMap<>();
  private final Map<String, byte[]> contents = new HashMap<>();
  private long changes;

  /** How a backup went. */
  record Made(BackupDescriptor backup, int kept, long resumed, long read) {
    BackupId id() {
      return backup.id();
    }

    long changed() {
      return backup.bytesChanged();
    }

    long stored() {
      return backup.bytesStored();
    }
  }

  static void register(Repository repository) throws IOException {
    repository.register(SOURCE, "files");
  }

  FileTree copy() {
    FileTree copy = new FileTree();
    copy.entries.putAll(entries);
    copy.contents.putAll(contents);
    copy.changes = changes;
    return copy;
  }

  private FileNode node(long inode) {
    changes++;
    return new FileNode(1000, 1000, "jo", "users", inode, TIME.plusNanos(changes));
  }

  FileTree directory(String path) {
    entries.put(path, new StoredFile(Area.DATA, path, Kind.DIRECTORY, 0, 0750, TIME));
    return this;
  }

  /** Writes a file: another content, other times, the same inode if there is one. */
  FileTree file(String path, byte[] content) {
    StoredFile before = entries.get(path);
    long inode =
        before == null || before.node().isEmpty() ? path.hashCode() : before.node().get().inode();
    FileNode node = node(inode);
    entries.put(
        path,
        new StoredFile(
            Area.DATA,
            path,
            Kind.FILE,
            content.length,
            0640,
            node.changedAt(),
            Optional.empty(),
            Optional.of(node)));
    contents.put(path, content);
    return this;
  }

  FileTree link(Kind kind, String path, String target) {
    entries.put(
        path,
        new StoredFile(
            Area.DATA, path, kind, 0, 0777, TIME, Optional.of(target), Optional.of(node(1))));
    return this;
  }

  FileTree remove(String path) {
    entries.remove(path);
    contents.remove(path);
    return this;
  }

  /** Says something else of an entry. */
  FileTree as(StoredFile entry) {
    entries.put(entry.path(), entry);
    return this;
  }

  StoredFile entry(String path) {
    return entries.get(path);
  }

  byte[] content(String path) {
    return contents.get(path);
  }

  List<String> files() {
    return entries.values().stream()
        .filter(entry -> entry.kind() == Kind.FILE)
        .map(StoredFile::path)
        .toList();
  }

  /** Moves everything below a folder, contents and all; no file stays where it was. */
  FileTree moved(String from, String to) {
    FileTree moved = new FileTree();
    moved.changes = changes;
    for (StoredFile entry : entries.values()) {
      String path = moved(entry.path(), from, to);
      if (entry.kind() == Kind.FILE) {
        moved.file(path, contents.get(entry.path()));
      } else if (entry.kind() == Kind.DIRECTORY) {
        moved.directory(path);
      } else {
        String target = entry.target().orElseThrow();
        moved.link(
            entry.kind(), path, entry.kind() == Kind.HARD_LINK ? moved(target, from, to) : target);
      }
    }
    return moved;
  }

  private static String moved(String path, String from, String to) {
    return path.startsWith(from) ? to + path.substring(from.length()) : path;
  }

  Made backUp(Repository repository, Optional<BackupId> base) throws IOException {
    return backUp(repository, base, true);
  }

  Made backUp(Repository repository, Optional<BackupId> base, boolean keep) throws IOException {
    BackupType type = base.isPresent() ? BackupType.INCREMENTAL : BackupType.FULL;
    try (BackupWriter writer =
        repository.begin(
            new BackupStart(SOURCE, type, base, Optional.empty(), TestRepository.NOW))) {
      int kept = write(writer, keep);
      long read = writer.bytesRead();
      BackupDescriptor made =
          writer.commit(
              BackupFacts.withoutServer(
                  TestRepository.NOW, TestRepository.NOW.plusSeconds(1), Map.of(), List.of()),
              BackupStatus.COMPLETE);
      return new Made(made, kept, writer.bytesResumed(), read);
    }
  }

  /** Writes all entries; how many were kept. */
  int write(BackupWriter writer, boolean keep) throws IOException {
    int kept = 0;
    for (StoredFile entry : entries.values()) {
      switch (entry.kind()) {
        case DIRECTORY -> writer.directory(entry);
        case SYMBOLIC_LINK, HARD_LINK -> writer.link(entry);
        case FILE -> {
          if (keep && writer.keep(entry)) {
            kept++;
          } else {
            write(writer, entry, contents.get(entry.path()));
          }
        }
      }
    }
    return kept;
  }

  static void write(BackupWriter writer, StoredFile entry, byte[] content) throws IOException {
    try (BackupWriter.FileWriter out = writer.file(entry, PieceCheck.NONE, new Arrival.Chunked())) {
      for (int at = 0; at < content.length; ) {
        int count = Math.min(content.length - at, 100_000);
        out.write(content, at, count);
        at += count;
      }
      out.finish();
    }
  }

  /** The backup is the tree: entries, with all that is known of them, and contents. */
  void assertIs(Repository repository, BackupId id) throws IOException {
    Map<String, StoredFile> found = new LinkedHashMap<>();
    try (BackupReader reader = repository.open(id)) {
      reader.entries(entry -> found.put(entry.path(), entry));
    }
    assertThat(found.values()).containsExactlyElementsOf(entries.values());
    Map<String, byte[]> files = TestRepository.readAll(repository, id);
    assertThat(files.keySet()).containsExactlyInAnyOrderElementsOf(contents.keySet());
    contents.forEach((path, content) -> assertThat(files.get(path)).as(path).isEqualTo(content));
  }
}
