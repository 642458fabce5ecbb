package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.format.Digests;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * When which pack and which piece of log was last found whole, kept outside the repository, one
 * file for each place. May be lost: then all is proven again. What backups are proven by it goes
 * into the log.
 */
public final class Proofs {
  private static final Logger LOG = LoggerFactory.getLogger(Proofs.class);
  private static final Pattern LINE =
      Pattern.compile(
          "([0-9]{1,12}) ([0-9]{1,18}) ((?:packs|wal)(?:/[0-9A-Za-z][0-9A-Za-z.]{0,99}){2,4})");

  /** A line that takes a proof back. */
  private static final long NEVER = 0;

  private static final int SLACK = 10_000;

  private final Path folder;
  private final Clock clock;

  /** In a folder for state that may be lost. */
  public Proofs(Path stateDirectory, ObjectId repository, Clock clock) {
    this.folder = stateDirectory.resolve("proofs").resolve(repository.toString());
    this.clock = clock;
  }

  /**
   * What is known of a place.
   *
   * @param id by which it is known again; where it has none, its address has to do
   */
  public Place of(Optional<String> id, ObjectStore store) {
    byte[] address = store.describe().getBytes(StandardCharsets.UTF_8);
    return new Place(id.orElseGet(() -> "at-" + Digests.sha256(address).substring(0, 32)));
  }

  private record Proof(long second, long length) {}

  /** One place's. Safe for several threads. */
  public final class Place implements Closeable {
    private final Path file;
    private final Map<ObjectKey, Proof> known = new HashMap<>();
    private long lines;
    private @Nullable FileChannel out;
    private @Nullable IOException failure;

    private Place(String name) {
      this.file = folder.resolve(name);
      try {
        read();
      } catch (IOException e) {
        LOG.warn("What was proven before is not known, and is proven again: {}", e.toString());
        known.clear();
      }
    }

    /** When an object of this length was last found whole. */
    synchronized Optional<Instant> at(ObjectKey key, long length) {
      Proof proof = known.get(key);
      return proof == null
              || proof.length() != length
              || proof.second() > clock.instant().getEpochSecond()
          ? Optional.empty()
          : Optional.of(Instant.ofEpochSecond(proof.second()));
    }

    /** An object was opened just now. */
    synchronized void record(ObjectKey key, long length, boolean whole) {
      if (whole) {
        known.put(key, new Proof(clock.instant().getEpochSecond(), length));
      } else if (known.remove(key) == null) {
        return;
      }
      if (failure != null) {
        return;
      }
      try {
        long second = whole ? clock.instant().getEpochSecond() : NEVER;
        byte[] line = line(second, length, key).getBytes(StandardCharsets.UTF_8);
        out().write(ByteBuffer.wrap(line));
        lines++;
      } catch (IOException e) {
        failure = e;
        LOG.warn("What was proven cannot be written down: {}", e.toString());
      }
    }

    /** Forgets what is not there any more. */
    synchronized void keepOnly(Set<ObjectKey> listed) {
      known.keySet().retainAll(listed);
    }

    /** Without a record, each run would open the same again. */
    synchronized void requireRecorded() throws IOException {
      if (failure instanceof ClosedByInterruptException) {
        throw new InterruptedIOException("Interrupted while what was proven was written down");
      }
      if (failure != null) {
        throw new RepositoryException(
            "verify.proof-not-kept",
            FailureKind.PERMANENT,
            "What was proven cannot be written down in " + file + ": " + failure,
            Map.of("file", file.toString()),
            "See that the state directory can be written, then verify again.",
            failure);
      }
    }

    @Override
    public synchronized void close() throws IOException {
      FileChannel open = out;
      out = null;
      if (open != null) {
        open.close();
        if (lines > 2L * known.size() + SLACK) {
          rewrite();
        }
      }
    }

    private FileChannel out() throws IOException {
      FileChannel open = out;
      if (open == null) {
        Files.createDirectories(folder, permissions("rwx------"));
        open =
            FileChannel.open(
                file,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.APPEND),
                permissions("rw-------"));
        out = open;
        if (open.size() > 0) {
          open.write(ByteBuffer.wrap(new byte[] {'\n'})); // ends a line that a crash cut
        }
      }
      return open;
    }

    private void read() throws IOException {
      try (BufferedReader in = Files.newBufferedReader(file, StandardCharsets.ISO_8859_1)) {
        for (String line = in.readLine(); line != null; line = in.readLine()) {
          lines++;
          take(line);
        }
      } catch (NoSuchFileException e) {
        LOG.debug("Nothing was proven before: {}", file);
      }
    }

    /** What a crash cut, or anything else broke, proves nothing. */
    private void take(String line) {
      Matcher form = LINE.matcher(line);
      if (!form.matches()) {
        return;
      }
      ObjectKey key = new ObjectKey(form.group(3));
      long second = Long.parseLong(form.group(1));
      if (second == NEVER) {
        known.remove(key);
      } else {
        known.put(key, new Proof(second, Long.parseLong(form.group(2))));
      }
    }

    private void rewrite() throws IOException {
      Path fresh = folder.resolve(file.getFileName() + "." + Long.toHexString(System.nanoTime()));
      try {
        Files.createFile(fresh, permissions("rw-------"));
        try (BufferedWriter to = Files.newBufferedWriter(fresh)) {
          for (Map.Entry<ObjectKey, Proof> one : known.entrySet()) {
            to.write(line(one.getValue().second(), one.getValue().length(), one.getKey()));
          }
        }
        Files.move(
            fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(fresh);
      }
    }
  }

  private static String line(long second, long length, ObjectKey key) {
    return second + " " + length + " " + key + "\n";
  }

  private FileAttribute<?>[] permissions(String text) {
    return folder.getFileSystem().supportedFileAttributeViews().contains("posix")
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(text))
        }
        : new FileAttribute<?>[0];
  }
}
