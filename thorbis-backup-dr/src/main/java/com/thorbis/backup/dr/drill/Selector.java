package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.Timeline;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * Chooses what is tried. The same seed chooses the same of the same.
 *
 * @param backup where it starts; empty to let the planner choose
 * @param target the moment
 * @param timeline the branch; empty for the latest
 */
record Selector(Optional<BackupId> backup, RecoveryTarget target, Optional<Timeline> timeline) {

  static Selector random(
      String source,
      List<BackupDescriptor> backups,
      List<SourceStatus.Window> windows,
      Duration within,
      Instant now,
      Optional<Instant> to,
      long seed) {
    List<BackupDescriptor> candidates =
        backups.stream()
            .filter(BackupDescriptor::physical)
            .filter(backup -> backup.status().restorable())
            .filter(backup -> !backup.stoppedAt().isBefore(now.minus(within)))
            .filter(backup -> to.isEmpty() || !backup.stoppedAt().isAfter(to.get()))
            .filter(backup -> window(windows, backup).isPresent())
            .sorted(Comparator.comparing((BackupDescriptor one) -> one.id().value()))
            .toList();
    if (candidates.isEmpty()) {
      throw BackupException.of(
              "drill.nothing-to-try",
              FailureKind.NOT_FOUND,
              "Source "
                  + source
                  + " has no backup of the last "
                  + within.toDays()
                  + " days that can be restored"
                  + to.map(time -> " to " + time).orElse(""))
          .remedy("Take one, or look further back.")
          .build();
    }
    // Unlike those of Random, its first draws differ for seeds that are near each other.
    SplittableRandom random = new SplittableRandom(seed);
    BackupDescriptor backup = candidates.get(random.nextInt(candidates.size()));
    SourceStatus.Window window = window(windows, backup).orElseThrow();
    return new Selector(
        Optional.of(backup.id()),
        to.<RecoveryTarget>map(time -> new RecoveryTarget.AtTime(time, true))
            .orElseGet(() -> moment(backup, window, random)),
        Optional.of(window.timeline()));
  }

  /** One between the backup's end and the last that its log leads to. */
  private static RecoveryTarget moment(
      BackupDescriptor backup, SourceStatus.Window window, SplittableRandom random) {
    Instant from = backup.stoppedAt();
    long micros = ChronoUnit.MICROS.between(from, window.toTime().orElse(from));
    return micros <= 1
        ? new RecoveryTarget.Immediate()
        : new RecoveryTarget.AtTime(
            from.plus(random.nextLong(1, micros), ChronoUnit.MICROS).truncatedTo(ChronoUnit.MICROS),
            true);
  }

  private static Optional<SourceStatus.Window> window(
      List<SourceStatus.Window> windows, BackupDescriptor backup) {
    return windows.stream()
        .filter(window -> window.timeline().equals(backup.timeline()))
        .filter(
            window ->
                window.fromLsn().compareTo(backup.stopLsn()) <= 0
                    && window.toLsn().compareTo(backup.stopLsn()) >= 0)
        .findFirst();
  }
}
