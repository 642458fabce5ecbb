package com.thorbis.backup.dr.evidence;

import com.thorbis.backup.api.BackupException;
import java.util.Optional;

/**
 * What has become of a record. Never a reason to change the outcome that the record is about.
 *
 * @param id the record's
 * @param place where it is
 * @param problem why it is not in the repository
 */
public record Appended(String id, Place place, Optional<BackupException> problem) {
  /** Where a record is. */
  public enum Place {
    /** In the repository. */
    STORED,
    /** In the state directory of this host; the next append, or flush, tries again. */
    SPOOLED,
    /** Nowhere: neither the repository nor the state directory took it. */
    LOST
  }
}
