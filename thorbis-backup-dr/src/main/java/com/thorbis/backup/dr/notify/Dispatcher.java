package com.thorbis.backup.dr.notify;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.dr.notify.AlarmBook.Entry;
import com.thorbis.backup.dr.notify.AlarmBook.Failed;
import com.thorbis.backup.dr.notify.AlarmBook.Pages;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Tells people what has changed between looks: what was raised, got worse, is there still, or is
 * over. Who was told of what is kept in the state directory; as long as somebody could not be told,
 * that is tried again at each look. Steps of a ladder bring in others later, until somebody
 * acknowledges an alarm. A notifier that fails changes nothing for the others, which are told of
 * that as well. Used by one thread at a time.
 */
public final class Dispatcher implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(Dispatcher.class.getName());
  private static final String AREA = "notifiers";

  /** For so long is it tried to tell that an alarm is over. */
  private static final Duration OVER = Duration.ofDays(1);

  private final AlarmBook book;
  private final Map<String, Notifier> notifiers;
  private final List<Step> ladder;
  private final Duration repeat;
  private final Duration deadline;
  private final Clock clock;

  private Dispatcher(Builder builder) {
    this.book = new AlarmBook(builder.stateDirectory, builder.clock);
    this.notifiers = new LinkedHashMap<>(builder.notifiers);
    this.ladder =
        builder.ladder.isEmpty()
            ? List.of(new Step(Duration.ZERO, List.copyOf(notifiers.keySet()), Severity.WARNING))
            : builder.ladder.stream().sorted(Comparator.comparing(Step::after)).toList();
    this.repeat = builder.repeat;
    this.deadline = builder.deadline;
    this.clock = builder.clock;
    for (Step step : ladder) {
      for (String name : step.to()) {
        if (!notifiers.containsKey(name)) {
          throw BackupException.of(
                  "configuration.invalid",
                  FailureKind.CONFIGURATION,
                  "A step of the escalation names " + name + ", and there is no such notifier")
              .remedy("Name one of " + String.join(", ", notifiers.keySet()) + ".")
              .build();
        }
      }
    }
  }

  /** Whom to tell when. */
  private record Step(Duration after, List<String> to, Severity from) {}

  /** Keeps what it needs below a state directory. */
  public static Builder builder(Path stateDirectory) {
    return new Builder(stateDirectory);
  }

  /**
   * Tells whoever is to be told now.
   *
   * @return alarms of notifiers that fail
   * @throws BackupException if what was told cannot be kept; then as much as possible was told
   */
  public List<Alarm> dispatch(Look look) {
    try (AlarmBook.Lock held = book.hold()) {
      Pages pages = book.read();
      pages.failed.keySet().retainAll(notifiers.keySet());
      Set<String> over = new HashSet<>();
      Set<String> tired = new HashSet<>();
      List<Alarm> seen =
          look.alarms().stream().filter(alarm -> alarm.kind() != AlarmKind.NOTIFIER).toList();
      round(pages, seen, look.unseen(), Set.of(AREA), over, tired);
      // What became of notifiers just now is told at once, through those that work.
      round(pages, failing(pages), Set.of(), otherAreas(pages), over, tired);
      book.write(pages);
      book.forget(over);
      return failing(pages);
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  @Override
  public void close() {
    notifiers.values().forEach(Notifier::close);
  }

  private static Set<String> otherAreas(Pages pages) {
    Set<String> areas = new HashSet<>();
    pages.entries.values().forEach(entry -> areas.add(entry.alarm.area()));
    areas.remove(AREA);
    return areas;
  }

  private List<Alarm> failing(Pages pages) {
    boolean allFail = pages.failed.keySet().containsAll(notifiers.keySet());
    return pages.failed.values().stream()
        .map(
            failed ->
                new Alarm(
                    AlarmKind.NOTIFIER,
                    allFail ? Severity.CRITICAL : Severity.WARNING,
                    AREA,
                    failed.notifier(),
                    Optional.of(failed.since()),
                    "a notifier that takes what people have to know",
                    failed.reason(),
                    "See what it says; it is tried again at each look."))
        .toList();
  }

  /**
   * One pass.
   *
   * @param unseen areas of which nobody knows: what was wrong there is so still
   * @param others areas that this pass is not about
   * @param over gets the ids of alarms that ended
   * @param tired notifiers that failed in this dispatch, and are not tried again in it
   */
  private void round(
      Pages pages,
      List<Alarm> seen,
      Set<String> unseen,
      Set<String> others,
      Set<String> over,
      Set<String> tired) {
    Instant now = clock.instant();
    Map<String, Acknowledgement> acknowledged = book.acknowledgements();
    Map<String, List<Mail>> mails = new LinkedHashMap<>();
    Map<String, Alarm> there = new LinkedHashMap<>();
    seen.forEach(alarm -> there.put(alarm.id(), alarm));
    pages.entries.values().stream()
        .filter(entry -> !entry.cleared && unseen.contains(entry.alarm.area()))
        .forEach(entry -> there.putIfAbsent(entry.alarm.id(), entry.alarm));
    for (Alarm alarm : there.values()) {
      Entry entry = entry(pages, alarm, now);
      Optional<Acknowledgement> ack = Optional.ofNullable(acknowledged.get(alarm.id()));
      if (ack.flatMap(Acknowledgement::until).filter(until -> !until.isAfter(now)).isPresent()) {
        entry.again(Notice.Event.RAISED, now);
        over.add(alarm.id()); // that acknowledgement, not the alarm
      } else if (ack.filter(one -> book.counts(one, alarm, entry.raisedAt)).isPresent()) {
        continue;
      }
      if (!entry.told.isEmpty() && !entry.toldAt.plus(repeat).isAfter(now)) {
        entry.repeat(now);
      }
      due(alarm, entry.raisedAt, now)
          .forEach(
              (name, escalated) -> {
                if (!entry.told.contains(name)) {
                  Notice.Event event = escalated ? Notice.Event.ESCALATED : entry.event;
                  post(mails, name, entry, event, now);
                }
              });
    }
    for (Entry entry : pages.entries.values()) {
      if (there.containsKey(entry.alarm.id()) || others.contains(entry.alarm.area())) {
        continue;
      }
      if (!entry.cleared) {
        entry.cleared = true;
        entry.toldAt = now;
        over.add(entry.alarm.id());
      }
      entry.knows.retainAll(notifiers.keySet());
      if (entry.toldAt.plus(OVER).isBefore(now)) {
        entry.knows.clear();
      }
      entry.knows.forEach(name -> post(mails, name, entry, Notice.Event.CLEARED, now));
    }
    mails.forEach((name, list) -> send(pages, name, list, now, tired));
    pages.entries.values().removeIf(entry -> entry.cleared && entry.knows.isEmpty());
  }

  /** The entry of an alarm that is there, brought up to date. */
  private static Entry entry(Pages pages, Alarm alarm, Instant now) {
    Entry known = pages.entries.get(alarm.id());
    if (known == null || known.cleared) {
      Entry entry = new Entry(alarm, now);
      pages.entries.put(alarm.id(), entry);
      return entry;
    }
    // A clock that was ahead when it was raised must not keep it from going further.
    known.raisedAt = known.raisedAt.isAfter(now) ? now : known.raisedAt;
    known.toldAt = known.toldAt.isAfter(now) ? now : known.toldAt;
    if (alarm.severity().compareTo(known.alarm.severity()) > 0) {
      known.again(Notice.Event.WORSE, now);
    }
    known.alarm = alarm;
    return known;
  }

  /** Whom the steps name that are reached, and whether a later step does. */
  private Map<String, Boolean> due(Alarm alarm, Instant raisedAt, Instant now) {
    Map<String, Boolean> due = new LinkedHashMap<>();
    for (Step step : ladder) {
      if (step.from().compareTo(alarm.severity()) <= 0
          && !raisedAt.plus(step.after()).isAfter(now)) {
        step.to().forEach(name -> due.putIfAbsent(name, !step.after().isZero()));
      }
    }
    if (alarm.kind() == AlarmKind.NOTIFIER) {
      due.remove(alarm.subject());
    }
    return due;
  }

  /** A notice that is on its way. */
  private record Mail(Entry entry, Notice notice) {}

  private static void post(
      Map<String, List<Mail>> mails, String to, Entry entry, Notice.Event event, Instant now) {
    mails
        .computeIfAbsent(to, any -> new ArrayList<>())
        .add(new Mail(entry, new Notice(event, entry.alarm, entry.raisedAt, now)));
  }

  private void send(Pages pages, String name, List<Mail> mails, Instant now, Set<String> tired) {
    Notifier notifier = notifiers.get(name);
    if (notifier == null || tired.contains(name)) {
      return;
    }
    Optional<String> failure = tell(name, notifier, mails.stream().map(Mail::notice).toList());
    if (failure.isPresent()) {
      tired.add(name);
      Failed before = pages.failed.get(name);
      pages.failed.put(
          name, new Failed(name, before == null ? now : before.since(), failure.get()));
      LOG.log(
          System.Logger.Level.WARNING,
          "Notifier {0} failed: {1}",
          name,
          Notice.plain(failure.get()));
      return;
    }
    pages.failed.remove(name);
    for (Mail mail : mails) {
      if (mail.notice().event() == Notice.Event.CLEARED) {
        mail.entry().knows.remove(name);
      } else {
        mail.entry().told.add(name);
        mail.entry().knows.add(name);
      }
    }
  }

  /** Why it failed, if it did; whatever it does, this returns. */
  private Optional<String> tell(String name, Notifier notifier, List<Notice> notices) {
    FutureTask<Boolean> task =
        new FutureTask<>(
            () -> {
              notifier.tell(notices);
              return true;
            });
    Thread thread = new Thread(task, "notifier " + name);
    thread.setDaemon(true);
    thread.start();
    try {
      task.get(deadline.toMillis(), TimeUnit.MILLISECONDS);
      return Optional.empty();
    } catch (TimeoutException e) {
      task.cancel(true);
      return Optional.of("It took longer than " + deadline.toMillis() + " ms");
    } catch (InterruptedException e) {
      task.cancel(true);
      Thread.currentThread().interrupt();
      return Optional.of("It was interrupted");
    } catch (ExecutionException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      return Optional.of(
          cause instanceof IOException && cause.getMessage() != null
              ? cause.getMessage()
              : cause.toString());
    }
  }

  /** Collects whom to tell, and when. */
  public static final class Builder {
    private final Path stateDirectory;
    private final Map<String, Notifier> notifiers = new LinkedHashMap<>();
    private final List<Step> ladder = new ArrayList<>();
    private Duration repeat = Duration.ofDays(1);
    private Duration deadline = Duration.ofSeconds(30);
    private Clock clock = Clock.systemUTC();

    private Builder(Path stateDirectory) {
      this.stateDirectory = stateDirectory;
    }

    /** Adds a notifier, which is closed with the dispatcher. */
    public Builder notifier(String name, Notifier notifier) {
      if (!name.matches("[a-z0-9][a-z0-9_-]{0,62}")
          || notifiers.putIfAbsent(name, notifier) != null) {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                "\"" + name + "\" is no name for a notifier, or names two")
            .remedy("Take up to 63 of a-z, 0-9, \"-\" and \"_\".")
            .build();
      }
      return this;
    }

    /**
     * Adds a step of the ladder; without any, all notifiers are told at once.
     *
     * @param after how long nobody acknowledged an alarm
     * @param to whom to tell then
     * @param from how urgent it must be
     */
    public Builder step(Duration after, List<String> to, Severity from) {
      ladder.add(new Step(after, List.copyOf(to), from));
      return this;
    }

    /** Chooses after how long people are told again; a day, otherwise. */
    public Builder repeatEvery(Duration interval) {
      this.repeat = interval;
      return this;
    }

    /** Limits how long one notifier may take at once; 30 seconds, otherwise. */
    public Builder deadline(Duration perNotifier) {
      this.deadline = perNotifier;
      return this;
    }

    /** Replaces the system's clock. */
    public Builder clock(Clock value) {
      this.clock = value;
      return this;
    }

    /**
     * The dispatcher.
     *
     * @throws BackupException if a step names a notifier that there is not
     */
    public Dispatcher build() {
      return new Dispatcher(this);
    }
  }
}
