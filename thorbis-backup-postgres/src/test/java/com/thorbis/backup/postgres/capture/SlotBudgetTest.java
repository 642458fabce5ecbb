package com.thorbis.backup.postgres.capture;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.postgres.capture.SlotBudget.Finding;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class SlotBudgetTest {
  private static final long SECOND = Duration.ofSeconds(1).toNanos();

  private final SlotBudget budget = new SlotBudget(1000, Duration.ofSeconds(10));

  @Test
  void w16TheAlarmComesAtThreeQuartersOnceUntilItIsCalm() {
    assertThat(budget.look(740, 0)).isEqualTo(Finding.NOTHING);
    assertThat(budget.look(750, SECOND)).isEqualTo(Finding.NEAR);
    assertThat(budget.look(760, 2 * SECOND)).isEqualTo(Finding.NOTHING);
    assertThat(budget.look(510, 3 * SECOND)).isEqualTo(Finding.NOTHING);
    assertThat(budget.look(800, 4 * SECOND)).isEqualTo(Finding.NOTHING);
    assertThat(budget.look(490, 5 * SECOND)).isEqualTo(Finding.NOTHING);
    assertThat(budget.look(800, 6 * SECOND)).isEqualTo(Finding.NEAR);
  }

  @Test
  void w15WhatDoesNotBecomeLessExceedsIt() {
    assertThat(budget.look(1001, 0)).isEqualTo(Finding.NEAR);
    assertThat(budget.look(1001, 9 * SECOND)).isEqualTo(Finding.NOTHING);
    assertThat(budget.look(1001, 10 * SECOND)).isEqualTo(Finding.EXCEEDED);
    assertThat(budget.look(1001, 11 * SECOND)).isEqualTo(Finding.EXCEEDED);
    budget.reset();
    assertThat(budget.look(1001, 12 * SECOND)).isEqualTo(Finding.NEAR);
  }

  @Test
  void whoeverCatchesUpIsNotStopped() {
    for (int i = 0; i < 50; i++) {
      assertThat(budget.look(9000 - i, i * 10 * SECOND)).isNotEqualTo(Finding.EXCEEDED);
    }
    assertThat(budget.look(1000, 600 * SECOND)).isEqualTo(Finding.NOTHING);
    assertThat(budget.look(2000, 601 * SECOND)).isEqualTo(Finding.NOTHING);
    assertThat(budget.look(2000, 611 * SECOND)).isEqualTo(Finding.EXCEEDED);
  }

  @Test
  void noBudgetIsNeverExceeded() {
    SlotBudget any = new SlotBudget(0, Duration.ZERO);
    assertThat(any.look(Long.MAX_VALUE, 0)).isEqualTo(Finding.NOTHING);
    assertThat(any.look(Long.MAX_VALUE, SECOND)).isEqualTo(Finding.NOTHING);
  }
}
