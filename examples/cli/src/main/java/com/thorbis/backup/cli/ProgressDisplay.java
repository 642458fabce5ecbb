package com.thorbis.backup.cli;

import com.thorbis.backup.api.Progress;
import java.io.PrintStream;
import java.util.Timer;
import java.util.TimerTask;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** Shows how far work has come: a bar on a terminal, otherwise a line every ten seconds. */
final class ProgressDisplay implements Progress, AutoCloseable {
  private static final long LINE_EVERY_MILLIS = 10_000;
  private static final int WIDTH = 100;
  private static final String CLEAR_LINE = "\r\u001b[K";

  /** How to show it. */
  enum Mode {
    BAR,
    LINES,
    NONE
  }

  private final PrintStream err;
  private final Mode mode;
  private final boolean notes;
  private final @Nullable Timer timer;
  private @Nullable ProgressBar bar;
  private @Nullable String stage;
  private long startedNanos;
  private volatile long done;
  private volatile long expected;

  /**
   * @param notes whether what is worth knowing is printed too; warnings always are
   */
  ProgressDisplay(PrintStream err, Mode mode, boolean notes) {
    this.err = err;
    this.mode = mode;
    this.notes = notes;
    this.timer = mode == Mode.LINES ? startTimer() : null;
  }

  @Override
  public synchronized void begin(String name, long expectedBytes) {
    stopBar();
    stage = name;
    done = 0;
    expected = expectedBytes;
    startedNanos = System.nanoTime();
    if (mode == Mode.BAR && expectedBytes != 0) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(name)
              .setInitialMax(expectedBytes)
              .setUnit(" MiB", 1 << 20)
              .showSpeed()
              .setStyle(ProgressBarStyle.ASCII)
              .setUpdateIntervalMillis(250)
              .setConsumer(new DelegatingProgressBarConsumer(this::draw, WIDTH))
              .build();
    }
  }

  @Override
  public void advance(long bytes, long expectedBytes) {
    done = bytes;
    expected = expectedBytes;
    ProgressBar shown;
    synchronized (this) {
      shown = bar;
    }
    if (shown != null) {
      if (expectedBytes >= 0) {
        shown.maxHint(Math.max(bytes, expectedBytes));
      }
      shown.stepTo(bytes);
    }
  }

  @Override
  public synchronized void end(String name) {
    stopBar();
    if (mode == Mode.LINES && stage != null && done > 0) {
      expected = done;
      err.println(line());
    }
    stage = null;
  }

  @Override
  public void note(String message) {
    if (notes) {
      print(message);
    }
  }

  @Override
  public void warning(String message) {
    print("warning: " + message);
  }

  @Override
  public synchronized void close() {
    stopBar();
    if (timer != null) {
      timer.cancel();
    }
  }

  private synchronized void print(String message) {
    err.println((bar == null ? "" : CLEAR_LINE) + message);
  }

  /** Called by the bar's own thread, which closing the bar waits for: takes no lock of ours. */
  private void draw(String line) {
    err.print(CLEAR_LINE + line);
    err.flush();
  }

  private void stopBar() {
    if (bar != null) {
      bar.close();
      bar = null;
      err.println();
    }
  }

  private String line() {
    double seconds = Math.max(0.001, (System.nanoTime() - startedNanos) / 1e9);
    double rate = done / seconds;
    StringBuilder line =
        new StringBuilder(String.valueOf(stage)).append(": ").append(Text.bytes(done));
    if (expected > 0) {
      line.append(" of ").append(Text.bytes(expected));
    }
    line.append(", ").append(Text.bytes((long) rate)).append("/s");
    if (expected > done && rate >= 1) {
      line.append(", ").append(Text.span((long) ((expected - done) / rate * 1000))).append(" left");
    }
    return line.toString();
  }

  private Timer startTimer() {
    Timer started = new Timer("progress", true);
    started.schedule(
        new TimerTask() {
          @Override
          public void run() {
            synchronized (ProgressDisplay.this) {
              if (stage != null) {
                err.println(line());
              }
            }
          }
        },
        LINE_EVERY_MILLIS,
        LINE_EVERY_MILLIS);
    return started;
  }
}
