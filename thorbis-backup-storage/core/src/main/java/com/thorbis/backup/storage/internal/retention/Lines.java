package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RetentionPlan.WalKeep;
import com.thorbis.backup.api.WalRange;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The log that kept backups need, line by line. */
final class Lines {
  static final Lsn END = WalKeep.END;

  private Lines() {}

  /** Each line that a backup lies on, with its backups in the order given. */
  static Map<Line, List<Candidate>> of(List<Candidate> candidates) {
    return candidates.stream()
        .collect(Collectors.groupingBy(Candidate::line, LinkedHashMap::new, Collectors.toList()));
  }

  /** All that is stored of every line: nothing is to go. */
  static List<WalKeep> everything(List<Candidate> candidates) {
    return of(candidates).keySet().stream()
        .map(line -> new WalKeep(line.incarnation(), line.timeline(), new Lsn(0)))
        .toList();
  }

  /**
   * The lines of which another may be a continuation. A timeline's number is higher than its
   * ancestors', and log never passes from one system identifier to another.
   */
  static List<Line> possibleAncestors(Line line, Map<Line, List<Candidate>> lines) {
    List<Candidate> own = lines.getOrDefault(line, List.of());
    return lines.entrySet().stream()
        .filter(entry -> !entry.getKey().equals(line))
        .filter(entry -> entry.getKey().timeline().compareTo(line.timeline()) <= 0)
        .filter(entry -> own.isEmpty() || sameSystem(own.get(0), entry.getValue().get(0)))
        .map(Map.Entry::getKey)
        .toList();
  }

  /**
   * What the kept backups and the ways through the window need of each line that a backup lies on.
   *
   * @param branches where lines began, as far as that is known
   * @param ways what the window needs of each line
   */
  static List<WalKeep> needed(
      List<Candidate> all,
      List<Candidate> kept,
      Map<Line, Branch> branches,
      Map<Line, List<WalRange>> ways) {
    Map<Line, List<Candidate>> lines = of(all);
    Map<Line, List<WalRange>> stretches = new LinkedHashMap<>();
    lines.keySet().forEach(line -> stretches.put(line, new ArrayList<>()));
    ways.forEach((line, ranges) -> on(line, stretches).addAll(ranges));
    for (Candidate one : kept) {
      Lsn start = one.backup().startLsn();
      Lsn stop = one.backup().stopLsn();
      Line at = one.line();
      on(at, stretches).add(new WalRange(at.timeline(), start, behind(stop)));
      Set<Line> passed = new HashSet<>(Set.of(at));
      Branch branch = branches.get(at);
      while (branch != null
          && start.compareTo(branch.position()) < 0
          && passed.add(branch.parent())) {
        at = branch.parent();
        stop = stop.compareTo(branch.position()) < 0 ? stop : branch.position();
        on(at, stretches).add(new WalRange(at.timeline(), start, behind(stop)));
        branch = branches.get(at);
      }
      if (branch == null) {
        // Nobody knows where it began: what may be an ancestor may have the beginning, which is
        // little.
        for (Line other : possibleAncestors(at, lines)) {
          if (!passed.contains(other)) {
            on(other, stretches).add(new WalRange(other.timeline(), start, behind(stop)));
          }
        }
      }
    }
    // A line without a backup may bear others of which that is not known, and nothing says when it
    // was written: it is not judged.
    stretches.keySet().retainAll(lines.keySet());
    List<WalKeep> result = new ArrayList<>();
    stretches.forEach(
        (line, ranges) -> {
          List<WalRange> merged = merge(ranges);
          result.add(
              new WalKeep(
                  line.incarnation(),
                  line.timeline(),
                  merged.isEmpty() ? END : merged.get(0).start(),
                  merged));
        });
    return result;
  }

  private static List<WalRange> on(Line line, Map<Line, List<WalRange>> stretches) {
    return stretches.computeIfAbsent(line, any -> new ArrayList<>());
  }

  /** A byte behind a position, so that a segment which begins exactly there is kept. */
  static Lsn behind(Lsn position) {
    return position.equals(END) ? END : position.plus(1);
  }

  private static boolean sameSystem(Candidate a, Candidate b) {
    return a.backup().incarnation().equals(b.backup().incarnation())
        || a.backup().cluster().systemId() == b.backup().cluster().systemId();
  }

  private static List<WalRange> merge(List<WalRange> ranges) {
    List<WalRange> merged = new ArrayList<>();
    for (WalRange range : ranges.stream().sorted(Comparator.comparing(WalRange::start)).toList()) {
      int last = merged.size() - 1;
      if (last >= 0 && range.start().compareTo(merged.get(last).end()) <= 0) {
        WalRange before = merged.get(last);
        Lsn end = range.end().compareTo(before.end()) > 0 ? range.end() : before.end();
        merged.set(last, new WalRange(before.timeline(), before.start(), end));
      } else {
        merged.add(range);
      }
    }
    return merged;
  }
}
