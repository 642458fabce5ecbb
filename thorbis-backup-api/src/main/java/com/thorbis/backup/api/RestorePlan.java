package com.thorbis.backup.api;

import java.util.List;
import java.util.Optional;

/**
 * A proven way to a moment.
 *
 * @param backup where it starts
 * @param target the moment, as it will be given to the server
 * @param timeline the timeline to follow to it
 * @param wal the stretches that replay needs and the repository has, in order
 * @param files how many files are written
 * @param bytes how many bytes are written
 * @param notes what a person should know
 * @param until the position the log is replayed to where it is known beforehand
 */
public record RestorePlan(
    BackupDescriptor backup,
    RecoveryTarget target,
    Timeline timeline,
    List<WalRange> wal,
    long files,
    long bytes,
    List<String> notes,
    Optional<Lsn> until) {
  /** Copies the lists. */
  public RestorePlan {
    wal = List.copyOf(wal);
    notes = List.copyOf(notes);
  }
}
