package com.thorbis.backup.dr.plan;

import java.time.Duration;

/**
 * What the whole plan promises; each tier promises more or less than it.
 *
 * @param rto how long everything may be away
 * @param rpo how much of the past may be lost
 * @param verdict whose objectives a recovery is measured against
 */
public record Objectives(Duration rto, Duration rpo, Verdict verdict) {
  /** Whose objectives a recovery is measured against. */
  public enum Verdict {
    /** Each tier's own. */
    PER_TIER("per-tier"),

    /** The plan's, for all tiers. */
    PLAN_WIDE("plan-wide");

    private final String label;

    Verdict(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }
}
