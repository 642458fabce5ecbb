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
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

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
            ? List.of(
                new Step(Duration.ZERO, List.copyOf(notifiers.keySet()), Severity.WARNING))
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

  /** What was told, and what is acknowledged. */
  public AlarmBook book() {
    return book;
  }

  /** Alarms of notifiers that failed when they were last used. */
  public List<Alarm> failing() {
    return failing(book.read());
  }

  /**
   * Tells whoever is to be told now.
   *
   * @return alarms of notifiers that fail
   * @throws BackupException if what was told cannot be kept; then as much as possible was told
   */
  public synchronized List<Alarm> dispatch(Look look) {
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
    Set<String> ids = new HashSet<>();
    for (Alarm alarm : seen) {
      ids.add(alarm.id());
      Entry entry = pages.entries.get(alarm.id());
      if (entry == null || entry.cleared) {
        entry = new Entry(alarm, now);
        pages.entries.put(alarm.id(), entry);
      }
      @Nullable Notice.Event change = update(entry, alarm, acknowledged.get(alarm.id()), now);
      remind(entry, change, acknowledged.get(alarm.id()), now, mails);
    }
    for (Entry entry : List.copyOf(pages.entries.values())) {
      if (ids.contains(entry.alarm.id()) || others.contains(entry.alarm.area())) {
        continue;
      }
      if (unseen.contains(entry.alarm.area()) && !entry.cleared) {
        remind(entry, null, acknowledged.get(entry.alarm.id()), now, mails);
        continue;
      }
      if (!entry.cleared) {
        entry.cleared = true;
        entry.toldAt = now;
        over.add(entry.alarm.id());
      }
      entry.told.retainAll(notifiers.keySet());
      if (entry.told.isEmpty() || entry.toldAt.plus(OVER).isBefore(now)) {
        pages.entries.remove(entry.alarm.id());
        continue;
      }
      for (String name : entry.told) {
        mails
            .computeIfAbsent(name, any -> new ArrayList<>())
            .add(new Mail(entry, new Notice(Notice.Event.CLEARED, entry.alarm, entry.raisedAt, now)));
      }
    }
    mails.forEach((name, list) -> send(pages, name, list, now, tired));
    pages.entries.values().removeIf(entry -> entry.cleared && entry.told.isEmpty());
  }

  /** A notice that is on its way. */
  private record Mail(Entry entry, Notice notice) {}

  private static @Nullable Event2 none() {
    return null;
  }
}
