package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.evidence.EvidenceLog;
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
import java.util.Optional;

/** What a configuration expects, as evidence of it. */
final class Populations {
  private Populations() {}

  /** The evidence of what is opened, signed where there is a key. */
  static EvidenceLog log(Thorbis thorbis, ThorbisBackup opened) {
    EvidenceLog.Builder log =
        EvidenceLog.builder(opened::repository, thorbis.config().stateDirectory())
            .clock(thorbis.clock());
    thorbis.config().signingKey().map(Recipients::signingKey).ifPresent(log::signer);
    return log.build();
  }

  /**
   * Keeps what is expected from now on, if it has changed; where that does not work, it is said.
   */
  static void record(Thorbis thorbis, ThorbisBackup opened) {
    try {
      of(thorbis.config(), thorbis.clock())
          .record(log(thorbis, opened), host())
          .flatMap(kept -> kept.problem())
          .ifPresent(problem -> warn(thorbis, problem));
    } catch (IOException | BackupException e) {
      warn(thorbis, e);
    }
  }

  private static void warn(Thorbis thorbis, Exception problem) {
    thorbis
        .host()
        .err()
        .println("warning: what is expected is not recorded: " + problem.getMessage());
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
    Optional<RecoveryPlan> plan = config.plan().map(file -> plan(file, clock));
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
