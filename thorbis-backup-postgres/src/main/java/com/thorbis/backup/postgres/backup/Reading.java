package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupWriter;
import java.time.Instant;
import java.util.Optional;

/**
 * What a reader has to know of the backup that it reads for.
 *
 * @param cluster who is read
 * @param server where it was just before
 * @param choice what it builds on, if anything
 * @param label what the server is to call it
 * @param startedAt what is dated with when it began
 * @param checksums whether the cluster's pages carry checksums
 * @param checkPages whether these are to be checked
 * @param postmaster when the server was started, if that is known
 * @param begun to be told where the backup begins, before its first file is read
 */
record Reading(
    BackupWriter writer,
    Journal journal,
    ClusterIdentity cluster,
    SystemIdentity server,
    BaseChoice choice,
    String label,
    Instant startedAt,
    boolean checksums,
    boolean checkPages,
    Optional<Instant> postmaster,
    BackupReceiver.Begun begun) {
  /** How pages tell what changed, where nothing else does; records it, and why. */
  ChangeDetection byPages(String reason) {
    BackupDescriptor base = choice.base();
    BackupFacts facts = choice.facts();
    if (base == null || facts == null) {
      return ChangeDetection.NONE;
    }
    Optional<String> doubt =
        ChangeDetection.doubt(base, facts, journal.attributes(), postmaster, server.timeline());
    doubt.ifPresent(why -> journal.note("Pages do not tell by themselves what changed: " + why));
    ChangeDetection detection =
        doubt.isEmpty()
            ? ChangeDetection.pageLsn(base.startLsn(), checksums)
            : ChangeDetection.COMPARISON;
    detected(detection, reason);
    return detection;
  }

  /**
   * Records how it was found out what changed.
   *
   * @param reason why in no better way; empty if there is none
   */
  void detected(ChangeDetection detection, String reason) {
    journal.put("change-detection", detection.label());
    journal.put("cross-check", detection.crossCheck());
    if (!reason.isEmpty()) {
      journal.put("change-detection-because", reason);
    }
  }
}
