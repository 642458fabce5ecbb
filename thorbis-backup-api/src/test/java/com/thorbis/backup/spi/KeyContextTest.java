package com.thorbis.backup.spi;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.crypto.KeyContext;
import java.util.HexFormat;
import java.util.Map;
import org.junit.jupiter.api.Test;

class KeyContextTest {
  @Test
  void theFormOfFactsNeverChanges() {
    byte[] encoded = KeyContext.of(Map.of("tree", "\u00e4", "epoch", "12", "a", "")).encoded();
    assertThat(HexFormat.of().formatHex(encoded))
        .isEqualTo(
            "00000001"
                + "61"
                + "00000000"
                + "00000005"
                + "65706f6368"
                + "00000002"
                + "3132"
                + "00000004"
                + "74726565"
                + "00000002"
                + "c3a4");
  }
}
