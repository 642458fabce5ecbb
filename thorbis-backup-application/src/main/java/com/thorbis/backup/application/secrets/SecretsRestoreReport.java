package com.thorbis.backup.application.secrets;

import java.time.Instant;
import java.util.List;

/**
 * What a restore of secrets did. Holds no value.
 *
 * @param origin the set
 * @param target the kind and the place
 * @param startedAt when it began
 * @param stoppedAt when it ended
 * @param results one for each step of the plan, in its order
 */
public record SecretsRestoreReport(
    SetOrigin origin, String target, Instant startedAt, Instant stoppedAt, List<Result> results) {
  /** Copies the results. */
  public SecretsRestoreReport {
    results = List.copyOf(results);
  }

  /** What came of a secret. Constants may be added. */
  public enum Outcome {
    /** Written, and tried with success where it is used. */
    WORKS("works"),
    /** Written, and read back as what was written. */
    VERIFIED("verified"),
    /** Written; the place does not let one read it, so nobody knows that it is right. */
    UNTESTED("untested"),
    /** Left as the plan says. */
    KEPT("kept"),
    /** Not written, or not as it should be. */
    FAILED("failed");

    private final String label;

    Outcome(String label) {
      this.label = label;
    }

    /** The name in reports; never changes. */
    public String label() {
      return label;
    }
  }

  /**
   * One secret.
   *
   * @param name in the target
   * @param outcome what came of it
   * @param code why it failed; else empty
   * @param message for people
   * @param remedy what can be done about it
   */
  public record Result(String name, Outcome outcome, String code, String message, String remedy) {}

  /** How many secrets came out so. */
  public int count(Outcome outcome) {
    return (int) results.stream().filter(result -> result.outcome() == outcome).count();
  }

  /** Whether nothing failed. */
  public boolean whole() {
    return count(Outcome.FAILED) == 0;
  }
}
