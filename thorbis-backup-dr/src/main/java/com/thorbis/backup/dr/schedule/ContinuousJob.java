package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.dr.schedule.ScheduleEvent.Kind;
import com.thorbis.backup.spi.repository.Claim;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps work going that never ends by itself, such as the capture of log: starts it again when it
 * fails, later each time, and looks how far it is behind. Of several processes one does it.
 */
public final class ContinuousJob implements AutoCloseable {
  private static final Duration CLAIM = Duration.ofMinutes(5);
  private static final Duration CLAIMED_BY_ANOTHER = Duration.ofMinutes(1);
  private static final Duration LAST_RETRY = Duration.ofMinutes(5);

  /** One that ran so long was well: the next failure is a first one. */
  private static final Duration WELL = Duration.ofMinutes(10);

  private static final Duration LOOK = Duration.ofMinutes(1);

  private final Job job;
  private final Claims claims;
  private final Clock clock;
  private final Progress progress;
  private final List<SchedulerListener> listeners;
  private final Supplier<Optional<Duration>> lag;
  private final Optional<Duration> maxDelay;
  private final Duration firstRetry;
  private final Cancellation cancellation = new Cancellation();
  private final List<Thread> threads = new ArrayList<>();
  private boolean late;
  private boolean blind;

  private ContinuousJob(Builder builder) {
    this.job = builder.job;
    this.claims = builder.claims;
    this.clock = builder.clock;
    this.progress = builder.progress;
    this.listeners = List.copyOf(builder.listeners);
    this.lag = builder.lag;
    this.maxDelay = Optional.ofNullable(builder.maxDelay);
    this.firstRetry = builder.firstRetry;
  }

  /**
   * Starts one.
   *
   * @param job returns when it is cancelled, and throws when it cannot go on
   */
  public static Builder builder(Job job, Claims claims) {
    return new Builder(job, claims);
  }

  /** Keeps it going from now on, on threads of its own, until this is closed. */
  public synchronized void start() {
    if (!threads.isEmpty() || cancellation.requested()) {
      throw new IllegalStateException("It runs already, or has ended");
    }
    run("thorbis-" + job.name(), this::keepGoing);
    if (maxDelay.isPresent()) {
      run("thorbis-" + job.name() + "-lag", this::keepLooking);
    }
  }

  /** Cancels it, and waits until it has ended. */
  @Override
  public void close() {
    cancellation.cancel();
    List<Thread> all;
    synchronized (this) {
      notifyAll();
      all = List.copyOf(threads);
    }
    try {
      for (Thread thread : all) {
        thread.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void run(String name, Runnable task) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    threads.add(thread);
    thread.start();
  }

  private void keepGoing() {
    Duration pause = firstRetry;
    while (!cancellation.requested()) {
      Instant began = clock.instant();
      try {
        pause(attempt(began) ? Duration.ZERO : CLAIMED_BY_ANOTHER);
      } catch (RuntimeException | IOException | Error e) {
        if (cancellation.requested()) {
          return;
        }
        Instant now = clock.instant();
        Duration ran = Duration.between(began, now);
        pause = ran.compareTo(WELL) > 0 ? firstRetry : pause;
        tell(
            Kind.FAILED,
            began,
            Scheduler.words(e),
            Optional.of(ran),
            Optional.of(now.plus(pause)),
            Optional.of(e));
        pause(pause);
        Duration doubled = pause.multipliedBy(2);
        pause = doubled.compareTo(LAST_RETRY) < 0 ? doubled : LAST_RETRY;
      }
    }
  }

  /** False if another process does it. */
  private boolean attempt(Instant began) throws IOException {
    Optional<Claim> claim = claims.claim("continuous " + job.subject(), CLAIM);
    if (claim.isEmpty()) {
      return false;
    }
    try {
      tell(Kind.STARTED, began, "", Optional.empty(), Optional.empty(), Optional.empty());
      job.run(new RunControl(cancellation, progress));
      if (!cancellation.requested()) {
        throw new IllegalStateException("It ended by itself");
      }
      Duration ran = Duration.between(began, clock.instant());
      tell(Kind.FINISHED, began, "", Optional.of(ran), Optional.empty(), Optional.empty());
      return true;
    } finally {
      claim.get().close();
    }
  }

  private void keepLooking() {
    while (!cancellation.requested()) {
      pause(LOOK);
      if (!cancellation.requested()) {
        look();
      }
    }
  }

  /** Says so once if it is behind by more than it may be, and once when it is not any more. */
  void look() {
    Optional<Duration> behind;
    try {
      behind = lag.get();
    } catch (RuntimeException e) {
      if (!blind) {
        blind = true;
        say(Kind.FAILED, "Nobody could tell how far it is behind: " + Scheduler.words(e));
      }
      return;
    }
    blind = false;
    if (behind.isEmpty()) {
      return; // unknown is neither late nor caught up
    }
    Duration most = maxDelay.orElseThrow();
    boolean now = behind.filter(lag -> lag.compareTo(most) > 0).isPresent();
    if (now != late) {
      late = now;
      say(
          now ? Kind.LATE : Kind.CAUGHT_UP,
          now
              ? "The newest stored commit is "
                  + behind.orElseThrow().toSeconds()
                  + " s old, and "
                  + PlanCheck.text(most)
                  + " is the most it may be; on a server where nothing is committed it grows too"
              : "");
    }
  }

  private void say(Kind kind, String reason) {
    tell(kind, clock.instant(), reason, Optional.empty(), Optional.empty(), Optional.empty());
  }

  private void tell(
      Kind kind,
      Instant due,
      String reason,
      Optional<Duration> took,
      Optional<Instant> retryAt,
      Optional<Throwable> failure) {
    Scheduler.tell(
        listeners,
        new ScheduleEvent(kind, job.name(), due, clock.instant(), reason, took, retryAt, failure));
  }

  private synchronized void pause(Duration length) {
    long end = System.nanoTime() + length.toNanos();
    try {
      for (long left = length.toNanos();
          left > 0 && !cancellation.requested();
          left = end - System.nanoTime()) {
        wait(Math.max(1, left / 1_000_000));
      }
    } catch (InterruptedException e) {
      cancellation.cancel();
    }
  }

  /** Collects what it needs. */
  public static final class Builder {
    private final Job job;
    private final Claims claims;
    private final List<SchedulerListener> listeners = new ArrayList<>();
    private Clock clock = Clock.systemUTC();
    private Progress progress = Progress.NONE;
    private Supplier<Optional<Duration>> lag = Optional::empty;
    private @Nullable Duration maxDelay;
    private Duration firstRetry = Duration.ofSeconds(1);

    private Builder(Job job, Claims claims) {
      this.job = job;
      this.claims = claims;
    }

    /** Adds somebody who hears what happens. */
    public Builder listener(SchedulerListener listener) {
      listeners.add(listener);
      return this;
    }

    /** The time; the system's by default. */
    public Builder clock(Clock time) {
      this.clock = time;
      return this;
    }

    /** Follows the work; nobody by default. */
    public Builder progress(Progress follower) {
      this.progress = follower;
      return this;
    }

    /**
     * Says when it is late.
     *
     * @param measure how far it is behind; empty if that is not known
     * @param most how far it may be
     */
    public Builder maxDelay(Supplier<Optional<Duration>> measure, Duration most) {
      this.lag = measure;
      this.maxDelay = most;
      return this;
    }

    Builder firstRetry(Duration pause) {
      this.firstRetry = pause;
      return this;
    }

    /** Makes it; it starts nothing yet. */
    public ContinuousJob build() {
      return new ContinuousJob(this);
    }
  }
}
