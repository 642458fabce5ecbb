package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.format.BinaryOutput;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PackSet;
import com.thorbis.backup.storage.internal.pack.Piece;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceEncoder;
import com.thorbis.backup.storage.internal.pack.PiecePipeline;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Lays pieces into packs and keeps the maps and the file table of a backup that grows. */
final class Assembler implements PiecePipeline.Sink {
  /** The map of a file with no more extents stands in the table itself. */
  static final int INLINE = 8;

  private final PackSet packs;
  private final PieceEncoder encoder;
  private final Piece scratch = new Piece();
  private final List<PieceRef> tables = new ArrayList<>();
  private List<PackRef> finished = List.of();
  private MapBlock.Builder table = MapBlock.Builder.table();
  private long files;

  /**
   * Both are closed with this.
   *
   * @param encoder for maps and tables
   */
  Assembler(PackSet packs, PieceEncoder encoder) {
    this.packs = packs;
    this.encoder = encoder;
  }

  @Override
  public void accept(Piece piece) throws IOException {
    PieceRef ref = piece.length() == 0 || piece.zeros() ? null : packs.addContent(piece);
    for (Piece.Slice slice : piece.slices()) {
      FileState state = (FileState) slice.file();
      if (slice.length() == 0) {
        end(state);
        continue;
      }
      Extent extent = new Extent(slice.length(), ref, ref == null ? 0 : slice.offset());
      state.slices++;
      state.fingerprint = state.slices == 1 ? slice.fingerprint() : Fingerprint.ZERO;
      map(state, extent);
    }
  }

  @Override
  public void end() throws IOException {
    flushTable();
    finished = packs.finish();
  }

  @Override
  public void release() throws IOException {
    try (encoder) {
      packs.close();
    }
  }

  /** The pieces of the file table in order. */
  List<PieceRef> tables() {
    return tables;
  }

  /** The packs that were written. */
  List<PackRef> packs() {
    return finished;
  }

  /** How many files there are in the table. */
  long files() {
    return files;
  }

  private void map(FileState state, Extent extent) throws IOException {
    if (state.maps.isEmpty() && state.map.count() == 0 && state.extents.size() < INLINE) {
      state.extents.add(extent);
      return;
    }
    if (!state.extents.isEmpty()) {
      state.extents.forEach(state.map::add);
      state.extents.clear();
    }
    state.map.add(extent);
    if (state.map.length() >= MapBlock.Builder.FULL) {
      flushMap(state);
    }
  }

  private void end(FileState state) throws IOException {
    if (state.map.count() > 0) {
      flushMap(state);
    }
    StoredFile seen = state.seen();
    if (seen.kind() == StoredFile.Kind.FILE) {
      files++;
    }
    table.add(new FileEntry(seen, state.crc, state.fingerprint, state.extents, state.maps));
    if (table.length() >= MapBlock.Builder.FULL) {
      flushTable();
    }
  }

  private void flushMap(FileState state) throws IOException {
    state.maps.add(store(state.map));
    state.map = MapBlock.Builder.map();
  }

  private void flushTable() throws IOException {
    if (table.count() > 0) {
      tables.add(store(table));
      table = MapBlock.Builder.table();
    }
  }

  private PieceRef store(MapBlock.Builder block) throws IOException {
    BinaryOutput bytes = block.encode();
    if (bytes.length() > PieceCodec.MAX_PIECE) {
      throw new IllegalStateException("A block of " + bytes.length() + " bytes");
    }
    scratch.fill(bytes.array(), bytes.length());
    encode();
    return packs.addMap(scratch);
  }

  private void encode() throws RepositoryException {
    encoder.encode(scratch);
  }
}
