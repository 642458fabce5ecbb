package com.thorbis.backup.dr.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** What evidence there is for one thing that is asked. */
record Judgement(Verdict verdict, String why, List<String> records) {
  /** From good to bad. */
  enum Verdict {
    PRESENT("present"),
    WAIVED("waived"),
    LATE("late"),
    UNKNOWN("could-not-look"),
    MISSING("missing"),
    FAILED("failed");

    private final String label;

    Verdict(String label) {
      this.label = label;
    }

    String label() {
      return label;
    }

    /** Whether it needs nobody to look. */
    boolean good() {
      return this == PRESENT || this == WAIVED;
    }
  }

  static Judgement of(Verdict verdict, String why, String... records) {
    return new Judgement(verdict, why, List.of(records));
  }

  /** The worst of several, with what each that is not well says. */
  static Judgement worst(List<Judgement> all) {
    if (all.isEmpty()) {
      return of(Verdict.MISSING, "there is nothing that it could be shown for");
    }
    Verdict worst =
        all.stream().map(Judgement::verdict).max(Comparator.naturalOrder()).orElseThrow();
    List<String> records = new ArrayList<>();
    List<String> reasons = new ArrayList<>();
    for (Judgement one : all) {
      one.records().stream().filter(id -> !records.contains(id)).forEach(records::add);
      if (worst == Verdict.PRESENT || one.verdict() != Verdict.PRESENT) {
        reasons.add(one.why());
      }
    }
    return new Judgement(worst, String.join("; ", reasons.stream().distinct().toList()), records);
  }

  Map<String, Object> json() {
    return Map.of("verdict", verdict.label(), "why", why, "records", records);
  }
}
