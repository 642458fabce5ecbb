package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.drill.Basis;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.StateFile;
import com.thorbis.backup.dr.plan.Exercise;
import com.thorbis.backup.dr.plan.RecoveryPlan;
import com.thorbis.backup.dr.plan.Scenario;
import com.thorbis.backup.dr.plan.Trigger;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * A tabletop or a walkthrough of a scenario: what people are told and when, what they answer, and
 * what is found wanting. It needs no environment. Kept in the state directory until it is closed,
 * so that it can be gone on with on another day. Immutable.
 *
 * @param id names it for ever
 * @param kind tabletop or walkthrough
 * @param scenario which one, by id
 * @param plan the plan's id
 * @param planVersion its version
 * @param planDigest what names its content
 * @param startedAt when it began
 * @param leader who leads it
 * @param injects what people are told, in order
 * @param answers what they have said
 * @param findings what was found wanting
 * @param closedAt when it ended
 * @param closedBy who said so
 */
public record RecordedExercise(
    String id,
    Exercise.Kind kind,
    String scenario,
    String plan,
    long planVersion,
    String planDigest,
    Instant startedAt,
    String leader,
    List<Inject> injects,
    List<Answer> answers,
    List<Finding> findings,
    Optional<Instant> closedAt,
    String closedBy) {
  private static final String FORMAT = "thorbis-exercise/1";
  private static final Pattern ID = Pattern.compile("exercise-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}");
  private static final Set<String> MEMBERS =
      Set.of(
          "format",
          "id",
          "exercise",
          "scenario",
          "plan",
          "planVersion",
          "planDigest",
          "startedAt",
          "leader",
          "injects",
          "answers",
          "findings",
          "participants",
          "unanswered");
  private static final Set<String> CLOSED = Set.of("closedAt", "closedBy");
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  /** Copies the lists. */
  public RecordedExercise {
    injects = List.copyOf(injects);
    answers = List.copyOf(answers);
    findings = List.copyOf(findings);
  }

  /**
   * What people are told.
   *
   * @param number from 1
   * @param after how long after the disaster that is, by the plan
   * @param asked the person or role it is for
   * @param text what has happened, and what is asked
   */
  public record Inject(long number, Duration after, String asked, String text) {}

  /**
   * What somebody has said.
   *
   * @param inject to what
   * @param at when
   * @param by who
   * @param text what
   */
  public record Answer(long inject, Instant at, String by, String text) {}

  /**
   * What was found wanting.
   *
   * @param number from 1
   * @param at when
   * @param by who has seen it
   * @param text what
   * @param owner who sees to it
   * @param due until when
   */
  public record Finding(
      long number, Instant at, String by, String text, String owner, LocalDate due) {}

  /**
   * Begins one.
   *
   * @param leader who leads it
   */
  public static RecordedExercise start(
      RecoveryPlan plan, String scenario, Exercise.Kind kind, String leader, Instant now) {
    require(leader, "who leads it");
    Scenario disaster = plan.scenario(scenario);
    List<Inject> injects =
        switch (kind) {
          case TABLETOP -> tabletop(plan, disaster);
          case WALKTHROUGH -> walkthrough(plan, disaster);
          case FULL_SIMULATION ->
              throw new IllegalArgumentException("A full simulation is made, and not talked about");
        };
    byte[] drawn = new byte[4];
    new SecureRandom().nextBytes(drawn);
    Instant at = now.truncatedTo(ChronoUnit.MILLIS);
    return new RecordedExercise(
        "exercise-" + TIME.format(at) + "-" + HexFormat.of().formatHex(drawn),
        kind,
        scenario,
        plan.id(),
        plan.version(),
        plan.digest(),
        at,
        leader,
        injects,
        List.of(),
        List.of(),
        Optional.empty(),
        "");
  }

  /** What happens, and who is asked what: by the plan, and against it. */
  private static List<Inject> tabletop(RecoveryPlan plan, Scenario disaster) {
    Script script = new Script();
    Duration after = Duration.ZERO;
    for (Trigger trigger : disaster.triggers()) {
      script.add(
          after,
          disaster.owner(),
          "\""
              + trigger.id()
              + "\" is raised ("
              + trigger.cause().label()
              + "). Is this "
              + disaster.name()
              + ", how do you know, and who declares it?");
      after = after.plus(trigger.detection().orElse(Duration.ZERO));
    }
    script.add(
        after,
        disaster.owner(),
        disaster.owner() + " cannot be reached. Who decides now, and how do others learn of it?");
    script.add(
        after, disaster.owner(), "What the plan is kept on is down, too. Where do you read it?");
    for (String id : procedures(disaster)) {
      var procedure = plan.procedure(id);
      script.add(
          after,
          procedure.owner(),
          "\""
              + procedure.title()
              + "\" begins. What do you do first, with which access, and how do you know that it"
              + " is done?");
      Duration expected = procedure.expected().orElse(Duration.ZERO);
      for (var step : procedure.steps()) {
        if (step.destructive() || step.approval().isPresent()) {
          script.add(
              after,
              step.owner().isEmpty() ? procedure.owner() : step.owner(),
              "Step "
                  + id
                  + "/"
                  + step.id()
                  + " needs agreement, and one who could give it is away. Who agrees, until when?");
        }
      }
      after = after.plus(expected);
      script.add(
          after,
          procedure.owner(),
          "\""
              + procedure.title()
              + "\" has failed half-way. What is undone, what is left, and what comes next?");
    }
    script.add(after, disaster.owner(), "It is over. Who says so, by what, and who is told?");
    return script.injects;
  }

  /** Every step, shown by whoever does it. */
  private static List<Inject> walkthrough(RecoveryPlan plan, Scenario disaster) {
    Script script = new Script();
    Duration after = Duration.ZERO;
    for (String id : procedures(disaster)) {
      var procedure = plan.procedure(id);
      for (var step : procedure.steps()) {
        script.add(
            after,
            step.owner().isEmpty() ? procedure.owner() : step.owner(),
            "Show step "
                + id
                + "/"
                + step.id()
                + " ("
                + step.action()
                + (step.title().isEmpty() ? "" : ", \"" + step.title() + "\"")
                + ", "
                + step.mode().label()
                + ") without carrying it out: access, input, proof that it is done, way back.");
        after = after.plus(step.expected().orElse(Duration.ZERO));
      }
    }
    return script.injects;
  }

  private static Collection<String> procedures(Scenario disaster) {
    Set<String> ids = new LinkedHashSet<>();
    disaster.branches().forEach(branch -> ids.addAll(branch.procedures()));
    return ids;
  }

  private static final class Script {
    private final List<Inject> injects = new ArrayList<>();

    void add(Duration after, String asked, String text) {
      injects.add(new Inject(injects.size() + 1L, after, asked, text));
    }
  }

  /**
   * With what somebody said to an inject. Several may.
   *
   * @throws BackupException code {@code exercise.refused}
   */
  public RecordedExercise answer(long inject, String by, String text, Instant now) {
    requireOpen();
    require(by, "who says it");
    require(text, "what is said");
    if (injects.stream().noneMatch(it -> it.number() == inject)) {
      throw refused("has no inject " + inject, "Name one from 1 to " + injects.size() + ".");
    }
    List<Answer> all = new ArrayList<>(answers);
    all.add(new Answer(inject, now.truncatedTo(ChronoUnit.MILLIS), by, text));
    return with(all, findings, closedAt, closedBy);
  }

  /**
   * With something that was found wanting.
   *
   * @throws BackupException code {@code exercise.refused}
   */
  public RecordedExercise finding(
      String by, String text, String owner, LocalDate due, Instant now) {
    requireOpen();
    require(by, "who has seen it");
    require(text, "what is wanting");
    require(owner, "who sees to it");
    List<Finding> all = new ArrayList<>(findings);
    all.add(
        new Finding(
            findings.size() + 1L, now.truncatedTo(ChronoUnit.MILLIS), by, text, owner, due));
    return with(answers, all, closedAt, closedBy);
  }

  /**
   * Ended: nothing is added any more.
   *
   * @throws BackupException code {@code exercise.refused}
   */
  public RecordedExercise close(String by, Instant now) {
    requireOpen();
    require(by, "who ends it");
    return with(answers, findings, Optional.of(now.truncatedTo(ChronoUnit.MILLIS)), by);
  }

  private RecordedExercise with(
      List<Answer> said, List<Finding> found, Optional<Instant> ended, String endedBy) {
    return new RecordedExercise(
        id,
        kind,
        scenario,
        plan,
        planVersion,
        planDigest,
        startedAt,
        leader,
        injects,
        said,
        found,
        ended,
        endedBy);
  }

  private void requireOpen() {
    if (closedAt.isPresent()) {
      throw refused("was closed by " + closedBy + " at " + closedAt.get(), "Begin another one.");
    }
  }

  private BackupException refused(String problem, String remedy) {
    return BackupException.of(
            "exercise.refused", FailureKind.REFUSED, "Exercise " + id + " " + problem)
        .remedy(remedy)
        .build();
  }

  private static void require(String text, String what) {
    if (text.isBlank()) {
      throw BackupException.of(
              "exercise.refused", FailureKind.REFUSED, "An exercise must say " + what)
          .remedy("Say it.")
          .build();
    }
  }

  /** Injects that nobody has answered, in order. */
  public List<Long> unanswered() {
    return injects.stream()
        .map(Inject::number)
        .filter(number -> answers.stream().noneMatch(it -> it.inject() == number))
        .toList();
  }

  /** Who took part, in order. */
  public List<String> participants() {
    TreeSet<String> names = new TreeSet<>(List.of(leader));
    answers.forEach(it -> names.add(it.by()));
    findings.forEach(it -> names.add(it.by()));
    return List.copyOf(names);
  }

  /**
   * Whether it was held: closed, and every inject was answered. That something was found wanting is
   * what it is for.
   */
  public boolean held() {
    return closedAt.isPresent() && unanswered().isEmpty();
  }

  /**
   * Why it should be done anew.
   *
   * @param digest of the plan that is in force
   * @return empty if it still speaks for it
   */
  public List<String> needsRetest(String digest) {
    return new Basis("", Optional.of(digest), Optional.empty())
        .changedSince(new Basis("", Optional.of(planDigest), Optional.empty()));
  }

  /** As a document for people, evidence and the state directory. */
  public Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("format", FORMAT);
    json.put("id", id);
    json.put("exercise", kind.label());
    json.put("scenario", scenario);
    json.put("plan", plan);
    json.put("planVersion", planVersion);
    json.put("planDigest", planDigest);
    json.put("startedAt", startedAt.toString());
    json.put("leader", leader);
    json.put("participants", participants());
    json.put("unanswered", unanswered());
    json.put(
        "injects",
        injects.stream()
            .map(
                it ->
                    Map.of(
                        "number", it.number(),
                        "afterMillis", it.after().toMillis(),
                        "asked", it.asked(),
                        "text", it.text()))
            .toList());
    json.put(
        "answers",
        answers.stream()
            .map(
                it ->
                    Map.of(
                        "inject", it.inject(),
                        "at", it.at().toString(),
                        "by", it.by(),
                        "text", it.text()))
            .toList());
    json.put(
        "findings",
        findings.stream()
            .map(
                it ->
                    Map.of(
                        "number", it.number(),
                        "at", it.at().toString(),
                        "by", it.by(),
                        "text", it.text(),
                        "owner", it.owner(),
                        "due", it.due().toString()))
            .toList());
    closedAt.ifPresent(
        at -> {
          json.put("closedAt", at.toString());
          json.put("closedBy", closedBy);
        });
    return CanonicalJson.copy(json);
  }

  /**
   * Reads what {@link #json} gave.
   *
   * @throws IllegalArgumentException if it is something else, or has a member that this version
   *     does not know
   */
  static RecordedExercise parse(byte[] bytes) {
    Map<String, Object> object = CanonicalJson.parse(bytes);
    Members json = new Members(object);
    Set<Object> members = new HashSet<>(json.names());
    boolean ended = members.containsAll(CLOSED);
    if (ended) {
      members.removeAll(CLOSED);
    }
    if (!members.equals(MEMBERS) || !FORMAT.equals(json.text("format"))) {
      throw new IllegalArgumentException("Not of the form " + FORMAT);
    }
    RecordedExercise read =
        new RecordedExercise(
            json.text("id"),
            kind(json.text("exercise")),
            json.text("scenario"),
            json.text("plan"),
            json.number("planVersion"),
            json.text("planDigest"),
            json.time("startedAt"),
            json.text("leader"),
            json.objects("injects").stream()
                .map(
                    it ->
                        new Inject(
                            it.number("number"),
                            Duration.ofMillis(it.number("afterMillis")),
                            it.text("asked"),
                            it.text("text")))
                .toList(),
            json.objects("answers").stream()
                .map(
                    it ->
                        new Answer(
                            it.number("inject"), it.time("at"), it.text("by"), it.text("text")))
                .toList(),
            json.objects("findings").stream().map(RecordedExercise::finding).toList(),
            ended ? Optional.of(json.time("closedAt")) : Optional.empty(),
            ended ? json.text("closedBy") : "");
    if (!read.json().equals(object)) {
      throw new IllegalArgumentException("Has members that this version does not know");
    }
    return read;
  }

  private static Exercise.Kind kind(String label) {
    return List.of(Exercise.Kind.values()).stream()
        .filter(it -> it.label().equals(label))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("No exercise: " + label));
  }

  private static Finding finding(Members json) {
    try {
      return new Finding(
          json.number("number"),
          json.time("at"),
          json.text("by"),
          json.text("text"),
          json.text("owner"),
          LocalDate.parse(json.text("due")));
    } catch (DateTimeException e) {
      throw new IllegalArgumentException("\"due\" is no day", e);
    }
  }

  /** Keeps it in a state directory, whole or as it was. */
  public void save(Path stateDirectory) throws IOException {
    Path folder = stateDirectory.resolve("exercises");
    Files.createDirectories(folder);
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
    StateFile.write(folder.resolve(id + ".json"), CanonicalJson.encode(json()));
  }

  /**
   * One that is kept in a state directory.
   *
   * @throws BackupException code {@code exercise.not-found} or {@code exercise.unreadable}
   */
  public static RecordedExercise open(Path stateDirectory, String id) throws IOException {
    if (!ID.matcher(id).matches()) {
      throw notFound(id);
    }
    Path file = stateDirectory.resolve("exercises").resolve(id + ".json");
    try {
      return parse(Files.readAllBytes(file));
    } catch (NoSuchFileException e) {
      throw notFound(id);
    } catch (IllegalArgumentException e) {
      throw BackupException.of(
              "exercise.unreadable",
              FailureKind.DAMAGED,
              file + " is no exercise: " + e.getMessage())
          .remedy("Use the build that wrote it, or begin another one.")
          .cause(e)
          .build();
    }
  }

  private static BackupException notFound(String id) {
    return BackupException.of(
            "exercise.not-found", FailureKind.NOT_FOUND, "There is no exercise " + id + " here")
        .remedy("Go on with it on the host that it was begun on.")
        .build();
  }
}
