package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.WalRange;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What it takes that every moment of the recovery window can be reached: a verified backup that
 * stopped before the window begins, every backup since, and all log from its start on. Where the
 * source changed its timeline meanwhile, that holds for each line that is still written on or may
 * lead there.
 */
final class Recovery {
  private final Map<Line, List<Candidate>> lines;
  private final Map<Line, Branch> branches;
  private final Map<Line, List<Candidate>> possibleBases;
  private final Optional<Candidate> base;
  private final Set<Candidate> bases = new LinkedHashSet<>();
  private final Map<Line, List<WalRange>> log = new LinkedHashMap<>();
  private final Set<Line> unknown = new LinkedHashSet<>();

  /**
   * Looks for the bases.
   *
   * @param all every backup, in the order of their commits
   * @param trusted the verified ones among them whose times can be believed
   * @param branches where lines began, as far as that is known
   * @param start where the window begins
   */
  Recovery(
      List<Candidate> all, List<Candidate> trusted, Map<Line, Branch> branches, Instant start) {
    this.lines = Lines.of(all);
    this.branches = branches;
    List<Candidate> before =
        trusted.stream().filter(one -> one.stoppedAt().isBefore(start)).toList();
    this.possibleBases = Lines.of(before);
    this.base = before.isEmpty() ? Optional.empty() : Optional.of(before.get(before.size() - 1));
    Set<Line> live = new LinkedHashSet<>();
    for (Candidate one : all) {
      if (base.isEmpty() || one.sequence() >= base.get().sequence()) {
        live.add(one.line());
      }
    }
    live.forEach(this::follow);
  }

  /** The newest base; empty if no verified backup stopped before the window. */
  Optional<Candidate> base() {
    return base;
  }

  /** Every backup that a way through the window may begin with. */
  Set<Candidate> bases() {
    return bases;
  }

  /** What of each line the ways need; nothing of a line that is not in it. */
  Map<Line, List<WalRange>> log() {
    return log;
  }

  /** Lines of which it is not known where they began, so that too much is kept for them. */
  Set<Line> unknown() {
    return unknown;
  }

  private void follow(Line line) {
    Optional<Candidate> own = last(basesOn(line, Lines.END));
    if (own.isPresent()) {
      begin(own.get(), Lines.END);
      return;
    }
    // The line began within the window, or nobody proved a backup of it: the way leads over others.
    need(line, new Lsn(0), Lines.END);
    Line at = line;
    Lsn shared = Lines.END;
    Set<Line> passed = new LinkedHashSet<>(List.of(line));
    for (Branch branch = branches.get(at); branch != null; branch = branches.get(at)) {
      if (!passed.add(branch.parent())) {
        break; // Not a tree: nothing of it is believed, and what may be an ancestor is kept.
      }
      at = branch.parent();
      shared = least(shared, branch.position());
      Optional<Candidate> before = last(basesOn(at, shared));
      if (before.isPresent()) {
        begin(before.get(), Lines.behind(shared));
        return;
      }
      need(at, new Lsn(0), Lines.behind(shared));
    }
    // The line may have begun anywhere on what may be an ancestor, but not behind its own first
    // backup. So every base before that may be the one, and nothing between is known to be useless.
    Lsn first = shared;
    for (Candidate one : lines.getOrDefault(at, List.of())) {
      first = least(first, one.backup().startLsn());
    }
    for (Line other : Lines.possibleAncestors(at, lines)) {
      if (!passed.contains(other)) {
        List<Candidate> before = basesOn(other, first);
        before.forEach(one -> begin(one, Lines.END));
        need(other, new Lsn(0), Lines.END);
        if (!before.isEmpty()) {
          unknown.add(line);
        }
      }
    }
  }

  private List<Candidate> basesOn(Line line, Lsn atMost) {
    return possibleBases.getOrDefault(line, List.of()).stream()
        .filter(one -> one.backup().stopLsn().compareTo(atMost) <= 0)
        .toList();
  }

  private static Optional<Candidate> last(List<Candidate> ordered) {
    return ordered.isEmpty() ? Optional.empty() : Optional.of(ordered.get(ordered.size() - 1));
  }

  private static Lsn least(Lsn a, Lsn b) {
    return a.compareTo(b) < 0 ? a : b;
  }

  private void begin(Candidate one, Lsn end) {
    bases.add(one);
    need(one.line(), one.backup().startLsn(), end);
  }

  private void need(Line line, Lsn from, Lsn end) {
    log.computeIfAbsent(line, any -> new ArrayList<>())
        .add(new WalRange(line.timeline(), from, end));
  }
}
