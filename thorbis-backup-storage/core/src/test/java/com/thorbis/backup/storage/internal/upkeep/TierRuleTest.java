package com.thorbis.backup.storage.internal.upkeep;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.repository.TierStep;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageTier;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where objects belong by their age, their vendor's least stays and what is expected of them. */
class TierRuleTest {
  private static final Instant NOW = Instant.parse("2026-11-26T06:00:00Z");
  private static final ObjectKey PACK =
      new ObjectKey("packs/" + "1".repeat(32) + "/" + "2".repeat(24) + "00000001");
  private static final ObjectKey MAPS =
      new ObjectKey("packs/" + "1".repeat(32) + "/" + "2".repeat(24) + "80000002");
  private static final ObjectKey LOG =
      new ObjectKey("wal/" + "1".repeat(32) + "/" + "3".repeat(16) + "/00000001/" + segment());

  private static final Predicate<StorageTier> FOR_EVER = Set.of(StorageTier.values())::contains;

  private static final Map<StorageTier, Duration> STAYS =
      Map.of(
          StorageTier.HOT, Duration.ZERO,
          StorageTier.WARM, Duration.ofDays(30),
          StorageTier.COLD, Duration.ofDays(90),
          StorageTier.ARCHIVE, Duration.ofDays(180));

  private final TierRule rule =
      new TierRule(
          List.of(
              new TierStep(Duration.ofDays(30), StorageTier.COLD),
              new TierStep(Duration.ofDays(150), StorageTier.ARCHIVE)),
          StorageTier.HOT,
          STAYS);

  private static String segment() {
    return "000000010000000000000001";
  }

  private static ObjectInfo object(ObjectKey key, int days, StorageTier tier) {
    return ObjectInfo.of(key, 1000, NOW.minus(Duration.ofDays(days))).in(tier, true);
  }

  @ParameterizedTest
  @CsvSource({
    "29, HOT, is younger than 30 days",
    "30, COLD, is older than 30 days",
    "149, COLD, is older than 30 days",
    "150, ARCHIVE, is older than 150 days"
  })
  void contentGoesWhereItsAgeBelongs(int days, StorageTier to, String reason) {
    TierRule.Decision decision = rule.decide(object(PACK, days, StorageTier.HOT), FOR_EVER, NOW);
    assertThat(decision).isEqualTo(new TierRule.Decision(to, reason));
  }

  @Test
  void whatIsReadToKnowWhatThereIsStays() {
    for (ObjectKey key :
        List.of(
            MAPS,
            new ObjectKey("commits/0000000000000001"),
            new ObjectKey("keys/a/b/c"),
            new ObjectKey("manifests/a/b"),
            new ObjectKey(LOG + ".00000000"),
            new ObjectKey("repository"))) {
      assertThat(rule.decide(object(key, 1000, StorageTier.HOT), FOR_EVER, NOW).to())
          .as(key.value())
          .isEqualTo(StorageTier.HOT);
    }
    assertThat(rule.decide(object(LOG, 1000, StorageTier.HOT), FOR_EVER, NOW).to())
        .isEqualTo(StorageTier.COLD);
  }

  @Test
  void nothingMovesThatWouldGoBeforeItsLeastStayIsOver() {
    ObjectInfo old = object(PACK, 150, StorageTier.HOT);
    TierRule.Decision shallower = rule.decide(old, tier -> tier == StorageTier.COLD, NOW);
    assertThat(shallower.to()).isEqualTo(StorageTier.COLD);
    TierRule.Decision stays = rule.decide(old, tier -> false, NOW);
    assertThat(stays.to()).isEqualTo(StorageTier.HOT);
    assertThat(stays.reason()).contains("expected to go").contains("180 days");
  }

  @Test
  void nothingLeavesATierBeforeItsLeastStayIsOver() {
    TierRule hasty =
        new TierRule(
            List.of(
                new TierStep(Duration.ofDays(30), StorageTier.COLD),
                new TierStep(Duration.ofDays(60), StorageTier.ARCHIVE)),
            StorageTier.HOT,
            STAYS);
    // Moving wrote it anew 40 days ago, when it was 30 days old.
    TierRule.Decision waits = hasty.decide(object(PACK, 40, StorageTier.COLD), FOR_EVER, NOW);
    assertThat(waits.to()).isEqualTo(StorageTier.COLD);
    assertThat(waits.reason()).contains("charged there for 90 days");
    assertThat(hasty.decide(object(PACK, 90, StorageTier.COLD), FOR_EVER, NOW).to())
        .isEqualTo(StorageTier.ARCHIVE);
  }

  @Test
  void ageIsTheSameWhetherAMoveWritesAnewOrNot() {
    ObjectInfo anew = object(PACK, 120, StorageTier.COLD);
    ObjectInfo kept =
        object(PACK, 150, StorageTier.COLD).tierSince(NOW.minus(Duration.ofDays(120)));
    for (ObjectInfo object : List.of(anew, kept)) {
      assertThat(rule.decide(object, FOR_EVER, NOW).to()).isEqualTo(StorageTier.ARCHIVE);
    }
    ObjectInfo younger =
        object(PACK, 149, StorageTier.COLD).tierSince(NOW.minus(Duration.ofDays(119)));
    assertThat(rule.decide(younger, FOR_EVER, NOW).to()).isEqualTo(StorageTier.COLD);
  }

  @Test
  void whatSomethingElseMovedDeeperIsNoticedAndLeft() {
    TierRule cold =
        new TierRule(
            List.of(new TierStep(Duration.ofDays(30), StorageTier.COLD)), StorageTier.HOT, STAYS);
    ObjectInfo told =
        object(PACK, 40, StorageTier.ARCHIVE).tierSince(NOW.minus(Duration.ofDays(5)));
    for (TierRule.Decision decision :
        List.of(
            cold.decide(object(PACK, 40, StorageTier.ARCHIVE), FOR_EVER, NOW),
            rule.decide(told, FOR_EVER, NOW))) {
      assertThat(decision.to()).isEqualTo(StorageTier.ARCHIVE);
      assertThat(decision.reason()).contains("deeper than asked for");
    }
  }

  @Test
  void whatSomebodyHadBroughtBackStaysAsLongAsThatWasAskedFor() {
    ObjectInfo back = object(PACK, 300, StorageTier.HOT);
    TierRule.Decision stays =
        rule.decide(back.tierSince(NOW.minus(Duration.ofDays(1))), FOR_EVER, NOW);
    assertThat(stays.to()).isEqualTo(StorageTier.HOT);
    assertThat(stays.reason()).contains("brought back");
    assertThat(rule.decide(back.tierSince(NOW.minus(Duration.ofDays(8))), FOR_EVER, NOW).to())
        .isEqualTo(StorageTier.ARCHIVE);
  }

  @Test
  void whatWasWrittenBeforeItsCopyHadATierIsSaidToBe() {
    TierRule cold = new TierRule(List.of(), StorageTier.COLD, STAYS);
    assertThat(cold.decide(object(PACK, 300, StorageTier.HOT), FOR_EVER, NOW).reason())
        .contains("no step names it");
  }

  @Test
  void whatCannotBeReadIsNotMoved() {
    TierRule archives =
        new TierRule(
            List.of(new TierStep(Duration.ofDays(30), StorageTier.ARCHIVE)),
            StorageTier.HOT,
            STAYS);
    ObjectInfo frozen =
        ObjectInfo.of(PACK, 1, NOW.minus(Duration.ofDays(300)))
            .offline(StorageTier.COLD, Duration.ofHours(5), false);
    assertThat(archives.decide(frozen, FOR_EVER, NOW).reason()).contains("brought back");
  }
}
