package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.storage.internal.catalog.LostLog.Said;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Which log was sealed anew, and in which folders it lies: those that a life has besides its own.
 * Belongs to one thread at a time.
 */
final class ResealedLog {
  private final List<Said<Operation.Resealed>> all = new ArrayList<>();

  ResealedLog copy() {
    ResealedLog copy = new ResealedLog();
    copy.all.addAll(all);
    return copy;
  }

  void add(long sequence, Operation.Resealed resealed) {
    all.add(new Said<>(sequence, resealed));
  }

  /** Of a source that is not there any more. */
  void forget(String source) {
    all.removeIf(said -> said.what().source().equals(source));
  }

  List<Said<Operation.Resealed>> all() {
    return List.copyOf(all);
  }

  /** Whose folder it is. */
  Optional<String> lifeOf(String source, String folder) {
    return all.stream()
        .map(Said::what)
        .filter(said -> said.source().equals(source) && said.log().equals(folder))
        .map(Operation.Resealed::incarnation)
        .findFirst();
  }

  /** The folders of a life besides its own, the newest first. */
  List<String> folders(String source, String life) {
    return folders(source, life, said -> true);
  }

  /** Those that a segment was sealed anew into. */
  List<String> folders(String source, String life, WalSegment segment) {
    return folders(source, life, said -> covers(said, segment));
  }

  /** Those that anything else was sealed anew into. */
  List<String> folders(String source, String life, String name) {
    return folders(source, life, said -> said.others().contains(name));
  }

  private List<String> folders(
      String source, String life, Predicate<Operation.Resealed> takesFrom) {
    List<String> folders = new ArrayList<>();
    for (Operation.Resealed said : of(source, life)) {
      if (takesFrom.test(said) && !folders.contains(said.log())) {
        folders.add(0, said.log());
      }
    }
    return folders;
  }

  /** Why a segment in one folder of a life counts no more: a newer one has it. */
  Optional<Operation.Resealed> replacing(
      String source, String life, String folder, WalSegment segment) {
    return replacing(source, life, folder, said -> covers(said, segment));
  }

  /** Why anything else in one folder of a life counts no more. */
  Optional<Operation.Resealed> replacing(String source, String life, String folder, String name) {
    return replacing(source, life, folder, said -> said.others().contains(name));
  }

  private Optional<Operation.Resealed> replacing(
      String source, String life, String folder, Predicate<Operation.Resealed> takesFrom) {
    List<String> newestFirst = folders(source, life);
    int place = newestFirst.indexOf(folder);
    return of(source, life).stream()
        .filter(takesFrom)
        .filter(said -> place < 0 || newestFirst.indexOf(said.log()) < place)
        .reduce((one, other) -> other);
  }

  private List<Operation.Resealed> of(String source, String life) {
    return all.stream()
        .map(Said::what)
        .filter(said -> said.source().equals(source) && said.incarnation().equals(life))
        .toList();
  }

  private static boolean covers(Operation.Resealed said, WalSegment segment) {
    return said.wal().stream()
        .anyMatch(
            stretch ->
                stretch.timeline().equals(segment.timeline())
                    && stretch.start().compareTo(segment.start()) <= 0
                    && segment.end().compareTo(stretch.end()) <= 0);
  }
}
