package com.thorbis.backup.dr.drill;

import java.util.Map;

/**
 * One thing that a drill looked at.
 *
 * @param name stable, such as {@code indexes}; of an assertion, the host's own
 * @param category what it is about
 * @param required whether the drill fails without it; otherwise it is told and changes nothing
 * @param outcome what came of it
 * @param detail what was seen, or why nothing was
 * @param millis how long it took
 */
public record DrillCheck(
    String name, Category category, boolean required, Outcome outcome, String detail, long millis) {
  /** Whether the drill can pass with it. */
  public boolean holds() {
    return !required || outcome == Outcome.PASSED;
  }

  /** What a check is about. Constants may be added. */
  public enum Category {
    /** It is there and answers. */
    AVAILABILITY("availability"),
    /** It is what was stored. */
    INTEGRITY("integrity"),
    /** It is as fast as it was. */
    PERFORMANCE("performance"),
    /** It lets in whom it should. */
    SECURITY("security"),
    /** It means what it meant, by what the host knows of its data. */
    BUSINESS("business");

    private final String label;

    Category(String label) {
      this.label = label;
    }

    /** The name in documents; never changes. */
    public String label() {
      return label;
    }
  }

  /** What came of a check. */
  public enum Outcome {
    /** It holds. */
    PASSED("passed"),
    /** It does not hold. */
    FAILED("failed"),
    /** Nobody looked: this is not a pass. */
    NOT_PERFORMED("not-performed");

    private final String label;

    Outcome(String label) {
      this.label = label;
    }

    /** The name in documents; never changes. */
    public String label() {
      return label;
    }
  }

  /** As reports hold it. */
  public Map<String, Object> json() {
    return Map.of(
        "name", name,
        "category", category.label(),
        "required", required,
        "outcome", outcome.label(),
        "detail", detail,
        "millis", millis);
  }
}
