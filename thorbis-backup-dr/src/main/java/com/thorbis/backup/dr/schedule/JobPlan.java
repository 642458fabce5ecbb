package com.thorbis.backup.dr.schedule;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** One job: when it is due, how long it may be started after that, and when it may not. */
public final class JobPlan {
  /** How long after it was due a job is started, where nobody says, unless it is due again. */
  public static final Duration WINDOW = Duration.ofHours(4);

  private final Job job;
  private final Schedule schedule;
  private final Duration window;
  private final Optional<Duration> finishWithin;
  private final Duration jitter;
  private final List<Blackout> blackouts;
  private final Duration shortestInterval;

  private JobPlan(Builder builder) {
    this.job = builder.job;
    this.schedule = builder.schedule;
    this.shortestInterval = schedule.shortestInterval();
    this.window =
        builder.window == null
            ? WINDOW.compareTo(shortestInterval) < 0 ? WINDOW : shortestInterval
            : builder.window;
    this.finishWithin = Optional.ofNullable(builder.finishWithin);
    this.jitter = builder.jitter;
    this.blackouts = List.copyOf(builder.blackouts);
  }

  /** Starts one. */
  public static Builder builder(Job job, Schedule schedule) {
    return new Builder(job, schedule);
  }

  /** What is done. */
  public Job job() {
    return job;
  }

  /** When it is due. */
  public Schedule schedule() {
    return schedule;
  }

  /** How long after it was due it may be started. */
  public Duration window() {
    return window;
  }

  /** How long after it was due it is cancelled; empty: never. */
  public Optional<Duration> finishWithin() {
    return finishWithin;
  }

  /** How much later than due it is started at most, so that not all hosts start at once. */
  public Duration jitter() {
    return jitter;
  }

  /** When nothing is started. */
  public List<Blackout> blackouts() {
    return blackouts;
  }

  /**
   * When it is started that was due at a moment: the same for every process, and somewhere within
   * the jitter.
   */
  public Instant start(Instant due) {
    if (jitter.toSeconds() <= 0) {
      return due;
    }
    long seed = job.name().hashCode() * 0x9E3779B97F4A7C15L + due.getEpochSecond();
    return due.plusSeconds(new SplittableRandom(seed).nextLong(jitter.toSeconds() + 1));
  }

  /** Until when a blackout lasts that covers a moment. */
  public Optional<Instant> blackedOutUntil(Instant moment) {
    Optional<Instant> last = Optional.empty();
    Instant at = moment;
    for (boolean found = true; found; ) {
      found = false;
      for (Blackout each : blackouts) {
        Optional<Instant> until = each.until(at);
        if (until.isPresent()) {
          // One may end where the next begins; one without an end is looked at for a year.
          at = until.get();
          last = until;
          found = at.isBefore(moment.plus(Duration.ofDays(366)));
        }
      }
    }
    return last;
  }

  Duration shortestInterval() {
    return shortestInterval;
  }

  Instant lastStart(Instant due) {
    return due.plus(window);
  }

  /** Collects what a plan says. */
  public static final class Builder {
    private final Job job;
    private final Schedule schedule;
    private @Nullable Duration window;
    private @Nullable Duration finishWithin;
    private Duration jitter = Duration.ZERO;
    private final List<Blackout> blackouts = new ArrayList<>();

    private Builder(Job job, Schedule schedule) {
      this.job = job;
      this.schedule = schedule;
    }

    /** How long after it was due it may be started; {@link #WINDOW} if nobody says. */
    public Builder window(Duration length) {
      this.window = length;
      return this;
    }

    /** How long after it was due it is cancelled if it still runs. */
    public Builder finishWithin(Duration length) {
      this.finishWithin = length;
      return this;
    }

    /** How much later than due it is started at most. */
    public Builder jitter(Duration most) {
      this.jitter = most;
      return this;
    }

    /** Adds a time in which it is not started. */
    public Builder blackout(Blackout blackout) {
      blackouts.add(blackout);
      return this;
    }

    /** Makes it; {@link PlanCheck} says whether it can work. */
    public JobPlan build() {
      return new JobPlan(this);
    }
  }
}
