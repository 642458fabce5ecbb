package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RetentionPlan.WalKeep;
import com.thorbis.backup.api.WalRange;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
   * What the kept backups and the way through the window need.
   *
   * @param onwards from where on a line is needed to its end
   */
  static List<WalKeep> needed(List<Candidate> all, List<Candidate> kept, Map<Line, Lsn> onwards) {
    Map<Line, List<Candidate>> lines = of(all);
    Map<Line, List<WalRange>> stretches = new LinkedHashMap<>();
    lines.keySet().forEach(line -> stretches.put(line, new ArrayList<>()));
    onwards.forEach(
        (line, from) -> on(line, stretches).add(new WalRange(line.timeline(), from, END)));
    for (Candidate one : kept) {
      Lsn start = one.backup().startLsn();
      // A byte more, so that a segment which begins exactly where the backup stops is kept.
      Lsn end = one.backup().stopLsn().equals(END) ? END : one.backup().stopLsn().plus(1);
      lines.forEach(
          (line, others) -> {
            // Also of what may be an ancestor: it is little, and what is known of lines may be
            // less.
            if (line.equals(one.line())
                || (sameSystem(one, others.get(0))
                    && line.timeline().compareTo(one.backup().timeline()) <= 0)) {
              on(line, stretches).add(new WalRange(line.timeline(), start, end));
            }
          });
    }
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
