package com.thorbis.backup.dr.drill;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * What the host knows of its data, as a query whose one value must be something.
 *
 * @param name the check's
 * @param database where it is asked
 * @param query one statement that only reads
 * @param expectation what its first column of its first row must be
 * @param breakWith a statement that makes it untrue, for the negative control; empty to try what
 *     makes most untrue: each table it reads without rows, and with each row twice
 */
public record Assertion(
    String name,
    String database,
    String query,
    Expectation expectation,
    Optional<String> breakWith) {
  private static final Pattern NAME = Pattern.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?");

  /** Checks the name. */
  public Assertion {
    requireName(name);
  }

  static void requireName(String name) {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "Not a name for a check: \"" + name + "\" (up to 63 of a-z, 0-9 and \"-\")");
    }
  }

  /**
   * A query that must not become slower.
   *
   * @param name the check's
   * @param database where it is asked
   * @param query one statement that only reads
   * @param mostPercent how long it may take, in hundredths of what it took in the middle one of the
   *     last passed drills
   */
  public record Pace(String name, String database, String query, int mostPercent) {
    /** Checks the name. */
    public Pace {
      requireName(name);
      if (mostPercent < 1) {
        throw new IllegalArgumentException("Not a share: " + mostPercent);
      }
    }
  }
}
