package com.thorbis.backup.dr.failover;

/**
 * What one look at a server found.
 *
 * @param reading which of the three
 * @param detail why, for people; never a secret
 */
public record Sighting(Reading reading, String detail) {
  /** All that can be found. */
  public enum Reading {
    /** It works. */
    UP("up"),
    /** It does not, as far as can be seen from there. */
    DOWN("down"),
    /** Nobody could look. */
    CANNOT_TELL("cannot-tell");

    private final String label;

    Reading(String label) {
      this.label = label;
    }

    /** Its name in journals. */
    public String label() {
      return label;
    }
  }

  /** It works. */
  public static Sighting up(String detail) {
    return new Sighting(Reading.UP, detail);
  }

  /** It does not, as far as can be seen from there. */
  public static Sighting down(String detail) {
    return new Sighting(Reading.DOWN, detail);
  }

  /** Nobody could look. */
  public static Sighting cannotTell(String detail) {
    return new Sighting(Reading.CANNOT_TELL, detail);
  }
}
