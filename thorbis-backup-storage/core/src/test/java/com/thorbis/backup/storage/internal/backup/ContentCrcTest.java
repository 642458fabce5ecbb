package com.thorbis.backup.storage.internal.backup;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ContentCrcTest {
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void zerosCountAsIfTheyHadCome(long seed) {
    Random random = new Random(seed);
    CRC32C expected = new CRC32C();
    ContentCrc crc = new ContentCrc();
    assertThat(crc.value()).isZero();
    for (int i = 0; i < 200; i++) {
      byte[] bytes = new byte[random.nextInt(3) == 0 ? random.nextInt(5) : random.nextInt(70_000)];
      switch (random.nextInt(3)) {
        case 0 -> crc.zeros(bytes.length);
        case 1 -> {
          random.nextBytes(bytes);
          crc.update(bytes, 0, bytes.length);
        }
        default -> {
          random.nextBytes(bytes);
          crc.update(ByteBuffer.wrap(bytes));
        }
      }
      expected.update(bytes);
      assertThat(crc.value()).isEqualTo((int) expected.getValue());
    }
    crc.reset();
    assertThat(crc.value()).isZero();
  }

  @Test
  void manyZerosAreOneAfterTheOther() {
    ContentCrc once = new ContentCrc();
    ContentCrc often = new ContentCrc();
    once.update(new byte[] {7}, 0, 1);
    often.update(new byte[] {7}, 0, 1);
    once.zeros(1L << 50);
    for (int i = 0; i < 1024; i++) {
      often.zeros(1L << 40);
    }
    assertThat(often.value()).isEqualTo(once.value());
  }
}
