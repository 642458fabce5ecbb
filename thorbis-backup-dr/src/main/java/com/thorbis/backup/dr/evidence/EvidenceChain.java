package com.thorbis.backup.dr.evidence;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Records, and whether all that are referred to are there, as they were. Each refers to all that
 * nobody had referred to before, so that writers who know nothing of each other make branches, and
 * the next one joins them.
 */
public final class EvidenceChain {
  /** A record that others refer to, and that is not there. */
  public static final String MISSING = "missing";

  /** Something in a record's place that is none. */
  public static final String UNREADABLE = "unreadable";

  /** A signature that is not that of the key it names, over this record. */
  public static final String WRONGLY_SIGNED = "wrongly-signed";

  /** A record without a signature that was not there before signatures began. */
  public static final String UNSIGNED = "unsigned";

  /** The same record again, or another one under its id. */
  public static final String REPLAYED = "replayed";

  /** A record of another repository. */
  public static final String FOREIGN = "foreign";

  /** Records that refer to each other, or evidence let go of before it was old enough. */
  public static final String CONTRADICTION = "contradiction";

  private final List<EvidenceRecord> records;
  private final List<Problem> problems;
  private final Set<String> heads;

  private EvidenceChain(List<EvidenceRecord> records, List<Problem> problems, Set<String> heads) {
    this.records = List.copyOf(records);
    this.problems = List.copyOf(problems);
    this.heads = Set.copyOf(heads);
  }

  /**
   * What is wrong.
   *
   * @param code one of the constants
   * @param record the id of the record, its digest if it is not there, or where it should be
   * @param message for people
   */
  public record Problem(String code, String record, String message) {}

  /**
   * What lies in a record's place.
   *
   * @param place names it for people
   * @param bytes its content
   */
  public record Found(String place, byte[] bytes) {}

  /**
   * Reads and checks.
   *
   * @param repository the id of the repository that they should be of
   * @param keep how old evidence must be to be let go of
   */
  public static EvidenceChain of(String repository, Collection<Found> found, Duration keep) {
    return of(repository, found, List.of(), Set.of(), keep);
  }

  /**
   * Reads and checks.
   *
   * @param before problems that are known already
   * @param seen digests that must be there, too
   */
  static EvidenceChain of(
      String repository,
      Collection<Found> found,
      List<Problem> before,
      Set<String> seen,
      Duration keep) {
    List<EvidenceRecord> records = new ArrayList<>();
    List<Problem> problems = new ArrayList<>(before);
    for (Found one : found) {
      try {
        records.add(EvidenceRecord.parse(one.bytes()));
      } catch (IllegalArgumentException e) {
        problems.add(new Problem(UNREADABLE, one.place(), "is no record: " + e.getMessage()));
      }
    }
    return check(repository, records, problems, seen, keep);
  }

  private static EvidenceChain check(
      String repository,
      List<EvidenceRecord> found,
      List<Problem> problems,
      Set<String> seen,
      Duration keep) {
    Map<String, EvidenceRecord> all = new LinkedHashMap<>();
    Map<String, String> ids = new HashMap<>();
    Set<String> wrong = new HashSet<>();
    for (EvidenceRecord record : found) {
      String digest = record.digest();
      if (!record.repository().equals(repository)) {
        problems.add(new Problem(FOREIGN, record.id(), "is of repository " + record.repository()));
        continue;
      }
      String first = ids.putIfAbsent(record.id(), digest);
      if (first != null) {
        boolean same = first.equals(digest);
        problems.add(
            new Problem(
                REPLAYED, record.id(), same ? "is there twice" : "is the id of two records"));
        if (same) {
          continue;
        }
        wrong.addAll(List.of(first, digest));
      }
      if (record.signature().isPresent() && !record.genuine()) {
        problems.add(
            new Problem(WRONGLY_SIGNED, record.id(), "has a signature that is not over it"));
        wrong.add(digest);
      }
      all.put(digest, record);
    }
    Set<String> anchored = anchored(all, wrong, keep, problems);
    Set<String> heads = new TreeSet<>(all.keySet());
    Map<String, String> wanted = new TreeMap<>();
    seen.forEach(digest -> wanted.put(digest, "this host has seen it"));
    for (EvidenceRecord record : all.values()) {
      for (String digest : record.previous()) {
        heads.remove(digest);
        wanted.put(digest, record.id() + " refers to it");
      }
    }
    wanted.forEach(
        (digest, why) -> {
          if (!all.containsKey(digest) && !anchored.contains(digest)) {
            problems.add(new Problem(MISSING, digest, "is not there, and " + why));
          }
        });
    List<String> sorted = sorted(all);
    if (sorted.size() < all.size()) {
      problems.add(new Problem(CONTRADICTION, "records", "refer to each other in a circle"));
    }
    unsigned(all, sorted, wrong, problems);
    return new EvidenceChain(
        sorted.stream().filter(digest -> !wrong.contains(digest)).map(all::get).toList(),
        problems,
        heads);
  }

