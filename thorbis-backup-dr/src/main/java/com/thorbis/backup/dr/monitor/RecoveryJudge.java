package com.thorbis.backup.dr.monitor;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Compares recoveries, and what is promised of them, with what there is. */
final class RecoveryJudge {
  /** A recovery that nobody came back to is not told for ever. */
  static final Duration FORGOTTEN = Duration.ofDays(30);

  private static final Set<AlarmKind> COPIES =
      Set.of(AlarmKind.COPY_BEHIND, AlarmKind.COPY_UNREACHABLE, AlarmKind.COPY_WRONG);

  private RecoveryJudge() {}

  /** What became of recoveries; a later one of the same scenario that succeeded settles it. */
  static List<Alarm> runs(List<RecoveryFact> facts, Instant now) {
    List<Alarm> alarms = new ArrayList<>();
    for (RecoveryFact fact : facts) {
      boolean settled =
          facts.stream()
              .filter(other -> other.state() == RecoveryFact.State.SUCCEEDED)
              .filter(other -> other.scenario().equals(fact.scenario()))
              .anyMatch(other -> other.startedAt().isAfter(fact.startedAt()));
      boolean old =
          fact.state() != RecoveryFact.State.BLOCKED
              && fact.since().filter(at -> at.plus(FORGOTTEN).isBefore(now)).isPresent();
      if (!settled && !old) {
        run(fact).ifPresent(alarms::add);
      }
    }
    return alarms;
  }

  private static Optional<Alarm> run(RecoveryFact fact) {
    String see = "See thorbis dr status " + fact.run() + " for what can be done.";
    return switch (fact.state()) {
      case FAILED ->
          Optional.of(alarm(AlarmKind.RECOVERY_FAILED, Severity.CRITICAL, fact, "failed", see));
      case STOPPED ->
          Optional.of(alarm(AlarmKind.RECOVERY_FAILED, Severity.WARNING, fact, "was stopped", see));
      case BLOCKED ->
          Optional.of(
              alarm(AlarmKind.RECOVERY_BLOCKED, Severity.CRITICAL, fact, "does not go on", see));
      case GOING_ON, SUCCEEDED -> Optional.empty();
    };
  }

  private static Alarm alarm(
      AlarmKind kind, Severity severity, RecoveryFact fact, String what, String remedy) {
    return new Alarm(
        kind,
        severity,
        Monitor.RECOVERIES,
        fact.run(),
        fact.since(),
        "a recovery from " + fact.scenario() + " that ends well",
        "it " + what + (fact.detail().isEmpty() ? "" : ": " + fact.detail()),
        remedy);
  }

  /**
   * Whether tiers could be recovered as promised.
   *
   * @param figures of the sources that could be looked at
   * @param known all sources there are here
   * @param found what was found wrong
   */
  static List<Alarm> tiers(
      List<TierFact> facts,
      Map<String, Look.SourceFigures> figures,
      Set<String> known,
      List<Alarm> found) {
    List<Alarm> alarms = new ArrayList<>();
    Optional<Alarm> copy = found.stream().filter(it -> COPIES.contains(it.kind())).findFirst();
    for (TierFact fact : facts) {
      loss(fact, figures, known).ifPresent(alarms::add);
      fact.measured()
          .filter(last -> last.took().compareTo(fact.rto()) > 0)
          .ifPresent(
              last ->
                  alarms.add(
                      tier(
                          AlarmKind.TIER_RTO,
                          Severity.WARNING,
                          fact,
                          "back within " + Said.span(fact.rto()),
                          last.by()
                              + " at "
                              + Said.time(last.at())
                              + " took "
                              + Said.span(last.took()),
                          "Make its recovery faster, or promise less in the plan.")));
      if (fact.sources().stream().anyMatch(known::contains)) {
        copy.ifPresent(
            wrong ->
                alarms.add(
                    tier(
                        AlarmKind.TIER_COPIES,
                        Severity.WARNING,
                        fact,
                        "every copy to recover it from",
                        wrong.kind().code() + " of " + wrong.subject() + ": " + wrong.found(),
                        wrong.remedy())));
      }
    }
    return alarms;
  }

  /** The worst of its sources; of one that could not be looked at nothing is said here. */
  private static Optional<Alarm> loss(
      TierFact fact, Map<String, Look.SourceFigures> figures, Set<String> known) {
    List<String> wrong = new ArrayList<>();
    boolean here = false;
    for (String source : fact.sources()) {
      Look.SourceFigures figure = figures.get(source);
      if (!known.contains(source)) {
        wrong.add("there is no source " + source + " here");
      } else if (figure != null) {
        Optional<Duration> behind = figure.lag().or(figure::backupAge);
        if (behind.isEmpty()) {
          here = true;
          wrong.add("nothing of " + source + " can be recovered");
        } else if (behind.get().compareTo(fact.rpo()) > 0) {
          here = true;
          wrong.add("of " + source + " the last " + Said.span(behind.get()) + " would be lost now");
        }
      }
    }
    return wrong.isEmpty()
        ? Optional.empty()
        : Optional.of(
            tier(
                AlarmKind.TIER_RPO,
                here ? Severity.CRITICAL : Severity.WARNING,
                fact,
                "at most " + Said.span(fact.rpo()) + " to be lost",
                String.join("; ", wrong),
                "See why its backups or its log are late; what the plan calls its sources has to"
                    + " be configured."));
  }

  private static Alarm tier(
      AlarmKind kind,
      Severity severity,
      TierFact fact,
      String expected,
      String found,
      String remedy) {
    return new Alarm(
        kind, severity, Monitor.TIERS, fact.tier(), Optional.empty(), expected, found, remedy);
  }
}
