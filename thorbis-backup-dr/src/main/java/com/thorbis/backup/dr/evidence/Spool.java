package com.thorbis.backup.dr.evidence;

import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The state of a log on this host: records that wait, and what was seen. */
final class Spool {
  private static final FileAttribute<?> PRIVATE =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
  private static final String END = ".json";
  private static final long PATIENCE_MILLIS = 60_000;

  private final Path folder;

  Spool(Path folder) {
    this.folder = folder;
  }

  private Path waitingFolder() {
    return folder.resolve("waiting");
  }

  private Path indexFile() {
    return folder.resolve("seen.json");
  }

  /** Keeps a draft durably. */
  void add(Draft draft) throws IOException {
    StateFile.write(waitingFolder().resolve(draft.id() + END), draft.bytes());
  }

  int waiting() throws IOException {
    return names().size();
  }

  private List<Path> names() throws IOException {
    try (Stream<Path> found = Files.list(waitingFolder())) {
      return found.filter(path -> path.toString().endsWith(END)).sorted().toList();
    } catch (NoSuchFileException e) {
      return List.of();
    }
  }

  void remove(List<Draft> drafts) throws IOException {
    for (Draft draft : drafts) {
      Files.deleteIfExists(waitingFolder().resolve(draft.id() + END));
    }
  }

  /** What was seen of a repository; nothing if it was lost. */
  Index index(String repository) {
    try {
      Map<String, Object> json = CanonicalJson.parse(Files.readAllBytes(indexFile()));
      return repository.equals(json.get("repository")) && json.get("seen") instanceof Map<?, ?> seen
          ? Index.of(CanonicalJson.copy(strings(seen)))
          : new Index();
    } catch (IOException | IllegalArgumentException e) {
      return new Index();
    }
  }

  @SuppressWarnings("unchecked") // names of members are texts
  private static Map<String, ?> strings(Map<?, ?> object) {
    return (Map<String, ?>) object;
  }

  void save(String repository, Index index) throws IOException {
    StateFile.write(
        indexFile(), CanonicalJson.encode(Map.of("repository", repository, "seen", index.json())));
  }

  /** Waits until nobody else writes what waits. */
  Lock lock() throws IOException {
    StateFile.createFolder(folder);
    Path file = folder.resolve("lock");
    try {
      Files.createFile(file, PRIVATE);
    } catch (FileAlreadyExistsException e) {
      // another run made it
    }
    FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE);
    try {
      long from = System.nanoTime();
      FileLock lock = tryLock(channel);
      while (lock == null) {
        if ((System.nanoTime() - from) / 1_000_000 > PATIENCE_MILLIS) {
          throw new IOException("Another process has been writing evidence for a minute: " + file);
        }
        Thread.sleep(20);
        lock = tryLock(channel);
      }
      return new Lock(channel);
    } catch (InterruptedException e) {
      channel.close();
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("Stopped while it waited for " + file);
    } catch (IOException e) {
      channel.close();
      throw e;
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      return null; // another thread of this process
    }
  }

  /** That nobody else writes what waits. */
  final class Lock implements AutoCloseable {
    private final FileChannel channel;

    private Lock(FileChannel channel) {
      this.channel = channel;
    }

    /** What waits, oldest first. */
    List<Draft> drafts() throws IOException {
      List<Draft> drafts = new ArrayList<>();
      for (Path file : names()) {
        try {
          drafts.add(Draft.parse(Files.readAllBytes(file)));
        } catch (IllegalArgumentException e) {
          throw new IOException(file + " is no record that waits: look at it, and remove it", e);
        }
      }
      return drafts;
    }

    /** Lets others. */
    @Override
    public void close() throws IOException {
      channel.close();
    }
  }
}
