package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/**
 * Finds the last moment at which data was sound, by looking at it as it was then. Damage is taken
 * to stay from when it came. What somebody believes of a moment is looked at, and not relied upon.
 */
final class MomentSearch {
  private MomentSearch() {}

  /** Looks at the data as it was at a moment. */
  @FunctionalInterface
  interface Look {
    boolean sound(Instant moment) throws IOException;
  }

  /**
   * What was found.
   *
   * @param sound it was looked at, and is sound
   * @param damaged the first later moment that is known not to be
   * @param looks how often was looked
   */
  record Found(Instant sound, Instant damaged, int looks) {}

  /**
   * Halves what lies between two moments.
   *
   * @param earliest before it nobody looks
   * @param sound when it is believed to have been sound; if it was not, it goes back from there
   * @param damaged when it is known to have been damaged
   * @param resolution how near the two moments of the answer have to be
   * @throws BackupException code {@code simulation.no-sound-moment} if it was damaged from the
   *     earliest
   */
  static Found between(
      Instant earliest, Instant sound, Instant damaged, Duration resolution, Look look)
      throws IOException {
    Instant bad = damaged;
    Instant good = micros(sound);
    Duration back = Duration.between(good, bad);
    int looks = 0;
    while (true) {
      boolean seen = false;
      while (Duration.between(good, bad).compareTo(resolution) > 0) {
        Instant middle = micros(good.plus(Duration.between(good, bad).dividedBy(2)));
        if (!middle.isAfter(good)) {
          break; // nothing lies between two microseconds
        }
        looks++;
        if (look.sound(middle)) {
          good = middle;
          seen = true;
        } else {
          bad = middle;
        }
      }
      if (!seen) {
        looks++;
        seen = look.sound(good);
      }
      if (seen) {
        return new Found(good, bad, looks);
      }
      if (!good.isAfter(earliest)) {
        throw BackupException.of(
                "simulation.no-sound-moment",
                FailureKind.PERMANENT,
                "The data is damaged at " + earliest + " already, and nobody looks before that")
            .remedy("Find out whether the check is right; else look at earlier backups.")
            .build();
      }
      bad = good;
      Instant next = micros(good.minus(back));
      good = next.isBefore(earliest) ? earliest : next;
      back = back.multipliedBy(2);
    }
  }

  /** As exact as the log is. */
  private static Instant micros(Instant moment) {
    return moment.truncatedTo(ChronoUnit.MICROS);
  }
}
