package com.thorbis.backup.api;

import java.util.List;
import java.util.Optional;

/**
 * What sealed writers have offered to a repository.
 *
 * @param offers one for each of their sessions of which something is left to say, oldest first
 * @param backups those that were taken in now
 * @param walSegments how many segments, or parts of one, were taken in now
 * @param objectsRemoved how many objects were removed now that nobody needs any more
 */
public record OffersReport(
    List<Offer> offers, List<BackupId> backups, long walSegments, long objectsRemoved) {
  /** Copies the lists. */
  public OffersReport {
    offers = List.copyOf(offers);
    backups = List.copyOf(backups);
  }

  /** Whether nothing is missing, altered, or of somebody who is no writer. */
  public boolean sound() {
    return offers.stream().allMatch(offer -> offer.problems().isEmpty());
  }

  /**
   * A session of a sealed writer.
   *
   * @param session 32 hexadecimal digits
   * @param writer whose it is; empty if nobody has signed it who may
   * @param state what is to be done about it
   * @param backups of it that are not taken in
   * @param problems what must be looked at, each naming the object
   */
  public record Offer(
      String session,
      Optional<String> writer,
      State state,
      List<BackupId> backups,
      List<String> problems) {
    /** Copies the lists. */
    public Offer {
      backups = List.copyOf(backups);
      problems = List.copyOf(problems);
    }
  }

  /** What is to be done about a session. */
  public enum State {
    /** There may be something in it that is not taken in. */
    WAITING,
    /** All of it that its host has committed so far is in the repository. */
    TAKEN,
    /** Nothing in it counts. */
    REFUSED,
    /** Some of it is missing or altered; what was whole is taken in. */
    DAMAGED,
    /** Another session says that it was there, and it is not. */
    MISSING,
    /** None of the recipients that are configured here opens it. */
    LOCKED
  }
}
