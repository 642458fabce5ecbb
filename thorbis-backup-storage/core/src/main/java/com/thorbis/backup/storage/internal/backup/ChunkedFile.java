package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.storage.internal.pack.Chunker;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** A file that is cut by its content. What the base or this backup holds already is referenced. */
final class ChunkedFile implements BackupWriter.FileWriter {
  private static final byte[] ZEROS = new byte[PieceCodec.MAX_PIECE];

  private final FileState state;
  private final PieceCheck check;
  private final ChunkedContent content;
  private final KnownContent.@Nullable Nearby nearby;
  private final End end;
  private final Runnable ended;
  private final Chunker chunker;
  private final byte[] chunk;
  private final CRC32C came = new CRC32C();
  private final ContentCrc crc = new ContentCrc();
  private int filled;
  private int parts;
  private long length;
  private boolean over;

  /** A part of it may be lost: it must not be finished. */
  private boolean broken;

  /** Takes a file that is whole. */
  interface End {
    void accept(FileState state) throws IOException;
  }

  /**
   * Begins.
   *
   * @param end takes it when it is whole
   * @param ended told when it is finished or closed
   */
  ChunkedFile(FileState state, PieceCheck check, ChunkedContent content, End end, Runnable ended)
      throws IOException {
    this.state = state;
    this.check = check;
    this.content = content;
    this.nearby = content.nearby(state.file);
    this.end = end;
    this.ended = ended;
    this.chunker = content.chunker();
    this.chunk = content.buffer();
    state.known = Fingerprint.ZERO;
  }

  @Override
  public void write(byte[] bytes, int offset, int count) throws IOException {
    Objects.checkFromIndexSize(offset, count, bytes.length);
    requireOpen();
    content.countRead(count);
    for (int at = offset; at < offset + count; ) {
      int left = offset + count - at;
      int cut = chunker.cut(bytes, at, left);
      int taken = cut < 0 ? left : cut;
      System.arraycopy(bytes, at, chunk, filled, taken);
      came.update(bytes, at, taken); // the caller's bytes: it also guards the copy
      filled += taken;
      at += taken;
      if (cut >= 0) {
        endChunk();
      }
    }
  }

  /** A long stretch of zeros is none of the chunks around it, and costs nothing. */
  @Override
  public void zeros(long count) throws IOException {
    requireOpen();
    if (count < 0) {
      throw new IllegalArgumentException("A length of " + count);
    }
    if (count < Chunker.LEAST) {
      write(ZEROS, 0, (int) count);
      return;
    }
    endChunk();
    chunker.reset();
    broken = true;
    addZeros(count);
    broken = false;
  }

  @Override
  public void finish() throws IOException {
    requireOpen();
    content.feed.requireHealthy();
    endChunk();
    state.length = length;
    state.crc = OptionalInt.of(crc.value());
    over = true;
    ended.run();
    end.accept(state);
  }

  @Override
  public void close() {
    if (!over) {
      over = true;
      ended.run();
    }
  }

  private void endChunk() throws IOException {
    if (filled > 0) {
      broken = true;
      takeChunk();
      broken = false;
    }
  }

  private void takeChunk() throws IOException {
    int count = filled;
    filled = 0;
    int sum = (int) came.getValue();
    came.reset();
    if (Arrays.equals(chunk, 0, count, ZEROS, 0, count)) {
      show(count);
      addZeros(count);
      return;
    }
    Fingerprint fingerprint = content.fingerprints.of(chunk, 0, count);
    if (!reference(fingerprint, count, sum)) {
      store(fingerprint, count, sum);
    }
    state.known = fingerprint;
    crc.append(sum, count);
    length += count;
    parts++;
  }

  private void addZeros(long count) throws IOException {
    content.feed.mark(new Reuse(state, List.of(new Extent(count, null, 0)), null));
    state.known = Fingerprint.ZERO;
    crc.zeros(count);
    length += count;
    parts++;
  }

  private boolean reference(Fingerprint fingerprint, int count, int sum) throws IOException {
    int number = content.own.find(fingerprint, count, sum);
    Optional<Extent> there =
        number != OwnContent.NONE || nearby == null
            ? Optional.empty()
            : nearby.find(length, fingerprint, count, sum);
    if (number == OwnContent.NONE && there.isEmpty()) {
      return false;
    }
    CRC32C now = new CRC32C();
    now.update(chunk, 0, count);
    requireSame((int) now.getValue(), sum);
    show(count);
    content.feed.mark(
        there.isPresent()
            ? new Reuse(state, List.of(there.get()), null)
            : new OfFile.Again(state, number));
    return true;
  }

  /**
   * A short chunk shares a piece. Of a file with a long map it does not: there nothing but its
   * piece would tell what it is.
   */
  private void store(Fingerprint fingerprint, int count, int sum) throws IOException {
    int number = content.own.add(fingerprint, count, sum);
    OfFile owner = number == OwnContent.NONE ? state : new OfFile.Numbered(state, number);
    boolean alone = count >= Chunker.LEAST || parts >= Assembler.INLINE;
    requireSame(
        alone
            ? content.feed.alone(owner, check, length, chunk, count)
            : content.feed.share(owner, check, length, chunk, count),
        sum);
    content.countChanged(count);
  }

  /** Lets the check see what no worker will. */
  private void show(int count) throws IOException {
    if (check != PieceCheck.NONE) {
      check.check(length, ByteBuffer.wrap(chunk, 0, count).slice().asReadOnlyBuffer());
    }
  }

  private static void requireSame(int sum, int came) throws RepositoryException {
    if (sum != came) {
      throw new RepositoryException(
          "repository.not-reproduced",
          FailureKind.PERMANENT,
          "A piece holds other bytes than were read (memory); nothing relies on it",
          Map.of("culprit", "memory"),
          "Run it again; if it repeats, check the machine's memory.",
          null);
    }
  }

  private void requireOpen() {
    if (over) {
      throw new IllegalStateException("The file was finished or closed");
    }
    if (broken) {
      throw new IllegalStateException("A part of the file was not taken; it can only be closed");
    }
  }
}
