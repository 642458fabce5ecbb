package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.api.BackupType;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** What is expected of a source. Whatever is expected: that it has a backup at all. Immutable. */
public final class Expectation {
  private final String source;
  private final Optional<Duration> maxAge;
  private final Optional<Duration> maxDelay;
  private final Optional<Duration> drillEvery;
  private final Duration awaitingLog;
  private final boolean usual;
  private final List<Due> due;

  private Expectation(Builder builder) {
    this.source = builder.source;
    this.maxAge = Optional.ofNullable(builder.maxAge);
    this.maxDelay = Optional.ofNullable(builder.maxDelay);
    this.drillEvery = Optional.ofNullable(builder.drillEvery);
    this.awaitingLog = builder.awaitingLog;
    this.usual = builder.usual;
    this.due = List.copyOf(builder.due);
  }

  /** Times at which backups of a type are due. */
  record Due(BackupType type, UnaryOperator<Instant> previous, Duration window) {}

  /** Of a source. */
  public static Builder builder(String source) {
    return new Builder(source);
  }

  /** The name of the source. */
  public String source() {
    return source;
  }

  /** How old the last good backup may be. */
  public Optional<Duration> maxAge() {
    return maxAge;
  }

  /** How old the newest stored change may be. */
  public Optional<Duration> maxDelay() {
    return maxDelay;
  }

  /** How often a drill has to pass. */
  public Optional<Duration> drillEvery() {
    return drillEvery;
  }

  /** How long a backup may wait for its log. */
  public Duration awaitingLog() {
    return awaitingLog;
  }

  /** Whether sizes, changes and durations are compared with those before. */
  public boolean usual() {
    return usual;
  }

  List<Due> due() {
    return due;
  }

  /** Collects what is expected. */
  public static final class Builder {
    private final String source;
    private final List<Due> due = new ArrayList<>();
    private @Nullable Duration maxAge;
    private @Nullable Duration maxDelay;
    private @Nullable Duration drillEvery;
    private Duration awaitingLog = Duration.ofHours(1);
    private boolean usual = true;

    private Builder(String source) {
      this.source = source;
    }

    /** Limits how old the last good backup may be. */
    public Builder maxAge(Duration age) {
      this.maxAge = positive("maxAge", age);
      return this;
    }

    /** Limits how old the newest stored change of a source with log may be. */
    public Builder maxDelay(Duration delay) {
      this.maxDelay = positive("maxDelay", delay);
      return this;
    }

    /** Wants a drill to pass this often. */
    public Builder drillEvery(Duration interval) {
      this.drillEvery = positive("drillEvery", interval);
      return this;
    }

    /** Limits how long a backup may wait for its log; one hour, otherwise. */
    public Builder awaitingLog(Duration wait) {
      this.awaitingLog = positive("awaitingLog", wait);
      return this;
    }

    /** Chooses whether unusual sizes, changes and durations are alarms; they are, otherwise. */
    public Builder usual(boolean compared) {
      this.usual = compared;
      return this;
    }

    /**
     * Wants a backup of this type, or of one that holds more, at the times of a schedule.
     *
     * @param previous gives the last time of the schedule that is not after a moment
     * @param window how long after such a time the backup may end
     */
    public Builder due(BackupType type, UnaryOperator<Instant> previous, Duration window) {
      due.add(new Due(type, previous, positive("window", window)));
      return this;
    }

    /** The expectation. */
    public Expectation build() {
      return new Expectation(this);
    }

    private static Duration positive(String what, Duration duration) {
      if (duration.isZero() || duration.isNegative()) {
        throw new IllegalArgumentException(what + " must be longer than nothing: " + duration);
      }
      return duration;
    }
  }
}
