package com.thorbis.backup.postgres.wal;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.wal.ChangedBlocks.FileChanges;
import com.thorbis.backup.postgres.wal.ChangedBlocks.Relation;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What records change, from logs made by hand. */
class BlockSummarizerTest {
  private static final int MEBIBYTE = 1 << 20;
  private static final Timeline ONE = new Timeline(1);
  private static final Lsn START = new Lsn(64L * MEBIBYTE);
  private static final Relation TABLE = new Relation(1663, 5, 16384);
  private static final Relation OTHER = new Relation(70000, 5, 16385);

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 18})
  void everyBlockInARecordsHeadIsChanged(int major) {
    Content content = new Content();
    content.block(0, 0, TABLE, 7).block(1, 0x10 | 0x20, null, 9);
    content.block(2, 2, TABLE, 11).block(3, 0x30, OTHER, 0xFFFF_FFFFL);
    content.origin().transaction();
    ChangedBlocks changed = read(major, 10, 0, content.data(300));
    assertThat(pages(changed, TABLE)).containsExactly(7, 9); // the third is of another fork
    assertThat(changed.file(OTHER, 0x7FFF).contains(0x1FFFF)).isTrue();
    assertThat(changed.relations()).containsExactly(TABLE, OTHER);
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 18})
  void compressedImagesArePassed(int major) {
    int compressed = major == 14 ? 0x02 : 0x08;
    Content content = new Content().image(compressed | 0x01, TABLE, 3).image(compressed, OTHER, 4);
    content.image(0x01, TABLE, 5);
    ChangedBlocks changed = read(major, 0, 0xB0, content.data(0));
    assertThat(pages(changed, TABLE)).containsExactly(3, 5);
    assertThat(pages(changed, OTHER)).containsExactly(4);
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 18})
  void filesThatAreMadeOrCutAreLimited(int major) {
    ChangedBlocks made = read(major, 2, 0x10, data(1663, 5, 16384, 0));
    assertThat(made.file(TABLE, 3).whole()).isTrue();
    assertThat(read(major, 2, 0x10, data(1663, 5, 16384, 1)).relations()).isEmpty();
    ChangedBlocks cut = read(major, 2, 0x20, data(131_072 + 9, 1663, 5, 16384, 7));
    assertThat(cut.file(TABLE, 0).from()).isEqualTo(131_072 + 9);
    assertThat(cut.file(TABLE, 1).from()).isEqualTo(9);
    assertThat(cut.file(TABLE, 2).from()).isZero();
    assertThat(read(major, 2, 0x20, data(9, 1663, 5, 16384, 6)).relations()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {14, 15, 18})
  void wholeDatabasesAndTablespacesAreOthers(int major) {
    assertThat(read(major, 4, 0x00, data(5, 1663, 1, 1663)).file(TABLE, 0).whole()).isTrue();
    int drop = major == 14 ? 0x10 : 0x20;
    ChangedBlocks dropped = read(major, 4, drop, data(5, 3, 1, 1663, 70000));
    assertThat(dropped.wholeDatabases())
        .containsExactly(1L << 32 | 5, 1663L << 32 | 5, 70000L << 32 | 5);
    if (major > 14) {
      assertThat(read(major, 4, 0x10, data(5, 1663)).file(TABLE, 0).whole()).isTrue();
    }
    assertThat(read(major, 5, 0x10, data(70000)).file(OTHER, 0).whole()).isTrue();
    assertThat(read(major, 5, 0x00, data(70000, 77)).file(OTHER, 0).whole()).isTrue();
    assertThat(read(major, 5, 0x10, data(70000)).file(TABLE, 0).whole()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(ints = {0x00, 0x20, 0x30, 0x40})
  void whatATransactionDropsIsOther(int operation) {
    for (int groups : List.of(4, 1 | 4, 2 | 4, 1 | 2 | 4, 1 | 2 | 4 | 8 | 16 | 256)) {
      ByteBuffer data = ByteBuffer.allocate(60_000).order(ByteOrder.LITTLE_ENDIAN);
      data.putLong(77).putInt(groups);
      if ((groups & 1) != 0) {
        data.putInt(5).putInt(1663);
      }
      if ((groups & 2) != 0) {
        data.putInt(3000);
        for (int i = 0; i < 3000; i++) {
          data.putInt(i);
        }
      }
      data.putInt(2000);
      for (int i = 0; i < 2000; i++) {
        data.putInt(1663).putInt(5).putInt(20_000 + i);
      }
      byte[] bytes = Arrays.copyOf(data.array(), data.position() + 50);
      ChangedBlocks changed = read(15, 1, operation | 0x80, new Content().data(bytes));
      assertThat(changed.relations()).hasSize(2000);
      assertThat(changed.file(new Relation(1663, 5, 21_999), 0).whole()).isTrue();
    }
    assertThat(read(15, 1, operation, data(1, 2)).relations()).isEmpty();
  }

  @Test
  void withoutEnoughInTheLogEverythingMayHaveChanged() {
    assertThat(read(15, 0, 0x60, data(1, 2, 3, 4, 5, 0, 0)).isEverything()).isTrue();
    assertThat(read(15, 0, 0x60, data(1, 2, 3, 4, 5, 1, 0)).isEverything()).isFalse();
  }

  @Test
  void aHeadThatCannotBeReadIsAChangeOfEverything() {
    for (byte[] head :
        List.of(
            new byte[] {100, 0, 0, 0},
            new byte[] {0, (byte) 0x80, 0, 0, 1, 0, 0, 0},
            new byte[] {0, 0, 0},
            new byte[] {(byte) 255, 9, 1},
            new byte[] {(byte) 254, 9, 0, 0})) {
      assertThat(read(15, 10, 0, head).isEverything()).as(Arrays.toString(head)).isTrue();
    }
    assertThat(read(15, 2, 0x10, new byte[0]).isEverything()).isTrue();
    assertThat(read(15, 2, 0x10, new Content().data(new byte[] {1, 2})).isEverything()).isTrue();
    assertThat(read(15, 10, 0, new byte[0]).isEverything()).isFalse();
  }

  @Test
  void spansHoldWhatStartsInThemWhereverReadingBegins() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    SyntheticLog log = new SyntheticLog(cluster(16), ONE, START);
    List<Set<Integer>> blocks = new ArrayList<>();
    while (log.end().compareTo(START.plus(9L * MEBIBYTE)) < 0) {
      Set<Integer> touched = new TreeSet<>();
      Content content = new Content();
      for (int i = random.nextInt(4); i > 0; i--) {
        int block = random.nextInt(100_000);
        touched.add(block);
        content.block(i, 0, TABLE, block);
      }
      int length =
          random.nextInt(300) == 0
              ? 3 * MEBIBYTE
              : random.nextInt(random.nextBoolean() ? 50 : 20_000);
      log.raw(10, 0, content.data(length));
      blocks.add(touched);
      if (random.nextInt(200) == 0) {
        log.switchSegment();
        blocks.add(Set.of());
      }
    }
    for (int first = 0; first < 5; first++) {
      Lsn begin = START.plus((long) first * MEBIBYTE);
      List<BlockSummarizer.Span> spans = new ArrayList<>();
      BlockSummarizer summarizer =
          new BlockSummarizer(cluster(16), ONE, begin, 2L * MEBIBYTE, spans::add);
      feed(new WalReader(cluster(16), ONE, begin, summarizer), log, begin, random);
      List<BlockSummary> all =
          new ArrayList<>(
              spans.stream()
                  .filter(BlockSummarizer.Span::whole)
                  .map(BlockSummarizer.Span::summary)
                  .toList());
      assertThat(all).as("seed %d", seed).hasSizeGreaterThan(1);
      assertThat(all.get(0).start()).isEqualTo(START.plus((first + 1) / 2 * 2L * MEBIBYTE));
      summarizer.rest().ifPresent(all::add);
      Lsn last = all.get(0).previous();
      for (BlockSummary summary : all) {
        assertThat(summary.previous()).as("seed %d", seed).isEqualTo(last);
        last = summary.last();
        Set<Integer> expected = new TreeSet<>();
        for (int i = 0; i < blocks.size(); i++) {
          Lsn at = log.records().get(i).start();
          if (at.compareTo(summary.start()) >= 0 && at.compareTo(summary.end()) < 0) {
            expected.addAll(blocks.get(i));
          }
        }
        assertThat(pages(summary.changed(), TABLE))
            .as("seed %d", seed)
            .containsExactlyElementsOf(expected);
      }
    }
  }

  @Test
  void aSpanWithAHoleIsNotWhole() {
    SyntheticLog log = new SyntheticLog(cluster(16), ONE, START);
    while (log.end().compareTo(START.plus(5L * MEBIBYTE)) < 0) {
      log.raw(10, 0, new Content().block(0, 0, TABLE, 1).data(5000));
    }
    byte[] bytes = log.all();
    bytes[MEBIBYTE + 70_000] ^= 1;
    List<BlockSummarizer.Span> spans = new ArrayList<>();
    BlockSummarizer summarizer =
        new BlockSummarizer(cluster(16), ONE, START, 2L * MEBIBYTE, spans::add);
    new WalReader(cluster(16), ONE, START, summarizer).feed(ByteBuffer.wrap(bytes));
    assertThat(spans)
        .filteredOn(BlockSummarizer.Span::whole)
        .extracting(span -> span.summary().start())
        .containsExactly(START.plus(2 * MEBIBYTE));
  }

  @Test
  void anySummaryIsReadAsItWasWritten() {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    for (int round = 0; round < 200; round++) {
      ChangedBlocks changed = new ChangedBlocks();
      Map<Relation, Set<Long>> model = new HashMap<>();
      for (int i = random.nextInt(2000); i > 0; i--) {
        Relation relation = new Relation(1663, random.nextInt(3), random.nextInt(5) - 2);
        long block =
            random.nextInt(10) == 0 ? random.nextInt() & 0xFFFF_FFFFL : random.nextInt(3000);
        changed.block(relation.tablespace(), relation.database(), relation.number(), (int) block);
        model.computeIfAbsent(relation, key -> new TreeSet<>()).add(block);
        if (random.nextInt(50) == 0) {
          changed.limit(1663, random.nextInt(3), random.nextInt(9), random.nextInt());
          changed.database(random.nextInt(3), random.nextInt(3));
          changed.tablespace(90 + random.nextInt(3));
        }
      }
      BlockSummary summary =
          new BlockSummary(-3, ONE, START, START.plus(8), new Lsn(1), new Lsn(2), changed);
      byte[] bytes = summary.encode();
      BlockSummary again = BlockSummary.decode(bytes).orElseThrow();
      assertThat(again.encode()).as("seed %d", seed).isEqualTo(bytes);
      assertThat(again.changed().wholeDatabases()).isEqualTo(changed.wholeDatabases());
      assertThat(again.changed().wholeTablespaces()).isEqualTo(changed.wholeTablespaces());
      model.forEach(
          (relation, blocks) -> {
            assertThat(again.changed().limit(relation)).isEqualTo(changed.limit(relation));
            for (long block : blocks) {
              FileChanges file = again.changed().file(relation, (int) (block >>> 17));
              assertThat(file.contains(block & 0x1FFFF)).as("seed %d", seed).isTrue();
            }
            assertThat(again.changed().segments().get(relation))
                .isEqualTo(changed.segments().get(relation));
          });
      for (int length = 0; length < Math.min(bytes.length, 100); length++) {
        assertThat(BlockSummary.decode(Arrays.copyOf(bytes, length))).isEmpty();
      }
      bytes[0] = BlockSummary.VERSION + 1;
      assertThat(BlockSummary.decode(bytes)).isEmpty();
    }
  }

  @Test
  void whatBecomesTooLargeIsEverything() {
    ChangedBlocks changed = new ChangedBlocks(1 << 20);
    int relation = 0;
    while (!changed.isEverything()) {
      changed.block(1663, 5, relation++, 0);
    }
    assertThat(relation).isBetween(1000, 100_000);
    assertThat(changed.file(OTHER, 0).whole()).isTrue();
    changed.block(1663, 5, 1, 1);
    changed.limit(1663, 5, 1, 1);
    assertThat(changed.relations()).isEmpty();
    ChangedBlocks sum = new ChangedBlocks();
    sum.add(changed);
    assertThat(sum.isEverything()).isTrue();
    BlockSummary summary = new BlockSummary(3, ONE, START, START, new Lsn(0), new Lsn(0), changed);
    assertThat(BlockSummary.decode(summary.encode()).orElseThrow().changed().isEverything())
        .isTrue();
  }

  private static ClusterIdentity cluster(int major) {
    return new ClusterIdentity(77, major, new WalSegmentSize(MEBIBYTE));
  }

  private static List<Integer> pages(ChangedBlocks changed, Relation relation) {
    return changed.file(relation, 0).pages().stream().boxed().toList();
  }

  /** What one record changes, in whatever pieces it comes. */
  private static ChangedBlocks read(int major, int rm, int info, byte[] content) {
    SyntheticLog log = new SyntheticLog(cluster(major), ONE, START);
    log.filler(7000); // so that what follows reaches over the end of a page
    log.raw(rm, info, content);
    ChangedBlocks first = null;
    for (int step : new int[] {1, 7, 100, MEBIBYTE}) {
      BlockSummarizer blocks =
          new BlockSummarizer(cluster(major), ONE, START, 1L << 40, span -> {});
      WalReader reader = new WalReader(cluster(major), ONE, START, blocks);
      byte[] bytes = log.all();
      for (int at = 0; at < bytes.length; at += step) {
        reader.feed(bytes, at, Math.min(step, bytes.length - at));
      }
      assertThat(reader.lastRecord()).contains(log.records().get(1).start());
      BlockSummary summary = blocks.rest().orElseThrow();
      first = first == null ? summary.changed() : first;
      BlockSummary same =
          new BlockSummary(
              77, ONE, summary.start(), summary.end(), summary.previous(), summary.last(), first);
      assertThat(summary.encode()).isEqualTo(same.encode());
    }
    return first;
  }

  private static void feed(WalReader reader, SyntheticLog log, Lsn from, Random random) {
    WalSegment segment = WalSegment.containing(ONE, from, new WalSegmentSize(MEBIBYTE));
    for (; segment.start().compareTo(log.end()) < 0; segment = segment.next()) {
      byte[] bytes = log.segment(segment);
      int at = 0;
      while (at < bytes.length) {
        int step = Math.min(bytes.length - at, 1 + random.nextInt(60_000));
        reader.feed(bytes, at, step);
        at += step;
      }
    }
  }

  private static byte[] data(int... numbers) {
    ByteBuffer data = ByteBuffer.allocate(4 * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int number : numbers) {
      data.putInt(number);
    }
    return new Content().data(data.array());
  }

  /** The content of a record, as PostgreSQL lays it out. */
  private static final class Content {
    private final ByteBuffer head = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
    private int behind;

    /** A block; of the relation before, if none is named. */
    Content block(int id, int flags, Relation relation, long number) {
      head.put((byte) id);
      int all = relation == null ? flags | 0x80 : flags;
      head.put((byte) all).putShort((short) ((flags & 0x20) != 0 ? 40 : 0));
      behind += (flags & 0x20) != 0 ? 40 : 0;
      if ((flags & 0x10) != 0) {
        head.putShort((short) 60).putShort((short) 0).put((byte) 0);
        behind += 60;
      }
      return relation(relation, number);
    }

    Content image(int image, Relation relation, long number) {
      head.put((byte) 0).put((byte) 0x10).putShort((short) 0);
      head.putShort((short) 1000).putShort((short) 24).put((byte) image);
      if (image != 1 && (image & 1) != 0) {
        head.putShort((short) 4000);
      }
      behind += 1000;
      return relation(relation, number);
    }

    private Content relation(Relation relation, long number) {
      if (relation != null) {
        head.putInt(relation.tablespace()).putInt(relation.database()).putInt(relation.number());
      }
      head.putInt((int) number);
      return this;
    }

    Content origin() {
      head.put((byte) 253).putShort((short) 3);
      return this;
    }

    Content transaction() {
      head.put((byte) 252).putInt(700);
      return this;
    }

    byte[] data(int length) {
      return data(new byte[length]);
    }

    byte[] data(byte[] data) {
      if (data.length > 0 && data.length < 256) {
        head.put((byte) 255).put((byte) data.length);
      } else if (data.length > 0) {
        head.put((byte) 254).putInt(data.length);
      }
      byte[] content = Arrays.copyOf(head.array(), head.position() + behind + data.length);
      System.arraycopy(data, 0, content, head.position() + behind, data.length);
      return content;
    }
  }
}
