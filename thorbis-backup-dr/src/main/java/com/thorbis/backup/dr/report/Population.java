package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.evidence.Appended;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.schedule.Schedule;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * All that is expected by the configuration of a host: of which sources, when, and what is
 * promised. Kept as evidence each time it changes, so that a report knows what was expected when.
 * Immutable.
 */
public final class Population {
  /** The kind of the records that hold one. */
  public static final String KIND = "configuration";

  private static final String FORMAT = "thorbis-population/1";

  private final Map<String, Source> sources;
  private final List<Exercise> exercises;
  private final Map<String, String> excluded;
  private final Optional<Plan> plan;

  private Population(Builder builder) {
    this.sources = new LinkedHashMap<>(builder.sources);
    this.exercises = List.copyOf(builder.exercises);
    this.excluded = new LinkedHashMap<>(builder.excluded);
    this.plan = builder.plan;
  }

  /**
   * A source, and what is promised of it. What is not said is missing in a report, and not "not
   * applicable".
   *
   * @param name its name
   * @param type its type
   * @param owner who answers for it
   * @param rpo how much of its past may be lost
   * @param rto how long it may be away
   * @param drillEvery how often bringing it back has to be tried
   * @param retention which of its backups stay, in words
   * @param due when which backups are due
   */
  public record Source(
      String name,
      String type,
      Optional<String> owner,
      Optional<Duration> rpo,
      Optional<Duration> rto,
      Optional<Duration> drillEvery,
      Optional<String> retention,
      List<Due> due) {
    /** Copies the list. */
    public Source {
      due = List.copyOf(due);
    }
  }

  /**
   * Backups of a type that come back.
   *
   * @param type such as {@code full}
   * @param schedule when they are due
   * @param window how long after that they may end
   */
  public record Due(String type, Schedule schedule, Duration window) {}

  /**
   * An exercise that comes back.
   *
   * @param id its stable id
   * @param kind such as {@code tabletop}
   * @param owner who sees to it
   * @param scenarios what is practised
   * @param every how often
   */
  public record Exercise(
      String id, String kind, String owner, List<String> scenarios, Duration every) {
    /** Copies the list. */
    public Exercise {
      scenarios = List.copyOf(scenarios);
    }
  }

  /**
   * The plan for recovery that is in force.
   *
   * @param id its stable id
   * @param version counted up by whoever changes it
   * @param digest of all that it says
   */
  public record Plan(String id, int version, String digest) {}

  /** Starts one. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects what is expected. */
  public static final class Builder {
    private final Map<String, Source> sources = new LinkedHashMap<>();
    private final List<Exercise> exercises = new ArrayList<>();
    private final Map<String, String> excluded = new LinkedHashMap<>();
    private Optional<Plan> plan = Optional.empty();

    private Builder() {}

    /** Something that is protected. */
    public Builder source(Source source) {
      sources.put(source.name(), source);
      return this;
    }

    /** Something that is practised. */
    public Builder exercise(Exercise exercise) {
      exercises.add(exercise);
      return this;
    }

    /** Something that is not protected, and why that is right. */
    public Builder exclude(String name, String why) {
      excluded.put(name, why);
      return this;
    }

    /** What recovery goes by. */
    public Builder plan(Plan inForce) {
      this.plan = Optional.of(inForce);
      return this;
    }

    /** The population. */
    public Population build() {
      return new Population(this);
    }
  }

  /** What is protected, by name. */
  public Map<String, Source> sources() {
    return new LinkedHashMap<>(sources);
  }

  /** What is practised. */
  public List<Exercise> exercises() {
    return exercises;
  }

  /** What recovery goes by. */
  public Optional<Plan> plan() {
    return plan;
  }

  /**
   * Keeps it as evidence of what is expected from now on, unless that is what the host of the log
   * said last.
   *
   * @return what came of it; empty if nothing had changed
   */
  public Optional<Appended> record(EvidenceLog log) throws IOException {
    Map<String, Object> now = CanonicalJson.copy(json());
    Optional<EvidenceRecord> last = Optional.empty();
    for (EvidenceRecord record : log.read().records()) {
      if (record.kind().equals(KIND) && record.subject().equals(log.host())) {
        last = Optional.of(record);
      }
    }
    return last.filter(record -> record.document().equals(now)).isPresent()
        ? Optional.empty()
        : Optional.of(log.append(KIND, log.host(), EvidenceRecord.PASSED, now));
  }

  /** As the document of a record. */
  Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("format", FORMAT);
    json.put("sources", sources.values().stream().map(Population::json).toList());
    json.put(
        "exercises",
        exercises.stream()
            .map(
                one ->
                    Map.of(
                        "id", one.id(),
                        "kind", one.kind(),
                        "owner", one.owner(),
                        "scenarios", one.scenarios(),
                        "everyMillis", one.every().toMillis()))
            .toList());
    json.put(
        "excluded",
        excluded.entrySet().stream()
            .map(one -> Map.of("name", one.getKey(), "why", one.getValue()))
            .toList());
    plan.ifPresent(
        one ->
            json.put(
                "plan", Map.of("id", one.id(), "version", one.version(), "digest", one.digest())));
    return json;
  }

  private static Map<String, Object> json(Source source) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("name", source.name());
    json.put("type", source.type());
    source.owner().ifPresent(it -> json.put("owner", it));
    source.rpo().ifPresent(it -> json.put("rpoMillis", it.toMillis()));
    source.rto().ifPresent(it -> json.put("rtoMillis", it.toMillis()));
    source.drillEvery().ifPresent(it -> json.put("drillEveryMillis", it.toMillis()));
    source.retention().ifPresent(it -> json.put("retention", it));
    json.put(
        "due",
        source.due().stream()
            .map(
                due ->
                    Map.of(
                        "type", due.type(),
                        "schedule", due.schedule().toString(),
                        "windowMillis", due.window().toMillis()))
            .toList());
    return json;
  }

  /**
   * What {@link #json} gave.
   *
   * @throws IllegalArgumentException if it is anything else
   */
  static Population of(Map<String, Object> json) {
    Fields fields = new Fields(json);
    if (!fields.require("format").equals(FORMAT)) {
      throw new IllegalArgumentException("another format, " + fields.require("format"));
    }
    Builder builder = builder();
    for (Fields one : fields.objects("sources")) {
      List<Due> due = new ArrayList<>();
      for (Fields each : one.objects("due")) {
        due.add(
            new Due(
                each.require("type"),
                Schedule.parse(each.require("schedule")),
                each.span("windowMillis").orElse(Duration.ZERO)));
      }
      builder.source(
          new Source(
              one.require("name"),
              one.require("type"),
              one.text("owner"),
              one.span("rpoMillis"),
              one.span("rtoMillis"),
              one.span("drillEveryMillis"),
              one.text("retention"),
              due));
    }
    for (Fields one : fields.objects("exercises")) {
      builder.exercise(
          new Exercise(
              one.require("id"),
              one.require("kind"),
              one.require("owner"),
              one.texts("scenarios"),
              one.span("everyMillis")
                  .orElseThrow(() -> new IllegalArgumentException("no \"everyMillis\""))));
    }
    fields
        .objects("excluded")
        .forEach(one -> builder.exclude(one.require("name"), one.require("why")));
    Fields plan = fields.object("plan");
    if (!plan.json().isEmpty()) {
      builder.plan(
          new Plan(
              plan.require("id"),
              Math.toIntExact(plan.number("version").orElse(0)),
              plan.require("digest")));
    }
    return builder.build();
  }
}
