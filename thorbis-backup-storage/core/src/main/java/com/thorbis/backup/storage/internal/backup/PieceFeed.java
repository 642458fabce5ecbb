package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.storage.internal.pack.Piece;
import com.thorbis.backup.storage.internal.pack.PiecePipeline;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The piece that is being filled, and the pipeline it goes into: content of files, and marks of
 * what needs no bytes, in the order of each file. Used by one thread.
 */
final class PieceFeed {
  private final PiecePipeline pipeline;
  private @Nullable Piece current;

  PieceFeed(PiecePipeline pipeline) {
    this.pipeline = pipeline;
  }

  /** The piece that is being filled; an empty one if there is none. */
  Piece current() throws IOException {
    Piece piece = current;
    if (piece == null) {
      piece = pipeline.take();
      current = piece;
    }
    return piece;
  }

  /** The piece that is being filled, if there is one. */
  @Nullable Piece begun() {
    return current;
  }

  /** Sends the present piece on its way. */
  void submit() throws IOException {
    Piece piece = current;
    current = null;
    if (piece != null) {
      pipeline.submit(piece);
    }
  }

  /** Sends it on its way if so many bytes more do not fit beside what it holds. */
  void submitUnlessRoom(long bytes) throws IOException {
    if (current != null && current.length() > 0 && bytes > current.room()) {
      submit();
    }
  }

  /** Goes on with another piece; the one before was submitted. */
  void replace(Piece piece) {
    current = piece;
  }

  /** An empty piece beside the present one. */
  Piece another() throws IOException {
    return pipeline.take();
  }

  /** Throws what went wrong on another thread. */
  void requireHealthy() throws IOException {
    pipeline.requireHealthy();
  }

  /** Marks what needs no bytes. */
  void mark(OfFile mark) throws IOException {
    begin(mark, 0);
  }

  /** Marks the end of a file, all facts of which are known. */
  void end(FileState state) throws IOException {
    begin(state, state.length);
  }

  private void begin(OfFile mark, long offset) throws IOException {
    Piece piece = current();
    piece.begin(mark, PieceCheck.NONE, offset);
    if (piece.crowded()) {
      submit();
    }
  }

  /** Adds bytes that share a piece with others; CRC-32C of them as they were taken. */
  int share(OfFile owner, PieceCheck check, long offset, byte[] bytes, int count)
      throws IOException {
    submitUnlessRoom(count);
    Piece piece = current();
    Piece.Slice slice = piece.begin(owner, check, offset);
    piece.append(slice, bytes, 0, count);
    int crc = slice.crc();
    if (piece.crowded()) {
      submit();
    }
    return crc;
  }

  /**
   * Adds bytes that have a piece to themselves; CRC-32C of them as they were taken. It overtakes
   * the present piece, which goes on being filled, if nothing of the same file lies there.
   */
  int alone(OfFile owner, PieceCheck check, long offset, byte[] bytes, int count)
      throws IOException {
    if (holds(owner.state())) {
      submit();
    }
    Piece piece = pipeline.take();
    Piece.Slice slice = piece.begin(owner, check, offset);
    piece.append(slice, bytes, 0, count);
    int crc = slice.crc();
    pipeline.submit(piece);
    return crc;
  }

  /** One file comes after the other: what lies there of the present one lies at the end. */
  @SuppressWarnings("ReferenceEquality") // the same file, not one like it
  private boolean holds(FileState state) {
    if (current == null || current.slices().isEmpty()) {
      return false;
    }
    List<Piece.Slice> slices = current.slices();
    return ((OfFile) slices.get(slices.size() - 1).file()).state() == state;
  }
}
