package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.cli.ProgressDisplay.Mode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ProgressDisplayTest {
  private final ByteArrayOutputStream shown = new ByteArrayOutputStream();
  private final PrintStream err = new PrintStream(shown, true, StandardCharsets.UTF_8);

  @RepeatedTest(20)
  void drawsABar() {
    try (ProgressDisplay display = new ProgressDisplay(err, Mode.BAR, true)) {
      display.begin("copy", 100 << 20);
      display.advance(25 << 20, 100 << 20);
      display.note("something to know");
      display.advance(100 << 20, 100 << 20);
      display.end("copy");
    }

    assertThat(text()).contains("copy").contains("100%").contains("something to know\n");
    assertThat(text()).endsWith("\n");
  }

  @Test
  void saysInLinesWhatWasDone() {
    try (ProgressDisplay display = new ProgressDisplay(err, Mode.LINES, true)) {
      display.begin("plan", -1);
      display.end("plan");
      display.begin("copy", 100 << 20);
      display.advance(99 << 20, 100 << 20);
      display.end("copy");
    }

    assertThat(text()).startsWith("copy: 99.0 MiB of 99.0 MiB, ").endsWith("/s\n");
    assertThat(text()).doesNotContain("plan");
  }

  @Test
  void quietKeepsWarningsOnly() {
    try (ProgressDisplay display = new ProgressDisplay(err, Mode.NONE, false)) {
      display.begin("copy", 1);
      display.note("something to know");
      display.warning("something to do");
      display.end("copy");
    }

    assertThat(text()).isEqualTo("warning: something to do\n");
  }

  private String text() {
    return shown.toString(StandardCharsets.UTF_8);
  }
}
