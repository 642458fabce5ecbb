package com.thorbis.backup.dr.evidence;

import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A record that retention may let go of, as an anchor names it. */
record Anchored(String digest, String id, Instant at) {
  static Anchored of(String digest, EvidenceRecord record) {
    return new Anchored(digest, record.id(), record.at());
  }

  static Map<String, Object> document(List<Anchored> records) {
    return Map.of(
        "records",
        records.stream()
            .map(one -> Map.of("digest", one.digest(), "id", one.id(), "at", one.at().toString()))
            .toList());
  }

  /**
   * What an anchor names.
   *
   * @throws IllegalArgumentException if it does not say
   */
  static List<Anchored> of(EvidenceRecord anchor) {
    if (!(anchor.document().get("records") instanceof List<?> said)) {
      throw new IllegalArgumentException("No records");
    }
    List<Anchored> anchored = new ArrayList<>();
    for (Object each : said) {
      if (!(each instanceof Map<?, ?> one)) {
        throw new IllegalArgumentException("No record");
      }
      try {
        anchored.add(
            new Anchored(
                String.valueOf(one.get("digest")),
                String.valueOf(one.get("id")),
                Instant.parse(String.valueOf(one.get("at")))));
      } catch (DateTimeException e) {
        throw new IllegalArgumentException(e);
      }
    }
    return anchored;
  }
}
