package com.thorbis.backup.postgres.wal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which blocks of which relations' main forks a stretch of the log may have changed: never too few,
 * perhaps too many. Other forks are not in it. Memory is bounded: what becomes too large says that
 * everything may have changed. Numbers are unsigned. Not safe for several threads while it changes.
 */
public final class ChangedBlocks {
  private static final int SEGMENT_SHIFT = 17;

  /** A relation's file is cut into segments of this many blocks, 1 GiB. */
  public static final int SEGMENT_BLOCKS = 1 << SEGMENT_SHIFT;

  private static final long MOST_BYTES = 64L << 20;
  private static final int ENTRY_BYTES = 144;
  private static final int MOST_FEW = 1024;
  private static final int RECENT = 256;

  private final Map<File, Blocks> files = new HashMap<>();
  private final Map<Relation, Long> limits = new HashMap<>();
  private final Set<Database> databases = new HashSet<>();
  private final Set<Integer> tablespaces = new HashSet<>();
  private final @Nullable Blocks[] recent = new Blocks[RECENT];
  private final long mostBytes;
  private long bytes;
  private boolean everything;

  /** Nothing changed yet. */
  public ChangedBlocks() {
    this(MOST_BYTES);
  }

  /** With another bound of memory, in bytes. */
  ChangedBlocks(long mostBytes) {
    this.mostBytes = mostBytes;
  }

  /**
   * A relation's files.
   *
   * @param tablespace its tablespace's number
   * @param database its database's number; 0 if all share it
   * @param number the number it is filed under
   */
  public record Relation(int tablespace, int database, int number) {}

  private record File(int tablespace, int database, int number, int segment) {}

  private record Database(int tablespace, int number) {}

  /**
   * What may have changed in one file.
   *
   * @param pages numbers of pages in the file, the first is 0
   * @param from from this page on, every page
   */
  public record FileChanges(BitSet pages, long from) {
    /** Whether a page may have changed. */
    public boolean contains(long page) {
      return page >= from || pages.get((int) page);
    }

    /** Whether every page may have. */
    public boolean whole() {
      return from == 0;
    }

    /**
     * All pages that may have changed.
     *
     * @param count how many pages the file has
     */
    public BitSet of(int count) {
      BitSet all = (BitSet) pages.clone();
      if (from < count) {
        all.set((int) from, count);
      }
      return all;
    }
  }

  /** Blocks of one file. */
  private static final class Blocks {
    private final File file;
    private int[] few = new int[4];
    private int count;
    private @Nullable BitSet many;

    Blocks(File file) {
      this.file = file;
    }

    boolean is(int tablespace, int database, int number, int segment) {
      return file.number == number
          && file.segment == segment
          && file.database == database
          && file.tablespace == tablespace;
    }

    /** Returns how many bytes of memory it took. */
    int add(int page) {
      BitSet set = many;
      if (set != null) {
        set.set(page);
        return 0;
      }
      if (count > 0 && few[count - 1] == page) {
        return 0;
      }
      if (count < few.length) {
        few[count++] = page;
        return 0;
      }
      Arrays.sort(few);
      int kept = 1;
      for (int i = 1; i < count; i++) {
        if (few[i] != few[kept - 1]) {
          few[kept++] = few[i];
        }
      }
      count = kept;
      int before = few.length;
      if (count > before / 2) {
        if (before >= MOST_FEW) {
          BitSet all = new BitSet(SEGMENT_BLOCKS);
          for (int i = 0; i < count; i++) {
            all.set(few[i]);
          }
          all.set(page);
          few = new int[0];
          many = all;
          return SEGMENT_BLOCKS / 8 - 4 * before;
        }
        few = Arrays.copyOf(few, 2 * before);
      }
      few[count++] = page;
      return 4 * (few.length - before);
    }

    BitSet pages() {
      BitSet set = many;
      if (set != null) {
        return (BitSet) set.clone();
      }
      BitSet pages = new BitSet();
      for (int i = 0; i < count; i++) {
        pages.set(few[i]);
      }
      return pages;
    }
  }

  /** A block was changed. */
  public void block(int tablespace, int database, int relation, int block) {
    if (everything) {
      return;
    }
    int segment = block >>> SEGMENT_SHIFT;
    int slot = (relation * 31 + segment * 7 + database) & (RECENT - 1);
    Blocks blocks = recent[slot];
    if (blocks == null || !blocks.is(tablespace, database, relation, segment)) {
      File file = new File(tablespace, database, relation, segment);
      blocks = files.get(file);
      if (blocks == null) {
        blocks = new Blocks(file);
        files.put(file, blocks);
        grow(ENTRY_BYTES);
      }
      recent[slot] = blocks;
    }
    int more = blocks.add(block & (SEGMENT_BLOCKS - 1));
    if (more != 0) {
      grow(more);
    }
  }

