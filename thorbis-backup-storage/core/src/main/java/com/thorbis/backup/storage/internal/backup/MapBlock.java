package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.FileNode;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.format.BinaryInput;
import com.thorbis.backup.storage.internal.format.BinaryOutput;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.temporal.ChronoField;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The content of a piece that describes others: a part of the file table, or of the map of one
 * large file. It names the packs by their ids and so means the same in every manifest.
 */
final class MapBlock {
  private static final int TABLE = 1;
  private static final int MAP = 2;

  private static final int FILE = 0;
  private static final int DIRECTORY = 1;
  private static final int SYMBOLIC_LINK = 2;
  private static final int HARD_LINK = 3;

  /** With an entry's kind: what the file system says besides stands there too. */
  private static final int WITH_NODE = 16;

  private static final int EXTENTS = 0;
  private static final int MAPS = 1;
  private static final int WITH_FINGERPRINT = 2;
  private static final int WITHOUT_CRC = 4;
  private static final int MAPS_DESCRIBED = 8;

  private static final int STORED = 0;
  private static final int ZEROS = 1;

  /** No block has more than 2^21 packs or pieces. */
  private static final int MOST_INDEX = 3;

  private static final int MOST_NUMBER = 10;

  /** Path, names, times and numbers of an entry. */
  private static final int MOST_BESIDE_MAPS = 20 << 10;

  private static final int LEAST_PIECE = 1 + 1 + 1 + 1 + 1 + 4 + Address.LENGTH + 16;

  private static final Map<StoredFile.Area, Integer> AREAS =
      Map.of(StoredFile.Area.DATA, 0, StoredFile.Area.META, 1, StoredFile.Area.CONFIG, 2);

  private MapBlock() {}

  /** Collects a block; {@link #length} tells when it is time to end it. */
  static final class Builder {
    /**
     * A block ends when it is about this long: there is room for one more extent, or small file.
     */
    static final int FULL = PieceCodec.MAX_PIECE - (192 << 10);

    private final int kind;
    private final Map<ObjectId, Integer> packs = new LinkedHashMap<>();
    private final Map<PieceRef, Integer> pieces = new LinkedHashMap<>();
    private final BinaryOutput body = new BinaryOutput(1 << 12);
    private int count;

    private Builder(int kind) {
      this.kind = kind;
    }

    static Builder table() {
      return new Builder(TABLE);
    }

    static Builder map() {
      return new Builder(MAP);
    }

    /** About how long the block is; never less than it is. */
    int length() {
      return 24
          + packs.size() * ObjectId.LENGTH
          + pieces.size() * (LEAST_PIECE + 16)
          + body.length();
    }

    /** How many entries or extents. */
    int count() {
      return count;
    }

    /** The packs that its pieces lie in. */
    List<ObjectId> packs() {
      return List.copyOf(packs.keySet());
    }

    void add(Extent extent) {
      count++;
      putExtent(extent);
    }

    /** Whether an entry fits beside what there is; never wrongly so. */
    boolean fits(FileEntry entry) {
      return entry.maps().isEmpty() || mostWith(entry, describes(entry)) <= PieceCodec.MAX_PIECE;
    }

    /** Of the map of a very long file a block has no room to tell what its pieces refer to. */
    private static boolean describes(FileEntry entry) {
      return entry.maps().stream().noneMatch(map -> map.length() == MapRef.UNKNOWN)
          && table().mostWith(entry, true) <= PieceCodec.MAX_PIECE;
    }

    private long mostWith(FileEntry entry, boolean described) {
      Set<ObjectId> more = new HashSet<>();
      long most = (long) length() + MOST_BESIDE_MAPS;
      for (MapRef map : entry.maps()) {
        most += LEAST_PIECE + 16 + MOST_INDEX;
        more.add(map.piece().pack());
        if (described) {
          most += MOST_NUMBER + (1L + map.packs().size()) * MOST_INDEX;
          more.addAll(map.packs());
        }
      }
      more.removeAll(packs.keySet());
      return most + (long) more.size() * ObjectId.LENGTH;
    }

