package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.evidence.Appended;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.monitor.Expectation;
import com.thorbis.backup.dr.plan.Exercise;
import com.thorbis.backup.dr.plan.PlanDraft;
import com.thorbis.backup.dr.plan.PlanFacts;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.dr.plan.RecoveryPlan;
import com.thorbis.backup.dr.plan.Tier;
import com.thorbis.backup.dr.plan.Validation;
import com.thorbis.backup.dr.report.Population;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.engine.SourceEngine.RepositoryAccess;
import java.io.IOException;
import java.nio.file.Files;
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
import java.util.function.Function;

/**
 * The evidence that this host keeps, where and for how long its configuration says. That a record
 * is not kept is said, and changes nothing of what it is about.
 */
final class HostEvidence {
  private final Config config;
  private final Clock clock;
  private final EvidenceLog log;
  private final Consumer<String> warn;

  /**
   * That of a repository.
   *
   * @param repository opens it
   * @param warn is told what is not kept
   */
  HostEvidence(Config config, Clock clock, RepositoryAccess repository, Consumer<String> warn) {
    this.config = config;
    this.clock = clock;
    this.warn = warn;
    EvidenceLog.Builder builder =
        EvidenceLog.builder(repository, config.stateDirectory()).clock(clock);
    config.sources().entrySet().stream()
        .filter(source -> source.getValue().type().equals(EvidenceLog.TYPE))
        .findFirst()
        .ifPresent(
            source ->
                builder
                    .source(source.getKey())
                    .keep(
                        Settings.of("sources." + source.getKey(), source.getValue().settings())
                            .duration("keep", EvidenceLog.KEEP)));
    // Whoever only reads may be another account, from which the key is kept.
    config
        .signingKey()
        .filter(Files::isReadable)
        .map(Recipients::signingKey)
        .ifPresent(builder::signer);
    log = builder.build();
  }

  /** That of what is opened. */
  static HostEvidence of(Thorbis thorbis, ThorbisBackup opened) {
    return new HostEvidence(
        thorbis.config(), thorbis.clock(), opened::repository, thorbis::warning);
  }

  /** Keeps a record where nothing is opened; where nothing can be, it waits on this host. */
  static Appended append(
      Thorbis thorbis, String kind, String subject, String outcome, Map<String, ?> document) {
    return keep(thorbis, evidence -> evidence.append(kind, subject, outcome, document));
  }

  /** Keeps records where nothing is opened; where nothing can be, they wait on this host. */
  static <T> T keep(Thorbis thorbis, Function<HostEvidence, T> work) {
    try {
      if (!thorbis.mayWrite()) {
        throw readOnly();
      }
      return thorbis.writing(opened -> work.apply(of(thorbis, opened)));
    } catch (BackupException e) {
      RepositoryAccess none =
          () -> {
            throw e;
          };
      return work.apply(
          new HostEvidence(thorbis.config(), thorbis.clock(), none, thorbis::warning));
    }
  }

  /** Why a record waits where this host may only read. */
  static BackupException readOnly() {
    return BackupException.of(
            "evidence.read-only", FailureKind.REFUSED, "Nothing is written from here")
        .remedy("Let this host open the repository for writing.")
        .build();
  }

  /** Reads and writes it. */
  EvidenceLog log() {
    return log;
  }

  /** Keeps a record. */
  Appended append(String kind, String subject, String outcome, Map<String, ?> document) {
    return said(kind, log.append(kind, subject, outcome, document));
  }

  private Appended said(String kind, Appended kept) {
    String where =
        switch (kept.place()) {
          case STORED -> " is in the repository, but what follows is not done: ";
          case SPOOLED -> " is not in the repository yet: ";
          case LOST -> " is kept nowhere: ";
        };
    String what = kind.equals(EvidenceRecord.DR_RUN) ? "run" : kind;
    kept.problem()
        .ifPresent(
            problem -> warn.accept("the evidence of this " + what + where + problem.getMessage()));
    return kept;
  }

  /**
   * Keeps what is expected from now on, if it has changed; false if it is not in the repository.
   */
  boolean expected() {
    try {
      return of(config, clock)
          .record(log)
          .map(kept -> said(Population.KIND, kept).place() == Appended.Place.STORED)
          .orElse(true);
    } catch (IOException | BackupException e) {
      warn.accept("what is expected is not recorded: " + e.getMessage());
      return false;
    }
  }

  /** Keeps what retention let go of, which a report needs to know that it was there. */
  void pruned(ThorbisBackup opened, PruneReport report) {
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
      append(
          EvidenceRecord.RETENTION,
          source,
          EvidenceRecord.PASSED,
          Map.of(
              "deleted",
              deleted,
              "swept",
              report.swept().stream().map(BackupId::value).toList(),
              "alarms",
              report.alarms()));
    } catch (BackupException e) {
      warn.accept("what was let go of is not recorded: " + e.getMessage());
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
          it.content().exercises().forEach(one -> population.exercise(exercise(it.content(), one)));
        });
    return population.build();
  }

  /**
   * Tells the recovery plan that is in force from others; one that cannot be read is said, and
   * makes nothing due.
   */
  static Optional<String> planDigest(Thorbis thorbis) {
    try {
      return thorbis.config().dr().plan().map(file -> plan(file, thorbis.clock()).digest());
    } catch (BackupException e) {
      thorbis.warning(
          "the recovery plan could not be read, so what is done now does not say by which it was,"
              + " and nothing is due by it: "
              + e.getMessage());
      return Optional.empty();
    }
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

  private static Population.Exercise exercise(PlanDraft plan, Exercise one) {
    LocalDate day = LocalDate.of(2026, 1, 1);
    long days = ChronoUnit.DAYS.between(day, day.plus(one.frequency().period()));
    return new Population.Exercise(
        one.id(), one.kind().label(), one.owner(), plan.practised(one), Duration.ofDays(days));
  }
}
