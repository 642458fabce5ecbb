package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalArchive.Stored;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.testkit.MemoryObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WalArchiveTest {
  @TempDir Path state;

  private final MemoryObjectStore store =
      MemoryObjectStore.create(TestRepository.CLOCK, 3); // every listing has several pages
  private Repository repository;
  private WalArchive wal;

  @BeforeEach
  void open() throws IOException {
    repository = TestRepository.create(store, state);
    wal = repository.wal("orders");
  }

  @AfterEach
  void close() throws IOException {
    repository.close();
  }

  @Test
  void aSegmentComesBackAsItWas() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    ByteBuffer content = ByteBuffer.wrap(bytes);
    assertThat(wal.open(segment)).isEmpty();
    assertThat(wal.marks(segment)).isEmpty();
    assertThat(wal.storeSegment(segment, content, marks(1))).isEqualTo(Stored.WRITTEN);
    assertThat(content.hasRemaining()).isFalse();
    assertWhole(segment, bytes);
    assertThat(wal.marks(segment)).contains(marks(1));
  }

  @Test
  void w10WhyLogIsMissingIsWrittenDownOnceAndStays() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    Lsn start = segment.start().plus(100);
    WalRange missing = new WalRange(segment.timeline(), start, segment.end().plus(1 << 20));
    assertThat(wal.recordedGap(segment.timeline(), start)).isEmpty();
    wal.recordGap(missing, TestRepository.NOW, "the slot was dropped");
    wal.recordGap(missing, TestRepository.NOW.plusSeconds(60), "something else");
    assertThat(wal.recordedGap(segment.timeline(), start))
        .contains(
            new WalGap(
                missing, Optional.of(TestRepository.NOW), Optional.of("the slot was dropped")));
    assertThat(wal.recordedGap(segment.timeline(), segment.start()))
        .as("the log may end elsewhere in its segment")
        .isPresent();
    assertThat(wal.recordedGap(segment.timeline(), segment.end())).isEmpty();
    assertThat(wal.recordedGap(new Timeline(9), start)).isEmpty();
    assertThat(wal.ranges(segment.timeline())).isEmpty();
    assertThat(wal.open(segment)).isEmpty();
    wal.storeSegment(segment, ByteBuffer.wrap(TestRepository.wal(segment, 1)), WalMarks.NONE);
    assertThat(wal.ranges(segment.timeline())).hasSize(1);
    assertThat(
            repository
                .verify(
                    new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
                    RunControl.unattended())
                .damaged())
        .isEmpty();
  }

  @Test
  void aDamagedRecordOfMissingLogIsNotTakenForNone() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    wal.recordGap(
        new WalRange(segment.timeline(), segment.start(), segment.end()),
        TestRepository.NOW,
        "the slot was dropped");
    ObjectKey key =
        store.contents().keySet().stream()
            .filter(name -> name.endsWith(".gap"))
            .map(ObjectKey::new)
            .findFirst()
            .orElseThrow();
    store.flipBit(key, 8L * (store.content(key).length - 3));
    assertThatThrownBy(() -> wal.recordedGap(segment.timeline(), segment.start()))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
    assertThat(
            repository
                .verify(
                    new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
                    RunControl.unattended())
                .damaged())
        .singleElement()
        .satisfies(damage -> assertThat(damage.referenced()).isFalse());
  }

  @Test
  void anyKindOfBufferWillDo() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    ByteBuffer direct = ByteBuffer.allocateDirect(bytes.length + 7).position(7).put(bytes);
    wal.storeSegment(segment, direct.flip().position(7), WalMarks.NONE);
    assertWhole(segment, bytes);
    ByteBuffer readOnly = ByteBuffer.wrap(bytes).asReadOnlyBuffer();
    assertThat(wal.storeSegment(segment, readOnly, WalMarks.NONE))
        .isEqualTo(Stored.ALREADY_PRESENT);
    ByteBuffer slice = ByteBuffer.wrap(new byte[bytes.length + 9], 9, bytes.length).slice();
    slice.put(bytes).flip();
    assertThat(wal.storeSegment(segment, slice, WalMarks.NONE)).isEqualTo(Stored.ALREADY_PRESENT);
  }

  @Test
  void w2TheSameAgainIsThereAlreadyAndOtherBytesAreAConflict() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    wal.storeSegment(segment, ByteBuffer.wrap(bytes), WalMarks.NONE);
    assertThat(wal.storeSegment(segment, ByteBuffer.wrap(bytes), WalMarks.NONE))
        .isEqualTo(Stored.ALREADY_PRESENT);
    byte[] other = bytes.clone();
    other[500_000] ^= 1;
    assertConflict(() -> wal.storeSegment(segment, ByteBuffer.wrap(other), WalMarks.NONE));
    assertWhole(segment, bytes);
  }

  @Test
  void aSummaryIsKeptOnceAndIsNoLog() throws IOException {
    Timeline timeline = TestRepository.TIMELINE;
    Lsn start = new Lsn(5 * wal.summarySpan());
    assertThat(wal.summary(timeline, start)).isEmpty();
    assertThat(wal.storeSummary(timeline, start, new byte[] {1, 2})).isEqualTo(Stored.WRITTEN);
    assertThat(wal.storeSummary(timeline, start, new byte[] {3})).isEqualTo(Stored.ALREADY_PRESENT);
    assertThat(wal.summary(timeline, start)).contains(new byte[] {1, 2});
    assertThat(wal.summary(new Timeline(9), start)).isEmpty();
    assertThat(wal.ranges(timeline)).isEmpty();
    assertThat(wal.open(WalSegment.containing(timeline, start, wal.cluster().segmentSize())))
        .isEmpty();
    assertThatThrownBy(() -> wal.summary(timeline, start.plus(1 << 20)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void w8AHistoryFileIsWrittenOnce() throws IOException {
    byte[] history = "1\t0/300000\tbefore\n".getBytes(StandardCharsets.UTF_8);
    Timeline two = new Timeline(2);
    assertThat(wal.history(two)).isEmpty();
    assertThat(wal.storeHistory(two, history)).isEqualTo(Stored.WRITTEN);
    assertThat(wal.storeHistory(two, history)).isEqualTo(Stored.ALREADY_PRESENT);
    assertConflict(() -> wal.storeHistory(two, new byte[] {1}));
    assertThat(wal.history(two)).hasValueSatisfying(found -> assertThat(found).isEqualTo(history));
    assertThat(wal.timelines()).containsExactly(two);
  }

  @Test
  void w10WalOfAnotherClusterIsRefused() {
    WalSegment segment = TestRepository.segment(1, 5);
    assertMismatch(TestRepository.wal(segment, 1, 42), segment);
    assertMismatch(TestRepository.wal(TestRepository.segment(1, 6), 1), segment); // another place
    assertMismatch(TestRepository.wal(TestRepository.segment(2, 5), 1), segment); // later timeline
    assertMismatch(new byte[1 << 20], segment);
    WalSegment larger = new WalSegment(new Timeline(1), 5, new WalSegmentSize(2 << 20));
    assertThatThrownBy(
            () ->
                wal.storeSegment(
                    larger, ByteBuffer.wrap(TestRepository.wal(larger, 1)), WalMarks.NONE))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> assertThat(e.code()).isEqualTo("wal.identity-mismatch"));
    assertThat(store.contents().keySet()).noneMatch(key -> key.startsWith("wal/"));
  }

  @Test
  void w3AShortSegmentIsRefused() {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    assertThatThrownBy(
            () ->
                wal.storeSegment(
                    segment, ByteBuffer.wrap(bytes, 0, bytes.length / 2), WalMarks.NONE))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> assertThat(e.code()).isEqualTo("wal.segment-incomplete"));
  }

  @Test
  void partsFollowEachOther() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    storePart(wal, segment, bytes, 0, 8192);
    storePart(wal, segment, bytes, 8192, 100);
    storePart(wal, segment, bytes, 8292, 300_000);
    assertPartial(segment, bytes, 308_292);
    assertThat(wal.ranges(TestRepository.TIMELINE))
        .containsExactly(range(1, segment.start(), segment.start().plus(308_292)));
    // Another process goes on where this one stopped.
    try (Repository other =
        TestRepository.FACTORY.open(TestRepository.setup(store, state).build())) {
      storePart(other.wal("orders"), segment, bytes, 308_292, 1000);
    }
    storePart(wal, segment, bytes, 309_292, 50);
    assertPartial(segment, bytes, 309_342);
    assertThat(wal.storeSegment(segment, ByteBuffer.wrap(bytes), WalMarks.NONE))
        .isEqualTo(Stored.WRITTEN);
    assertWhole(segment, bytes);
    assertThat(wal.ranges(TestRepository.TIMELINE))
        .containsExactly(range(1, segment.start(), segment.end()));
  }

  @Test
  void whatAPartHoldsAlreadyIsComparedAndNotStoredTwice() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    storePart(wal, segment, bytes, 0, 8192);
    assertThat(part(segment, bytes, 0, 8192)).isEqualTo(Stored.ALREADY_PRESENT);
    assertThat(part(segment, bytes, 0, 4000)).isEqualTo(Stored.ALREADY_PRESENT);
    assertThat(part(segment, bytes, 4000, 4192)).isEqualTo(Stored.ALREADY_PRESENT);
    assertThat(part(segment, bytes, 0, 10_000)).isEqualTo(Stored.WRITTEN);
    assertPartial(segment, bytes, 10_000);
    byte[] other = bytes.clone();
    other[100] ^= 1;
    assertConflict(() -> part(segment, other, 0, 8192));
    assertConflict(() -> part(segment, other, 50, 100));
    assertConflict(() -> wal.storeSegment(segment, ByteBuffer.wrap(other), WalMarks.NONE));
    assertThatThrownBy(() -> part(segment, bytes, 20_000, 10))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("wal.not-contiguous");
              assertThat(e.details()).containsEntry("end", "10000");
            });
    assertPartial(segment, bytes, 10_000);
  }

  @Test
  void aPartOfAStoredSegmentIsThereAlready() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    wal.storeSegment(segment, ByteBuffer.wrap(bytes), WalMarks.NONE);
    assertThat(part(segment, bytes, 500, 100)).isEqualTo(Stored.ALREADY_PRESENT);
    byte[] other = bytes.clone();
    other[550] ^= 1;
    assertConflict(() -> part(segment, other, 500, 100));
  }

  @Test
  void partsToTheEndAreAWholeSegment() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    storePart(wal, segment, bytes, 0, 1 << 19);
    storePart(wal, segment, bytes, 1 << 19, 1 << 19);
    assertWhole(segment, bytes);
    assertThat(wal.ranges(TestRepository.TIMELINE))
        .containsExactly(range(1, segment.start(), segment.end()));
  }

  @Test
  void marksOfPartsAddUp() throws IOException {
    WalSegment segment = TestRepository.segment(1, 5);
    byte[] bytes = TestRepository.wal(segment, 1);
    wal.storePart(segment, 0, ByteBuffer.wrap(bytes, 0, 100), marks(10));
    wal.storePart(segment, 100, ByteBuffer.wrap(bytes, 100, 100), marks(2));
    WalMarks sum = wal.marks(segment).orElseThrow();
    assertThat(sum.firstEnd()).isEqualTo(marks(2).firstEnd());
    assertThat(sum.lastEnd()).isEqualTo(marks(10).lastEnd());
    assertThat(sum.leastXid()).hasValue(2);
    assertThat(sum.mostXid()).hasValue(110);
    assertThat(sum.restorePoints()).hasSize(2);
    assertThat(sum.lastRecord()).isEqualTo(marks(2).lastRecord());
    assertThat(sum.asOf()).isEqualTo(marks(2).asOf());
  }

  @Test
  void aHoleSplitsTheRanges() throws IOException {
    for (int number : new int[] {1, 2, 3, 5, 6, 9, 4095, 4096, 4097}) {
      WalSegment segment = TestRepository.segment(1, number);
      wal.storeSegment(
          segment, ByteBuffer.wrap(TestRepository.wal(segment, number)), WalMarks.NONE);
    }
    assertThat(wal.ranges(TestRepository.TIMELINE))
        .containsExactly(
            range(1, new Lsn(1 << 20), new Lsn(4 << 20)),
            range(1, new Lsn(5 << 20), new Lsn(7 << 20)),
            range(1, new Lsn(9 << 20), new Lsn(10 << 20)),
            range(1, new Lsn(4095L << 20), new Lsn(4098L << 20)));
    assertThat(wal.ranges(new Timeline(2))).isEmpty();
    assertThat(wal.timelines()).containsExactly(TestRepository.TIMELINE);
  }

  @Test
  void manyTimelinesAreFoundOverManyPages() throws IOException {
    for (int timeline : new int[] {1, 2, 9, 10, 16, 255}) {
      for (int number = 1; number <= 4; number++) {
        WalSegment segment = TestRepository.segment(timeline, number);
        wal.storeSegment(
            segment, ByteBuffer.wrap(TestRepository.wal(segment, number)), WalMarks.NONE);
      }
    }
    assertThat(wal.timelines()).extracting(Timeline::number).containsExactly(1, 2, 9, 10, 16, 255);
  }

  @Test
  void anAdoptedIncarnationReachesBackIntoItsParent() throws IOException {
    WalSegment shared = TestRepository.segment(1, 3);
    WalSegment later = TestRepository.segment(1, 9);
    byte[] bytes = TestRepository.wal(shared, 1);
    wal.storeSegment(shared, ByteBuffer.wrap(bytes), WalMarks.NONE);
    byte[] history = "1\t0/380000\tadopted\n".getBytes(StandardCharsets.UTF_8);
    SourceInfo.Fork fork =
        new SourceInfo.Fork(wal.incarnation(), TestRepository.TIMELINE, Lsn.parse("0/380000"));
    SourceInfo info = repository.adopt("orders", TestRepository.CLUSTER, fork);
    assertThat(info.incarnations()).hasSize(2);
    assertThat(info.current().fork()).contains(fork);
    WalArchive adopted = repository.wal("orders");
    assertThat(adopted.incarnation()).isNotEqualTo(wal.incarnation());
    assertThat(adopted.open(shared).orElseThrow().bytes()).isEqualTo(ByteBuffer.wrap(bytes));
    assertThat(adopted.ranges(TestRepository.TIMELINE))
        .isEqualTo(wal.ranges(TestRepository.TIMELINE));
    assertThat(adopted.timelines()).containsExactly(TestRepository.TIMELINE);

    // The same again is there; what the parent went on to write is not this incarnation's.
    assertThat(adopted.storeSegment(shared, ByteBuffer.wrap(bytes), WalMarks.NONE))
        .isEqualTo(Stored.ALREADY_PRESENT);
    assertThatThrownBy(
            () ->
                adopted.storeSegment(
                    later, ByteBuffer.wrap(TestRepository.wal(later, 1)), WalMarks.NONE))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> assertThat(e.code()).isEqualTo("wal.identity-mismatch"));

    // Both go their own way on timeline 2, and neither sees the other's.
    adopted.storeHistory(new Timeline(2), history);
    WalSegment own = TestRepository.segment(2, 3);
    adopted.storeSegment(own, ByteBuffer.wrap(TestRepository.wal(own, 2)), WalMarks.NONE);
    assertThat(adopted.timelines()).hasSize(2);
    assertThat(wal.open(own)).isEmpty();
    assertThat(wal.history(new Timeline(2))).isEmpty();
    wal.storeSegment(own, ByteBuffer.wrap(TestRepository.wal(own, 3)), WalMarks.NONE);
    assertThat(adopted.open(own).orElseThrow().bytes())
        .isEqualTo(ByteBuffer.wrap(TestRepository.wal(own, 2)));
    assertThat(repository.wal("orders", wal.incarnation())).isSameAs(wal);
  }

  @Test
  void largeSegmentsAreStoredInParts() throws IOException {
    ClusterIdentity cluster =
        new ClusterIdentity(TestRepository.CLUSTER.systemId(), 15, new WalSegmentSize(64 << 20));
    repository.register("large", "postgres", cluster);
    WalArchive large = repository.wal("large");
    WalSegment segment = new WalSegment(new Timeline(1), 1, cluster.segmentSize());
    byte[] bytes = TestRepository.wal(segment, 1);
    assertThat(large.storeSegment(segment, ByteBuffer.wrap(bytes), marks(1)))
        .isEqualTo(Stored.WRITTEN);
    assertThat(store.contents().keySet().stream().filter(key -> key.startsWith("wal/")))
        .hasSize(4)
        .allMatch(key -> key.charAt(key.length() - 9) == '.');
    WalArchive.WalContent content = large.open(segment).orElseThrow();
    assertThat(content.complete()).isTrue();
    assertThat(content.bytes()).isEqualTo(ByteBuffer.wrap(bytes));
    assertThat(large.storeSegment(segment, ByteBuffer.wrap(bytes), marks(1)))
        .isEqualTo(Stored.ALREADY_PRESENT);
  }

  private static WalMarks marks(int seed) {
    Instant time = Instant.parse("2026-01-02T03:04:05.123456Z").plusSeconds(seed);
    return new WalMarks(
        Optional.of(time),
        Optional.of(time.plusSeconds(1)),
        OptionalLong.of(seed),
        OptionalLong.of(seed + 100),
        List.of(new WalMarks.RestorePoint("before \"x\"\n", new Lsn(seed), time)),
        Optional.of(new Lsn(0xFFFFFFFF00000000L + seed)),
        Optional.of(time.plusSeconds(2)));
  }

  private Stored part(WalSegment segment, byte[] bytes, int offset, int length) throws IOException {
    return wal.storePart(segment, offset, ByteBuffer.wrap(bytes, offset, length), WalMarks.NONE);
  }

  private static void storePart(
      WalArchive to, WalSegment segment, byte[] bytes, int offset, int length) throws IOException {
    assertThat(to.storePart(segment, offset, ByteBuffer.wrap(bytes, offset, length), WalMarks.NONE))
        .isEqualTo(Stored.WRITTEN);
  }

  private void assertWhole(WalSegment segment, byte[] bytes) throws IOException {
    WalArchive.WalContent found = wal.open(segment).orElseThrow();
    assertThat(found.complete()).isTrue();
    assertThat(found.bytes()).isEqualTo(ByteBuffer.wrap(bytes));
  }

  private void assertPartial(WalSegment segment, byte[] bytes, int length) throws IOException {
    WalArchive.WalContent found = wal.open(segment).orElseThrow();
    assertThat(found.complete()).isFalse();
    assertThat(found.bytes()).isEqualTo(ByteBuffer.wrap(bytes, 0, length));
  }

  private void assertMismatch(byte[] bytes, WalSegment segment) {
    assertThatThrownBy(() -> wal.storeSegment(segment, ByteBuffer.wrap(bytes), WalMarks.NONE))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("wal.identity-mismatch");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
            });
  }

  private static void assertConflict(ThrowingCallable action) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("wal.conflict");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
            });
  }

  private static WalRange range(int timeline, Lsn start, Lsn end) {
    return new WalRange(new Timeline(timeline), start, end);
  }
}