  /** A relation had no more than so many blocks at some time: all behind them may be others. */
  public void limit(int tablespace, int database, int relation, int block) {
    if (everything) {
      return;
    }
    long limit = Integer.toUnsignedLong(block);
    Long before = limits.get(new Relation(tablespace, database, relation));
    if (before == null) {
      grow(ENTRY_BYTES);
    }
    if (!everything && (before == null || limit < before)) {
      limits.put(new Relation(tablespace, database, relation), limit);
    }
  }

  /** Every relation of a database in a tablespace may be another. */
  public void database(int tablespace, int database) {
    if (!everything && databases.add(new Database(tablespace, database))) {
      grow(ENTRY_BYTES);
    }
  }

  /** Every relation in a tablespace may be another. */
  public void tablespace(int tablespace) {
    if (!everything && tablespaces.add(tablespace)) {
      grow(ENTRY_BYTES);
    }
  }

  /** Nothing is known to be as it was. */
  public void everything() {
    everything = true;
    files.clear();
    limits.clear();
    databases.clear();
    tablespaces.clear();
    Arrays.fill(recent, null);
    bytes = 0;
  }

  private void grow(int by) {
    bytes += by;
    if (bytes > mostBytes) {
      everything();
    }
  }

  /** Whether nothing is known to be as it was. */
  public boolean isEverything() {
    return everything;
  }

  /** Takes in what changed in another stretch. */
  public void add(ChangedBlocks other) {
    if (other.everything) {
      everything();
      return;
    }
    other.tablespaces.forEach(this::tablespace);
    other.databases.forEach(database -> database(database.tablespace, database.number));
    other.limits.forEach(
        (relation, limit) ->
            limit(relation.tablespace, relation.database, relation.number, (int) (long) limit));
    for (Blocks blocks : other.files.values()) {
      File file = blocks.file;
      int first = file.segment << SEGMENT_SHIFT;
      blocks.pages().stream()
          .forEach(page -> block(file.tablespace, file.database, file.number, first + page));
    }
  }

  /**
   * What may have changed in one file of a relation's main fork.
   *
   * @param segment which file of the relation, from 0
   */
  public FileChanges file(Relation relation, int segment) {
    if (everything
        || tablespaces.contains(relation.tablespace)
        || databases.contains(new Database(relation.tablespace, relation.database))) {
      return new FileChanges(new BitSet(), 0);
    }
    Blocks blocks =
        files.get(new File(relation.tablespace, relation.database, relation.number, segment));
    Long limit = limits.get(relation);
    long from = Long.MAX_VALUE;
    if (limit != null) {
      from = Math.max(0, limit - Integer.toUnsignedLong(segment) * SEGMENT_BLOCKS);
    }
    return new FileChanges(blocks == null ? new BitSet() : blocks.pages(), from);
  }

  /** Every relation that has changed blocks or a limit, in order. */
  List<Relation> relations() {
    Set<Relation> all = new HashSet<>(limits.keySet());
    for (File file : files.keySet()) {
      all.add(new Relation(file.tablespace, file.database, file.number));
    }
    List<Relation> sorted = new ArrayList<>(all);
    sorted.sort(
        Comparator.comparingLong((Relation relation) -> unsigned(relation.tablespace))
            .thenComparingLong(relation -> unsigned(relation.database))
            .thenComparingLong(relation -> unsigned(relation.number)));
    return sorted;
  }

  /** The limit of a relation; -1 if it has none. */
  long limit(Relation relation) {
    return limits.getOrDefault(relation, -1L);
  }

  /** The segments of each relation that have changed blocks, in order. */
  Map<Relation, int[]> segments() {
    Map<Relation, int[]> segments = new HashMap<>();
    for (File file : files.keySet()) {
      segments.merge(
          new Relation(file.tablespace, file.database, file.number),
          new int[] {file.segment},
          ChangedBlocks::joined);
    }
    segments.values().forEach(Arrays::sort);
    return segments;
  }

  private static int[] joined(int[] one, int[] other) {
    int[] both = Arrays.copyOf(one, one.length + other.length);
    System.arraycopy(other, 0, both, one.length, other.length);
    return both;
  }

  /** The blocks of a segment, by their numbers in it. */
  BitSet pages(Relation relation, int segment) {
    Blocks blocks =
        files.get(new File(relation.tablespace, relation.database, relation.number, segment));
    return blocks == null ? new BitSet() : blocks.pages();
  }

  /** Tablespaces of which everything may have changed, in order. */
  List<Integer> wholeTablespaces() {
    return sorted(tablespaces);
  }

  /** Databases of which everything may have changed, as tablespace and number, in order. */
  List<Long> wholeDatabases() {
    List<Long> all = new ArrayList<>();
    databases.forEach(one -> all.add((long) one.tablespace << 32 | unsigned(one.number)));
    all.sort(Long::compareUnsigned);
    return all;
  }

  private static List<Integer> sorted(Collection<Integer> numbers) {
    List<Integer> all = new ArrayList<>(numbers);
    all.sort(Integer::compareUnsigned);
    return all;
  }

  private static long unsigned(int number) {
    return Integer.toUnsignedLong(number);
  }
}
