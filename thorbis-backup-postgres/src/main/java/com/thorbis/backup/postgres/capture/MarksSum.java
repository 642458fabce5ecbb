package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.spi.repository.WalMarks;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BinaryOperator;

/** Adds up the marks of stretches that follow each other. */
final class MarksSum {
  private MarksSum() {}

  static WalMarks of(WalMarks earlier, WalMarks later) {
    List<WalMarks.RestorePoint> points = new ArrayList<>(earlier.restorePoints());
    points.addAll(later.restorePoints());
    return new WalMarks(
        both(earlier.firstEnd(), later.firstEnd(), (a, b) -> a.isBefore(b) ? a : b),
        both(earlier.lastEnd(), later.lastEnd(), (a, b) -> a.isAfter(b) ? a : b),
        both(earlier.leastXid(), later.leastXid(), Math::min),
        both(earlier.mostXid(), later.mostXid(), Math::max),
        points,
        later.lastRecord().or(earlier::lastRecord),
        later.asOf().or(earlier::asOf));
  }

  private static <T> Optional<T> both(Optional<T> a, Optional<T> b, BinaryOperator<T> choice) {
    return a.isPresent() && b.isPresent()
        ? Optional.of(choice.apply(a.get(), b.get()))
        : a.or(() -> b);
  }

  private static OptionalLong both(
      OptionalLong a, OptionalLong b, java.util.function.LongBinaryOperator choice) {
    if (a.isPresent() && b.isPresent()) {
      return OptionalLong.of(choice.applyAsLong(a.getAsLong(), b.getAsLong()));
    }
    return a.isPresent() ? a : b;
  }
}
