package com.thorbis.backup.dr.plan;

import java.time.Instant;
import java.util.Optional;

/**
 * What has happened, as far as it decides what is done.
 *
 * @param scenario the disaster, by id
 * @param trigger what it was noticed by, by id; may be empty where all of them have one answer
 * @param variant whether what is left behind still answers: {@code GRACEFUL} or {@code UNGRACEFUL}
 * @param before the moment that is restored to where a step says {@code before-damage}
 * @param outage since when something is down; empty: nobody can tell
 */
public record Incident(
    String scenario,
    Optional<String> trigger,
    Scenario.Variant variant,
    Optional<Instant> before,
    Optional<Instant> outage) {
  /** Checks the variant. */
  public Incident {
    if (variant == Scenario.Variant.EITHER) {
      throw new IllegalArgumentException("An incident is either graceful or ungraceful");
    }
  }

  /** One of which nobody can tell since when something is down. */
  public Incident(
      String scenario,
      Optional<String> trigger,
      Scenario.Variant variant,
      Optional<Instant> before) {
    this(scenario, trigger, variant, before, Optional.empty());
  }
}
