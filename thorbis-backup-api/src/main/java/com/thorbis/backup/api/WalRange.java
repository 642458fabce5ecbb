package com.thorbis.backup.api;

/**
 * A stretch of one timeline's log without a hole.
 *
 * @param timeline the branch
 * @param start the first byte
 * @param end the byte after the last
 */
public record WalRange(Timeline timeline, Lsn start, Lsn end) {
  /** Whether it holds the byte at {@code position}. */
  public boolean contains(Lsn position) {
    return start.compareTo(position) <= 0 && position.compareTo(end) < 0;
  }
}
