package com.thorbis.backup.postgres.changes;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Tells rows that a snapshot cannot have seen by the number of the transaction that wrote them,
 * which a row keeps also when it is frozen. A number in a row has 32 bits, and those of very old
 * rows come again: such a row may be taken for a new one, and never a new one for such a row.
 *
 * @param since every transaction with a lower number had ended when the snapshot was taken. Parts
 *     of a transaction have higher numbers than the transaction
 * @param next no row that is looked at now is of a transaction with this number or a higher one
 */
public record Horizon(long since, long next) {
  private static final long WORD = 0xFFFFFFFFL;
  private static final Pattern SNAPSHOT = Pattern.compile("([0-9]+):([0-9]+):[0-9,]*");

  /** Refuses what has no order. */
  public Horizon {
    if (since < 0 || next < since) {
      throw new IllegalArgumentException("Transactions from " + since + " to " + next);
    }
  }

  /**
   * The numbers in the text of a {@code pg_snapshot}.
   *
   * @param since the lowest that was running
   * @param next the first that had not begun
   */
  public record Snapshot(long since, long next) {
    /** Parses {@code 10:20:10,14}. */
    public static Snapshot parse(String text) {
      Matcher parts = SNAPSHOT.matcher(text);
      if (!parts.matches()) {
        throw new IllegalArgumentException("Not a snapshot: \"" + text + "\"");
      }
      return new Snapshot(Long.parseLong(parts.group(1)), Long.parseLong(parts.group(2)));
    }
  }

  /** Whether a row of this transaction may be new. */
  public boolean mayBeNew(int transaction) {
    return (((transaction & WORD) - (since & WORD)) & WORD) <= next - since;
  }

  /** The same as a condition on rows of {@code t}. */
  public String condition() {
    return "((t.xmin::text::bigint - " + (since & WORD) + ") & " + WORD + ") <= " + (next - since);
  }
}
