package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.pack.Chunker;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceTable;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the base holds, by its content: first in the file of the same path, then in all others. What
 * all others hold is looked through when it is first asked for, short content and long apart, as
 * only long content needs the maps of large files. Memory is bounded; what is not kept in mind, or
 * cannot be read, counts as unknown. Used by one thread.
 */
final class KnownContent {
  private static final Logger LOG = LoggerFactory.getLogger(KnownContent.class);
  private static final int HELD_BLOCKS = 8;
  private static final int NUMBER_BITS = 20;
  private static final int BLOCK_BITS = 22;

  private final Base base;
  private final Map<Long, Map<Fingerprint, Chunk>> held =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Map<Fingerprint, Chunk>> eldest) {
          return size() > HELD_BLOCKS;
        }
      };
  private final Set<Long> lost = new HashSet<>();
  private @Nullable PieceTable small;
  private @Nullable PieceTable large;

  KnownContent(Base base) {
    this.base = base;
  }

  /** What the base's file of this path holds. */
  Nearby nearby(StoredFile file) throws IOException {
    return new Nearby(base.find(file).orElse(null));
  }

  /** Where content lies in any file of the base; empty if that is not known. */
  Optional<Extent> find(Fingerprint fingerprint, int length, int crc) throws IOException {
    Optional<Extent> found;
    if (length < Chunker.LEAST) {
      if (small == null) {
        small = index(false);
      }
      found = resolve(small, fingerprint, length, crc);
      return found.isPresent() || large == null
          ? found
          : resolve(large, fingerprint, length, crc); // the ends of large files
    }
    if (large == null) {
      large = index(true);
    }
    return resolve(large, fingerprint, length, crc);
  }

  private PieceTable index(boolean maps) throws IOException {
    PieceTable table = new PieceTable();
    for (int part = 0; part < base.parts(); part++) {
      List<FileEntry> entries = base.table(part);
      for (int number = 0; number < entries.size(); number++) {
        FileEntry entry = entries.get(number);
        if (entry.file().kind() == StoredFile.Kind.FILE
            && (maps || entry.maps().isEmpty())
            && number < 1 << NUMBER_BITS
            && !add(table, entry, maps, part, number)) {
          LOG.info(
              "base={} holds more than can be kept in mind; of the rest what comes again is"
                  + " stored again",
              base.id());
          return table;
        }
      }
    }
    return table;
  }

  private boolean add(PieceTable table, FileEntry entry, boolean maps, int part, int number)
      throws IOException {
    try {
      Base.BaseFile file = base.file(entry);
      int blocks = Math.min(file.blocks().size(), 1 << BLOCK_BITS);
      for (int block = 0; block < blocks; block++) {
        base.ahead(file.blocks().subList(block, blocks));
        for (Chunk chunk : chunks(file, block)) {
          boolean wanted = maps ? isLarge(entry, chunk) : !isLarge(entry, chunk);
          if (wanted && !table.add(chunk.fingerprint(), where(part, number, block))) {
            return false;
          }
        }
      }
    } catch (RepositoryException e) {
      unreadable(e);
    }
    return true;
  }

  private static boolean isLarge(FileEntry entry, Chunk chunk) {
    return !entry.maps().isEmpty() || chunk.length() >= Chunker.LEAST;
  }

  private static long where(int part, int number, int block) {
    return ((long) part << NUMBER_BITS | number) << BLOCK_BITS | block;
  }

  private Optional<Extent> resolve(PieceTable table, Fingerprint fingerprint, int length, int crc)
      throws IOException {
    long where = table.find(fingerprint);
    if (where == PieceTable.NONE || lost.contains(where)) {
      return Optional.empty();
    }
    try {
      Chunk chunk = chunks(where).get(fingerprint);
      return chunk != null && chunk.is(fingerprint, length, crc)
          ? Optional.of(chunk.extent())
          : Optional.empty();
    } catch (RepositoryException e) {
      unreadable(e);
      lost.add(where);
      return Optional.empty();
    }
  }

  private Map<Fingerprint, Chunk> chunks(long where) throws IOException {
    Map<Fingerprint, Chunk> known = held.get(where);
    if (known == null) {
      long place = where >>> BLOCK_BITS;
      FileEntry entry =
          base.entry((int) (place >>> NUMBER_BITS), (int) place & (1 << NUMBER_BITS) - 1);
      int block = (int) where & (1 << BLOCK_BITS) - 1;
      known = byContent(chunks(base.file(entry), block));
      held.put(where, known);
    }
    return known;
  }

  /** The chunks that begin in a part of a map. The last may end in the next part. */
  private static List<Chunk> chunks(Base.BaseFile file, int number) throws IOException {
    Base.BaseFile.Block block = file.blocks().get(number);
    long to = Math.min(file.length(), block.end() + Chunker.MOST);
    return Chunk.of(file.entry(), file.extents(block.start(), to));
  }

  private static Map<Fingerprint, Chunk> byContent(List<Chunk> chunks) {
    Map<Fingerprint, Chunk> found = new HashMap<>();
    chunks.forEach(chunk -> found.putIfAbsent(chunk.fingerprint(), chunk));
    return found;
  }

  /** Content that cannot be read is stored again; that it is damaged, verify says. */
  private void unreadable(RepositoryException problem) throws RepositoryException {
    if (problem.kind() != FailureKind.DAMAGED) {
      throw problem;
    }
    LOG.warn("What base={} holds is not all known: {}", base.id(), problem.toString());
  }

  /**
   * What the base's file of the same path holds around a place: a few parts of its map, which go
   * along.
   */
  final class Nearby {
    private static final long REACH = 2 * Assembler.REGION;

    private final Base.@Nullable BaseFile file;
    private final Deque<Part> parts = new ArrayDeque<>();
    private int next;

    private record Part(long end, Map<Fingerprint, Chunk> chunks) {}

    private Nearby(Base.@Nullable BaseFile file) {
      this.file = file;
    }

    /** Where content of the file lies; then where any does. */
    Optional<Extent> find(long offset, Fingerprint fingerprint, int length, int crc)
        throws IOException {
      if (file != null) {
        move(file, offset);
        for (Part part : parts) {
          Chunk chunk = part.chunks().get(fingerprint);
          if (chunk != null && chunk.is(fingerprint, length, crc)) {
            return Optional.of(chunk.extent());
          }
        }
      }
      return KnownContent.this.find(fingerprint, length, crc);
    }

    private void move(Base.BaseFile of, long offset) throws IOException {
      while (!parts.isEmpty() && parts.getFirst().end() + REACH < offset) {
        parts.removeFirst();
      }
      while (next < of.blocks().size() && of.blocks().get(next).start() <= offset + REACH) {
        int number = next++;
        if (of.blocks().get(number).end() + REACH < offset) {
          continue;
        }
        try {
          parts.add(new Part(of.blocks().get(number).end(), byContent(chunks(of, number))));
        } catch (RepositoryException e) {
          unreadable(e);
        }
      }
    }
  }
}
