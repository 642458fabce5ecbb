package com.thorbis.backup.dr.drill;

import java.util.Map;

/**
 * Damage that was made on purpose on a server that is thrown away, to see that a check finds it.
 *
 * @param check the check that had to find it
 * @param damage what was done
 * @param result what came of it
 * @param detail how it was found, or why it was not, or not made
 */
public record Plant(String check, String damage, Result result, String detail) {
  /** As part of a document. */
  public Map<String, Object> json() {
    return Map.of("check", check, "damage", damage, "result", result.label(), "detail", detail);
  }

  /** What came of planted damage. */
  public enum Result {
    /** The check failed, and for this reason. */
    DETECTED("detected"),
    /** The check passed, or failed for something else: its word is worth nothing. */
    UNDETECTED("undetected"),
    /** It could not be made here. */
    NOT_PLANTED("not-planted");

    private final String label;

    Result(String label) {
      this.label = label;
    }

    /** The name in documents; never changes. */
    public String label() {
      return label;
    }
  }
}
