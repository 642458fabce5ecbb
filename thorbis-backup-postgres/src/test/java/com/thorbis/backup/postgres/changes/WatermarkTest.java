package com.thorbis.backup.postgres.changes;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class WatermarkTest {
  private static final Instant NOW = Instant.parse("2026-03-01T12:00:00Z");
  private static final Duration MARGIN = Duration.ofMinutes(10);
  private static final Optional<Instant> BEFORE =
      Optional.of(Instant.parse("2026-02-01T00:00:00Z"));

  @Test
  void withNobodyOpenItIsTheClock() {
    assertThat(new Watermark(NOW, Optional.empty(), true).from(MARGIN, BEFORE))
        .contains(NOW.minus(MARGIN));
  }

  @Test
  void theOldestOpenTransactionHoldsItBack() {
    Instant begun = NOW.minusSeconds(86_400);
    assertThat(new Watermark(NOW, Optional.of(begun), true).from(MARGIN, BEFORE))
        .contains(begun.minus(MARGIN));
    assertThat(new Watermark(NOW, Optional.of(NOW.plusSeconds(5)), true).from(MARGIN, BEFORE))
        .contains(NOW.minus(MARGIN));
  }

  @Test
  void whereSomebodyCannotBeSeenItStaysWhereItWas() {
    Watermark hidden = new Watermark(NOW, Optional.of(NOW), false);
    assertThat(hidden.from(MARGIN, BEFORE)).isEqualTo(BEFORE);
    assertThat(hidden.from(MARGIN, Optional.empty())).isEmpty();
  }

  @Test
  void theServerReadsItAsItIs() {
    Instant time = Instant.parse("2026-01-01T03:04:05.000006789Z");
    assertThat(Watermark.literal(time))
        .isEqualTo("'2026-01-01 03:04:05.000006+00'::pg_catalog.timestamptz");
    assertThat(Watermark.literalWithoutZone(time))
        .isEqualTo("'2025-12-31 11:04:05.000006'::pg_catalog.timestamp");
  }
}