  /** What anchors say was let go of; what was too young for that is a problem. */
  private static Set<String> anchored(
      Map<String, EvidenceRecord> all, Set<String> wrong, Duration keep, List<Problem> problems) {
    Set<String> anchored = new HashSet<>();
    all.forEach(
        (digest, record) -> {
          if (record.kind().equals(EvidenceRecord.ANCHOR) && !wrong.contains(digest)) {
            try {
              for (Anchored one : Anchored.of(record)) {
                anchored.add(one.digest());
                if (one.at().plus(keep).isAfter(record.at())) {
                  problems.add(
                      new Problem(
                          CONTRADICTION,
                          one.id(),
                          "was let go of before it was old enough, by " + record.id()));
                }
              }
            } catch (IllegalArgumentException e) {
              problems.add(new Problem(UNREADABLE, record.id(), "does not say what was let go of"));
            }
          }
        });
    return anchored;
  }

  /** Each after all that it refers to; of several possible orders, that of time. */
  private static List<String> sorted(Map<String, EvidenceRecord> all) {
    Map<String, Integer> open = new HashMap<>();
    Map<String, List<String>> next = new HashMap<>();
    Comparator<EvidenceRecord> order =
        Comparator.comparing(EvidenceRecord::at).thenComparing(EvidenceRecord::id);
    PriorityQueue<Map.Entry<String, EvidenceRecord>> ready =
        new PriorityQueue<>(Map.Entry.comparingByValue(order));
    for (Map.Entry<String, EvidenceRecord> each : all.entrySet()) {
      List<String> known =
          each.getValue().previous().stream().distinct().filter(all::containsKey).toList();
      for (String one : known) {
        next.computeIfAbsent(one, any -> new ArrayList<>()).add(each.getKey());
      }
      open.put(each.getKey(), known.size());
      if (known.isEmpty()) {
        ready.add(each);
      }
    }
    List<String> sorted = new ArrayList<>();
    while (!ready.isEmpty()) {
      String digest = ready.remove().getKey();
      sorted.add(digest);
      for (String after : next.getOrDefault(digest, List.of())) {
        if (open.merge(after, -1, Integer::sum) == 0) {
          ready.add(Map.entry(after, all.get(after)));
        }
      }
    }
    return sorted;
  }

  /** Names those without a signature that do not precede every signed one. */
  private static void unsigned(
      Map<String, EvidenceRecord> all,
      List<String> sorted,
      Set<String> wrong,
      List<Problem> problems) {
    Set<String> after = new HashSet<>();
    Optional<Set<String>> before = Optional.empty();
    for (String digest : sorted) {
      EvidenceRecord record = Objects.requireNonNull(all.get(digest));
      boolean follows = record.previous().stream().anyMatch(after::contains);
      if (follows || record.signature().isPresent()) {
        after.add(digest);
      }
      if (!follows && record.signature().isPresent()) {
        Set<String> ancestors = ancestors(record, all);
        before.ifPresent(ancestors::retainAll);
        before = Optional.of(ancestors);
      }
    }
    if (before.isEmpty()) {
      return; // nobody signs
    }
    for (String digest : sorted) {
      EvidenceRecord record = Objects.requireNonNull(all.get(digest));
      if (record.signature().isEmpty() && !before.get().contains(digest)) {
        problems.add(
            new Problem(UNSIGNED, record.id(), "is not signed, and came when others were"));
        wrong.add(digest);
      }
    }
  }

  private static Set<String> ancestors(EvidenceRecord of, Map<String, EvidenceRecord> all) {
    Set<String> found = new HashSet<>();
    Deque<String> open = new ArrayDeque<>(of.previous());
    while (!open.isEmpty()) {
      String digest = open.remove();
      EvidenceRecord record = all.get(digest);
      if (record != null && found.add(digest)) {
        open.addAll(record.previous());
      }
    }
    return found;
  }

  /** Those that count, each after all that it refers to. */
  public List<EvidenceRecord> records() {
    return records;
  }

  /** What is wrong; records that lie are here and not among {@link #records}. */
  public List<Problem> problems() {
    return problems;
  }

  /** The digests of those that nobody refers to yet. */
  public Set<String> heads() {
    return heads;
  }

  /** Whether nothing is wrong. */
  public boolean sound() {
    return problems.isEmpty();
  }
}
