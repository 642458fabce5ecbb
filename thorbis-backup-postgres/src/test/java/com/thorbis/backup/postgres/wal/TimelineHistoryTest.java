package com.thorbis.backup.postgres.wal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TimelineHistoryTest {
  private static final Timeline TEN = new Timeline(10);

  @Test
  void namesAreHexadecimalAndContentIsDecimal() {
    TimelineHistory history =
        parse(
            TimelineHistory.timelineOf("00000010.history"),
            "# made by hand\n1\t0/3000148\tno recovery target specified\n\n"
                + "  10 \tA/BC  after \"x\" \r\n15\tB/1\n");
    assertThat(history.timeline()).isEqualTo(new Timeline(16));
    assertThat(history.ancestors())
        .containsExactly(
            new TimelineHistory.Ancestor(
                new Timeline(1), Lsn.parse("0/3000148"), "no recovery target specified"),
            new TimelineHistory.Ancestor(TEN, Lsn.parse("A/BC"), "after \"x\""),
            new TimelineHistory.Ancestor(new Timeline(15), Lsn.parse("B/1"), ""));
    assertThat(TimelineHistory.parse(history.timeline(), history.format())).isEqualTo(history);
    assertThat(history.contains(TEN)).isTrue();
    assertThat(history.contains(new Timeline(2))).isFalse();
    assertThat(history.switchPoint(TEN)).contains(Lsn.parse("A/BC"));
    assertThat(history.owner(Lsn.parse("0/3000147"))).isEqualTo(new Timeline(1));
    assertThat(history.owner(Lsn.parse("0/3000148"))).isEqualTo(TEN);
    assertThat(history.owner(Lsn.parse("A/BB"))).isEqualTo(TEN);
    assertThat(history.owner(Lsn.parse("B/0"))).isEqualTo(new Timeline(15));
    assertThat(history.owner(Lsn.parse("B/1"))).isEqualTo(new Timeline(16));
  }

  @Test
  void timelineThatEndedBeforeItBeganOwnsNothing() {
    // Recovery along timeline 2 that ended on timeline 1, before 2 had left it.
    TimelineHistory history = parse(new Timeline(3), "1\t0/500\tx\n2\t0/300\tx\n");
    assertThat(history.pieces())
        .containsExactly(
            new TimelineHistory.Piece(new Timeline(1), new Lsn(0), Optional.of(Lsn.parse("0/300"))),
            new TimelineHistory.Piece(new Timeline(3), Lsn.parse("0/300"), Optional.empty()));
    assertThat(history.owner(Lsn.parse("0/400"))).isEqualTo(new Timeline(3));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "# nothing\n",
        "1\n",
        "one\t0/1\tx\n",
        "0\t0/1\tx\n",
        "4294967296\t0/1\tx\n",
        "1\t0/123456789\tx\n",
        "1\tx\n",
        "2\t0/1\tx\n1\t0/2\tx\n",
        "1\t0/1\tx\n1\t0/2\tx\n",
        "10\t0/1\tx\n",
        "11\t0/1\tx\n",
        "-1\t0/1\tx\n",
        "1\t0/1x\n",
        "99999999999\t0/1\tx\n"
      })
  void whatIsNoHistoryIsRefused(String text) {
    assertThatThrownBy(() -> parse(TEN, text))
        .isInstanceOf(BackupException.class)
        .hasMessageStartingWith("0000000A.history: ")
        .extracting("code")
        .isEqualTo("wal.history-invalid");
  }

  @Test
  void lengthIsBounded() {
    assertThatThrownBy(() -> TimelineHistory.parse(TEN, new byte[TimelineHistory.MAX_BYTES + 1]))
        .isInstanceOf(BackupException.class);
  }

  @Property
  void anyBytesAreAHistoryOrRefused(@ForAll byte[] content) {
    try {
      TimelineHistory history = TimelineHistory.parse(TEN, content);
      assertThat(history.ancestors()).isNotEmpty();
    } catch (BackupException e) {
      assertThat(e.code()).isEqualTo("wal.history-invalid");
    }
  }

  @Property
  void everyTimelineAndSegmentSizeKeepsItsName(
      @ForAll int number,
      @ForAll @IntRange(min = 20, max = 30) int sizeBits,
      @ForAll long position) {
    Timeline timeline = new Timeline(number == 0 ? 1 : number);
    assertThat(TimelineHistory.timelineOf(timeline.historyFileName())).isEqualTo(timeline);
    WalSegmentSize size = new WalSegmentSize(1 << sizeBits);
    WalSegment segment = WalSegment.containing(timeline, new Lsn(position), size);
    assertThat(WalSegment.parse(segment.fileName(), size)).isEqualTo(segment);
    assertThat(segment.start()).isLessThanOrEqualTo(new Lsn(position));
    assertThat(new Lsn(position).value() - segment.start().value())
        .isBetween(0L, size.bytes() - 1L);
    if (timeline.number() != 1) {
      Timeline parent = new Timeline(timeline.number() - 1);
      TimelineHistory history = parse(timeline, parent + "\t" + new Lsn(position) + "\tpromoted\n");
      assertThat(history.switchPoint(parent).or(() -> Optional.of(new Lsn(0))))
          .contains(new Lsn(position));
    }
  }

  private static TimelineHistory parse(Timeline timeline, String text) {
    return TimelineHistory.parse(timeline, text.getBytes(StandardCharsets.UTF_8));
  }
}
