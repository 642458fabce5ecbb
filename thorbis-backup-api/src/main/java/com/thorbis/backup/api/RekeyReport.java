package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What writing backups anew under another key does, or did, and what stays under older ones.
 *
 * @param sources by source
 * @param notes what stays besides, whatever is done
 */
public record RekeyReport(List<Source> sources, List<String> notes) {
  /** Copies the lists. */
  public RekeyReport {
    sources = List.copyOf(sources);
    notes = List.copyOf(notes);
  }

  /** Whether something that was to be done could not be, or is not proven. */
  public boolean hasFindings() {
    return sources.stream()
        .anyMatch(
            one ->
                !one.skipped().isEmpty()
                    || !one.problems().isEmpty()
                    || one.backups().stream()
                        .anyMatch(backup -> backup.anew().isPresent() && !backup.verified()));
  }

  /**
   * One source.
   *
   * @param source its name
   * @param epoch the key that its backups are written under
   * @param before keys of lower numbers are those to leave
   * @param backups those to be written anew, or that were, oldest first
   * @param skipped those that lie under such keys and stay as they are, and why
   * @param deleted those under such keys that count no more; their bytes go with a prune
   * @param log what of the log lies, or lay, under such keys
   * @param problems what was found wrong with backups that were written anew
   */
  public record Source(
      String source,
      int epoch,
      int before,
      List<Backup> backups,
      List<Skipped> skipped,
      List<Deleted> deleted,
      List<Log> log,
      List<String> problems) {
    /** Copies the lists. */
    public Source {
      backups = List.copyOf(backups);
      skipped = List.copyOf(skipped);
      deleted = List.copyOf(deleted);
      log = List.copyOf(log);
      problems = List.copyOf(problems);
    }
  }

  /**
   * A backup.
   *
   * @param backup the one that lies under older keys
   * @param anew the one that replaces it; empty in a plan
   * @param bytesRead sealed bytes that are read for it, about
   * @param bytesWritten sealed bytes that are written for it; about, in a plan
   * @param verified whether this run read it back whole, after it was written; false in a plan
   */
  public record Backup(
      BackupId backup,
      Optional<BackupId> anew,
      long bytesRead,
      long bytesWritten,
      boolean verified) {}

  /**
   * A backup that stays as it is.
   *
   * @param backup which
   * @param code why, such as {@code repository.damaged}
   * @param reason the same for people
   */
  public record Skipped(BackupId backup, String code, String reason) {}

  /**
   * A backup that was given up and is there still.
   *
   * @param backup which
   * @param sweepAfter from when on a prune may remove it, by the store's clock
   */
  public record Deleted(BackupId backup, Instant sweepAfter) {}

  /** What becomes of log under older keys. */
  public enum LogState {
    /** It counts. In a plan it is to be sealed anew; after a run it stays as it is. */
    OLDER,

    /** This run sealed it anew. */
    ANEW,

    /** It was sealed anew and counts no more; its bytes go with a prune. */
    GIVEN_UP
  }

  /**
   * Log under older keys.
   *
   * @param state what becomes of it
   * @param incarnation of which life
   * @param timeline of which timeline
   * @param segments how many segments it touches
   * @param objects how many objects, with what is kept about the log
   * @param bytes sealed bytes
   * @param from where the first segment begins; empty if there is none
   * @param to where the last segment ends; empty if there is none
   * @param neededBy the newest backup that it is replayed after: as long as that one is kept, some
   *     of this log is. Empty: no backup needs it, and the next prune with a policy lets go of it
   * @param sweepAfter of what was given up: from when on a prune may remove all of it, by the
   *     store's clock
   */
  public record Log(
      LogState state,
      String incarnation,
      Timeline timeline,
      long segments,
      long objects,
      long bytes,
      Optional<Lsn> from,
      Optional<Lsn> to,
      Optional<BackupId> neededBy,
      Optional<Instant> sweepAfter) {}
}
