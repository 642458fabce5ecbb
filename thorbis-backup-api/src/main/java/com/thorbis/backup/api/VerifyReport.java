package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What verifying found.
 *
 * @param checked how many objects were looked at
 * @param damaged what is missing or is not what was stored; empty if all is well
 * @param durationMillis how long it took
 * @param coverage how far runs within a budget have come; empty if there was none
 * @param frozen what is there and was not opened, because it must be brought back first: neither
 *     damaged nor proven
 */
public record VerifyReport(
    long checked,
    List<Damage> damaged,
    long durationMillis,
    Optional<Coverage> coverage,
    Thaw frozen) {
  /** Copies the list. */
  public VerifyReport {
    damaged = List.copyOf(damaged);
  }

  /** Of what could all be read. */
  public VerifyReport(
      long checked, List<Damage> damaged, long durationMillis, Optional<Coverage> coverage) {
    this(checked, damaged, durationMillis, coverage, Thaw.NONE);
  }

  /** Without a budget. */
  public VerifyReport(long checked, List<Damage> damaged, long durationMillis) {
    this(checked, damaged, durationMillis, Optional.empty());
  }

  /**
   * What runs have proven so far of the packs and the log on all copies that were looked at.
   *
   * @param openedObjects what this run opened
   * @param openedBytes what that was, sealed
   * @param objects what there is
   * @param bytes what that is, sealed
   * @param unprovenObjects what no run that this machine knows of found whole
   * @param unprovenBytes what that is, sealed
   * @param oldestProof when the object that was proven longest ago was; empty if none was
   */
  public record Coverage(
      long openedObjects,
      long openedBytes,
      long objects,
      long bytes,
      long unprovenObjects,
      long unprovenBytes,
      Optional<Instant> oldestProof) {
    /** Of two copies together. */
    public Coverage plus(Coverage other) {
      return new Coverage(
          openedObjects + other.openedObjects,
          openedBytes + other.openedBytes,
          objects + other.objects,
          bytes + other.bytes,
          unprovenObjects + other.unprovenObjects,
          unprovenBytes + other.unprovenBytes,
          Stream.concat(oldestProof.stream(), other.oldestProof.stream()).min(Instant::compareTo));
    }
  }

  /**
   * One damaged or missing object, or a place in one.
   *
   * @param object its key
   * @param copy which copy, described
   * @param kind such as {@code missing}, {@code altered}, {@code truncated}, {@code unknown-object}
   * @param referenced whether a backup or a recovery needs it
   * @param backups which backups need it
   * @param file a file of a backup that needs it, where known
   * @param range the damaged stretch of that file or object, such as {@code 8192+1048576}, where
   *     known
   * @param healable whether another copy has it whole
   */
  public record Damage(
      String object,
      String copy,
      String kind,
      boolean referenced,
      List<BackupId> backups,
      Optional<String> file,
      Optional<String> range,
      boolean healable) {
    /** Copies the list. */
    public Damage {
      backups = List.copyOf(backups);
    }
  }
}
