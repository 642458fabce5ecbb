package com.thorbis.backup.dr.drill;

import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A drill of a source that proved something, by the report of this host or a record of anybody.
 *
 * @param id names it for ever
 * @param startedAt when it began
 * @param passed whether it passed
 * @param copy the one copy of the repository that was read; empty: whichever served
 * @param selection how its moment was chosen; empty in records of another version
 * @param restored what bringing the source back took; empty if nobody measured it
 */
public record Drilled(
    String id,
    Instant startedAt,
    boolean passed,
    Optional<String> copy,
    String selection,
    Optional<Duration> restored) {
  /** What a record tells of; empty if it is of no drill, or of one that was broken off. */
  public static Optional<Drilled> of(EvidenceRecord record) {
    boolean passed = record.outcome().equals(EvidenceRecord.PASSED);
    if (!record.kind().equals(EvidenceRecord.DRILL)
        || !passed && !record.outcome().equals(EvidenceRecord.FAILED)) {
      return Optional.empty();
    }
    Map<String, Object> document = record.document();
    Map<?, ?> choice = document.get("choice") instanceof Map<?, ?> chosen ? chosen : Map.of();
    return Optional.of(
        new Drilled(
            text(document, "id").orElse(record.id()),
            text(document, "startedAt").flatMap(Drilled::moment).orElse(record.at()),
            passed,
            text(choice, "copy"),
            text(choice, "selection").orElse(""),
            DrillReport.restored(document)));
  }

  private static Optional<String> text(Map<?, ?> object, String name) {
    return object.get(name) instanceof String text ? Optional.of(text) : Optional.empty();
  }

  private static Optional<Instant> moment(String text) {
    try {
      return Optional.of(Instant.parse(text));
    } catch (DateTimeException e) {
      return Optional.empty();
    }
  }

  private static Optional<Drilled> of(DrillReport report) {
    return report.verdict() == Verdict.NONE
        ? Optional.empty()
        : Optional.of(
            new Drilled(
                report.id(),
                report.startedAt(),
                report.passed(),
                report.choice().copy(),
                report.choice().selection(),
                DrillReport.restored(report.json())));
  }

  /**
   * Those that this host remembers and those that records tell of, each once, the oldest first.
   *
   * @param history of the same source
   */
  public static List<Drilled> all(String source, DrillHistory history, List<EvidenceRecord> records)
      throws IOException {
    Map<String, Drilled> found = new LinkedHashMap<>();
    for (DrillReport report : history.reports()) {
      of(report).ifPresent(drill -> found.put(drill.id(), drill));
    }
    records.stream()
        .filter(record -> record.subject().equals(source))
        .flatMap(record -> of(record).stream())
        .forEach(drill -> found.putIfAbsent(drill.id(), drill));
    return found.values().stream().sorted(Comparator.comparing(Drilled::startedAt)).toList();
  }
}
