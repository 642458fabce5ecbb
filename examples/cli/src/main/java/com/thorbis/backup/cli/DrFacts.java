package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.DrillHistory;
import com.thorbis.backup.dr.drill.Drilled;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.plan.Exercise;
import com.thorbis.backup.dr.plan.PlanDraft;
import com.thorbis.backup.dr.plan.PlanFacts;
import com.thorbis.backup.dr.plan.ProtectedSource;
import com.thorbis.backup.dr.report.Population;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * What was measured of what a plan promises: how far behind its sources are, what restores of them
 * took in drills, and when its exercises were held.
 */
final class DrFacts {
  /** One to the end of a backup is shorter than one that replays log. */
  private static final int LAST = 5;

  private static final Duration AHEAD = Duration.ofDays(400);
  private static final int MOST = 10_000;

  private final Thorbis thorbis;
  private final PlanDraft draft;
  private final Consumer<String> note;

  private DrFacts(Thorbis thorbis, PlanDraft draft, Consumer<String> note) {
    this.thorbis = thorbis;
    this.draft = draft;
    this.note = note;
  }

  /**
   * What this host and the repository say; where it cannot be opened, nothing.
   *
   * @param note told what could not be looked at
   */
  static PlanFacts of(Thorbis thorbis, PlanDraft draft, Consumer<String> note) {
    PlanFacts.Builder facts = PlanFacts.builder(thorbis.clock().instant());
    DrFacts from = new DrFacts(thorbis, draft, note);
    try {
      boolean unused =
          thorbis.reading(
              opened -> {
                from.collect(opened, facts);
                return true;
              });
    } catch (BackupException e) {
      note.accept("nothing was measured: " + e.getMessage());
    }
    return facts.build();
  }

  private void collect(ThorbisBackup opened, PlanFacts.Builder facts) {
    List<EvidenceRecord> records = records(opened);
    for (ProtectedSource source : draft.sources()) {
      if (opened.sources().contains(source.id())) {
        facts.source(source.id(), source(opened, source.id(), records));
      } else {
        note.accept(source.id() + " is no source of " + thorbis.config().file());
      }
    }
    for (Exercise exercise : draft.exercises()) {
      records.stream()
          .filter(it -> it.kind().equals(EvidenceRecord.EXERCISE) && passed(it))
          .filter(it -> isIt(exercise, it))
          .map(EvidenceRecord::at)
          .max(Comparator.naturalOrder())
          .ifPresent(at -> facts.exercised(exercise.id(), at));
    }
  }

  private boolean isIt(Exercise exercise, EvidenceRecord record) {
    return exercise.kind().label().equals(record.document().get("exercise"))
        && draft.practised(exercise).contains(record.subject());
  }

  private static boolean passed(EvidenceRecord record) {
    return record.outcome().equals(EvidenceRecord.PASSED);
  }

  private List<EvidenceRecord> records(ThorbisBackup opened) {
    try {
      return HostEvidence.of(thorbis, opened).log().read().records();
    } catch (IOException | BackupException e) {
      note.accept("evidence could not be read: " + e.getMessage());
      return List.of();
    }
  }

  private PlanFacts.SourceFacts source(
      ThorbisBackup opened, String name, List<EvidenceRecord> records) {
    Config.SourceConfig configured = thorbis.config().sources().get(name);
    Optional<Duration> maxDelay =
        Optional.ofNullable(configured)
            .map(it -> Settings.of("sources." + name, it.settings()))
            .filter(it -> it.find("wal.max-delay").isPresent())
            .map(it -> it.duration("wal.max-delay", Duration.ZERO));
    return new PlanFacts.SourceFacts(
        maxDelay,
        configured == null ? Optional.empty() : Optional.of(backups(name)),
        opened.status(name).lag(),
        restore(name, records),
        OptionalLong.empty(),
        OptionalLong.empty(),
        Duration.ZERO);
  }

  /** The longest time between two backups of a type within the time that a plan looks ahead. */
  private Map<String, Duration> backups(String source) {
    Map<String, Duration> longest = new LinkedHashMap<>();
    Instant now = thorbis.clock().instant();
    for (Population.Due due : thorbis.config().timetable().due(source)) {
      Instant at = due.schedule().next(now);
      Duration gap = Duration.ZERO;
      for (int i = 0; i < MOST && at.isBefore(now.plus(AHEAD)); i++) {
        Instant next = due.schedule().next(at);
        Duration between = Duration.between(at, next);
        gap = between.compareTo(gap) > 0 ? between : gap;
        at = next;
      }
      longest.put(due.type(), gap);
    }
    return longest;
  }

  /** What bringing it back took at most in the last drills that passed, here or elsewhere. */
  private Optional<Duration> restore(String source, List<EvidenceRecord> records) {
    DrillHistory history = new DrillHistory(thorbis.config().stateDirectory(), source);
    try {
      List<Duration> took =
          Drilled.all(source, history, records).stream()
              .filter(Drilled::passed)
              .flatMap(it -> it.restored().stream())
              .toList();
      return took.subList(Math.max(0, took.size() - LAST), took.size()).stream()
          .max(Comparator.naturalOrder());
    } catch (IOException e) {
      note.accept("drills of this host could not be read: " + e.getMessage());
      return Optional.empty();
    }
  }
}