    void add(FileEntry entry) {
      count++;
      boolean described = describes(entry);
      StoredFile file = entry.file();
      body.put(code(file.kind()) | (file.node().isPresent() ? WITH_NODE : 0));
      Integer area = AREAS.get(file.area());
      if (area == null) {
        throw new IllegalArgumentException("No code for the area " + file.area());
      }
      body.put(area);
      body.putText(file.path());
      body.putVarint(file.mode());
      putTime(file.modifiedAt());
      file.node().ifPresent(this::putNode);
      file.target().ifPresent(body::putText);
      if (file.kind() != StoredFile.Kind.FILE) {
        return;
      }
      body.putVarint(file.length());
      body.putInt(entry.crc().orElse(0));
      boolean fingerprint = !entry.fingerprint().equals(Fingerprint.ZERO);
      body.put(
          (entry.maps().isEmpty() ? EXTENTS : described ? MAPS | MAPS_DESCRIBED : MAPS)
              | (fingerprint ? WITH_FINGERPRINT : 0)
              | (entry.crc().isEmpty() ? WITHOUT_CRC : 0));
      if (fingerprint) {
        body.putLong(entry.fingerprint().high());
        body.putLong(entry.fingerprint().low());
      }
      if (entry.maps().isEmpty()) {
        body.putVarint(entry.extents().size());
        entry.extents().forEach(this::putExtent);
      } else {
        body.putVarint(entry.maps().size());
        entry.maps().forEach(map -> putMap(map, described));
      }
    }

    /** The block's bytes. */
    BinaryOutput encode() {
      BinaryOutput out = new BinaryOutput(length());
      out.put(kind);
      // Making the pieces' bytes first completes the list of packs.
      BinaryOutput pieceBytes = new BinaryOutput(pieces.size() * (LEAST_PIECE + 16) + 16);
      for (PieceRef piece : pieces.keySet()) {
        pieceBytes.putVarint(packs.computeIfAbsent(piece.pack(), id -> packs.size()));
        pieceBytes.putVarint(piece.position());
        pieceBytes.putVarint(piece.storedLength());
        pieceBytes.putVarint(piece.plainLength());
        pieceBytes.put(piece.codec());
        pieceBytes.putInt(piece.crc());
        pieceBytes.putLong(piece.address().a());
        pieceBytes.putLong(piece.address().b());
        pieceBytes.putLong(piece.address().c());
        pieceBytes.putLong(piece.address().d());
        pieceBytes.putLong(piece.fingerprint().high());
        pieceBytes.putLong(piece.fingerprint().low());
      }
      out.putVarint(packs.size());
      packs.keySet().forEach(out::putId);
      out.putVarint(pieces.size());
      out.put(pieceBytes.array(), 0, pieceBytes.length());
      out.putVarint(count);
      out.put(body.array(), 0, body.length());
      return out;
    }

    private void putTime(Instant time) {
      body.putSigned(time.getEpochSecond());
      body.putVarint(time.get(ChronoField.NANO_OF_SECOND));
    }

    private void putNode(FileNode node) {
      body.putVarint(node.uid());
      body.putVarint(node.gid());
      body.putText(node.owner());
      body.putText(node.group());
      body.putLong(node.inode());
      putTime(node.changedAt());
    }

    private void putExtent(Extent extent) {
      PieceRef piece = extent.piece();
      if (piece == null) {
        body.put(ZEROS);
        body.putVarint(extent.length());
      } else {
        body.put(STORED);
        body.putVarint(extent.length());
        body.putVarint(indexOf(piece));
        body.putVarint(extent.offset());
      }
    }

    private void putMap(MapRef map, boolean described) {
      body.putVarint(indexOf(map.piece()));
      if (!described) {
        return;
      }
      body.putVarint(map.length());
      body.putVarint(map.packs().size());
      for (ObjectId pack : map.packs()) {
        body.putVarint(packs.computeIfAbsent(pack, id -> packs.size()));
      }
    }

    private int indexOf(PieceRef piece) {
      Integer known = pieces.get(piece);
      if (known != null) {
        return known;
      }
      packs.putIfAbsent(piece.pack(), packs.size());
      int index = pieces.size();
      pieces.put(piece, index);
      return index;
    }
  }

