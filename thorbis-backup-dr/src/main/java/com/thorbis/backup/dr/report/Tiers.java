package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.report.Judgement.Verdict;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** What is promised of tiers, and what runs of the plan kept of it, by their records. */
final class Tiers {
  private static final String MISSED = "missed";

  private final Map<String, List<Kept>> tiers = new TreeMap<>();

  /** What one run says of one tier. */
  private record Kept(EvidenceRecord run, Fields tier) {
    Map<String, Object> json() {
      Map<String, Object> json = new LinkedHashMap<>(tier.json());
      json.put("run", run.subject());
      json.put("record", run.id());
      json.put("at", run.at().toString());
      return json;
    }
  }

  /**
   * Of these runs.
   *
   * @param runs in order; of one that ended more than once the last end counts
   */
  Tiers(List<EvidenceRecord> runs) {
    Map<String, EvidenceRecord> last = new LinkedHashMap<>();
    for (EvidenceRecord run : runs) {
      last.remove(run.subject());
      last.put(run.subject(), run);
    }
    for (EvidenceRecord run : last.values()) {
      for (Fields tier : new Fields(run.document()).objects("tiers")) {
        tier.text("tier")
            .ifPresent(
                id -> tiers.computeIfAbsent(id, any -> new ArrayList<>()).add(new Kept(run, tier)));
      }
    }
  }

  /** For the figures: each tier with its runs and what was measured in them. */
  List<Map<String, Object>> json() {
    List<Map<String, Object>> all = new ArrayList<>();
    tiers.forEach(
        (id, kept) -> {
          Map<String, Object> one = new LinkedHashMap<>();
          one.put("tier", id);
          measured(kept, "tookMillis").ifPresent(it -> one.put("took", it));
          measured(kept, "lostMillis").ifPresent(it -> one.put("lost", it));
          one.put("runs", kept.stream().map(Kept::json).toList());
          all.add(one);
        });
    return all;
  }

  private static Optional<Map<String, Object>> measured(List<Kept> kept, String name) {
    List<Duration> spans = kept.stream().flatMap(one -> one.tier().span(name).stream()).toList();
    return spans.isEmpty() ? Optional.empty() : Optional.of(Figures.measured(spans));
  }

  /** What was promised and not kept. */
  List<Judgement> missed() {
    List<Judgement> missed = new ArrayList<>();
    tiers.forEach(
        (id, kept) -> {
          for (Kept one : kept) {
            missed(id, one, "time", "tookMillis", " was away", "rtoMillis").ifPresent(missed::add);
            missed(id, one, "loss", "lostMillis", " lost", "rpoMillis").ifPresent(missed::add);
          }
        });
    return missed;
  }

  private static Optional<Judgement> missed(
      String tier, Kept kept, String what, String found, String did, String most) {
    Fields said = kept.tier();
    if (!said.text(what).equals(Optional.of(MISSED))) {
      return Optional.empty();
    }
    return Optional.of(
        Judgement.of(
            Verdict.FAILED,
            "in run "
                + kept.run().subject()
                + " "
                + tier
                + said.span(found)
                    .map(span -> did + " " + Texts.span(span))
                    .orElse(
                        " did not keep it: "
                            + said.text(what + "Detail").orElse("it is not said why"))
                + said.span(most).map(span -> ", of at most " + Texts.span(span)).orElse(""),
            kept.run().id()));
  }
}
