package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.support.MemoryWalArchive;
import com.thorbis.backup.postgres.wal.BlockSummary;
import com.thorbis.backup.postgres.wal.ChangedBlocks;
import com.thorbis.backup.postgres.wal.ChangedBlocks.Relation;
import com.thorbis.backup.postgres.wal.SyntheticLog;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which blocks are found to have changed between two positions, and when none can be named. */
class WalMapTest {
  private static final int MEBIBYTE = 1 << 20;
  private static final Timeline ONE = new Timeline(1);
  private static final Timeline TWO = new Timeline(2);
  private static final WalSegmentSize SIZE = new WalSegmentSize(MEBIBYTE);
  private static final ClusterIdentity CLUSTER = new ClusterIdentity(77, 15, SIZE);
  private static final Lsn START = new Lsn(64L * MEBIBYTE);
  private static final Relation TABLE = new Relation(1663, 5, 16384);
  private static final TimelineHistory FIRST = TimelineHistory.first(ONE);

  private final SyntheticLog log = new SyntheticLog(CLUSTER, ONE, START);
  private final MemoryWalArchive archive = new MemoryWalArchive("life", CLUSTER);

  @Test
  void everyStretchIsExactWhetherSummarizedOrNot() throws Exception {
    write(log, 4000);
    store(log);
    for (int round = 0; round < 2; round++) {
      for (int from = 0; from < 4000; from += 700) {
        for (int to = from; to < 4000; to += 900) {
          ChangedBlocks changed = map().between(FIRST, start(log, from), start(log, to));
          assertThat(changed.file(TABLE, 0).pages().stream())
              .as("%d to %d", from, to)
              .containsExactlyElementsOf(IntStream.range(from, to).boxed().toList());
        }
      }
      // The second time the spans that were read are summarized.
      assertThat(archive.summaries()).isGreaterThan(2);
    }
  }

  @Test
  void aSummaryStandsForLogThatIsGone() throws Exception {
    write(log, 4000);
    store(log);
    map().between(FIRST, start(log, 0), start(log, 3999));
    assertThat(archive.summaries()).isGreaterThan(2);
    archive.remove(new WalSegment(ONE, 64 + 3, SIZE));
    ChangedBlocks changed = map().between(FIRST, start(log, 0), start(log, 3999));
    assertThat(changed.file(TABLE, 0).pages().cardinality()).isEqualTo(3999);
  }

  @Test
  void aGapIsNoAnswer() throws Exception {
    write(log, 4000);
    store(log);
    archive.remove(new WalSegment(ONE, 64 + 2, SIZE));
    assertUnknown(FIRST, start(log, 0), start(log, 3999), "is not stored");
    // What lies beside it is known.
    Lsn behind = new WalSegment(ONE, 64 + 3, SIZE).start();
    int first = 0;
    while (start(log, first).compareTo(behind) < 0) {
      first++;
    }
    assertThat(map().between(FIRST, start(log, first), start(log, 3999)).file(TABLE, 0).pages())
        .hasToString(
            new TreeSet<>(IntStream.range(first, 3999).boxed().toList())
                .toString()
                .replace('[', '{')
                .replace(']', '}'));
  }

  @Test
  void whatIsBehindTheEndOfTheLogIsNoAnswer() throws Exception {
    write(log, 1000);
    store(log);
    assertUnknown(FIRST, start(log, 0), log.end().plus(4000), "is not stored");
  }

  @Test
  void damagedLogIsNoAnswer() throws Exception {
    write(log, 1000);
    for (int number = 64; ; number++) {
      WalSegment segment = new WalSegment(ONE, number, SIZE);
      byte[] bytes = log.segment(segment);
      if (bytes.length == 0) {
        break;
      }
      bytes[bytes.length / 2] ^= 1;
      archive.storePart(segment, 0, ByteBuffer.wrap(bytes), WalMarks.NONE);
    }
    assertUnknown(FIRST, start(log, 0), start(log, 999), "cannot be read");
  }

