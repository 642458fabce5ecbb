package com.thorbis.backup.api;

import java.util.List;
import java.util.Optional;

/**
 * Who may write to a repository.
 *
 * @param writers those that are named; empty: everybody who has its keys
 * @param own the public key that this host signs with; empty: it signs nothing
 * @param pinned public keys of those who must have begun the list, as this host is configured;
 *     empty: whichever list came first was taken for the right one
 * @param passedOver commits that count for nothing, of those that this process has read: where a
 *     checkpoint stood for them they are not here, and {@code verify} names them all
 */
public record WritersReport(
    List<Writer> writers, Optional<String> own, List<String> pinned, List<PassedOver> passedOver) {
  /** Copies the lists. */
  public WritersReport {
    writers = List.copyOf(writers);
    pinned = List.copyOf(pinned);
    passedOver = List.copyOf(passedOver);
  }

  /**
   * One that may write.
   *
   * @param name what people call it
   * @param key its public key, as text
   * @param administrator whether it may also change who writes, who opens, and where it all lies
   */
  public record Writer(String name, String key, boolean administrator) {}

  /**
   * A commit that counts for nothing.
   *
   * @param sequence its number
   * @param reason for people
   */
  public record PassedOver(long sequence, String reason) {}
}
