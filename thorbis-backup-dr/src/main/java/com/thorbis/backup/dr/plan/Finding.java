package com.thorbis.backup.dr.plan;

import java.util.Optional;

/**
 * Something about a plan that does not work, or that could not be looked at.
 *
 * @param code stable and dotted
 * @param severity whether the plan loads with it
 * @param path the part of the plan, such as {@code procedures.database-failover.steps.promote}
 * @param message what is wrong
 * @param reason why that cannot work, with the numbers
 * @param remedy what to do about it
 * @param position where that part stands, if the plan was read from text
 */
public record Finding(
    String code,
    Severity severity,
    String path,
    String message,
    String reason,
    String remedy,
    Optional<Position> position) {

  /** Whether a plan loads with a finding. */
  public enum Severity {
    /** It does not. */
    ERROR("error"),

    /** It does, and somebody has to look. */
    WARN("warn");

    private final String label;

    Severity(String label) {
      this.label = label;
    }

    /** As it is printed. */
    public String label() {
      return label;
    }
  }

  /**
   * A place in a text.
   *
   * @param source how the text is called
   * @param line from 1
   * @param column from 1
   */
  public record Position(String source, int line, int column) {
    @Override
    public String toString() {
      return source + ":" + line + ":" + column;
    }
  }
}
