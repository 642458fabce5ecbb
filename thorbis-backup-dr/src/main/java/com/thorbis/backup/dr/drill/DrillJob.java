package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.schedule.Job;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.time.Clock;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BinaryOperator;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * Drills of one source, as a {@link com.thorbis.backup.dr.schedule.Scheduler} starts them. Done is
 * what this host remembers and what evidence in the repository says, whoever did it and however it
 * ended; what could not be tried is not done.
 */
public final class DrillJob implements Job {
  /** How far clocks may be apart. */
  private static final Duration CLOCKS = Duration.ofMinutes(5);

  private final String source;
  private final Supplier<Drill> drill;
  private final EvidenceLog evidence;
  private final DrillHistory history;
  private final Clock clock;

  private DrillJob(
      String source,
      Supplier<Drill> drill,
      EvidenceLog evidence,
      DrillHistory history,
      Clock clock) {
    this.source = source;
    this.drill = drill;
    this.evidence = evidence;
    this.history = history;
    this.clock = clock;
  }

  /**
   * Does drills of a source.
   *
   * @param drill one that was not run yet, each time it is asked
   */
  public static DrillJob of(
      String source,
      Supplier<Drill> drill,
      EvidenceLog evidence,
      DrillHistory history,
      Clock clock) {
    return new DrillJob(source, drill, evidence, history, clock);
  }

  /**
   * The copy that was tried by itself longest ago, by whomever; the first of those that never were.
   *
   * @param copies 1 or more
   */
  public static String copyInTurn(
      String source, List<String> copies, EvidenceLog evidence, DrillHistory history)
      throws IOException {
    Map<String, Instant> tried = new HashMap<>();
    for (DrillReport report : history.reports()) {
      if (report.verdict() != Verdict.NONE) {
        report.choice().copy().ifPresent(copy -> tried.merge(copy, report.startedAt(), LATER));
      }
    }
    for (EvidenceRecord record : evidence.read().records()) {
      if (record.kind().equals(EvidenceRecord.DRILL)
          && record.subject().equals(source)
          && tried(record)
          && record.document().get("choice") instanceof Map<?, ?> choice
          && choice.get("copy") instanceof String copy) {
        tried.merge(copy, startedAt(record), LATER);
      }
    }
    return copies.stream()
        .min(Comparator.comparing(copy -> tried.getOrDefault(copy, Instant.MIN)))
        .orElseThrow();
  }

  /**
   * Whether the latest moment is to be tried next, as the last drill tried another one, by
   * whomever; or there was none.
   *
   * @param copy of which copy alone; empty: of those that were not bound to one
   */
  public static boolean latestInTurn(
      String source, Optional<String> copy, EvidenceLog evidence, DrillHistory history)
      throws IOException {
    Map<Instant, String> tried = new TreeMap<>();
    for (DrillReport report : history.reports()) {
      if (report.verdict() != Verdict.NONE && report.choice().copy().equals(copy)) {
        tried.put(report.startedAt(), report.choice().selection());
      }
    }
    for (EvidenceRecord record : evidence.read().records()) {
      if (record.kind().equals(EvidenceRecord.DRILL)
          && record.subject().equals(source)
          && tried(record)
          && record.document().get("choice") instanceof Map<?, ?> choice
          && Optional.ofNullable(choice.get("copy")).equals(copy)) {
        tried.put(startedAt(record), String.valueOf(choice.get("selection")));
      }
    }
    return tried.isEmpty() || !"latest".equals(tried.get(Collections.max(tried.keySet())));
  }

  private static final BinaryOperator<Instant> LATER =
      BinaryOperator.maxBy(Comparator.naturalOrder());

  /** What the drill of a source is called among what is due. */
  public static String name(String source) {
    return source + ".drill";
  }

  @Override
  public String name() {
    return name(source);
  }

  @Override
  public Optional<Instant> lastDone() {
    Instant latest = clock.instant().plus(CLOCKS);
    try {
      return Stream.concat(
              history.reports().stream()
                  .filter(report -> report.verdict() != Verdict.NONE)
                  .map(DrillReport::startedAt),
              evidence.read().records().stream()
                  .filter(record -> record.kind().equals(EvidenceRecord.DRILL))
                  .filter(record -> record.subject().equals(source))
                  .filter(DrillJob::tried)
                  .map(DrillJob::startedAt))
          // One of a clock that was ahead hides none that others did since.
          .filter(at -> !at.isAfter(latest))
          .max(Comparator.naturalOrder());
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  private static boolean tried(EvidenceRecord record) {
    return record.outcome().equals(EvidenceRecord.PASSED)
        || record.outcome().equals(EvidenceRecord.FAILED);
  }

  private static Instant startedAt(EvidenceRecord record) {
    try {
      return Instant.parse(String.valueOf(record.document().get("startedAt")));
    } catch (DateTimeException e) {
      return record.at(); // of another version
    }
  }

  @Override
  public void run(RunControl control) {
    DrillReport report;
    try {
      report = drill.get().run(control);
    } catch (IOException e) {
      throw BackupException.from(e);
    }
    if (report.verdict() != Verdict.PASSED) {
      throw failure(report);
    }
  }

  private BackupException failure(DrillReport report) {
    boolean tried = report.verdict() == Verdict.FAILED;
    return BackupException.of(
            tried ? "drill.failed" : "drill.not-tried",
            tried ? FailureKind.DAMAGED : FailureKind.TRANSIENT,
            "Drill "
                + report.id()
                + (tried ? " of " + source + " failed: " : " of " + source + " was not done: ")
                + reason(report))
        .remedy(
            report
                .problem()
                .map(DrillReport.Problem::remedy)
                .filter(text -> !text.isEmpty())
                .orElse("Run drill " + source + " and read what it says."))
        .detail("drill", report.id())
        .build();
  }

  private static String reason(DrillReport report) {
    return report
        .problem()
        .map(problem -> problem.code() + ": " + problem.message())
        .orElseGet(
            () ->
                report.checks().stream()
                    .filter(
                        check -> check.required() && check.outcome() != DrillCheck.Outcome.PASSED)
                    .findFirst()
                    .map(check -> check.name() + ": " + check.detail())
                    .orElse("not all that was planted was noticed"));
  }
}
