package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.Lsn;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
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
  private final Map<Line, Candidate> lines;
  private final Map<Line, Branch> branches = new HashMap<>();
  private final Map<Line, Candidate> newestBases = new LinkedHashMap<>();
  private final List<Candidate> possibleBases;
  private final Set<Candidate> bases = new LinkedHashSet<>();
  private final Map<Line, Lsn> onwards = new LinkedHashMap<>();
  private final Optional<Candidate> base;

  /**
   * Looks for the bases.
   *
   * @param all every backup, in the order of their commits
   * @param trusted the verified ones among them whose times can be believed
   * @param start where the window begins
   */
  Recovery(List<Candidate> all, List<Candidate> trusted, List<Branch> known, Instant start) {
    this.lines = Lines.of(all);
    known.forEach(branch -> branches.put(branch.line(), branch));
    this.possibleBases = trusted.stream().filter(one -> one.stoppedAt().isBefore(start)).toList();
    possibleBases.forEach(one -> newestBases.put(one.line(), one));
    this.base =
        possibleBases.isEmpty()
            ? Optional.empty()
            : Optional.of(possibleBases.get(possibleBases.size() - 1));
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

  /** From where on each line is needed; nothing of a line that is not in it. */
  Map<Line, Lsn> onwards() {
    return onwards;
  }

  private void follow(Line line) {
    Candidate own = newestBases.get(line);
    if (own != null) {
      begin(own);
      return;
    }
    // The line began within the window, or nobody proved a backup on it: the way leads over
    // another.
    whole(line);
    Line at = line;
    Lsn shared = Lines.END;
    Set<Line> passed = new LinkedHashSet<>(List.of(line));
    for (Branch branch = branches.get(at); branch != null; branch = branches.get(at)) {
      at = branch.parent();
      shared = shared.compareTo(branch.position()) < 0 ? shared : branch.position();
      if (!passed.add(at)) {
        break; // Not a tree: believe none of it, and keep what may be an ancestor.
      }
      Optional<Candidate> before = newestBase(at, shared);
      if (before.isPresent()) {
        begin(before.get());
        return;
      }
      whole(at);
    }
    for (Line other : Lines.possibleAncestors(at, lines)) {
      if (!passed.contains(other)) {
        Candidate before = newestBases.get(other);
        if (before == null) {
          whole(other);
        } else {
          begin(before);
        }
      }
    }
  }

  private Optional<Candidate> newestBase(Line line, Lsn atMost) {
    return possibleBases.stream()
        .filter(one -> one.line().equals(line))
        .filter(one -> one.backup().stopLsn().compareTo(atMost) <= 0)
        .max(Comparator.comparingLong(Candidate::sequence));
  }

  private void begin(Candidate one) {
    bases.add(one);
    from(one.line(), one.backup().startLsn());
  }

  private void whole(Line line) {
    from(line, new Lsn(0));
  }

  private void from(Line line, Lsn position) {
    onwards.merge(line, position, (a, b) -> a.compareTo(b) < 0 ? a : b);
  }
}
