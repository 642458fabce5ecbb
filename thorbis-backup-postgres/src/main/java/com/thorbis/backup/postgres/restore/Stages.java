package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.spi.repository.RunControl;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How long each stage takes. Used by one thread. */
final class Stages {
  private final RunControl control;
  private final long start = System.nanoTime();
  private final Map<String, Long> millis = new LinkedHashMap<>();
  private @Nullable String current;
  private long since;

  Stages(RunControl control) {
    this.control = control;
  }

  void begin(String stage, long expectedBytes) {
    end();
    control.cancellation().check();
    current = stage;
    since = System.nanoTime();
    control.progress().begin(stage, expectedBytes);
  }

  void end() {
    String ended = current;
    if (ended != null) {
      millis.merge(ended, (System.nanoTime() - since) / 1_000_000, Long::sum);
      control.progress().end(ended);
      current = null;
    }
  }

  Map<String, Long> millis() {
    return millis;
  }

  long totalMillis() {
    return (System.nanoTime() - start) / 1_000_000;
  }
}
