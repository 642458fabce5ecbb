package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.dr.drill.DrillCheck.Category;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.CheckItems;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Function;

/**
 * What a drill has seen. Whether it ran to its end and what it proved are two things.
 *
 * @param id names it for ever
 * @param source what was tried
 * @param startedAt when it began
 * @param millis how long it took
 * @param status whether it ran to its end
 * @param verdict what it proved
 * @param problem why it did not pass
 * @param choice what was tried
 * @param reached where recovery ended
 * @param stages how long each stage took, in milliseconds: what a recovery would take, without
 *     noticing, deciding and switching over
 * @param bytesFetched sealed bytes read from the repository
 * @param isolation what was proven before the server was started
 * @param checks what was looked at
 * @param plants what was damaged on purpose, and who noticed; empty without a negative control
 * @param loss what would have been lost; empty for an earlier moment than the latest
 * @param basis what it was done with
 * @param settings the digest of the drill's settings
 */
public record DrillReport(
    String id,
    String source,
    Instant startedAt,
    long millis,
    Status status,
    Verdict verdict,
    Optional<Problem> problem,
    Choice choice,
    Optional<Reached> reached,
    Map<String, Long> stages,
    long bytesFetched,
    List<CheckItem> isolation,
    List<DrillCheck> checks,
    List<Plant> plants,
    Optional<Loss> loss,
    Basis basis,
    String settings) {
  private static final Set<String> LOOKS = Set.of("validate", "negative-control", "pages");
  private static final String FORMAT = "thorbis-drill/1";

  private static final Set<String> MEMBERS =
      Set.of(
          "format",
          "id",
          "source",
          "startedAt",
          "millis",
          "status",
          "verdict",
          "problem",
          "choice",
          "reached",
          "stages",
          "bytesFetched",
          "isolation",
          "checks",
          "plants",
          "loss",
          "product",
          "plan",
          "environment",
          "settings");

  /** Copies the collections. */
  public DrillReport {
    stages = Collections.unmodifiableMap(new LinkedHashMap<>(stages));
    isolation = List.copyOf(isolation);
    checks = List.copyOf(checks);
    plants = List.copyOf(plants);
  }

  /**
   * What bringing it back took, of a report as a document, also of another version's: its stages
   * without those that look and damage; all of it where it names none.
   */
  public static Optional<Duration> restored(Map<String, Object> document) {
    long millis = 0;
    boolean named = false;
    if (document.get("stages") instanceof List<?> stages) {
      for (Object each : stages) {
        if (each instanceof Map<?, ?> stage
            && stage.get("millis") instanceof Number took
            && !LOOKS.contains(String.valueOf(stage.get("stage")))) {
          millis += took.longValue();
          named = true;
        }
      }
    }
    return named
        ? Optional.of(Duration.ofMillis(millis))
        : document.get("millis") instanceof Number all
            ? Optional.of(Duration.ofMillis(all.longValue()))
            : Optional.empty();
  }

  /** Whether a drill ran to its end. */
  public enum Status {
    /** It did. */
    COMPLETED("completed"),
    /** It did not: something stood in its way, or somebody stopped it. */
    ABORTED("aborted");

    private final String label;

    Status(String label) {
      this.label = label;
    }

    /** The name in documents; never changes. */
    public String label() {
      return label;
    }
  }

  /** What a drill proved. */
  public enum Verdict {
    /** The source comes back, and all that was required of it holds. */
    PASSED("passed"),
    /** It does not come back, or not as it must, or nobody could have noticed. */
    FAILED("failed"),
    /** Nothing, in either way. */
    NONE("none");

    private final String label;

    Verdict(String label) {
      this.label = label;
    }

    /** The name in documents; never changes. */
    public String label() {
      return label;
    }
  }

  /** Why a drill did not pass. */
  public record Problem(String code, String message, String remedy) {}

  /**
   * What was tried.
   *
   * @param selection {@code latest}, {@code random} or {@code given}
   * @param seed what chance was made from; only where it chose
   * @param target the moment, in words
   * @param backup where it started; empty if no way was found
   * @param backupType what that backup read
   * @param version the server's major version
   * @param timeline the branch that was followed
   * @param copies those that have the backup; without {@code copy}, which of them gave each piece
   *     is up to what answers
   * @param copy the copy that alone was read; empty: all that have it were
   */
  public record Choice(
      String selection,
      OptionalLong seed,
      String target,
      Optional<String> backup,
      Optional<String> backupType,
      OptionalLong version,
      Optional<Timeline> timeline,
      List<String> copies,
      Optional<String> copy) {
    /** Copies the list. */
    public Choice {
      copies = List.copyOf(copies);
    }
  }

  /**
   * What would have been lost had the source been gone when the drill began.
   *
   * @param asked whether the live source was asked where it was; otherwise it is what is stored
   * @param bytes of log
   * @param files of log that have any of these bytes; empty in reports that did not count them
   * @param transactions how many may have been; empty if the source did not answer
   * @param time up to how much; empty if no commit was replayed
   */
  public record Loss(
      boolean asked,
      long bytes,
      OptionalLong files,
      OptionalLong transactions,
      Optional<Duration> time) {}

  /** Whether the source was proven to come back. */
  public boolean passed() {
    return verdict == Verdict.PASSED;
  }

  /** As a document: objects, arrays, texts, whole numbers and truth values. */
  public Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("format", FORMAT);
    json.put("id", id);
    json.put("source", source);
    json.put("startedAt", startedAt.toString());
    json.put("millis", millis);
    json.put("status", status.label());
    json.put("verdict", verdict.label());
    problem.ifPresent(
        it ->
            json.put(
                "problem",
                Map.of("code", it.code(), "message", it.message(), "remedy", it.remedy())));
    Map<String, Object> chosen = new LinkedHashMap<>();
    chosen.put("selection", choice.selection());
    choice.seed().ifPresent(seed -> chosen.put("seed", Long.toString(seed)));
    chosen.put("target", choice.target());
    choice.backup().ifPresent(it -> chosen.put("backup", it));
    choice.backupType().ifPresent(it -> chosen.put("backupType", it));
    choice.version().ifPresent(it -> chosen.put("version", it));
    choice.timeline().ifPresent(it -> chosen.put("timeline", it.toString()));
    chosen.put("copies", choice.copies());
    choice.copy().ifPresent(it -> chosen.put("copy", it));
    json.put("choice", chosen);
    reached.ifPresent(
        it -> {
          Map<String, Object> where = new LinkedHashMap<>();
          where.put("lsn", it.lsn().toString());
          it.time().ifPresent(time -> where.put("time", time.toString()));
          where.put("timeline", it.timeline().toString());
          json.put("reached", where);
        });
    List<Object> order = new ArrayList<>();
    stages.forEach((name, took) -> order.add(Map.of("stage", name, "millis", took)));
    json.put("stages", order);
    json.put("bytesFetched", bytesFetched);
    json.put("isolation", CheckItems.json(isolation));
    json.put("checks", checks.stream().map(DrillCheck::json).toList());
    json.put("plants", plants.stream().map(Plant::json).toList());
    loss.ifPresent(
        it -> {
          Map<String, Object> lost = new LinkedHashMap<>();
          lost.put("asked", it.asked());
          lost.put("bytes", it.bytes());
          it.files().ifPresent(count -> lost.put("files", count));
          it.transactions().ifPresent(count -> lost.put("transactions", count));
          it.time().ifPresent(time -> lost.put("millis", time.toMillis()));
          json.put("loss", lost);
        });
    json.put("product", basis.product());
    basis.plan().ifPresent(it -> json.put("plan", it));
    basis.environment().ifPresent(it -> json.put("environment", it));
    json.put("settings", settings);
    return json;
  }

  /** The document's bytes. */
  public byte[] bytes() {
    return CanonicalJson.encode(json());
  }

  /**
   * Reads a report.
   *
   * @throws IllegalArgumentException if it is none, or has what this version does not know
   */
  public static DrillReport parse(byte[] bytes) {
    Fields all = new Fields(CanonicalJson.parse(bytes));
    all.known(MEMBERS);
    if (!all.text("format").equals(FORMAT)) {
      throw new IllegalArgumentException("Another format: " + all.text("format"));
    }
    try {
      DrillReport report = read(all);
      if (!Arrays.equals(report.bytes(), bytes)) {
        throw new IllegalArgumentException("It holds what this version does not know");
      }
      return report;
    } catch (DateTimeException | ClassCastException e) {
      throw new IllegalArgumentException("Not a report of a drill", e);
    }
  }

  private static DrillReport read(Fields all) {
    Map<String, Long> stages = new LinkedHashMap<>();
    all.list("stages").forEach(it -> stages.put(it.text("stage"), it.number("millis")));
    Fields chosen = all.object("choice").orElseThrow(IllegalArgumentException::new);
    return new DrillReport(
        all.text("id"),
        all.text("source"),
        Instant.parse(all.text("startedAt")),
        all.number("millis"),
        labelled(Status.values(), Status::label, all.text("status")),
        labelled(Verdict.values(), Verdict::label, all.text("verdict")),
        all.object("problem")
            .map(it -> new Problem(it.text("code"), it.text("message"), it.text("remedy"))),
        new Choice(
            chosen.text("selection"),
            chosen.find("seed").map(it -> OptionalLong.of(Long.parseLong(it))).orElse(NONE),
            chosen.text("target"),
            chosen.find("backup"),
            chosen.find("backupType"),
            chosen.has("version") ? OptionalLong.of(chosen.number("version")) : NONE,
            chosen.find("timeline").map(it -> new Timeline(Integer.parseUnsignedInt(it))),
            chosen.texts("copies"),
            chosen.find("copy")),
        all.object("reached")
            .map(
                it ->
                    new Reached(
                        Lsn.parse(it.text("lsn")),
                        it.find("time").map(Instant::parse),
                        new Timeline(Integer.parseUnsignedInt(it.text("timeline"))))),
        stages,
        all.number("bytesFetched"),
        all.list("isolation").stream()
            .map(
                it ->
                    new CheckItem(
                        it.text("subject"),
                        labelled(
                            CheckItem.Outcome.values(),
                            CheckItem.Outcome::label,
                            it.text("outcome")),
                        it.text("message"),
                        ""))
            .toList(),
        all.list("checks").stream()
            .map(
                it ->
                    new DrillCheck(
                        it.text("name"),
                        labelled(Category.values(), Category::label, it.text("category")),
                        it.flag("required"),
                        labelled(Outcome.values(), Outcome::label, it.text("outcome")),
                        it.text("detail"),
                        it.number("millis")))
            .toList(),
        all.list("plants").stream()
            .map(
                it ->
                    new Plant(
                        it.text("check"),
                        it.text("damage"),
                        labelled(Plant.Result.values(), Plant.Result::label, it.text("result")),
                        it.text("detail")))
            .toList(),
        all.object("loss")
            .map(
                it ->
                    new Loss(
                        it.flag("asked"),
                        it.number("bytes"),
                        it.has("files") ? OptionalLong.of(it.number("files")) : NONE,
                        it.has("transactions") ? OptionalLong.of(it.number("transactions")) : NONE,
                        it.has("millis")
                            ? Optional.of(Duration.ofMillis(it.number("millis")))
                            : Optional.empty())),
        new Basis(all.text("product"), all.find("plan"), all.find("environment")),
        all.text("settings"));
  }

  private static final OptionalLong NONE = OptionalLong.empty();

  private static <T> T labelled(T[] all, Function<T, String> label, String text) {
    return Arrays.stream(all)
        .filter(one -> label.apply(one).equals(text))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("Unknown: \"" + text + "\""));
  }

  /** Members by name. */
  private record Fields(Map<String, Object> json) {
    void known(Set<String> names) {
      for (String name : json.keySet()) {
        if (!names.contains(name)) {
          throw new IllegalArgumentException("An unknown member: \"" + name + "\"");
        }
      }
    }

    boolean has(String name) {
      return json.containsKey(name);
    }

    Optional<String> find(String name) {
      return Optional.ofNullable((String) json.get(name));
    }

    String text(String name) {
      return find(name)
          .orElseThrow(() -> new IllegalArgumentException("\"" + name + "\" is missing"));
    }

    long number(String name) {
      if (json.get(name) instanceof Long number) {
        return number;
      }
      throw new IllegalArgumentException("\"" + name + "\" is missing, or no number");
    }

    boolean flag(String name) {
      if (json.get(name) instanceof Boolean flag) {
        return flag;
      }
      throw new IllegalArgumentException("\"" + name + "\" is missing, or no truth value");
    }

    List<String> texts(String name) {
      List<String> texts = new ArrayList<>();
      ((List<?>) json.getOrDefault(name, List.of())).forEach(it -> texts.add((String) it));
      return texts;
    }

    Optional<Fields> object(String name) {
      return json.get(name) instanceof Map<?, ?> object
          ? Optional.of(of(object))
          : Optional.empty();
    }

    List<Fields> list(String name) {
      List<Fields> list = new ArrayList<>();
      ((List<?>) json.getOrDefault(name, List.of())).forEach(it -> list.add(of((Map<?, ?>) it)));
      return list;
    }

    @SuppressWarnings("unchecked") // the parser makes no other maps
    private static Fields of(Map<?, ?> object) {
      return new Fields((Map<String, Object>) object);
    }
  }
}
