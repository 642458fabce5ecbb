package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupDescriptor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * A committed backup being read. Safe for several threads. Bytes that fail a check never come out.
 */
public interface BackupReader extends AutoCloseable {
  /** What the catalogue says. */
  BackupDescriptor descriptor();

  /** What the engine said. */
  BackupFacts facts();

  /** Visits every entry in stored order, with bounded memory. */
  void entries(EntryVisitor visitor) throws IOException;

  /**
   * The whole content of one small file, such as a label; empty if the backup has none of this
   * name.
   */
  Optional<byte[]> read(StoredFile.Area area, String path) throws IOException;

  /**
   * Reads the files of {@code wanted} in an order that suits the store, with several threads; each
   * file is written by one thread from its first byte to its last.
   *
   * @return sealed bytes fetched
   */
  long extract(Predicate<StoredFile> wanted, FileTarget target, RunControl control)
      throws IOException;

  /**
   * What of the objects that it consists of cannot be read at once from any copy. Once they were
   * requested, what reads through this reader waits for each of them until the run is cancelled
   * that they were requested by. Asks no store that has no tiers.
   */
  default Frozen frozen() throws IOException {
    return Frozen.NOTHING;
  }

  @Override
  void close() throws IOException;

  /** How it lies in the repository. Reads every map. */
  default Layout layout() throws IOException {
    throw new UnsupportedOperationException("layout");
  }

  /**
   * How a backup lies in the repository.
   *
   * @param extents stretches of content that its files consist of, zeros left out
   * @param packs objects that hold them, its own and those of earlier backups
   * @param sealedBytes what these objects hold in all, for other backups too
   * @param keys the keys that open them, each as {@code tree/epoch}
   */
  record Layout(long extents, long packs, long sealedBytes, List<String> keys) {
    /** Copies the list. */
    public Layout {
      keys = List.copyOf(keys);
    }
  }

  /** Told about entries. */
  @FunctionalInterface
  interface EntryVisitor {
    /** One entry. */
    void visit(StoredFile entry) throws IOException;
  }

  /** Where extracted files go. Called from several threads. */
  interface FileTarget {
    /** Starts a file. */
    FileOutput begin(StoredFile file) throws IOException;

    /**
     * What lies in a file's place already, so that what is right there is neither fetched nor
     * written: asked before the file begins. Empty where all of it has to come.
     */
    default Optional<FileInput> existing(StoredFile file) throws IOException {
      return Optional.empty();
    }
  }

  /** A file as it lies at the target. Used by one thread. */
  interface FileInput extends AutoCloseable {
    /** Reads until the buffer is full or the file ends. */
    void read(long offset, ByteBuffer into) throws IOException;

    @Override
    void close() throws IOException;
  }

  /** One file being laid down by one thread. */
  interface FileOutput extends AutoCloseable {
    /** The next bytes, in order; not kept after return. */
    void write(ByteBuffer plain) throws IOException;

    /**
     * The next bytes are zero; they count as bytes that came. Overridden where a hole costs less.
     */
    default void zeros(long length) throws IOException {
      ByteBuffer zeros = ByteBuffer.allocate((int) Math.min(length, 1 << 16));
      for (long left = length; left > 0; left -= zeros.limit()) {
        zeros.clear().limit((int) Math.min(left, zeros.capacity()));
        write(zeros.asReadOnlyBuffer());
      }
    }

    /**
     * The next bytes are those that {@link FileTarget#existing} gave: they lie there already, and
     * were proven.
     */
    default void keep(long length) throws IOException {
      throw new UnsupportedOperationException("keep");
    }

    /**
     * All bytes have come and were proven.
     *
     * @param crc32c CRC-32C of all of them
     */
    void finish(int crc32c) throws IOException;

    /** Without {@link #finish} before, the file is not whole. */
    @Override
    void close() throws IOException;
  }
}
