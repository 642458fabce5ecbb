package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * A backup that retention decides on.
 *
 * @param backup what the catalogue says of it
 * @param sequence of the commit that made the first of its content. Order comes from here, never
 *     from names or clocks
 * @param verifiedAt when all of it was last found in order; empty if it never was
 * @param holds why it must stay whatever the policy says: legal holds, pins, object locks
 */
public record Candidate(
    BackupDescriptor backup, long sequence, Optional<Instant> verifiedAt, List<String> holds) {
  /** Copies the list. */
  public Candidate {
    holds = List.copyOf(holds);
  }

  BackupId id() {
    return backup.id();
  }

  Instant stoppedAt() {
    return backup.stoppedAt();
  }

  boolean verified() {
    return verifiedAt.isPresent();
  }

  Line line() {
    return new Line(backup.incarnation(), backup.timeline());
  }
}
