package com.thorbis.backup.dr.monitor;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * Whether a host's data could be brought back, by the last look.
 *
 * @param state in one word
 * @param alarms why
 * @param at when that was looked at; empty if it never was
 */
public record Health(State state, List<Alarm> alarms, Optional<Instant> at) {
  /** Copies the list. */
  public Health {
    alarms = List.copyOf(alarms);
  }

  /** The health that alarms stand for. */
  public static Health of(List<Alarm> alarms, Optional<Instant> at) {
    return new Health(
        alarms.isEmpty()
            ? State.UP
            : alarms.stream().anyMatch(alarm -> alarm.severity() == Severity.CRITICAL)
                ? State.DOWN
                : State.DEGRADED,
        alarms,
        at);
  }

  /** The health in one word. Constants may be added. */
  public enum State {
    /** Nothing is wrong. */
    UP("up"),
    /** There are warnings. */
    DEGRADED("degraded"),
    /** Something is critical, or nobody can tell. */
    DOWN("down");

    private final String label;

    State(String label) {
      this.label = label;
    }

    /** The name in reports; never changes. */
    public String label() {
      return label;
    }
  }
}
