package com.thorbis.backup.dr.run;

import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/**
 * What a call of a step found or did.
 *
 * @param outcome which of the few things that can be
 * @param detail for people; never a secret
 * @param facts what later steps may need; never a secret
 * @param awaited what is waited for, with {@link Outcome#WAITING}
 */
public record Result(
    Outcome outcome, String detail, Map<String, String> facts, Optional<Wait> awaited) {
  /** What can be. Nothing else is ever assumed. */
  public enum Outcome {
    /** The effect is there. */
    DONE("done"),
    /** The effect is not there, and nothing is on its way; it may be tried. */
    NOT_DONE("not-done"),
    /** The effect is not there, and trying again would not change that. */
    FAILED("failed"),
    /** The effect may be there. */
    UNKNOWN("unknown"),
    /** It goes on by itself, or by a person; the process may end meanwhile. */
    WAITING("waiting");

    private final String label;

    Outcome(String label) {
      this.label = label;
    }

    /** Its name in journals. */
    public String label() {
      return label;
    }
  }

  /**
   * What is waited for.
   *
   * @param what {@code manual}, {@code time} or {@code condition}
   * @param until when waiting ends: for {@code time} well, else as a failure
   */
  public record Wait(String what, Instant until) {
    /** A person does it. */
    public static final String MANUAL = "manual";

    /** Nothing happens until then. */
    public static final String TIME = "time";

    /** Something becomes true. */
    public static final String CONDITION = "condition";
  }

  /** Copies the map. */
  public Result {
    facts = Map.copyOf(facts);
  }

  /** The effect is there. */
  public static Result done(String detail) {
    return new Result(Outcome.DONE, detail, Map.of(), Optional.empty());
  }

  /** The effect is not there, and nothing is on its way. */
  public static Result notDone(String detail) {
    return new Result(Outcome.NOT_DONE, detail, Map.of(), Optional.empty());
  }

  /** The effect is not there, and trying again would not change that. */
  public static Result failed(String detail) {
    return new Result(Outcome.FAILED, detail, Map.of(), Optional.empty());
  }

  /** The effect may be there. */
  public static Result unknown(String detail) {
    return new Result(Outcome.UNKNOWN, detail, Map.of(), Optional.empty());
  }

  /** It goes on without this process. */
  public static Result waiting(String what, Instant until, String detail) {
    return new Result(Outcome.WAITING, detail, Map.of(), Optional.of(new Wait(what, until)));
  }

  /** The same with what later steps may need. */
  public Result with(Map<String, String> values) {
    return new Result(outcome, detail, values, awaited);
  }
}
