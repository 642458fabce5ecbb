package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.dr.schedule.ScheduleEvent.Kind;
import com.thorbis.backup.spi.repository.Claim;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Starts jobs when they are due. A job is due if nothing was done since the last moment of its
 * schedule, by what is stored: so a process that starts late, or again, neither forgets nor doubles
 * a run, however many moments it has missed. Of several processes at one repository one does it.
 *
 * <p>A run that fails is tried again, later each time, until its window is over. Safe for several
 * threads.
 */
public final class Scheduler implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Scheduler.class.getName());

  /** Servers' clocks and this one differ: a backup that began so little before counts. */
  private static final Duration CLOCKS_DIFFER = Duration.ofMinutes(5);

  private static final Duration CLAIM = Duration.ofMinutes(5);
  private static final Duration CLAIMED_BY_ANOTHER = Duration.ofMinutes(1);
  private static final Duration FIRST_RETRY = Duration.ofMinutes(1);
  private static final Duration LAST_RETRY = Duration.ofMinutes(10);

  /** Machines sleep and clocks are set: look again, whatever was planned. */
  private static final Duration LONGEST_SLEEP = Duration.ofSeconds(30);

  private static final int MOST_MISSED = 1000;

  private final Claims claims;
  private final ScheduleState state;
  private final Clock clock;
  private final Progress progress;
  private final List<SchedulerListener> listeners;
  private final List<Entry> entries = new ArrayList<>();
  private final Set<String> busy = new HashSet<>();
  private final ExecutorService workers;
  private final Instant created;
  private @Nullable Thread timing;
  private long handedOver;
  private boolean closed;

  private Scheduler(Builder builder) {
    this.claims = builder.claims;
    this.state = new ScheduleState(builder.stateDirectory.resolve("schedule"));
    this.clock = builder.clock;
    this.progress = builder.progress;
    this.listeners = List.copyOf(builder.listeners);
    this.created = clock.instant();
    for (JobPlan plan : builder.plans) {
      entries.add(new Entry(plan));
      ScheduleState.Known known = state.of(plan.job());
      if (known.since().isEmpty()) {
        state.put(plan.job(), known.since(created));
      }
    }
    // Those that cover others come before them, and so have their turn first.
    entries.sort(Comparator.comparingLong(entry -> covering(entry.plan.job(), builder.plans)));
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            builder.parallelism,
            builder.parallelism,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            task -> daemon("thorbis-job", task));
    pool.allowCoreThreadTimeOut(true);
    this.workers = pool;
  }

  private static long covering(Job job, List<JobPlan> plans) {
    return plans.stream().filter(plan -> plan.job().covers(job)).count();
  }

  /**
   * Starts one.
   *
   * @param claims such as those of the repository
   * @param stateDirectory for what may be lost
   */
  public static Builder builder(Claims claims, Path stateDirectory) {
    return new Builder(claims, stateDirectory);
  }

  /** Starts jobs from now on, on threads of its own, until it is closed. */
  public synchronized void start() {
    if (closed || timing != null) {
      throw new IllegalStateException("It runs already, or has ended");
    }
    Thread thread = daemon("thorbis-schedule", this::keepTime);
    timing = thread;
    thread.start();
  }

  /** Does what is due now, and what becomes due by that, and waits for it. Retries nothing. */
  public void runDue() throws InterruptedException {
    long before;
    do {
      synchronized (this) {
        while (!busy.isEmpty()) {
          wait();
        }
        before = handedOver;
        look();
      }
    } while (isLater(before));
  }

  /** Cancels what runs, waits until it has ended, and starts nothing more. */
  @Override
  public void close() {
    Thread thread;
    synchronized (this) {
      closed = true;
      thread = timing;
      notifyAll();
      entries.forEach(entry -> entry.cancel(false));
    }
    workers.shutdown();
    try {
      if (thread != null) {
        thread.join();
      }
      while (!workers.awaitTermination(1, TimeUnit.MINUTES)) {
        LOG.log(System.Logger.Level.INFO, "Waiting for work that was cancelled");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Hands to the workers what may be due. Returns when to look again at the latest. */
  synchronized Instant look() {
    Instant now = clock.instant();
    Instant next = now.plus(LONGEST_SLEEP);
    if (closed) {
      return next;
    }
    for (Entry entry : entries) {
      Instant at = entry.next(now);
      if (at.isAfter(now)) {
        next = at.isBefore(next) ? at : next;
        continue;
      }
      Instant due = entry.plan.schedule().previous(now);
      entry.see(due);
      if (!yields(entry, due, now) && busy.add(entry.plan.job().subject())) {
        handedOver++;
        workers.execute(() -> attempt(entry, due));
      }
    }
    return next;
  }

  /** Whether a job that is due at the same moment would make this one unnecessary. */
  private boolean yields(Entry entry, Instant due, Instant now) {
    return entries.stream()
        .anyMatch(
            other ->
                other.plan.job().covers(entry.plan.job())
                    && other.plan.schedule().previous(now).equals(due)
                    && !other.settled(due)
                    && !now.isAfter(other.plan.lastStart(due)));
  }

  private void keepTime() {
    while (true) {
      try {
        Instant next = look();
        synchronized (this) {
          if (closed) {
            return;
          }
          wait(Math.max(1, Duration.between(clock.instant(), next).toMillis()));
        }
      } catch (InterruptedException e) {
        return;
      } catch (RuntimeException | Error e) {
        LOG.log(System.Logger.Level.ERROR, "The schedule goes on after a failure", e);
        pause();
      }
    }
  }

  private synchronized void pause() {
    long end = System.nanoTime() + LONGEST_SLEEP.toNanos();
    try {
      for (long left = LONGEST_SLEEP.toNanos();
          left > 0 && !closed;
          left = end - System.nanoTime()) {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized boolean isLater(long before) {
    return handedOver != before;
  }

  private void attempt(Entry entry, Instant due) {
    try {
      decide(entry, due);
    } catch (RuntimeException | IOException | Error e) {
      failed(entry, due, "Nobody could tell whether it is to be done", e, Optional.empty());
    } finally {
      synchronized (this) {
        busy.remove(entry.plan.job().subject());
        notifyAll();
      }
    }
  }

  private void decide(Entry entry, Instant due) throws IOException {
    JobPlan plan = entry.plan;
    Optional<Instant> left = entry.left();
    if (left.isPresent() && !isDone(plan, left.get())) {
      missed(entry, left.get());
    }
    if (isDone(plan, due)) {
      if (due.isAfter(created)) {
        tell(entry, Kind.SKIPPED, due, "It is done already");
      }
      entry.settle(due);
      return;
    }
    Instant now = clock.instant();
    if (now.isAfter(plan.lastStart(due))) {
      missed(entry, due);
      return;
    }
    Optional<Instant> blackout = plan.blackedOutUntil(now);
    if (blackout.isPresent()) {
      if (entry.hold(due, blackout.get())) {
        tell(entry, Kind.SKIPPED, due, "A blackout lasts until " + blackout.get());
      }
      return;
    }
    Optional<Claim> claim = claims.claim("schedule " + plan.job().subject(), CLAIM);
    if (claim.isEmpty()) {
      entry.postpone(due, now.plus(CLAIMED_BY_ANOTHER));
      return;
    }
    try {
      // Whoever had it before may have done it since we looked.
      if (isDone(plan, due)) {
        tell(entry, Kind.SKIPPED, due, "Another process has done it");
        entry.settle(due);
      } else {
        run(entry, due);
      }
    } finally {
      claim.get().close();
    }
  }

  private void run(Entry entry, Instant due) {
    Instant began = clock.instant();
    Cancellation cancellation = new Cancellation();
    Optional<Instant> end = entry.plan.finishWithin().map(due::plus);
    synchronized (this) {
      if (closed) {
        return;
      }
      entry.running(cancellation, end);
    }
    tell(entry, Kind.STARTED, due, "");
    try {
      entry.plan.job().run(new RunControl(cancellation, progress));
    } catch (RuntimeException | Error e) {
      boolean stopping = entry.ended();
      Duration took = Duration.between(began, clock.instant());
      if (entry.overran()) {
        entry.settle(due);
        String within = PlanCheck.text(entry.plan.finishWithin().orElseThrow());
        tell(
            entry,
            Kind.FAILED,
            due,
            "It was not finished within " + within + " of when it was due, and was cancelled",
            Optional.of(took),
            Optional.of(e));
      } else if (e instanceof BackupException found && found.kind() == FailureKind.DAMAGED) {
        entry.settle(due); // what is damaged stays so, however often it is looked at
        tell(entry, Kind.FAILED, due, words(e), Optional.of(took), Optional.of(e));
      } else if (stopping) {
        failed(entry, due, "It was cancelled, because this process ends", e, Optional.of(took));
      } else {
        failed(entry, due, "", e, Optional.of(took));
      }
      return;
    }
    entry.ended();
    state.put(entry.plan.job(), state.of(entry.plan.job()).done(began));
    entry.settle(due);
    Optional<Duration> took = Optional.of(Duration.between(began, clock.instant()));
    tell(entry, Kind.FINISHED, due, "", took, Optional.empty());
  }

  private boolean isDone(JobPlan plan, Instant due) {
    // What a clock that was wrong dated to come would keep this from being done until then.
    Instant most = clock.instant().plus(CLOCKS_DIFFER);
    if (state
        .of(plan.job())
        .done()
        .filter(at -> !at.isBefore(due) && !at.isAfter(most))
        .isPresent()) {
      return true;
    }
    Duration half = plan.shortestInterval().dividedBy(2);
    Duration before = half.compareTo(CLOCKS_DIFFER) < 0 ? half : CLOCKS_DIFFER;
    return plan.job()
        .lastDone()
        .filter(at -> !at.isBefore(due.minus(before)) && !at.isAfter(most))
        .isPresent();
  }

  private void missed(Entry entry, Instant due) {
    Job job = entry.plan.job();
    ScheduleState.Known known = state.of(job);
    Optional<Instant> last = known.done();
    Optional<Instant> stored = job.lastDone();
    if (stored.isPresent() && last.filter(at -> !at.isBefore(stored.get())).isEmpty()) {
      last = stored;
    }
    entry.settle(due);
    // What was due before anybody planned it, and was never done, is not missed.
    boolean planned = last.isPresent() || known.since().filter(at -> at.isAfter(due)).isEmpty();
    if (!planned || known.missed().filter(at -> at.equals(due)).isPresent()) {
      return;
    }
    StringBuilder reason = new StringBuilder("It was not started by ");
    reason.append(entry.plan.lastStart(due));
    entry.lastFailure(due).ifPresent(why -> reason.append("; the last try: ").append(why));
    reason.append(
        last.map(at -> "; done last at " + at + missedBefore(entry.plan, at, due))
            .orElse("; it was never done"));
    state.put(job, known.missed(due));
    tell(entry, Kind.MISSED, due, reason.toString());
  }

  /** How many moments were missed besides: they are one decision, and not one each. */
  private static String missedBefore(JobPlan plan, Instant done, Instant due) {
    int missed = 0;
    Instant at = plan.schedule().next(done);
    while (at.isBefore(due) && missed < MOST_MISSED) {
      missed++;
      at = plan.schedule().next(at);
    }
    return missed == 0
        ? ""
        : ", and " + (missed == MOST_MISSED ? "over " : "") + missed + " moments before it";
  }

  private void failed(
      Entry entry, Instant due, String reason, Throwable failure, Optional<Duration> took) {
    Instant now = clock.instant();
    Instant retry = entry.retry(due, now, reason.isEmpty() ? words(failure) : reason);
    boolean again = !retry.isAfter(entry.plan.lastStart(due)) && !isClosed();
    tell(
        new ScheduleEvent(
            Kind.FAILED,
            entry.plan.job().name(),
            due,
            now,
            reason.isEmpty() ? words(failure) : reason + ": " + words(failure),
            took,
            again ? Optional.of(retry) : Optional.empty(),
            Optional.of(failure)));
  }

  static String words(Throwable failure) {
    return failure instanceof BackupException
        ? String.valueOf(failure.getMessage())
        : failure.toString();
  }

  private synchronized boolean isClosed() {
    return closed;
  }

  private void tell(Entry entry, Kind kind, Instant due, String reason) {
    tell(entry, kind, due, reason, Optional.empty(), Optional.empty());
  }

  private void tell(
      Entry entry,
      Kind kind,
      Instant due,
      String reason,
      Optional<Duration> took,
      Optional<Throwable> failure) {
    String job = entry.plan.job().name();
    Instant now = clock.instant();
    tell(new ScheduleEvent(kind, job, due, now, reason, took, Optional.empty(), failure));
  }

  private void tell(ScheduleEvent event) {
    tell(listeners, event);
  }

  static void tell(List<SchedulerListener> listeners, ScheduleEvent event) {
    for (SchedulerListener listener : listeners) {
      try {
        listener.happened(event);
      } catch (RuntimeException | Error e) {
        LOG.log(System.Logger.Level.WARNING, "A listener failed at " + event + ": " + e);
      }
    }
  }

  private static Thread daemon(String name, Runnable task) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  /** How far one plan has come. */
  private static final class Entry {
    private final JobPlan plan;
    private Instant settled = Instant.MIN;
    private Instant seen = Instant.MIN;
    private Optional<Instant> left = Optional.empty();
    private Instant tried = Instant.MIN;
    private Instant notBefore = Instant.MIN;
    private Instant heldUntil = Instant.MIN;
    private Duration pause = FIRST_RETRY;
    private Optional<String> problem = Optional.empty();
    private @Nullable Cancellation running;
    private Optional<Instant> end = Optional.empty();
    private boolean overran;
    private boolean stopping;

    Entry(JobPlan plan) {
      this.plan = plan;
    }

    /** When there is something to do; a run that takes too long is ended on the way. */
    synchronized Instant next(Instant now) {
      if (running != null) {
        if (end.isPresent() && !now.isBefore(end.get())) {
          cancel(true);
        }
        return end.filter(at -> at.isAfter(now)).orElse(Instant.MAX);
      }
      Instant due = plan.schedule().previous(now);
      if (!settled.isBefore(due)) {
        return plan.start(plan.schedule().next(now));
      }
      Instant start = plan.start(due);
      return tried.equals(due) && notBefore.isAfter(start) ? notBefore : start;
    }

    synchronized boolean settled(Instant due) {
      return !settled.isBefore(due);
    }

    synchronized void settle(Instant due) {
      settled = due.isAfter(settled) ? due : settled;
    }

    /** Notes that it is due. */
    synchronized void see(Instant due) {
      if (!due.equals(seen)) {
        if (settled.isBefore(seen)) {
          left = Optional.of(seen);
        }
        seen = due;
      }
    }

    /** The moment before, if it became due again before anything became of that. */
    synchronized Optional<Instant> left() {
      return left.filter(settled::isBefore);
    }

    synchronized void postpone(Instant due, Instant until) {
      begin(due);
      notBefore = until;
    }

    /** Whether it is news. */
    synchronized boolean hold(Instant due, Instant until) {
      begin(due);
      Instant last = plan.lastStart(due).plusNanos(1);
      notBefore = until.isBefore(last) ? until : last;
      boolean news = !heldUntil.equals(until);
      heldUntil = until;
      return news;
    }

    synchronized Instant retry(Instant due, Instant now, String why) {
      begin(due);
      problem = Optional.of(why);
      Instant retry = now.plus(pause);
      Instant last = plan.lastStart(due).plusNanos(1);
      notBefore = now.isBefore(last) && retry.isAfter(last) ? last : retry;
      pause = pause.multipliedBy(2).compareTo(LAST_RETRY) < 0 ? pause.multipliedBy(2) : LAST_RETRY;
      return notBefore;
    }

    synchronized Optional<String> lastFailure(Instant due) {
      return tried.equals(due) ? problem : Optional.empty();
    }

    private void begin(Instant due) {
      if (!tried.equals(due)) {
        tried = due;
        pause = FIRST_RETRY;
        problem = Optional.empty();
      }
    }

    synchronized void running(Cancellation cancellation, Optional<Instant> until) {
      running = cancellation;
      end = until;
      overran = false;
      stopping = false;
    }

    /** Whether it was cancelled because the process ends. */
    synchronized boolean ended() {
      running = null;
      return stopping;
    }

    synchronized boolean overran() {
      return overran;
    }

    void cancel(boolean late) {
      Cancellation cancelled;
      synchronized (this) {
        cancelled = running;
        if (cancelled == null || cancelled.requested()) {
          return;
        }
        overran = late;
        stopping = !late;
      }
      cancelled.cancel();
    }
  }

  /** Collects what a scheduler needs. */
  public static final class Builder {
    private final Claims claims;
    private final Path stateDirectory;
    private final List<JobPlan> plans = new ArrayList<>();
    private final List<SchedulerListener> listeners = new ArrayList<>();
    private Clock clock = Clock.systemUTC();
    private Progress progress = Progress.NONE;
    private int parallelism = 2;

    private Builder(Claims claims, Path stateDirectory) {
      this.claims = claims;
      this.stateDirectory = stateDirectory;
    }

    /** Adds a job. */
    public Builder plan(JobPlan plan) {
      plans.add(plan);
      return this;
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

    /** Follows the runs; nobody by default. */
    public Builder progress(Progress follower) {
      this.progress = follower;
      return this;
    }

    /** How many jobs run at the same time, 2 by default. */
    public Builder parallelism(int jobs) {
      this.parallelism = jobs;
      return this;
    }

    /**
     * Makes it; it starts nothing yet.
     *
     * @throws BackupException code {@code schedule.unworkable} if {@link PlanCheck} finds anything
     */
    public Scheduler build() {
      List<PlanCheck.Finding> findings = PlanCheck.of(plans);
      if (!findings.isEmpty()) {
        BackupException.Builder failure =
            BackupException.of(
                    "schedule.unworkable", FailureKind.CONFIGURATION, findings.get(0).toString())
                .remedy(findings.get(0).remedy());
        for (int i = 1; i < findings.size(); i++) {
          failure.detail("also-" + i, findings.get(i).toString());
        }
        throw failure.build();
      }
      return new Scheduler(this);
    }
  }
}
