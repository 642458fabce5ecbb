package com.thorbis.backup.dr.drill;

import java.math.BigDecimal;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What the one value that a query gives must be. */
public sealed interface Expectation {
  /**
   * What is wrong with a value; empty if nothing is.
   *
   * @param value as JDBC gives it; null for SQL's null and where there is no row
   * @param moment the one that was asked for: of the latest, when the drill began
   */
  Optional<String> problem(@Nullable Object value, Instant moment);

  /** In words, without the value. */
  String describe();

  /** This very text, or this number. */
  record EqualTo(String expected) implements Expectation {
    @Override
    public Optional<String> problem(@Nullable Object value, Instant moment) {
      if (value == null) {
        return Optional.of("there is no value, not " + expected);
      }
      boolean same = value.toString().equals(expected) || sameNumber(value.toString());
      return same ? Optional.empty() : Optional.of("it is " + value + ", not " + expected);
    }

    private boolean sameNumber(String value) {
      try {
        return new BigDecimal(value).compareTo(new BigDecimal(expected)) == 0;
      } catch (NumberFormatException e) {
        return false;
      }
    }

    @Override
    public String describe() {
      return "equals " + expected;
    }
  }

  /** A number that is not smaller. */
  record AtLeast(BigDecimal least) implements Expectation {
    @Override
    public Optional<String> problem(@Nullable Object value, Instant moment) {
      return number(value, "at least " + least, found -> found.compareTo(least) >= 0);
    }

    @Override
    public String describe() {
      return "at least " + least;
    }
  }

  /** A number that is not greater. */
  record AtMost(BigDecimal most) implements Expectation {
    @Override
    public Optional<String> problem(@Nullable Object value, Instant moment) {
      return number(value, "at most " + most, found -> found.compareTo(most) <= 0);
    }

    @Override
    public String describe() {
      return "at most " + most;
    }
  }

  /** A time that is not older, counted back from the moment that was asked for. */
  record NewerThan(Duration age) implements Expectation {
    @Override
    public Optional<String> problem(@Nullable Object value, Instant moment) {
      if (value == null) {
        return Optional.of("there is no time");
      }
      Optional<Instant> time = time(value);
      if (time.isEmpty()) {
        return Optional.of("it is " + value + ", which is no time");
      }
      Instant oldest = moment.minus(age);
      return time.get().isBefore(oldest)
          ? Optional.of("it is " + time.get() + ", before " + oldest)
          : Optional.empty();
    }

    private static Optional<Instant> time(Object value) {
      if (value instanceof OffsetDateTime at) {
        return Optional.of(at.toInstant());
      }
      if (value instanceof Timestamp at) {
        return Optional.of(at.toInstant());
      }
      if (value instanceof LocalDateTime at) {
        return Optional.of(at.toInstant(ZoneOffset.UTC));
      }
      return Optional.empty();
    }

    @Override
    public String describe() {
      return "newer than " + age;
    }
  }

  /** Judges a number. */
  private static Optional<String> number(
      @Nullable Object value, String wanted, java.util.function.Predicate<BigDecimal> holds) {
    if (value == null) {
      return Optional.of("there is no value, not one of " + wanted);
    }
    try {
      BigDecimal found = new BigDecimal(value.toString());
      return holds.test(found)
          ? Optional.empty()
          : Optional.of("it is " + found + ", not " + wanted);
    } catch (NumberFormatException e) {
      return Optional.of("it is " + value + ", which is no number");
    }
  }
}
