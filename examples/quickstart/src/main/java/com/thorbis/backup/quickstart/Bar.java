package com.thorbis.backup.quickstart;

import com.thorbis.backup.api.Progress;
import java.io.PrintStream;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** Draws each stage of long work as a bar, or as one line where there is no terminal. */
final class Bar implements Progress {
  private static final String CLEAR_LINE = "\r\u001b[K";

  private final PrintStream out;
  private final boolean terminal;
  private @Nullable ProgressBar bar;
  private long done;

  Bar(PrintStream out, boolean terminal) {
    this.out = out;
    this.terminal = terminal;
  }

  @Override
  public synchronized void begin(String stage, long expectedBytes) {
    end(stage);
    done = 0;
    if (terminal && expectedBytes != 0) {
      bar =
          new ProgressBarBuilder()
              .setTaskName("   " + stage)
              .setInitialMax(expectedBytes)
              .setUnit(" MiB", 1 << 20)
              .showSpeed()
              .setStyle(ProgressBarStyle.ASCII)
              .setUpdateIntervalMillis(100)
              .setConsumer(new DelegatingProgressBarConsumer(this::draw, 100))
              .build();
    }
  }

  @Override
  public synchronized void advance(long bytes, long expectedBytes) {
    done = bytes;
    if (bar != null) {
      if (expectedBytes >= 0) {
        bar.maxHint(Math.max(bytes, expectedBytes));
      }
      bar.stepTo(bytes);
    }
  }

  @Override
  public synchronized void end(String stage) {
    if (bar != null) {
      bar.close();
      bar = null;
      out.println();
    } else if (!terminal && done > 0) {
      out.println("   " + stage + ": " + Quickstart.size(done));
    }
    done = 0;
  }

  private void draw(String line) {
    out.print(CLEAR_LINE + line);
    out.flush();
  }
}
