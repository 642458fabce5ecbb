package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class TextTest {
  @Test
  void aNameForgesNoRowAndTurnsNoneAround() {
    String name = "A\nB  keep\u001b[2K\u0085" + (char) 0x202E + (char) 0x2066 + (char) 0x2028;
    assertThat(Text.table(List.of(List.of("SECRET", "ACTION"), List.of(name, "create"))))
        .containsExactly(
            "SECRET" + " ".repeat(name.length() + 5 * 6 + 2 - 6) + "ACTION",
            "A\\u000AB  keep\\u001B[2K\\u0085\\u202E\\u2066\\u2028  create");
    assertThat(Text.plain("Ärger 日本")).isEqualTo("Ärger 日本");
  }
}
