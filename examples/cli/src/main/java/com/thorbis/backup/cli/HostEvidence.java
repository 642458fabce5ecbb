package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.evidence.Appended;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.monitor.Expectation;
import com.thorbis.backup.dr.plan.Exercise;
import com.thorbis.backup.dr.plan.PlanFacts;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.dr.plan.RecoveryPlan;
import com.thorbis.backup.dr.plan.Tier;
import com.thorbis.backup.dr.plan.Validation;
import com.thorbis.backup.dr.report.Population;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.LocalDate;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/** What a host keeps as evidence besides drills: what it expects, and what retention did. */
final class HostEvidence {
  private HostEvidence() {}

  /** The evidence of what is opened, signed where there is a key. */
  static EvidenceLog log(Config config, Clock clock, ThorbisBackup opened) {
    EvidenceLog.Builder log =
        EvidenceLog.builder(opened::repository, config.stateDirectory()).clock(clock);
    config.signingKey().map(Recipients::signingKey).ifPresent(log::signer);
    return log.build();
  }

  /**
   * Keeps what is expected from now on, if it has changed.
   *
   * @param warn is told where that does not work
   */
  static void expected(Config config, Clock clock, ThorbisBackup opened, Consumer<String> warn) {
    try {
      of(config, clock)
          .record(log(config, clock, opened), host())
          .flatMap(Appended::problem)
          .ifPresent(
              problem ->
                  warn.accept("what is expected is not recorded yet: " + problem.getMessage()));
    } catch (IOException | BackupException e) {
      warn.accept("what is expected is not recorded: " + e.getMessage());
    }
  }

  /**
   * Keeps what retention let go of, which a report needs to know that it was there.
   *
   * @param warn is told where that does not work
   */
  static void pruned(
      Config config, Clock clock, ThorbisBackup opened, PruneReport report, Consumer<String> warn) {
    String source = report.plan().retention().source();
    try {
      List<Object> deleted = new ArrayList<>();
      for (BackupState state : opened.states(Optional.of(source))) {
        BackupDescriptor one = state.backup();
        if (report.deleted().contains(one.id())) {
          deleted.add(
              Map.of(
                  "id", one.id().value(),
                  "type", one.type().label(),
                  "startedAt", one.startedAt().toString(),
                  "stoppedAt", one.stoppedAt().toString()));
        }
      }
      log(config, clock, opened)
          .append(
              EvidenceRecord.RETENTION,
              source,
              EvidenceRecord.PASSED,
              Map.of(
                  "deleted",
                  deleted,
                  "swept",
                  report.swept().stream().map(BackupId::value).toList(),
                  "alarms",
                  report.alarms()))
          .problem()
          .ifPresent(
              problem ->
                  warn.accept("what was let go of is not recorded yet: " + problem.getMessage()));
    } catch (BackupException e) {
      warn.accept("what was let go of is not recorded: " + e.getMessage());
    }
  }

  private static String host() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      return "localhost";
    }
  }

  /** What a configuration expects; promises of a plan count where a source has none of its own. */
  static Population of(Config config, Clock clock) {
    Optional<RecoveryPlan> plan = config.dr().plan().map(file -> plan(file, clock));
    Population.Builder population = Population.builder();
    config
        .sources()
        .forEach((name, source) -> population.source(source(config, name, source, plan)));
    config.excluded().forEach(population::exclude);
    plan.ifPresent(
        it -> {
          population.plan(new Population.Plan(it.id(), it.version(), it.digest()));
          it.content().exercises().forEach(one -> population.exercise(exercise(one)));
        });
    return population.build();
  }

  private static RecoveryPlan plan(Path file, Clock clock) {
    return Validation.of(
            PlanReader.read(Config.read(file), file.toString()), PlanFacts.none(clock.instant()))
        .require();
  }

  private static Population.Source source(
      Config config, String name, Config.SourceConfig source, Optional<RecoveryPlan> plan) {
    Optional<Tier> tier =
        plan.flatMap(
            it ->
                it.content().tiers().stream()
                    .filter(one -> one.sources().contains(name))
                    .findFirst());
    Objectives own = source.objectives();
    Optional<Expectation> expected =
        config.watching().expectations().stream()
            .filter(one -> one.source().equals(name))
            .findFirst();
    return new Population.Source(
        name,
        source.type(),
        own.owner(),
        own.rpo().or(() -> tier.map(Tier::rpo)),
        own.rto().or(() -> tier.map(Tier::rto)),
        expected.flatMap(Expectation::drillEvery),
        source.retention().map(policy -> policy.toString()),
        config.timetable().due(name));
  }

  private static Population.Exercise exercise(Exercise one) {
    LocalDate day = LocalDate.of(2026, 1, 1);
    long days = ChronoUnit.DAYS.between(day, day.plus(one.frequency().period()));
    return new Population.Exercise(
        one.id(), one.kind().label(), one.owner(), one.scenarios(), Duration.ofDays(days));
  }
}