  /** Reads a part of the file table. */
  static List<FileEntry> readTable(ByteBuffer block, String object) throws RepositoryException {
    BinaryInput in = new BinaryInput(block, object);
    requireKind(in, TABLE);
    List<ObjectId> packs = readPacks(in);
    List<PieceRef> pieces = readPieces(in, packs);
    int count = in.getCount(5, "entries");
    List<FileEntry> entries = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      entries.add(readEntry(in, packs, pieces));
    }
    in.requireEnd();
    return entries;
  }

  /** Reads a part of a file's map. */
  static List<Extent> readMap(ByteBuffer block, String object) throws RepositoryException {
    BinaryInput in = new BinaryInput(block, object);
    requireKind(in, MAP);
    List<PieceRef> pieces = readPieces(in, readPacks(in));
    List<Extent> extents = readExtents(in, pieces);
    in.requireEnd();
    return extents;
  }

  private static void requireKind(BinaryInput in, int kind) throws RepositoryException {
    int found = in.get();
    if (found != kind) {
      throw in.malformed("holds a block of kind " + found + " instead of " + kind);
    }
  }

  private static List<ObjectId> readPacks(BinaryInput in) throws RepositoryException {
    int packCount = in.getCount(ObjectId.LENGTH, "packs");
    List<ObjectId> packs = new ArrayList<>(packCount);
    for (int i = 0; i < packCount; i++) {
      packs.add(in.getId());
    }
    return packs;
  }

  private static List<PieceRef> readPieces(BinaryInput in, List<ObjectId> packs)
      throws RepositoryException {
    int count = in.getCount(LEAST_PIECE, "pieces");
    List<PieceRef> pieces = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      ObjectId pack = packs.get(index(in, packs, "pack"));
      long position = in.getVarint(1L << 40, "a position");
      int stored = in.getVarint(PieceCodec.MAX_PIECE, "a stored length");
      int plain = in.getVarint(PieceCodec.MAX_PIECE, "a plain length");
      byte codec = (byte) in.get();
      int crc = in.getInt();
      ByteBuffer marks = in.buffer(Address.LENGTH + Fingerprint.LENGTH);
      if (stored < 1 || stored > plain) {
        throw in.malformed("has a piece of " + stored + " bytes for " + plain);
      }
      pieces.add(
          new PieceRef(
              pack,
              position,
              stored,
              plain,
              codec,
              crc,
              Address.read(marks),
              Fingerprint.read(marks)));
    }
    return pieces;
  }

  private static FileEntry readEntry(BinaryInput in, List<ObjectId> packs, List<PieceRef> pieces)
      throws RepositoryException {
    int written = in.get();
    StoredFile.Kind kind = kind(in, written & ~WITH_NODE);
    StoredFile.Area area = area(in, in.get());
    String path = readPath(in, "a path");
    int mode = in.getVarint(07777, "a mode");
    Instant modifiedAt = readTime(in);
    Optional<FileNode> node =
        (written & WITH_NODE) == 0 ? Optional.empty() : Optional.of(readNode(in));
    Optional<String> target =
        kind.link() ? Optional.of(readPath(in, "the target of a link")) : Optional.empty();
    long length = kind == StoredFile.Kind.FILE ? in.getVarint() : 0;
    StoredFile file = new StoredFile(area, path, kind, length, mode, modifiedAt, target, node);
    return kind == StoredFile.Kind.FILE
        ? readContent(in, file, packs, pieces)
        : new FileEntry(file, OptionalInt.empty(), Fingerprint.ZERO, List.of(), List.of());
  }

  private static String readPath(BinaryInput in, String what) throws RepositoryException {
    String path = in.getText(EntryRules.MOST_PATH_BYTES);
    if (path.isEmpty()) {
      throw in.malformed("has nothing for " + what);
    }
    return path;
  }

  private static StoredFile.Kind kind(BinaryInput in, int code) throws RepositoryException {
    return switch (code) {
      case FILE -> StoredFile.Kind.FILE;
      case DIRECTORY -> StoredFile.Kind.DIRECTORY;
      case SYMBOLIC_LINK -> StoredFile.Kind.SYMBOLIC_LINK;
      case HARD_LINK -> StoredFile.Kind.HARD_LINK;
      default -> throw in.malformed("has an entry of the unknown kind " + code);
    };
  }

  private static int code(StoredFile.Kind kind) {
    return switch (kind) {
      case FILE -> FILE;
      case DIRECTORY -> DIRECTORY;
      case SYMBOLIC_LINK -> SYMBOLIC_LINK;
      case HARD_LINK -> HARD_LINK;
    };
  }

  private static Instant readTime(BinaryInput in) throws RepositoryException {
    long second = in.getSigned();
    int nano = in.getVarint(999_999_999, "a fraction of a second");
    if (second < Instant.MIN.getEpochSecond() || second > Instant.MAX.getEpochSecond()) {
      throw in.malformed("has a time out of bounds");
    }
    return Instant.ofEpochSecond(second, nano);
  }

  private static FileNode readNode(BinaryInput in) throws RepositoryException {
    return new FileNode(
        in.getVarint(EntryRules.MOST_OWNER, "an owner"),
        in.getVarint(EntryRules.MOST_OWNER, "a group"),
        in.getText(EntryRules.MOST_NAME_BYTES),
        in.getText(EntryRules.MOST_NAME_BYTES),
        in.getLong(),
        readTime(in));
  }

  private static FileEntry readContent(
      BinaryInput in, StoredFile file, List<ObjectId> packs, List<PieceRef> pieces)
      throws RepositoryException {
    String path = file.path();
    int written = in.getInt();
    int form =
        in.getVarint(
            MAPS | WITH_FINGERPRINT | WITHOUT_CRC | MAPS_DESCRIBED, "the form of an entry");
    if ((form & WITHOUT_CRC) != 0 && written != 0) {
      throw in.malformed("has a checksum that it says it has not");
    }
    OptionalInt crc = (form & WITHOUT_CRC) == 0 ? OptionalInt.of(written) : OptionalInt.empty();
    Fingerprint fingerprint =
        (form & WITH_FINGERPRINT) == 0
            ? Fingerprint.ZERO
            : Fingerprint.read(in.buffer(Fingerprint.LENGTH));
    if ((form & MAPS) == 0) {
      List<Extent> extents = readExtents(in, pieces);
      long length = 0;
      for (Extent extent : extents) {
        length += extent.length();
      }
      if (length != file.length()) {
        throw in.malformed("maps " + length + " of the " + file.length() + " bytes of " + path);
      }
      return new FileEntry(file, crc, fingerprint, extents, List.of());
    }
    List<MapRef> maps = readMaps(in, (form & MAPS_DESCRIBED) != 0, packs, pieces);
    if (maps.isEmpty()) {
      throw in.malformed("has a map of no pieces");
    }
    if ((form & MAPS_DESCRIBED) != 0
        && maps.stream().mapToLong(MapRef::length).sum() != file.length()) {
      throw in.malformed("maps another length than the " + file.length() + " bytes of " + path);
    }
    return new FileEntry(file, crc, fingerprint, List.of(), maps);
  }

  private static List<MapRef> readMaps(
      BinaryInput in, boolean described, List<ObjectId> packs, List<PieceRef> pieces)
      throws RepositoryException {
    int count = in.getCount(1, "map pieces");
    List<MapRef> maps = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      PieceRef piece = pieces.get(index(in, pieces, "piece"));
      if (!described) {
        maps.add(new MapRef(piece, MapRef.UNKNOWN, List.of()));
        continue;
      }
      long length = in.getVarint();
      int packCount = in.getCount(1, "packs of a map");
      List<ObjectId> of = new ArrayList<>(packCount);
      for (int j = 0; j < packCount; j++) {
        of.add(packs.get(index(in, packs, "pack")));
      }
      maps.add(new MapRef(piece, length, of));
    }
    return maps;
  }

  private static List<Extent> readExtents(BinaryInput in, List<PieceRef> pieces)
      throws RepositoryException {
    int count = in.getCount(2, "extents");
    List<Extent> extents = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      int kind = in.getVarint(ZEROS, "the kind of an extent");
      long length = in.getVarint();
      if (length < 1) {
        throw in.malformed("has an empty extent");
      }
      if (kind == ZEROS) {
        extents.add(new Extent(length, null, 0));
        continue;
      }
      PieceRef piece = pieces.get(index(in, pieces, "piece"));
      int offset = in.getVarint(piece.plainLength(), "the offset in a piece");
      if (length > piece.plainLength() - offset) {
        throw in.malformed("has an extent that reaches beyond its piece");
      }
      extents.add(new Extent(length, piece, offset));
    }
    return extents;
  }

  private static int index(BinaryInput in, List<?> of, String what) throws RepositoryException {
    long index = in.getVarint();
    if (index >= of.size()) {
      throw in.malformed("refers to " + what + " " + index + " of " + of.size());
    }
    return (int) index;
  }

  private static StoredFile.Area area(BinaryInput in, int code) throws RepositoryException {
    for (Map.Entry<StoredFile.Area, Integer> area : AREAS.entrySet()) {
      if (area.getValue() == code) {
        return area.getKey();
      }
    }
    throw in.malformed("has an entry of the unknown area " + code);
  }
}
