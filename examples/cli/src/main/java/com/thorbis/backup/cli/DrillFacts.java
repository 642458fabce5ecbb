package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.Basis;
import com.thorbis.backup.dr.drill.Drill;
import com.thorbis.backup.dr.drill.DrillHistory;
import com.thorbis.backup.dr.drill.DrillReport;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.Drilled;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.monitor.DrillFact;
import com.thorbis.backup.dr.monitor.Expectation;
import com.thorbis.backup.spi.repository.Copy;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * The drills that this host remembers, and, where drills are expected, those that evidence in the
 * repository tells of, whoever did them: back to the last that passed, and no further than what is
 * overdue twice. What was read is not read again.
 */
final class DrillFacts implements Supplier<List<DrillFact>> {
  private final Thorbis thorbis;
  private final ThorbisBackup opened;
  private final List<Expectation> expected;
  private final Map<BackupId, List<EvidenceRecord>> stored = new HashMap<>();

  DrillFacts(Thorbis thorbis, ThorbisBackup opened, List<Expectation> expected) {
    this.thorbis = thorbis;
    this.opened = opened;
    this.expected = List.copyOf(expected);
  }

  /** Fails where evidence cannot be read: that is another answer than that there was no drill. */
  @Override
  public synchronized List<DrillFact> get() {
    try {
      Map<String, DrillFact> facts = new LinkedHashMap<>();
      List<String> awaited =
          expected.stream()
              .filter(each -> each.drillEvery().isPresent())
              .map(Expectation::source)
              .toList();
      Optional<String> plan =
          awaited.isEmpty() ? Optional.empty() : HostEvidence.planDigest(thorbis);
      for (Expectation each : expected) {
        remembered(each.source(), plan, facts);
      }
      if (!awaited.isEmpty() && thorbis.config().sealed().isEmpty()) {
        // That one copy passed says nothing of what another one did before.
        boolean copies =
            awaited.stream()
                .anyMatch(it -> DrillCommand.settings(thorbis.config(), it).copy().isPresent());
        Instant oldest = thorbis.clock().instant().minus(longest().multipliedBy(2));
        HostEvidence.of(thorbis, opened)
            .log()
            .readInto(
                stored,
                this::counts,
                backup -> backup.stoppedAt().isBefore(oldest) || !copies && allPassed(awaited));
      }
      stored.values().forEach(records -> records.forEach(record -> recorded(record, plan, facts)));
      Set<String> there =
          opened.configuredCopies().stream().map(Copy::name).collect(Collectors.toSet());
      return facts.values().stream()
          .filter(fact -> fact.copy().isEmpty() || there.contains(fact.copy().get()))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void remembered(String source, Optional<String> plan, Map<String, DrillFact> facts)
      throws IOException {
    Basis now =
        new Basis(
            Main.version(),
            plan,
            Optional.of(Drill.environment(DrillCommand.settings(thorbis.config(), source))));
    for (DrillReport report :
        new DrillHistory(thorbis.config().stateDirectory(), source).reports()) {
      if (report.verdict() != Verdict.NONE) { // else somebody broke it off
        facts.put(
            report.id(),
            new DrillFact(
                source,
                report.choice().copy(),
                report.startedAt().plusMillis(report.millis()),
                report.passed(),
                "drill " + report.id(),
                now.changedSince(report.basis())));
      }
    }
  }

  private Duration longest() {
    return expected.stream()
        .flatMap(each -> each.drillEvery().stream())
        .max(Comparator.naturalOrder())
        .orElse(Duration.ZERO);
  }

  /** Where this host signs, also if whoever looks cannot read the key. */
  private boolean counts(EvidenceRecord record) {
    boolean vouched = record.signature().isPresent() || thorbis.config().signingKey().isEmpty();
    return vouched && Drilled.of(record).isPresent();
  }

  private boolean allPassed(List<String> sources) {
    Set<String> passed =
        stored.values().stream()
            .flatMap(List::stream)
            .filter(record -> record.outcome().equals(EvidenceRecord.PASSED))
            .map(EvidenceRecord::subject)
            .collect(Collectors.toSet());
    return passed.containsAll(sources);
  }

  /** That another host did it makes nothing due. */
  private static void recorded(
      EvidenceRecord record, Optional<String> plan, Map<String, DrillFact> facts) {
    Basis now = new Basis(Main.version(), plan, Optional.empty());
    Basis then =
        new Basis(
            text(record, "product").orElse(Main.version()), text(record, "plan"), Optional.empty());
    Drilled.of(record)
        .ifPresent(
            drill ->
                facts.putIfAbsent(
                    drill.id(),
                    new DrillFact(
                        record.subject(),
                        drill.copy(),
                        record.at(),
                        drill.passed(),
                        "drill " + drill.id() + " on " + record.host(),
                        now.changedSince(then))));
  }

  private static Optional<String> text(EvidenceRecord record, String member) {
    return record.document().get(member) instanceof String text
        ? Optional.of(text)
        : Optional.empty();
  }
}
