package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.spi.repository.RunControl;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How long each stage takes. Used by one thread. */
public final class Stages {
  private final RunControl control;
  private final long start = System.nanoTime();
  private final Map<String, Long> millis = new LinkedHashMap<>();
  private @Nullable String current;
  private long since;

  /** Told to whoever follows the run. */
  public Stages(RunControl control) {
    this.control = control;
  }

  /** How the run is followed and stopped. */
  public RunControl control() {
    return control;
  }

  /** Ends what went on, and begins something else. */
  public void begin(String stage, long expectedBytes) {
    end();
    control.cancellation().check();
    current = stage;
    since = System.nanoTime();
    control.progress().begin(stage, expectedBytes);
  }

  /** Ends what goes on. */
  public void end() {
    String ended = current;
    if (ended != null) {
      millis.merge(ended, (System.nanoTime() - since) / 1_000_000, Long::sum);
      control.progress().end(ended);
      current = null;
    }
  }

  /** How long each took, in order. */
  public Map<String, Long> millis() {
    return millis;
  }

  /** Since the first began. */
  public long totalMillis() {
    return (System.nanoTime() - start) / 1_000_000;
  }
}
