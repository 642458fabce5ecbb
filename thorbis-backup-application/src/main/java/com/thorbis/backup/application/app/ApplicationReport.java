package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupId;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What came of each component of an application.
 *
 * @param application its name
 * @param type its type
 * @param components in the order in which they were backed up
 */
public record ApplicationReport(String application, String type, List<ComponentReport> components) {
  /** Copies the list. */
  public ApplicationReport {
    components = List.copyOf(components);
  }

  /**
   * What came of a component.
   *
   * @param name which
   * @param outcome how it ended
   * @param counts how much of it there is
   * @param gaps what is missing of it
   * @param documents what lies in its folder
   * @param unchangedSince the backup before, if all documents are the same there
   */
  public record ComponentReport(
      String name,
      Outcome outcome,
      Map<String, Long> counts,
      List<Gap> gaps,
      Map<String, Reference> documents,
      Optional<BackupId> unchangedSince) {
    /** Copies the collections. */
    public ComponentReport {
      counts = Map.copyOf(counts);
      gaps = List.copyOf(gaps);
      documents = Map.copyOf(documents);
    }

    Document document() {
      Map<String, Object> references = new LinkedHashMap<>();
      documents.forEach(
          (file, reference) ->
              references.put(
                  file, Map.of("length", reference.length(), "sha256", reference.sha256())));
      return Document.of(
          Map.of(
              "outcome",
              outcome.label(),
              "counts",
              counts,
              "gaps",
              gaps.stream()
                  .map(
                      gap ->
                          Map.of("what", gap.what(), "code", gap.code(), "message", gap.message()))
                  .toList(),
              "documents",
              references));
    }
  }

  /** Every gap, with the component it is in. */
  public List<Map.Entry<String, Gap>> gaps() {
    return components.stream()
        .flatMap(one -> one.gaps().stream().map(gap -> Map.entry(one.name(), gap)))
        .toList();
  }
}
