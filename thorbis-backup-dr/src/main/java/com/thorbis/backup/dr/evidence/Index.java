package com.thorbis.backup.dr.evidence;

import com.thorbis.backup.api.BackupId;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/** What this host has seen of the records in a repository; may be lost. */
final class Index {
  private final Map<BackupId, List<Entry>> backups = new LinkedHashMap<>();
  private final Set<String> anchored = new TreeSet<>();

  /** What is remembered of a record. */
  private record Entry(Anchored record, List<String> previous) {
    Map<String, Object> json() {
      return Map.of(
          "digest", record.digest(),
          "id", record.id(),
          "at", record.at().toString(),
          "previous", previous);
    }

    static Entry of(Map<?, ?> json) {
      return new Entry(
          new Anchored(
              String.valueOf(json.get("digest")),
              String.valueOf(json.get("id")),
              Instant.parse(String.valueOf(json.get("at")))),
          ((List<?>) Objects.requireNonNull(json.get("previous")))
              .stream().map(String::valueOf).toList());
    }
  }

  boolean has(BackupId backup) {
    return backups.containsKey(backup);
  }

  void add(BackupId backup, List<EvidenceRecord> records) {
    List<Entry> entries = new ArrayList<>();
    for (EvidenceRecord record : records) {
      entries.add(new Entry(Anchored.of(record.digest(), record), record.previous()));
      if (record.kind().equals(EvidenceRecord.ANCHOR)) {
        Anchored.of(record).forEach(one -> anchored.add(one.digest()));
      }
    }
    backups.put(backup, entries);
  }

  private List<Entry> entries() {
    return backups.values().stream().flatMap(List::stream).toList();
  }

  boolean hasRecord(String id) {
    return entries().stream().anyMatch(entry -> entry.record().id().equals(id));
  }

  Set<String> digests() {
    Set<String> digests = new HashSet<>();
    entries().forEach(entry -> digests.add(entry.record().digest()));
    return digests;
  }

  /** Those that nobody refers to. */
  Set<String> heads() {
    Set<String> heads = digests();
    entries().forEach(entry -> entry.previous().forEach(heads::remove));
    return heads;
  }

  /** Those of before a moment that no anchor names yet. */
  List<Anchored> olderThan(Instant moment) {
    return entries().stream()
        .map(Entry::record)
        .filter(record -> record.at().isBefore(moment) && !anchored.contains(record.digest()))
        .distinct()
        .toList();
  }

  /** Whether anchors name all that a backup has. */
  boolean anchored(BackupId backup) {
    List<Entry> entries = backups.getOrDefault(backup, List.of());
    return !entries.isEmpty()
        && entries.stream().allMatch(entry -> anchored.contains(entry.record().digest()));
  }

  Map<String, Object> json() {
    Map<String, Object> seen = new LinkedHashMap<>();
    backups.forEach(
        (id, entries) -> seen.put(id.value(), entries.stream().map(Entry::json).toList()));
    return Map.of("backups", seen, "anchored", List.copyOf(anchored));
  }

  /**
   * What {@link #json} gave.
   *
   * @throws IllegalArgumentException if it is anything else
   */
  static Index of(Map<String, Object> json) {
    Index index = new Index();
    try {
      ((Map<?, ?>) Objects.requireNonNull(json.get("backups")))
          .forEach(
              (id, entries) ->
                  index.backups.put(
                      new BackupId(String.valueOf(id)),
                      ((List<?>) entries)
                          .stream().map(entry -> Entry.of((Map<?, ?>) entry)).toList()));
      ((List<?>) Objects.requireNonNull(json.get("anchored")))
          .forEach(one -> index.anchored.add(String.valueOf(one)));
    } catch (ClassCastException | NullPointerException | DateTimeException e) {
      throw new IllegalArgumentException("Not what was seen of evidence", e);
    }
    return index;
  }
}
