package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.List;

/**
 * Who has to agree before a step runs.
 *
 * @param people who may, as people or roles
 * @param required how many of them have to
 * @param deadline how long they have; afterwards the step counts as refused
 */
public record PlanApproval(List<String> people, int required, Duration deadline) {
  /** Copies the list. */
  public PlanApproval {
    people = List.copyOf(people);
  }
}
