package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.storage.internal.catalog.LostLog.Said;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Which log was sealed anew, and in which folders it lies: those that a life has besides its own.
 * The later a folder was first named, the newer it is. Belongs to one thread at a time.
 */
final class ResealedLog {
  private final List<Entry> all = new ArrayList<>();

  /** What a commit said; names are looked for often. */
  private record Entry(Said<Operation.Resealed> said, Set<String> others) {
    Operation.Resealed what() {
      return said.what();
    }

    boolean covers(WalSegment segment) {
      return what().wal().stream()
          .anyMatch(
              stretch ->
                  stretch.timeline().equals(segment.timeline())
                      && stretch.start().compareTo(segment.start()) <= 0
                      && segment.end().compareTo(stretch.end()) <= 0);
    }
  }

  ResealedLog copy() {
    ResealedLog copy = new ResealedLog();
    copy.all.addAll(all);
    return copy;
  }

  void add(long sequence, Operation.Resealed resealed) {
    all.add(new Entry(new Said<>(sequence, resealed), Set.copyOf(resealed.others())));
  }

  /** Of a source that is not there any more. */
  void forget(String source) {
    all.removeIf(entry -> entry.what().source().equals(source));
  }

  List<Said<Operation.Resealed>> all() {
    return all.stream().map(Entry::said).toList();
  }

  /** Whose folder it is. */
  Optional<String> lifeOf(String source, String folder) {
    return all.stream()
        .map(Entry::what)
        .filter(said -> said.source().equals(source) && said.log().equals(folder))
        .map(Operation.Resealed::incarnation)
        .findFirst();
  }

  /** The folders of a life besides its own, the newest first. */
  List<String> folders(String source, String life) {
    List<String> folders = new ArrayList<>();
    of(source, life)
        .map(entry -> entry.what().log())
        .filter(folder -> !folders.contains(folder))
        .forEach(folder -> folders.add(0, folder));
    return folders;
  }

  /** Those that a segment was sealed anew into, the newest first. */
  List<String> folders(String source, String life, WalSegment segment) {
    return folders(source, life, entry -> entry.covers(segment));
  }

  /** Those that anything else was sealed anew into, the newest first. */
  List<String> folders(String source, String life, String name) {
    return folders(source, life, entry -> entry.others().contains(name));
  }

  private List<String> folders(String source, String life, Predicate<Entry> takesFrom) {
    List<String> folders = folders(source, life);
    if (!folders.isEmpty()) {
      folders.retainAll(
          of(source, life).filter(takesFrom).map(entry -> entry.what().log()).toList());
    }
    return folders;
  }

  /** What put a segment of one folder of a life into a newer one. */
  Optional<Operation.Resealed> replacing(
      String source, String life, String folder, WalSegment segment) {
    return replacing(source, life, folder, entry -> entry.covers(segment));
  }

  /** What put anything else of one folder of a life into a newer one. */
  Optional<Operation.Resealed> replacing(String source, String life, String folder, String name) {
    return replacing(source, life, folder, entry -> entry.others().contains(name));
  }

  private Optional<Operation.Resealed> replacing(
      String source, String life, String folder, Predicate<Entry> takesFrom) {
    List<String> newestFirst = folders(source, life);
    int place = newestFirst.indexOf(folder);
    return newestFirst.isEmpty()
        ? Optional.empty()
        : of(source, life)
            .filter(takesFrom)
            .map(Entry::what)
            .filter(said -> place < 0 || newestFirst.indexOf(said.log()) < place)
            .min(Comparator.comparingInt(said -> newestFirst.indexOf(said.log())));
  }

  private Stream<Entry> of(String source, String life) {
    return all.stream()
        .filter(
            entry ->
                entry.what().source().equals(source) && entry.what().incarnation().equals(life));
  }
}
