package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.format.BinaryOutput;
import com.thorbis.backup.storage.internal.pack.Crc;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PackSet;
import com.thorbis.backup.storage.internal.pack.Piece;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceEncoder;
import com.thorbis.backup.storage.internal.pack.PiecePipeline;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import com.thorbis.backup.storage.internal.pack.Reading;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Lays pieces into packs and keeps the maps and the file table of a backup that grows. */
final class Assembler implements PiecePipeline.Sink {
  /** The map of a file with no more extents stands in the table itself. */
  static final int INLINE = 8;

  /**
   * A piece of a map ends where a region of the file does, so that a later backup refers to it
   * again however much changes elsewhere in the file.
   */
  static final long REGION = 64L << 20;

  /** Of longer files each piece of the map holds as much as it can. */
  private static final int MOST_REGIONS = 1024;

  private final PackSet packs;
  private final PieceEncoder encoder;
  private final OwnContent own;
  private final Piece scratch = new Piece();
  private final List<PieceRef> tables = new ArrayList<>();
  private List<PackRef> finished = List.of();
  private MapBlock.Builder table = MapBlock.Builder.table();
  private final Set<ObjectId> referenced = new LinkedHashSet<>();
  private final Set<ObjectId> resumed = new LinkedHashSet<>();
  private long files;
  private long bytes;
  private final AtomicLong bytesGone = new AtomicLong();
  private final AtomicLong bytesResumed = new AtomicLong();

  /**
   * Both are closed with this.
   *
   * @param encoder for maps and tables
   * @param own gets to know where numbered content lies
   */
  Assembler(PackSet packs, PieceEncoder encoder, OwnContent own) {
    this.own = own;
    this.packs = packs;
    this.encoder = encoder;
  }

  @Override
  public void accept(Piece piece) throws IOException {
    PieceRef ref = store(piece);
    for (Piece.Slice slice : piece.slices()) {
      OfFile part = (OfFile) slice.file();
      if (part instanceof Reuse reuse) {
        reuse(reuse);
        continue;
      }
      FileState state = part.state();
      if (part instanceof OfFile.Again again) {
        map(state, own.place(again.number()));
        continue;
      }
      if (slice.length() == 0) {
        end(state);
        continue;
      }
      if (state.gone()) {
        continue;
      }
      if (state.reading != null) {
        state.crcSoFar = Crc.joined(state.crcSoFar, slice.crc(), slice.length());
      }
      state.fingerprint = slice.fingerprint();
      Extent extent = new Extent(slice.length(), ref, ref == null ? 0 : slice.offset());
      if (part instanceof OfFile.Numbered numbered) {
        own.place(numbered.number(), extent);
      }
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

  /** The packs that others wrote and this backup refers to. */
  Set<ObjectId> referenced() {
    return referenced;
  }

  /** The packs that a run wrote which did not commit, and this backup takes. */
  Set<ObjectId> resumed() {
    return resumed;
  }

  /** The plain bytes of pieces that lie in those. */
  long bytesResumed() {
    return bytesResumed.get();
  }

  /** The plain bytes of all files. */
  long bytes() {
    return bytes;
  }

  /** The plain bytes of files that were gone when they were to be read. */
  long bytesGone() {
    return bytesGone.get();
  }

  /** How many files there are in the table. */
  long files() {
    return files;
  }

  private @Nullable PieceRef store(Piece piece) throws IOException {
    if (piece.length() == 0 || piece.zeros()) {
      return null;
    }
    PieceRef known = piece.known();
    if (known == null) {
      return packs.addContent(piece);
    }
    resumed.add(known.pack());
    bytesResumed.addAndGet(piece.length());
    return known;
  }

  private void reuse(Reuse reuse) throws IOException {
    FileState state = reuse.state();
    for (Extent extent : reuse.extents()) {
      PieceRef piece = extent.piece();
      if (piece != null) {
        referenced.add(piece.pack());
      }
      map(state, extent);
    }
    MapRef map = reuse.map();
    if (map == null) {
      return;
    }
    flushPending(state);
    moveToMap(state);
    flushMap(state);
    referenced.add(map.piece().pack());
    referenced.addAll(map.packs());
    state.maps.add(map);
    state.mapped += map.length();
    state.inBlocks = state.mapped;
  }

  /** Adds an extent, as one with the extent before where that is the same stretch going on. */
  private void map(FileState state, Extent extent) throws IOException {
    Extent last = state.pending;
    if (last != null && last.leadsTo(extent)) {
      state.pending = new Extent(last.length() + extent.length(), last.piece(), last.offset());
      return;
    }
    flushPending(state);
    state.pending = extent;
  }

  private void flushPending(FileState state) throws IOException {
    Extent left = state.pending;
    state.pending = null;
    while (left != null) {
      long room = REGION - state.mapped % REGION;
      Extent now = left.length() <= room ? left : left.part(0, room);
      left = left.length() <= room ? null : left.part(room, left.length() - room);
      state.mapped += now.length();
      if (state.maps.isEmpty() && state.map.count() == 0 && state.extents.size() < INLINE) {
        state.extents.add(now);
      } else {
        moveToMap(state);
        addToMap(state, now);
      }
    }
  }

  private void moveToMap(FileState state) throws IOException {
    for (Extent extent : state.extents) {
      addToMap(state, extent);
    }
    state.extents.clear();
  }

  private void addToMap(FileState state, Extent extent) throws IOException {
    state.map.add(extent);
    state.inBlock += extent.length();
    state.inBlocks += extent.length();
    if (state.map.length() >= MapBlock.Builder.FULL
        || state.inBlocks % REGION == 0 && state.maps.size() < MOST_REGIONS) {
      flushMap(state);
    }
  }

  private void end(FileState state) throws IOException {
    Reading reading = state.reading;
    if (reading != null && reading.gone()) {
      bytesGone.addAndGet(state.length);
      return;
    }
    if (reading != null && state.known == null) {
      state.crc = OptionalInt.of(state.crcSoFar);
    }
    flushPending(state);
    flushMap(state);
    StoredFile seen = state.seen();
    if (seen.kind() == StoredFile.Kind.FILE) {
      files++;
      bytes += seen.length();
    }
    if (state.mapped != seen.length()) {
      throw new IllegalStateException(
          "Mapped " + state.mapped + " of " + seen.length() + " bytes of " + seen.path());
    }
    Fingerprint known = state.known;
    FileEntry entry =
        new FileEntry(
            seen, state.crc, known == null ? state.fingerprint : known, state.extents, state.maps);
    if (!table.fits(entry)) {
      flushTable();
      if (!table.fits(entry)) {
        throw tooLarge(seen);
      }
    }
    table.add(entry);
    if (table.length() >= MapBlock.Builder.FULL) {
      flushTable();
    }
    if (reading != null) {
      reading.content().taken(state.crc);
    }
  }

  private static RepositoryException tooLarge(StoredFile file) {
    return new RepositoryException(
        "repository.file-too-large",
        FailureKind.REFUSED,
        file.path() + ", of " + file.length() + " bytes, is in more parts than a file may have",
        Map.of("file", file.path()),
        "Leave it out, or back it up in several files.",
        null);
  }

  private void flushMap(FileState state) throws IOException {
    if (state.map.count() > 0) {
      PieceRef piece = store(state.map);
      state.maps.add(new MapRef(piece, state.inBlock, state.map.packs()));
      state.map = MapBlock.Builder.map();
      state.inBlock = 0;
    }
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

  private void encode() throws IOException {
    encoder.encode(scratch);
  }
}
