package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.schedule.Job;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * Drills of one source, as a {@link com.thorbis.backup.dr.schedule.Scheduler} starts them. Done is
 * what this host remembers and what evidence in the repository says, whoever did it and however it
 * ended; what could not be tried is not done.
 */
public final class DrillJob implements Job {
  /** How far clocks may be apart. */
  private static final Duration CLOCKS = Duration.ofMinutes(5);

  private final String source;
  private final Function<Turn, Drill> drill;
  private final List<String> copies;
  private final EvidenceLog evidence;
  private final DrillHistory history;
  private final Clock clock;

  private DrillJob(
      String source,
      Function<Turn, Drill> drill,
      List<String> copies,
      EvidenceLog evidence,
      DrillHistory history,
      Clock clock) {
    this.source = source;
    this.drill = drill;
    this.copies = List.copyOf(copies);
    this.evidence = evidence;
    this.history = history;
    this.clock = clock;
  }

  /**
   * What is tried next.
   *
   * @param copy the copy that is read alone; empty: all are
   * @param latest whether it is the latest moment; else chance chooses one
   */
  public record Turn(Optional<String> copy, boolean latest) {}

  /**
   * Does drills of a source: the latest moment, and a random one the next time.
   *
   * @param drill one that was not run yet, each time it is asked
   * @param settings which copies are read alone
   * @param copies the names of those that are configured
   */
  public static DrillJob of(
      String source,
      Function<Turn, Drill> drill,
      DrillSettings settings,
      List<String> copies,
      EvidenceLog evidence,
      DrillHistory history,
      Clock clock) {
    List<String> alone =
        settings
            .copy()
            .map(copy -> copy.equals(DrillSettings.EACH_COPY) ? copies : List.of(copy))
            .orElse(List.of());
    return new DrillJob(source, drill, alone, evidence, history, clock);
  }

  /** The copy that was tried by itself longest ago, by whomever, and what was not tried on it. */
  Turn next() throws IOException {
    List<Drilled> done = done();
    Optional<String> copy =
        copies.stream()
            .min(
                Comparator.comparing(
                    each ->
                        last(done, Optional.of(each)).map(Drilled::startedAt).orElse(Instant.MIN)));
    return new Turn(
        copy, last(done, copy).filter(it -> it.selection().equals(Drill.LATEST)).isEmpty());
  }

  private static Optional<Drilled> last(List<Drilled> done, Optional<String> copy) {
    return done.stream().filter(each -> each.copy().equals(copy)).reduce((older, newer) -> newer);
  }

  /** One of a clock that was ahead hides none that others did since. */
  private List<Drilled> done() throws IOException {
    Instant latest = clock.instant().plus(CLOCKS);
    return Drilled.all(source, history, evidence.read().records()).stream()
        .filter(each -> !each.startedAt().isAfter(latest))
        .toList();
  }

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
    try {
      return done().stream().map(Drilled::startedAt).reduce((older, newer) -> newer);
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  @Override
  public void run(RunControl control) {
    DrillReport report;
    try {
      report = drill.apply(next()).run(control);
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
