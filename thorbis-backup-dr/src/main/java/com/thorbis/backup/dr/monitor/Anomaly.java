package com.thorbis.backup.dr.monitor;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Whether a figure is far from those before it. Figures of backups are skewed and have outliers, so
 * they are compared by their logarithms, with median and median absolute deviation: one giant
 * backup neither hides the next nor makes ordinary ones look small, and half is as far as double.
 */
final class Anomaly {
  /** How many of the last are compared with. */
  static final int MOST = 30;

  /** With fewer, nothing is usual yet. */
  static final int LEAST = 8;

  private static final double DEVIATIONS = 5;

  /** Makes a median absolute deviation comparable with a standard deviation. */
  private static final double CONSISTENCY = 1.4826;

  private Anomaly() {}

  /**
   * What is usual, if the figure is not.
   *
   * @param before earlier figures, oldest first; only the last ones count
   * @param leastRatio how many times larger or smaller it must be, however steady those before are
   * @param leastDifference how far away it must be, however small they are
   */
  static Optional<Long> usual(
      List<Long> before, long figure, double leastRatio, long leastDifference) {
    if (before.size() < LEAST) {
      return Optional.empty();
    }
    double[] logs =
        before.subList(Math.max(0, before.size() - MOST), before.size()).stream()
            .mapToDouble(Anomaly::log)
            .toArray();
    double median = median(logs);
    double spread = median(Arrays.stream(logs).map(log -> Math.abs(log - median)).toArray());
    double bound = Math.max(DEVIATIONS * CONSISTENCY * spread, Math.log(leastRatio));
    long usual = Math.round(Math.expm1(median));
    return Math.abs(log(figure) - median) > bound && Math.abs(figure - usual) > leastDifference
        ? Optional.of(usual)
        : Optional.empty();
  }

  private static double log(long figure) {
    return Math.log1p((double) Math.max(0, figure));
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
