package com.thorbis.backup.storage.internal.retention;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DescentTest {
  private static final ClusterIdentity CLUSTER = new ClusterIdentity(7, 15, WalSegmentSize.DEFAULT);
  private static final SourceInfo.Incarnation FIRST = life("a", Optional.empty());

  @Test
  void eachTimelineCameFromTheOneItsHistoryNamesLast() {
    assertThat(
            Descent.of(
                source(FIRST),
                Set.of(line("a", 1), line("a", 3)),
                Map.of(line("a", 3), history("1\t0/5000000\tx", "2\t0/7000000\ty"))))
        .containsExactlyInAnyOrder(
            branch("a", 3, "a", 2, "0/7000000"), branch("a", 2, "a", 1, "0/5000000"));
  }

  @Test
  void whatAHistoryOfItsOwnSaysCountsMoreThanThatOfADescendant() {
    assertThat(
            Descent.of(
                source(FIRST),
                Set.of(),
                Map.of(
                    line("a", 3), history("1\t0/5000000\tx", "2\t0/7000000\ty"),
                    line("a", 2), history("1\t0/4000000\tx"))))
        .containsExactlyInAnyOrder(
            branch("a", 3, "a", 2, "0/7000000"), branch("a", 2, "a", 1, "0/4000000"));
  }

  @Test
  void aServerSetBackToBeforeItsTimelineBeganCameFromTheOneThatHadBegun() {
    assertThat(
            Descent.of(
                source(FIRST),
                Set.of(),
                Map.of(
                    line("a", 4),
                    history("1\t0/5000000\tx", "2\t0/7000000\ty", "3\t0/6000000\tz"))))
        .containsExactlyInAnyOrder(
            branch("a", 4, "a", 2, "0/6000000"), branch("a", 2, "a", 1, "0/5000000"));
  }

  @Test
  void anAdoptedClusterSharesTheLifeItLeftAsFarAsItWasRestored() {
    SourceInfo.Incarnation second = life("b", fork("a", 1, "0/6000000"));
    assertThat(
            Descent.of(
                source(FIRST, second),
                Set.of(line("a", 1), line("b", 2)),
                Map.of(line("b", 2), history("1\t0/6500000\tx"))))
        .containsExactly(branch("b", 2, "a", 1, "0/6000000"));
  }

  @Test
  void anAdoptedClusterThatGoesOnWithTheTimelineIsAnotherLine() {
    SourceInfo.Incarnation second = life("b", fork("a", 1, "0/6000000"));
    assertThat(
            Descent.of(
                source(FIRST, second),
                Set.of(line("a", 1), line("b", 1), line("b", 2)),
                Map.of(line("b", 2), history("1\t0/6500000\tx"))))
        .containsExactlyInAnyOrder(
            branch("b", 2, "b", 1, "0/6500000"), branch("b", 1, "a", 1, "0/6000000"));
  }

  @Test
  void whereNoHistoryIsStoredNothingIsSaid() {
    SourceInfo.Incarnation second = life("b", fork("a", 1, "0/6000000"));
    assertThat(Descent.of(source(FIRST, second), Set.of(line("a", 1), line("b", 3)), Map.of()))
        .isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "#",
        "nothing",
        "0\t0/1\tx",
        "1\t1\tx",
        "2\t0/5\tx\n1\t0/6\ty",
        "9\t0/5\tx",
        "3\t0/5\tx"
      })
  void aFileThatIsNoHistorySaysNothing(String content) {
    assertThat(Descent.of(source(FIRST), Set.of(), Map.of(line("a", 3), history(content))))
        .isEmpty();
  }

  private static SourceInfo source(SourceInfo.Incarnation... lives) {
    return new SourceInfo("orders", "postgres", List.of(lives));
  }

  private static SourceInfo.Incarnation life(String id, Optional<SourceInfo.Fork> fork) {
    return new SourceInfo.Incarnation(id, CLUSTER, fork);
  }

  private static Optional<SourceInfo.Fork> fork(String parent, int timeline, String position) {
    return Optional.of(new SourceInfo.Fork(parent, new Timeline(timeline), Lsn.parse(position)));
  }

  private static Line line(String life, int timeline) {
    return new Line(life, new Timeline(timeline));
  }

  private static Branch branch(
      String life, int timeline, String parent, int parentTimeline, String position) {
    return new Branch(line(life, timeline), line(parent, parentTimeline), Lsn.parse(position));
  }

  private static byte[] history(String... lines) {
    return String.join("\n", lines).getBytes(StandardCharsets.UTF_8);
  }
}
