package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.time.Period;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.Optional;

/**
 * A test of the plan that comes back.
 *
 * @param id its stable id
 * @param kind how real it is
 * @param owner a person or role
 * @param scenarios what is practised, by id
 * @param frequency how often
 * @param first when it is due first; what is due afterwards is counted from the last that has
 *     evidence
 * @param window how long it may take
 * @param environment where; empty for what needs none
 */
public record Exercise(
    String id,
    Kind kind,
    String owner,
    List<String> scenarios,
    Frequency frequency,
    Optional<ZonedDateTime> first,
    Duration window,
    Optional<String> environment) {
  /** Copies the list. */
  public Exercise {
    scenarios = List.copyOf(scenarios);
  }

  /** How real it is. */
  public enum Kind {
    /** People talk through it. */
    TABLETOP("tabletop"),

    /** People go through every step and change nothing. */
    WALKTHROUGH("walkthrough"),

    /** A disaster is made in an environment, and recovered from. */
    FULL_SIMULATION("full-simulation");

    private final String label;

    Kind(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }

  /** How often. */
  public enum Frequency {
    /** Every week. */
    WEEKLY("weekly", Period.ofWeeks(1)),

    /** Every month. */
    MONTHLY("monthly", Period.ofMonths(1)),

    /** Every three months. */
    QUARTERLY("quarterly", Period.ofMonths(3)),

    /** Every year. */
    YEARLY("yearly", Period.ofYears(1));

    private final String label;
    private final Period period;

    Frequency(String label, Period period) {
      this.label = label;
      this.period = period;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }

    /** From one to the next. */
    public Period period() {
      return period;
    }
  }
}
