package com.thorbis.backup.dr.evidence;

import com.thorbis.backup.dr.internal.CanonicalJson;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A record before it is known what comes before it: what waits in the state directory. */
record Draft(String id, EvidenceRecord content) {
  /** Stands where a repository's id will. */
  private static final String NOWHERE = "";

  static Draft of(
      String id,
      String kind,
      Instant at,
      String actor,
      String host,
      String subject,
      String outcome,
      Map<String, ?> document) {
    return new Draft(
        id,
        new EvidenceRecord(
            NOWHERE,
            id,
            kind,
            at,
            actor,
            host,
            subject,
            outcome,
            CanonicalJson.copy(document),
            List.of(),
            Optional.empty()));
  }

  static Draft parse(byte[] bytes) {
    EvidenceRecord content = EvidenceRecord.parse(bytes);
    return new Draft(content.id(), content);
  }

  byte[] bytes() {
    return content.bytes();
  }

  EvidenceRecord record(String repository, List<String> previous) {
    return new EvidenceRecord(
        repository,
        content.id(),
        content.kind(),
        content.at(),
        content.actor(),
        content.host(),
        content.subject(),
        content.outcome(),
        content.document(),
        previous,
        Optional.empty());
  }
}
