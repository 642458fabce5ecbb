package com.thorbis.backup.postgres.wal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.WalMarks;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class WalReaderTest {
  private static final int MIB = 1 << 20;
  private static final Timeline ONE = new Timeline(1);
  private static final Lsn START = new Lsn(5L * MIB);
  private static final Instant NOON = Instant.parse("2026-01-02T12:00:00Z");
  private static final ClusterIdentity CLUSTER = cluster(15);

  private static ClusterIdentity cluster(int major) {
    return new ClusterIdentity(-77, major, new WalSegmentSize(MIB));
  }

  @Test
  void marksSayWhatEndsInAStretchWhereverItBegan() {
    SyntheticLog log = new SyntheticLog(CLUSTER, ONE, START);
    log.commit(100, NOON);
    log.filler(MIB - 8000);
    log.abort(90, NOON.minusSeconds(1));
    SyntheticLog.Rec point = log.restorePoint("before the change", NOON.plusSeconds(1));
    SyntheticLog.Rec last = log.commitPrepared(95, NOON.plusSeconds(2), 3000);
    WalReader reader = new WalReader(CLUSTER, ONE, START);
    reader.feed(log.all(), 0, MIB);
    WalMarks first = reader.takeMarks(Optional.empty());
    reader.feed(log.all(), MIB, log.all().length - MIB);
    WalMarks second = reader.takeMarks(Optional.of(NOON));

    assertThat(first.leastXid()).isEqualTo(OptionalLong.of(90));
    assertThat(first.mostXid()).isEqualTo(OptionalLong.of(100));
    assertThat(first.firstEnd()).contains(NOON.minusSeconds(1));
    assertThat(first.lastEnd()).contains(NOON);
    assertThat(first.restorePoints())
        .containsExactly(
            new WalMarks.RestorePoint("before the change", point.start(), point.time()));
    assertThat(first.lastRecord()).contains(point.start());
    assertThat(second)
        .isEqualTo(
            new WalMarks(
                Optional.of(last.time()),
                Optional.of(last.time()),
                OptionalLong.of(95),
                OptionalLong.of(95),
                List.of(),
                Optional.of(last.start()),
                Optional.of(NOON)));
    assertThat(last.start()).isLessThan(new Lsn(6L * MIB));
    assertThat(reader.lastRecordEnd()).contains(log.end());
  }

  @Test
  void segmentReadAloneLeavesOutTheRecordThatBeganBefore() {
    SyntheticLog log = new SyntheticLog(CLUSTER, ONE, START);
    log.filler(2 * MIB);
    SyntheticLog.Rec commit = log.commit(7, NOON);
    log.switchSegment();
    for (int i = 0; i < 3; i++) {
      WalSegment segment = WalSegment.containing(ONE, START.plus((long) i * MIB), size());
      WalMarks marks = WalReader.marksOf(CLUSTER, segment, ByteBuffer.wrap(log.segment(segment)));
      assertThat(marks.leastXid().isPresent()).isEqualTo(i == 2);
      assertThat(marks.lastRecord().isPresent()).isEqualTo(i == 2);
      if (i == 2) {
        assertThat(marks.lastRecord().orElseThrow()).isGreaterThan(commit.start());
      }
    }
  }

  @Test
  void logGoesOnAfterARecordThatACrashCutOff() {
    SyntheticLog log = new SyntheticLog(CLUSTER, ONE, START);
    log.commit(3, NOON);
    log.abortedRecord(50_000, 20_000);
    SyntheticLog.Rec last = log.commit(4, NOON);
    WalReader reader = new WalReader(CLUSTER, ONE, START);
    reader.feed(ByteBuffer.wrap(log.all()));
    assertThat(reader.stop()).isEmpty();
    assertThat(reader.takeMarks(Optional.empty()).mostXid()).isEqualTo(OptionalLong.of(4));
    assertThat(reader.lastRecord()).contains(last.start());
  }

  @Test
  void unusedRestIsTheEndAndNoDamage() {
    SyntheticLog log = new SyntheticLog(CLUSTER, ONE, START);
    log.commit(3, NOON);
    WalReader reader = new WalReader(CLUSTER, ONE, START);
    reader.feed(ByteBuffer.wrap(log.all()));
    reader.feed(ByteBuffer.allocate(MIB - log.all().length));
    assertThat(reader.stop()).contains(new WalReader.Stop(log.end(), "the rest is unused", false));
    assertThat(reader.position()).isEqualTo(START.plus(MIB));
  }

  @Test
  void readingStopsAtDamageAndTakesUpAgainAtTheNextSegment() {
    SyntheticLog log = new SyntheticLog(CLUSTER, ONE, START);
    log.commit(3, NOON);
    SyntheticLog.Rec hurt = log.commit(4, NOON);
    log.commit(5, NOON);
    log.filler(MIB);
    log.commit(6, NOON);
    byte[] bytes = log.all();
    bytes[(int) (hurt.start().value() - START.value()) + 28] ^= 1;
    List<WalReader.Stop> stops = new ArrayList<>();
    List<Long> xids = new ArrayList<>();
    WalReader reader =
        new WalReader(
            CLUSTER,
            ONE,
            START,
            new WalListener() {
              @Override
              public void stopped(WalReader.Stop stop) {
                stops.add(stop);
              }

              @Override
              public void transactionEnded(Lsn at, long xid, Instant time, boolean committed) {
                xids.add(xid);
              }
            });
    reader.feed(ByteBuffer.wrap(bytes));
    assertThat(xids).containsExactly(3L, 6L);
    assertThat(stops)
        .containsExactly(new WalReader.Stop(hurt.start(), "the record's checksum is wrong", true));
    assertThat(reader.stop()).isEmpty();
  }

  @Test
  void otherClustersAreRefused() {
    byte[] log = new SyntheticLog(CLUSTER, new Timeline(2), START).commitAndAll();
    assertRefused(new ClusterIdentity(-78, 15, size()), new Timeline(2), log, "system identifier");
    assertRefused(cluster(16), new Timeline(2), log, "major version");
    assertRefused(CLUSTER, ONE, log, "timeline");
    ClusterIdentity longer = new ClusterIdentity(-77, 15, new WalSegmentSize(16 * MIB));
    WalReader reader = new WalReader(longer, new Timeline(2), new Lsn(16L * MIB));
    byte[] there = new SyntheticLog(CLUSTER, ONE, new Lsn(16L * MIB)).commitAndAll();
    assertThatThrownBy(() -> reader.feed(there, 0, there.length))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("segment size 1048576, expected 16777216");
    assertThatThrownBy(() -> new WalReader(cluster(13), ONE, START))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("PostgreSQL 13 is not supported");
  }

  @Property(tries = 300)
  void anyChangedBitOnlyTakesMarksAway(
      @ForAll Random random, @ForAll @IntRange(min = 14, max = 18) int major) {
    ClusterIdentity cluster = cluster(major);
    SyntheticLog log = new SyntheticLog(cluster, ONE, START);
    for (int i = 0; i < 40; i++) {
      log.commit(100 + i, NOON.plusSeconds(i));
      log.filler(random.nextInt(30_000));
      if (i % 10 == 0) {
        log.restorePoint("p" + i, NOON);
      }
    }
    byte[] bytes = log.all();
    int bit = random.nextInt(bytes.length * 8);
    bytes[bit / 8] ^= (byte) (1 << bit % 8);
    List<SyntheticLog.Rec> seen = new ArrayList<>();
    WalReader reader = new WalReader(cluster, ONE, START, collect(seen));
    try {
      int at = 0;
      while (at < bytes.length) {
        int step = Math.min(bytes.length - at, 1 + random.nextInt(20_000));
        reader.feed(bytes, at, step);
        at += step;
      }
    } catch (BackupException e) {
      assertThat(e.code()).isEqualTo("wal.identity-mismatch");
    }
    for (SyntheticLog.Rec event : seen) {
      assertThat(log.records())
          .anyMatch(
              rec ->
                  rec.start().equals(event.start())
                      && rec.xid() == event.xid()
                      && rec.time().equals(event.time())
                      && rec.name().equals(event.name()));
    }
    long events = log.records().stream().filter(r -> r.kind() != SyntheticLog.Kind.OTHER).count();
    assertThat(seen.size()).isLessThanOrEqualTo((int) events);
  }

  @Property(tries = 500)
  void anyBytesOnlyStopTheReading(@ForAll @Size(max = 20_000) byte[] bytes, @ForAll Random random) {
    byte[] log = new SyntheticLog(CLUSTER, ONE, START).commitAndAll();
    WalReader reader = new WalReader(CLUSTER, ONE, START);
    int real = random.nextInt(log.length + 1);
    reader.feed(log, 0, real);
    try {
      reader.feed(ByteBuffer.wrap(bytes));
      assertThat(reader.position()).isEqualTo(START.plus(real + bytes.length));
    } catch (BackupException e) {
      // A whole header is there, and it names another cluster.
      assertThat(e.code()).isEqualTo("wal.identity-mismatch");
    }
    assertThat(reader.lastRecord().map(lsn -> lsn.compareTo(START.plus(40)) == 0).orElse(true))
        .isTrue();
  }

  private static WalListener collect(List<SyntheticLog.Rec> seen) {
    return new WalListener() {
      @Override
      public void transactionEnded(Lsn at, long xid, Instant time, boolean committed) {
        seen.add(new SyntheticLog.Rec(at, at, SyntheticLog.Kind.COMMIT, xid, time, ""));
      }

      @Override
      public void restorePoint(WalMarks.RestorePoint point) {
        seen.add(
            new SyntheticLog.Rec(
                point.position(),
                point.position(),
                SyntheticLog.Kind.RESTORE_POINT,
                0,
                point.time(),
                point.name()));
      }
    };
  }

  private static WalSegmentSize size() {
    return CLUSTER.segmentSize();
  }

  private static void assertRefused(
      ClusterIdentity cluster, Timeline timeline, byte[] log, String what) {
    WalReader reader = new WalReader(cluster, timeline, START);
    assertThatThrownBy(() -> reader.feed(log, 0, log.length))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining(what)
        .extracting("code")
        .isEqualTo("wal.identity-mismatch");
  }
}
