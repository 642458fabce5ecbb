package com.thorbis.backup.api;

/**
 * Objects of a source that a copy keeps in one tier, and what becomes of them for one reason.
 *
 * @param copy what reports call the copy
 * @param source whose they are
 * @param from the tier they lie in
 * @param to the tier they go to; the same where they stay
 * @param reason why
 * @param objects how many
 * @param bytes how many bytes they have, as stored
 */
public record TierMoves(
    String copy, String source, String from, String to, String reason, long objects, long bytes) {
  /** Whether they go to another tier. */
  public boolean moves() {
    return !from.equals(to);
  }
}
