package com.thorbis.backup.storage.internal.wal;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.storage.internal.format.Digests;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SealedContentTest {
  @ParameterizedTest
  @CsvSource({"0,0", "1,0", "4096,0", "4097,0", "8192,4096", "100000,30000", "3000000,20000000"})
  void givesWhatWasWritten(int length, int expected) throws IOException {
    byte[] bytes = new byte[length];
    Random random = new Random(length);
    random.nextBytes(bytes);

    SealedContent content = new SealedContent(expected);
    for (int at = 0; at < length; ) {
      int count = Math.min(length - at, random.nextInt(9000));
      content.write(bytes, at, count);
      at += count;
    }

    assertThat(content.length()).isEqualTo(length);
    assertThat(content.sha256()).isEqualTo(Digests.sha256(bytes));
    for (int round = 0; round < 2; round++) { // an attempt may be repeated
      try (InputStream in = content.open()) {
        assertThat(Arrays.equals(in.readAllBytes(), bytes)).isTrue();
      }
    }
  }
}
