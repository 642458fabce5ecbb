package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PackReader;
import com.thorbis.backup.storage.internal.pack.PackRef;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The backup that another one is compared with: its files by path, and what lies in them, with
 * bounded memory. {@link #find} is one thread's, the rest is safe for several.
 */
final class Base implements AutoCloseable {
  /** Some thousand entries each. */
  private static final int HELD_TABLES = 4;

  /** A region of a file each. */
  private static final int HELD_MAPS = 32;

  /** Of a piece that holds scattered pages the next stretches need the rest. */
  private static final int HELD_PIECES = 16;

  private final SealedBackupReader reader;
  private final PackReader packs;
  private final PieceCodec codec;
  private final PathIndex index;
  private final Map<Integer, Table> tables = held(HELD_TABLES);
  private final Map<PieceRef, List<Extent>> maps = held(HELD_MAPS);
  private final Map<PieceRef, byte[]> pieces = held(HELD_PIECES);

  /** Reads the file table once. */
  Base(Services services, SealedBackupReader reader, Fingerprint.Function hash) throws IOException {
    this.reader = reader;
    this.packs = new PackReader(services.store(), services.keys());
    this.codec = services.codecs().get();
    this.index = new PathIndex(hash);
    List<PieceRef> parts = reader.manifest().tables();
    try {
      for (int part = 0; part < parts.size(); part++) {
        for (FileEntry entry : table(part)) {
          index.add(entry.file().area(), entry.file().path(), part);
        }
      }
    } catch (IOException | RuntimeException e) {
      close();
      throw e;
    }
  }

  /** Which backup it is. */
  BackupId id() {
    return reader.descriptor().id();
  }

  /** When it began. */
  Instant startedAt() {
    return reader.descriptor().startedAt();
  }

  /** A file of this path; empty if it has none. */
  Optional<BaseFile> find(StoredFile file) throws IOException {
    int part = index.find(file.area(), file.path());
    if (part < 0) {
      return Optional.empty();
    }
    FileEntry entry = entries(part).byName().get(name(file));
    return entry == null || entry.file().kind() != StoredFile.Kind.FILE
        ? Optional.empty()
        : Optional.of(file(entry));
  }

  /** How many parts its file table has. */
  int parts() {
    return reader.manifest().tables().size();
  }

  /** An entry by its place in the file table. */
  FileEntry entry(int part, int number) throws IOException {
    return entries(part).entries().get(number);
  }

  /** A file by its entry. */
  BaseFile file(FileEntry entry) throws IOException {
    return new BaseFile(this, entry);
  }

  /** A pack that the base refers to. */
  PackRef pack(ObjectId id) throws RepositoryException {
    PackRef pack = reader.manifest().packs().get(id);
    if (pack == null) {
      throw damaged(
          RepositoryException.damaged(reader.manifestKey(), "does not list the pack " + id, null));
    }
    return pack;
  }

  /** The extents in a part of a map. */
  List<Extent> map(PieceRef piece) throws IOException {
    synchronized (maps) {
      List<Extent> known = maps.get(piece);
      if (known == null) {
        try {
          known = reader.map(piece, packs, codec);
        } catch (RepositoryException e) {
          throw damaged(e);
        }
        maps.put(piece, known);
      }
      return known;
    }
  }

  /** Reads parts of a file's map that are asked for next, as many as one request fetches. */
  void ahead(List<BaseFile.Block> blocks) throws IOException {
    synchronized (maps) {
      Deque<PieceRef> wanted = new ArrayDeque<>();
      for (int i = 0; i < Math.min(blocks.size(), HELD_MAPS / 2); i++) {
        MapRef map = blocks.get(i).map();
        if (map != null && !maps.containsKey(map.piece())) {
          wanted.add(map.piece());
        } else if (i > 0) {
          break; // of what is there, enough is
        }
      }
      if (wanted.size() < 2) {
        return;
      }
      List<PieceRef> asked = List.copyOf(wanted);
      List<List<Extent>> found;
      try {
        found = reader.maps(wanted, packs, codec);
      } catch (RepositoryException e) {
        if (e.kind() == FailureKind.DAMAGED) {
          return; // which part it is shows when it is asked for by itself
        }
        throw e;
      }
      for (int i = 0; i < found.size(); i++) {
        maps.put(asked.get(i), found.get(i));
      }
    }
  }

  /**
   * The plain bytes of a piece.
   *
   * @param again whether somebody else will ask for it soon
   * @param with the calling thread's
   */
  byte[] read(PieceRef piece, boolean again, PieceCodec with) throws IOException {
    synchronized (pieces) {
      byte[] known = pieces.get(piece);
      if (known != null) {
        return known;
      }
    }
    byte[] plain;
    try {
      plain = packs.read(reader.pack(piece), piece, with);
    } catch (RepositoryException e) {
      throw damaged(e);
    }
    if (again) {
      synchronized (pieces) {
        pieces.put(piece, plain);
      }
    }
    return plain;
  }

  /** Says of damage that the base has it: a backup that references nothing is still possible. */
  RepositoryException damaged(RepositoryException cause) {
    if (cause.kind() != FailureKind.DAMAGED) {
      return cause;
    }
    Map<String, String> details = new HashMap<>(cause.details());
    details.put("base", id().value());
    return new RepositoryException(
        "backup.base-damaged",
        FailureKind.DAMAGED,
        "The backup "
            + id()
            + ", which this one was to build on, is damaged: "
            + cause.getMessage(),
        details,
        "Take a full backup, and run verify to see what else is damaged.",
        cause);
  }

  @Override
  public void close() {
    codec.close();
  }

  /** A part of its file table. */
  List<FileEntry> table(int part) throws IOException {
    synchronized (maps) { // they share the codec
      try {
        return reader.table(reader.manifest().tables().get(part), packs, codec);
      } catch (RepositoryException e) {
        throw damaged(e);
      }
    }
  }

  private Table entries(int part) throws IOException {
    Table held = tables.get(part);
    if (held == null) {
      Map<String, FileEntry> byName = new HashMap<>();
      List<FileEntry> entries = table(part);
      entries.forEach(entry -> byName.putIfAbsent(name(entry.file()), entry));
      held = new Table(entries, byName);
      tables.put(part, held);
    }
    return held;
  }

  /** A part of the file table. */
  private record Table(List<FileEntry> entries, Map<String, FileEntry> byName) {}

  private static String name(StoredFile file) {
    return file.area().label() + ":" + file.path();
  }

  private static <K, V> Map<K, V> held(int most) {
    return new LinkedHashMap<>(16, 0.75f, true) {
      private static final long serialVersionUID = 1L;

      @Override
      protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
        return size() > most;
      }
    };
  }

  /** A file of the base. */
  static final class BaseFile {
    private final Base base;
    private final FileEntry entry;
    private final List<Block> blocks = new ArrayList<>();

    /**
     * A part of its map.
     *
     * @param map where it stands; null if in the file table
     * @param start where it begins in the file
     * @param end where it ends in the file
     */
    record Block(@Nullable MapRef map, long start, long end) {}

    private BaseFile(Base base, FileEntry entry) throws IOException {
      this.base = base;
      this.entry = entry;
      if (entry.maps().isEmpty()) {
        blocks.add(new Block(null, 0, length()));
        return;
      }
      long start = 0;
      for (MapRef map : entry.maps()) {
        MapRef described = map.length() == MapRef.UNKNOWN ? describe(map) : map;
        blocks.add(new Block(described, start, start + described.length()));
        start += described.length();
      }
      if (start != length()) {
        throw base.damaged(
            RepositoryException.damaged(
                base.reader.manifestKey(),
                "maps " + start + " of the " + length() + " bytes of " + entry.file().path(),
                null));
      }
    }

    /** Its line in the file table. */
    FileEntry entry() {
      return entry;
    }

    long length() {
      return entry.file().length();
    }

    /** The parts of its map, in order. */
    List<Block> blocks() {
      return blocks;
    }

    /** The fingerprint of its last stretch; may be zero. */
    Fingerprint fingerprint() {
      return entry.fingerprint();
    }

    /** The parts of the map that touch a stretch of the file, in order. */
    List<Block> blocks(long from, long to) {
      return blocks.stream().filter(block -> block.start() < to && from < block.end()).toList();
    }

    /** The extents of a stretch, cut to it. */
    List<Extent> extents(long from, long to) throws IOException {
      List<Extent> found = new ArrayList<>();
      for (Block block : blocks(from, to)) {
        long at = block.start();
        MapRef map = block.map();
        for (Extent extent : map == null ? entry.extents() : base.map(map.piece())) {
          long start = Math.max(from, at);
          long end = Math.min(to, at + extent.length());
          if (start < end) {
            found.add(extent.part(start - at, end - start));
          }
          at += extent.length();
          if (at >= to) {
            break;
          }
        }
      }
      return found;
    }

    /** Reads what extents give. */
    void read(List<Extent> extents, byte[] into, int offset, PieceCodec codec) throws IOException {
      int at = offset;
      for (Extent extent : extents) {
        int count = (int) extent.length();
        PieceRef piece = extent.piece();
        if (piece == null) {
          Arrays.fill(into, at, at + count, (byte) 0);
        } else {
          boolean whole = count == piece.plainLength();
          System.arraycopy(base.read(piece, !whole, codec), extent.offset(), into, at, count);
        }
        at += count;
      }
    }

    private MapRef describe(MapRef map) throws IOException {
      long length = 0;
      List<ObjectId> packs = new ArrayList<>();
      for (Extent extent : base.map(map.piece())) {
        length += extent.length();
        PieceRef piece = extent.piece();
        if (piece != null && !packs.contains(piece.pack())) {
          packs.add(piece.pack());
        }
      }
      return new MapRef(map.piece(), length, packs);
    }
  }
}
