package com.thorbis.backup.storage.internal.pack;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

class CrcTest {
  @Test
  void joinedIsTheChecksumOfBothTogether() {
    Random random = new Random(4);
    for (int i = 0; i < 200; i++) {
      byte[] bytes = new byte[random.nextInt(100_000)];
      random.nextBytes(bytes);
      int cut = random.nextInt(bytes.length + 1);
      assertThat(Crc.joined(of(bytes, 0, cut), of(bytes, cut, bytes.length), bytes.length - cut))
          .isEqualTo(of(bytes, 0, bytes.length));
    }
  }

  /** Of 64 GiB of zeros by doubling, and by one step. */
  @Test
  void lengthsBeyondFourGibibytesAreRight() {
    int one = of(new byte[] {1}, 0, 1);
    int doubled = of(new byte[1], 0, 1);
    long length = 1;
    while (length < 1L << 36) {
      doubled = Crc.joined(doubled, doubled, length);
      length *= 2;
    }
    int atOnce = Crc.joined(one, doubled, length);
    int half = of(new byte[1], 0, 1);
    for (long at = 1; at < 1L << 35; at *= 2) {
      half = Crc.joined(half, half, at);
    }
    assertThat(Crc.joined(Crc.joined(one, half, 1L << 35), half, 1L << 35)).isEqualTo(atOnce);
  }

  private static int of(byte[] bytes, int from, int to) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, from, to - from);
    return (int) crc.getValue();
  }
}
