package com.thorbis.backup.postgres.changes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.postgres.changes.Horizon.Snapshot;
import org.junit.jupiter.api.Test;

class HorizonTest {
  private static final long WRAP = 1L << 32;

  @Test
  void aSnapshotSaysWhatHadEndedAndWhatHadNotBegun() {
    assertThat(Snapshot.parse("10:20:10,14")).isEqualTo(new Snapshot(10, 20));
    assertThat(Snapshot.parse("5000000000:5000000000:"))
        .isEqualTo(new Snapshot(5_000_000_000L, 5_000_000_000L));
    assertThatThrownBy(() -> Snapshot.parse("10:20"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("10:20");
  }

  @Test
  void aRowMayBeNewFromTheOldestTransactionOnThatWasOpen() {
    Horizon horizon = new Horizon(100, 200);
    assertThat(horizon.mayBeNew(99)).isFalse();
    assertThat(horizon.mayBeNew(100)).isTrue();
    assertThat(horizon.mayBeNew(200)).isTrue();
    assertThat(horizon.mayBeNew(201)).isFalse();
    assertThat(horizon.mayBeNew(2)).isFalse();
    assertThat(horizon.condition()).isEqualTo("((t.xmin::text::bigint - 100) & 4294967295) <= 100");
  }

  @Test
  void numbersGoOnBehindTheirLastOne() {
    Horizon horizon = new Horizon(WRAP - 10, WRAP + 10);
    assertThat(horizon.mayBeNew(-11)).isFalse();
    assertThat(horizon.mayBeNew(-10)).isTrue();
    assertThat(horizon.mayBeNew(-1)).isTrue();
    assertThat(horizon.mayBeNew(3)).isTrue();
    assertThat(horizon.mayBeNew(10)).isTrue();
    assertThat(horizon.mayBeNew(11)).isFalse();
    assertThat(horizon.condition())
        .isEqualTo("((t.xmin::text::bigint - 4294967286) & 4294967295) <= 20");
  }

  @Test
  void whereEveryNumberMayHaveComeAgainEveryRowMayBeNew() {
    Horizon horizon = new Horizon(7, 7 + WRAP);
    assertThat(horizon.mayBeNew(6)).isTrue();
    assertThat(horizon.mayBeNew(7)).isTrue();
    assertThat(horizon.mayBeNew(-1)).isTrue();
  }

  @Test
  void numbersDoNotGoBack() {
    assertThatThrownBy(() -> new Horizon(8, 7)).isInstanceOf(IllegalArgumentException.class);
  }
}
