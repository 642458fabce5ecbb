package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What the copies of a repository hold.
 *
 * @param writePolicy when an object counts as written, such as {@code primary}
 * @param copies each copy, in the order of the configuration
 * @param criteria how they stand against 3-2-1-1-0, in that order
 */
public record CopiesReport(String writePolicy, List<CopyState> copies, List<Criterion> criteria) {
  /** Copies the lists. */
  public CopiesReport {
    copies = List.copyOf(copies);
    criteria = List.copyOf(criteria);
  }

  /**
   * One copy.
   *
   * @param name what reports call it
   * @param medium what it is kept on, as declared
   * @param domain what fails with it, as declared
   * @param location where in the world it is, as declared
   * @param offsite whether it is declared to lie elsewhere than what is protected
   * @param immutable whether it is declared that nobody can delete there before a time
   * @param primary whether it decides who writes
   * @param problem why it could not be asked; empty if it was
   * @param contents what it holds; empty if it could not be asked
   * @param lastVerified when it was last read back and found whole, where that is recorded
   * @param oldestVerified when the backup that was read back from it longest ago was; empty if
   *     there is none, or one never was
   * @param neverVerified how many backups were never read back from it
   * @param letGo how many backups it let go of by a retention of its own: it is complete without
   */
  public record CopyState(
      String name,
      Optional<String> medium,
      Optional<String> domain,
      Optional<String> location,
      boolean offsite,
      boolean immutable,
      boolean primary,
      Optional<String> problem,
      Optional<Contents> contents,
      Optional<Instant> lastVerified,
      Optional<Instant> oldestVerified,
      long neverVerified,
      long letGo) {
    /** Whether it answered. */
    public boolean reachable() {
      return problem.isEmpty();
    }
  }

  /**
   * What a copy holds.
   *
   * @param objects how many objects
   * @param bytes how many bytes
   * @param lastCommit the number of its last commit
   * @param behindObjects how many objects others hold, and it should and does not
   * @param behindBytes how many bytes those have
   * @param behindCommits how many commits it lacks at the end
   * @param differing how many objects have another length than elsewhere
   */
  public record Contents(
      long objects,
      long bytes,
      long lastCommit,
      long behindObjects,
      long behindBytes,
      long behindCommits,
      long differing) {
    /** Whether it holds everything that it should. */
    public boolean complete() {
      return behindObjects == 0 && differing == 0;
    }
  }

  /**
   * One figure of 3-2-1-1-0.
   *
   * @param name {@code copies}, {@code media}, {@code offsite}, {@code immutable} or {@code zero}
   * @param verdict whether it is met
   * @param reason why that is the verdict
   */
  public record Criterion(String name, Verdict verdict, String reason) {}

  /** Whether a criterion is met. Constants may be added. */
  public enum Verdict {
    /** Proven. */
    MET("met"),
    /** Cannot be met with what there is. */
    MISSING("missing"),
    /** Declared or possible, and not proven. */
    UNKNOWN("unknown");

    private final String label;

    Verdict(String label) {
      this.label = label;
    }

    /** The name in reports; never changes. */
    public String label() {
      return label;
    }
  }
}
