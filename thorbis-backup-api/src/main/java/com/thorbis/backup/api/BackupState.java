package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What has become of a backup since it was made.
 *
 * @param backup what the catalogue says of it
 * @param stage whether it counts
 * @param verifiedAt when all of it was last found as it was stored
 * @param holds why it must not be deleted, lapsed ones too
 * @param deletedAt when it was given up, by the store's clock
 * @param sweepAfter when its bytes may go, by the store's clock; until then it can come back
 */
public record BackupState(
    BackupDescriptor backup,
    Stage stage,
    Optional<Instant> verifiedAt,
    List<Hold> holds,
    Optional<Instant> deletedAt,
    Optional<Instant> sweepAfter) {
  /** Copies the list. */
  public BackupState {
    holds = List.copyOf(holds);
  }

  /**
   * A reason to keep it whatever a policy says.
   *
   * @param reason names it among the backup's holds
   * @param since when it was placed
   * @param until when it lapses; empty: when it is removed
   */
  public record Hold(String reason, Instant since, Optional<Instant> until) {}

  /** How far it is on its way out. Constants may be added. */
  public enum Stage {
    /** It counts. */
    LIVE("live"),
    /** It was deleted, is whole, and can come back. */
    DELETED("deleted"),
    /** Its bytes are being removed. */
    SWEEPING("sweeping");

    private final String label;

    Stage(String label) {
      this.label = label;
    }

    /** The name on the command line; never changes. */
    public String label() {
      return label;
    }
  }
}
