package com.thorbis.backup.storage.internal.pack;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class PieceTableTest {
  @Test
  void itFindsWhatWasAddedFirstAndNothingElse() {
    SplittableRandom random = new SplittableRandom(1);
    PieceTable table = new PieceTable();
    Map<Fingerprint, Long> expected = new HashMap<>();
    for (int i = 0; i < 50_000; i++) {
      // Many share all but a few bits, and some are added twice.
      Fingerprint piece =
          new Fingerprint(random.nextInt(3), (long) random.nextInt(40) << 40 | random.nextInt(500));
      assertThat(table.add(piece, i, i + 7)).isTrue();
      expected.putIfAbsent(piece, (long) i << 32 | (i + 7));
    }
    assertThat(table.size()).isEqualTo(expected.size());
    expected.forEach((piece, where) -> assertThat(table.find(piece)).isEqualTo(where));
    for (int i = 0; i < 1000; i++) {
      assertThat(table.find(new Fingerprint(random.nextLong(), random.nextLong())))
          .isEqualTo(PieceTable.NONE);
    }
    assertThat(table.find(Fingerprint.ZERO))
        .isEqualTo(expected.getOrDefault(Fingerprint.ZERO, PieceTable.NONE));
  }

  @Test
  void itTakesNoMoreThanItHasRoomFor() {
    SplittableRandom random = new SplittableRandom(2);
    PieceTable table = new PieceTable();
    Fingerprint first = new Fingerprint(random.nextLong(), random.nextLong());
    assertThat(table.add(first, 0, 0)).isTrue();
    for (int i = 1; i < PieceTable.MOST; i++) {
      table.add(new Fingerprint(random.nextLong(), random.nextLong()), i, 0);
    }
    assertThat(table.size()).isEqualTo(PieceTable.MOST);
    assertThat(table.add(new Fingerprint(1, 1), 1, 1)).isFalse();
    assertThat(table.find(first)).isZero();
  }
}
