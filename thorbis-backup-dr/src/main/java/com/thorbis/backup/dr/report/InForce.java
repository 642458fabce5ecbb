package com.thorbis.backup.dr.report;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What was expected in a stretch of time, by what all hosts had said until then.
 *
 * @param from its begin
 * @param to its end, which does not belong to it
 * @param sources what was protected, by name
 * @param exercises what was practised, by id
 * @param records which records say so
 * @param assumed whether nothing was said yet, and what was said first is taken
 */
record InForce(
    Instant from,
    Instant to,
    Map<String, Population.Source> sources,
    Map<String, Population.Exercise> exercises,
    List<String> records,
    boolean assumed) {
  /** What was expected in a period, in order; empty if nobody ever said. */
  static List<InForce> of(List<EvidenceRecord> records, Instant from, Instant to) {
    List<EvidenceRecord> said =
        records.stream()
            .filter(record -> record.kind().equals(Population.KIND) && record.at().isBefore(to))
            .sorted(Comparator.comparing(EvidenceRecord::at))
            .toList();
    if (said.isEmpty()) {
      return List.of();
    }
    List<InForce> stretches = new ArrayList<>();
    Map<String, EvidenceRecord> last = new LinkedHashMap<>();
    Instant begin = from;
    for (EvidenceRecord record : said) {
      if (record.at().isAfter(begin)) {
        stretches.add(
            last.isEmpty()
                ? stretch(begin, record.at(), List.of(record), true)
                : stretch(begin, record.at(), last.values(), false));
        begin = record.at();
      }
      last.remove(record.subject()); // what is said later counts
      last.put(record.subject(), record);
    }
    stretches.add(stretch(begin, to, last.values(), false));
    return stretches;
  }

  private static InForce stretch(
      Instant from, Instant to, Iterable<EvidenceRecord> said, boolean assumed) {
    Map<String, Population.Source> sources = new LinkedHashMap<>();
    Map<String, Population.Exercise> exercises = new LinkedHashMap<>();
    List<String> records = new ArrayList<>();
    for (EvidenceRecord record : said) {
      Population population = population(record);
      sources.putAll(population.sources());
      population.exercises().forEach(one -> exercises.put(one.id(), one));
      records.add(record.id());
    }
    return new InForce(from, to, sources, exercises, records, assumed);
  }

  static Population population(EvidenceRecord record) {
    try {
      return Population.of(record.document());
    } catch (BackupException e) {
      throw new IllegalArgumentException(
          record.id() + " has a schedule that is none: " + e.getMessage(), e);
    }
  }
}
