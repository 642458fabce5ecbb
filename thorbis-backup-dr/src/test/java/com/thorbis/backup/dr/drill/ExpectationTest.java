package com.thorbis.backup.dr.drill;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ExpectationTest {
  private static final Instant MOMENT = Instant.parse("2026-03-01T00:00:00Z");

  private static Optional<String> problem(Expectation expectation, @Nullable Object value) {
    return expectation.problem(value, MOMENT);
  }

  @Test
  void numbersAreComparedAsNumbersAndTextsAsTexts() {
    assertThat(problem(new Expectation.EqualTo("1.0"), 1L)).isEmpty();
    assertThat(problem(new Expectation.EqualTo("yes"), "yes")).isEmpty();
    assertThat(problem(new Expectation.EqualTo("yes"), "Yes")).contains("it is Yes, not yes");
    assertThat(problem(new Expectation.EqualTo("0"), null)).isPresent();
  }

  @Test
  void boundsBelongToWhatIsAllowed() {
    Expectation least = new Expectation.AtLeast(BigDecimal.TEN);
    assertThat(problem(least, 10)).isEmpty();
    assertThat(problem(least, 9L)).contains("it is 9, not at least 10");
    assertThat(problem(least, null)).isPresent();
    assertThat(problem(least, "many")).contains("it is many, which is no number");
    Expectation most = new Expectation.AtMost(BigDecimal.TEN);
    assertThat(problem(most, new BigDecimal("10.0"))).isEmpty();
    assertThat(problem(most, 11L)).isPresent();
  }

  @Test
  void ageIsCountedFromTheMoment() {
    Expectation fresh = new Expectation.NewerThan(Duration.ofHours(1));
    assertThat(problem(fresh, OffsetDateTime.parse("2026-02-28T23:00:00Z"))).isEmpty();
    assertThat(problem(fresh, OffsetDateTime.parse("2026-02-28T22:59:59Z"))).isPresent();
    assertThat(problem(fresh, null)).contains("there is no time");
    assertThat(problem(fresh, 3L)).contains("it is 3, which is no time");
  }
}
