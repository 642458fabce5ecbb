package com.thorbis.backup.api;

/** Told how far long work has come. Called from any of the work's threads; must return quickly. */
public interface Progress {
  /** A listener that does nothing. */
  Progress NONE = new Progress() {};

  /**
   * A stage begins, such as {@code copy} or {@code wal}.
   *
   * @param stage a stable name
   * @param expectedBytes the expected total, or a negative number where nobody can know
   */
  default void begin(String stage, long expectedBytes) {}

  /** The current stage has done {@code bytes} of its expected total, as far as it is known now. */
  default void advance(long bytes, long expectedBytes) {}

  /** The stage is over. */
  default void end(String stage) {}

  /** Something a person watching would like to know; one line. */
  default void note(String message) {}

  /** Something that needs a look, while the work goes on; one line. */
  default void warning(String message) {}
}
