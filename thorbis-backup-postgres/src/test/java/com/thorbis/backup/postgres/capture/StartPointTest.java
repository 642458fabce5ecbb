package com.thorbis.backup.postgres.capture;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.support.MemoryWalArchive;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class StartPointTest {
  private static final WalSegmentSize SIZE = new WalSegmentSize(1 << 20);
  private static final Timeline ONE = new Timeline(1);
  private static final Timeline TWO = new Timeline(2);

  private final MemoryWalArchive archive =
      new MemoryWalArchive("life", new ClusterIdentity(7, 15, SIZE));

  @Test
  void whatABackupStoredBeyondAHoleDoesNotHideTheHole() throws IOException {
    store(ONE, 1, 2);
    store(ONE, 8, 9);
    assertThat(next(ONE, Optional.of(at(3)))).isEqualTo(new WalPosition(at(3), ONE));
  }

  @Test
  void aSlotInsideAStretchGoesOnBehindIt() throws IOException {
    store(ONE, 1, 4);
    assertThat(next(ONE, Optional.of(at(2).plus(100)))).isEqualTo(new WalPosition(at(5), ONE));
  }

  @Test
  void aNewSlotAsksForWhatFollowsTheLastStretchBeforeIt() throws IOException {
    store(ONE, 1, 2);
    assertThat(next(ONE, Optional.of(at(6)))).isEqualTo(new WalPosition(at(3), ONE));
  }

  @Test
  void anEmptyArchiveStartsWhereTheSlotKeepsWal() throws IOException {
    assertThat(next(ONE, Optional.of(at(6).plus(5)))).isEqualTo(new WalPosition(at(6), ONE));
  }

  @Test
  void theTailOfAnEarlierTimelineComesFirst() throws IOException {
    store(ONE, 1, 2);
    store(TWO, 5, 6);
    assertThat(next(TWO, Optional.of(at(3)))).isEqualTo(new WalPosition(at(3), ONE));
    store(ONE, 3, 4);
    assertThat(next(TWO, Optional.of(at(3)))).isEqualTo(new WalPosition(at(5), TWO));
    assertThat(next(TWO, Optional.of(at(6)))).isEqualTo(new WalPosition(at(7), TWO));
  }

  private WalPosition next(Timeline timeline, Optional<Lsn> kept) throws IOException {
    TimelineHistory history =
        timeline.equals(ONE)
            ? TimelineHistory.first(ONE)
            : TimelineHistory.parse(
                TWO,
                ("1\t" + at(5) + "\tno recovery target\n")
                    .getBytes(java.nio.charset.StandardCharsets.US_ASCII));
    return StartPoint.next(new SystemIdentity(7, timeline, at(20)), history, archive, kept, SIZE);
  }

  private void store(Timeline timeline, int first, int last) throws IOException {
    for (int number = first; number <= last; number++) {
      archive.storeSegment(
          new WalSegment(timeline, number, SIZE), ByteBuffer.allocate(SIZE.bytes()), WalMarks.NONE);
    }
  }

  private static Lsn at(int segment) {
    return new Lsn((long) segment * SIZE.bytes());
  }
}