  @Test
  void theLineOfTimelinesIsFollowed() throws Exception {
    write(log, 2000);
    int fork = 1500;
    SyntheticLog second = log.fork(TWO, fork - 1);
    for (int i = 0; i < 2000; i++) {
      second.raw(10, 0, touching(10_000 + i));
    }
    store(log);
    store(second);
    TimelineHistory history =
        TimelineHistory.parse(
            TWO,
            ("1\t" + log.records().get(fork - 1).end() + "\tpromoted\n")
                .getBytes(StandardCharsets.UTF_8));
    for (int from : new int[] {0, 800, 1499, 1500, 1900}) {
      ChangedBlocks changed = map().between(history, start(second, from), start(second, 3000));
      List<Integer> expected =
          IntStream.concat(
                  IntStream.range(from, Math.max(from, fork)),
                  IntStream.range(10_000 + Math.max(0, from - fork), 10_000 + 3000 - fork))
              .boxed()
              .toList();
      assertThat(changed.file(TABLE, 0).pages().stream()).containsExactlyElementsOf(expected);
    }
  }

  @Test
  void aSummaryOfOtherLogIsNotBelieved() throws Exception {
    write(log, 4000);
    store(log);
    Lsn span = START.plus(2L * MEBIBYTE);
    ChangedBlocks nothing = new ChangedBlocks();
    Lsn wrong = new Lsn(5);
    for (BlockSummary summary :
        List.of(
            new BlockSummary(77, ONE, span, span.plus(2L * MEBIBYTE), wrong, wrong, nothing),
            new BlockSummary(78, ONE, span, span.plus(2L * MEBIBYTE), wrong, wrong, nothing),
            new BlockSummary(77, TWO, span, span.plus(2L * MEBIBYTE), wrong, wrong, nothing),
            new BlockSummary(77, ONE, span, span.plus(MEBIBYTE), wrong, wrong, nothing))) {
      MemoryWalArchive other = new MemoryWalArchive("life", CLUSTER);
      other.storeSummary(ONE, span, summary.encode());
      store(log, other);
      ChangedBlocks changed =
          new WalMap(other, Optional.empty(), new Cancellation())
              .between(FIRST, start(log, 0), start(log, 3999));
      assertThat(changed.file(TABLE, 0).pages().cardinality()).isEqualTo(3999);
    }
  }

  @Test
  void whereAnythingMayHaveChangedThereIsNoAnswer() throws Exception {
    write(log, 100);
    ByteBuffer minimal = ByteBuffer.allocate(30).order(ByteOrder.LITTLE_ENDIAN);
    log.raw(0, 0x60, minimal.put((byte) 255).put((byte) 28).array());
    write(log, 100);
    store(log);
    assertUnknown(FIRST, start(log, 50), start(log, 150), "wal_level was minimal");
    assertThat(map().between(FIRST, start(log, 110), start(log, 150)).isEverything()).isFalse();
  }

  private void assertUnknown(TimelineHistory history, Lsn from, Lsn to, String reason) {
    assertThatThrownBy(() -> map().between(history, from, to))
        .isInstanceOf(WalMap.Unknown.class)
        .hasMessageContaining(reason);
  }

  private WalMap map() {
    return new WalMap(archive, Optional.empty(), new Cancellation());
  }

  private static Lsn start(SyntheticLog of, int record) {
    return of.records().get(record).start();
  }

  /** So many records, each of which changes the block of its number. */
  private static void write(SyntheticLog to, int count) {
    for (int i = 0; i < count; i++) {
      to.raw(10, 0, touching(to.records().size()));
    }
  }

  private static byte[] touching(int block) {
    int length = 1000 + block % 3000;
    ByteBuffer content = ByteBuffer.allocate(20 + 5 + length).order(ByteOrder.LITTLE_ENDIAN);
    content.put((byte) 0).put((byte) 0).putShort((short) 0);
    content.putInt(TABLE.tablespace()).putInt(TABLE.database()).putInt(TABLE.number());
    content.putInt(block).put((byte) 254).putInt(length);
    return content.array();
  }

  private void store(SyntheticLog of) throws IOException {
    store(of, archive);
  }

  private static void store(SyntheticLog of, MemoryWalArchive into) throws IOException {
    for (int number = 64; ; number++) {
      WalSegment segment = new WalSegment(of.timeline(), number, SIZE);
      byte[] bytes = of.segment(segment);
      if (bytes.length == 0) {
        return;
      }
      into.storePart(segment, 0, ByteBuffer.wrap(bytes), WalMarks.NONE);
    }
  }
}
