package com.thorbis.backup.dr.run;

import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What is promised of a tier, and which steps tell whether it is kept.
 *
 * @param tier its stable id
 * @param rto how long it may be away
 * @param rpo how much of its past may be lost
 * @param served the steps that show that it is served; it is when the last of them is done
 * @param losses by source, the steps that tell how much of it was lost; none: nobody will know
 */
public record Objective(
    String tier,
    Duration rto,
    Duration rpo,
    List<String> served,
    Map<String, List<String>> losses) {
  /** The fact that tells the loss in bytes of log, or that it is {@code unknown}. */
  public static final String LOSS = "loss";

  /**
   * The fact that tells the moment of the last change that came back; where several sources did,
   * one for each, with a slash and its name behind.
   */
  public static final String REACHED_TIME = "reached-time";

  /** The same of when what came back was whole, where nothing was replayed. */
  public static final String AS_OF = "as-of";

  /** Copies the collections. */
  public Objective {
    served = List.copyOf(served);
    Map<String, List<String>> copy = new LinkedHashMap<>();
    losses.forEach((source, tasks) -> copy.put(source, List.copyOf(tasks)));
    losses = Collections.unmodifiableMap(copy);
  }

  Map<String, Object> document() {
    Map<String, Object> told = new LinkedHashMap<>(losses);
    return Json.object("tier", tier, "rto", rto, "rpo", rpo, "served", served, "losses", told);
  }

  static Objective read(Fields fields) {
    Map<String, List<String>> losses = new LinkedHashMap<>();
    Fields told = fields.node("losses").orElseGet(() -> new Fields(Map.of()));
    told.names().forEach(source -> losses.put(source, told.texts(source)));
    Objective objective =
        new Objective(
            fields.text("tier"),
            fields.duration("rto"),
            fields.duration("rpo"),
            fields.texts("served"),
            losses);
    fields.finish();
    return objective;
  }
}
