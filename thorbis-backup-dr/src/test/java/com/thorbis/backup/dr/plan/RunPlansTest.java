package com.thorbis.backup.dr.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.run.Action;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.run.DryRun;
import com.thorbis.backup.dr.run.Objective;
import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What a plan says about an incident is what a run carries out. */
class RunPlansTest {
  private static final Instant NOW = Instant.parse("2026-11-01T00:00:00Z");
  private static final RecoveryPlan PLAN =
      Validation.inRecovery(PlanReader.read(PlanReader.example(), "plan"), NOW).require();
  private static final Set<String> BUILT_IN =
      Set.of(
          "manual",
          "approve",
          "wait",
          "record",
          "notify",
          "http-check",
          "run-command",
          "freeze-writes");

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(NOW);
  private final List<String> order = new ArrayList<>();
  private final Set<String> broken = new HashSet<>();

  /** What a host brings: it has an effect that can be seen, and undone. */
  private final class Effect implements Step {
    private final Task task;
    private boolean there;

    Effect(Task task) {
      this.task = task;
    }

    @Override
    public Result check(StepContext context) {
      return there ? Result.done("is there") : Result.notDone("is not there");
    }

    @Override
    public Result execute(StepContext context) {
      order.add(task.id());
      if (broken.contains(task.id())) {
        return Result.failed("is broken");
      }
      there = true;
      return Result.done("is there");
    }

    @Override
    public boolean compensates() {
      return true;
    }

    @Override
    public Result compensate(StepContext context, Map<String, String> undo) {
      order.add("undo " + task.id());
      there = false;
      return Result.done("is gone");
    }

    @Override
    public String intent() {
      return task.title();
    }
  }

  private RunEngine engine(Set<String> replaced) {
    Actions.Builder actions = Actions.builder();
    if (replaced.isEmpty()) {
      actions.builtIn((to, text, key) -> assertThat(to).isNotBlank());
    }
    for (String kind : ActionNames.ALL) {
      if (replaced.isEmpty() ? !BUILT_IN.contains(kind) : replaced.contains(kind)) {
        actions.add(
            new Action() {
              @Override
              public String kind() {
                return kind;
              }

              @Override
              public Step open(Task task) {
                return new Effect(task);
              }
            });
      }
    }
    return RunEngine.builder(
            folder, MemoryObjectStore.create(clock, 1000), actions.build(), "machine")
        .clock(clock)
        .build();
  }

  private static Incident incident(String scenario, String trigger, Scenario.Variant variant) {
    return new Incident(scenario, Optional.of(trigger), variant, Optional.of(NOW));
  }

  /** What the plan's own checks read as a span is one for the step, too. */
  @ParameterizedTest
  @CsvSource({"1m30s,PT1M30S", "60s,PT1M", "PT2M,PT2M"})
  void theTimeThatAnswersAreKeptIsReadAlike(String written, String expected) {
    RecoveryPlan plan =
        Validation.inRecovery(
                PlanReader.read(
                    PlanReader.example().replace("ttl: 60s", "ttl: " + written), "plan"),
                NOW)
            .require();
    Scenario scenario =
        plan.content().scenarios().stream()
            .filter(it -> it.id().equals("data-center-outage"))
            .findFirst()
            .orElseThrow();
    RunPlan run =
        plan.runPlan(
            incident(scenario.id(), scenario.triggers().get(0).id(), Scenario.Variant.UNGRACEFUL));
    assertThat(task(run, "cross-region-failover.dns").inputs()).containsEntry("ttl", expected);
  }

  static Stream<Incident> everyCase() {
    return PLAN.content().scenarios().stream()
        .flatMap(
            scenario ->
                scenario.triggers().stream()
                    .flatMap(
                        trigger ->
                            Stream.of(Scenario.Variant.GRACEFUL, Scenario.Variant.UNGRACEFUL)
                                .map(it -> incident(scenario.id(), trigger.id(), it))));
  }

  @Test
  void secretsThatSomebodyMayHaveReadAreNotRestored() {
    String text =
        PlanReader.example()
            .replace(
                "procedures: [incident-isolation, forensic-preservation, clean-recovery]",
                "procedures: [emergency-deployment]");
    RecoveryPlan breached = Validation.inRecovery(PlanReader.read(text, "plan"), NOW).require();
    assertThatThrownBy(
            () ->
                breached.runPlan(
                    incident(
                        "security-breach", "intrusion-detection", Scenario.Variant.UNGRACEFUL)))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.secrets-burned"));
    assertThat(
            breached
                .runPlan(
                    incident(
                        "application-server-outage",
                        "platform-outage",
                        Scenario.Variant.UNGRACEFUL))
                .tasks())
        .anyMatch(task -> task.action().equals(ActionNames.SECRETS_RESTORE));
  }

  @Test
  void whatIsPromisedOfEachTierGoesWithTheRun() {
    RunPlan failover =
        PLAN.runPlan(
            new Incident(
                "database-failure",
                Optional.of("database-connection-failure"),
                Scenario.Variant.UNGRACEFUL,
                Optional.empty(),
                Optional.of(NOW)));
    assertThat(failover.outage()).contains(NOW);
    assertThat(failover.objectives())
        .first()
        .isEqualTo(
            new Objective(
                "tier-1",
                Duration.ofMinutes(15),
                Duration.ofMinutes(5),
                List.of("database-failover.health"),
                Map.of("database", List.of("database-failover.promote"))));
    assertThat(failover.objectives())
        .extracting(Objective::tier)
        .containsExactly("tier-1", "tier-2", "tier-3");

    RunPlan breach =
        PLAN.runPlan(
            incident("security-breach", "intrusion-detection", Scenario.Variant.UNGRACEFUL));
    assertThat(breach.objectives())
        .extracting(Objective::rto)
        .containsExactly(Duration.ofHours(8), Duration.ofHours(8), Duration.ofHours(12));
    assertThat(
            PLAN.failbackPlan(
                    incident(
                        "database-failure",
                        "database-connection-failure",
                        Scenario.Variant.GRACEFUL))
                .objectives())
        .isEmpty();
  }

  @ParameterizedTest
  @MethodSource("everyCase")
  void everyCaseOfTheExampleCanBeCarriedOut(Incident incident) {
    RunPlan plan = PLAN.runPlan(incident);

    try (RunEngine engine = engine(Set.of())) {
      DryRun dry = engine.dryRun(plan);
      assertThat(dry.steps()).hasSameSizeAs(plan.tasks()).allMatch(it -> !it.would().isBlank());
    }
    Scenario.Branch branch =
        PLAN.scenario(incident.scenario())
            .branch(incident.trigger().orElseThrow(), incident.variant())
            .orElseThrow();
    assertThat(plan.tasks().stream().map(Task::procedure).distinct())
        .containsExactlyElementsOf(branch.procedures());
    assertThat(plan.text()).isEqualTo(PLAN.canonical());
    assertThat(plan.cause()).isEqualTo(incident.trigger().orElseThrow());
    assertThat(plan.variant()).isEqualTo(incident.variant().label());
    assertThat(order(plan.tasks(), "fence", "promote")).isTrue();
    assertThat(order(plan.tasks(), "promote", "switch-")).isTrue();
  }

  /** Whether every step of one kind needs, at whatever distance, all of another. */
  private static boolean order(List<Task> tasks, String before, String after) {
    List<String> first =
        tasks.stream().filter(it -> it.action().equals(before)).map(Task::id).toList();
    return tasks.stream()
        .filter(it -> it.action().startsWith(after))
        .allMatch(it -> needed(tasks, it, new HashSet<>()).containsAll(first));
  }

  private static Set<String> needed(List<Task> tasks, Task task, Set<String> found) {
    for (Task other : tasks) {
      if (task.needs().contains(other.id()) && found.add(other.id())) {
        needed(tasks, other, found);
      }
    }
    return found;
  }

  @Test
  void whatAStepSaysIsWhatIsCarriedOut() {
    RunPlan plan =
        PLAN.runPlan(
            incident("database-failure", "database-connection-failure", Scenario.Variant.GRACEFUL));

    assertThat(plan.window()).contains(new RunPlan.Window(Duration.ofHours(2), true));
    assertThat(task(plan, "database-failover.promote").inputs())
        .containsEntry("fence", "database-failover.fence");
    assertThat(task(plan, "database-failover.validate").inputs())
        .containsEntry("of", "database-failover.promote");
    assertThat(task(plan, "database-failover.connectivity").inputs()).doesNotContainKey("of");
    Task agree = task(plan, "database-failover.agree");
    assertThat(agree.approval().orElseThrow().people())
        .hasSize(5)
        .allSatisfy((person, key) -> assertThat(key).matches("[0-9a-f]{64}"));
    assertThat(agree.approval().orElseThrow().need()).isEqualTo(2);
    assertThat(agree.people()).containsExactly("first-dba", "second-dba");
    Task pool = task(plan, "database-failover.pool");
    assertThat(pool.undoOnFailure()).isFalse();
    RunPlan other =
        PLAN.runPlan(
            incident("application-server-outage", "platform-outage", Scenario.Variant.UNGRACEFUL));
    assertThat(task(other, "traffic-rerouting.balancer").undoOnFailure()).isTrue();
    assertThat(pool.critical()).isTrue();
    assertThat(pool.needs()).containsExactly("database-failover.validate");
    assertThat(pool.deadline()).isEqualTo(Duration.ofMinutes(1));
    Task announce = task(plan, "database-failover.announce");
    assertThat(announce.critical()).isFalse();
    assertThat(announce.inputs())
        .containsEntry("to", "first-dba, second-dba")
        .containsEntry("text", "Tell those on call");
    assertThat(task(plan, "database-failover.fence").destructive()).isTrue();
    assertThat(task(plan, "database-failover.health").timeout()).isEqualTo(Duration.ofSeconds(10));
    Task images =
        task(
            PLAN.runPlan(incident("security-breach", "data-breach", Scenario.Variant.UNGRACEFUL)),
            "forensic-preservation.images");
    assertThat(images.action()).isEqualTo("manual");
    assertThat(images.title()).startsWith("Take images of disks and memory: Take images of");
    assertThat(images.needs()).containsExactly("incident-isolation.cut");
  }

  private static Task task(RunPlan plan, String id) {
    return plan.tasks().stream().filter(it -> it.id().equals(id)).findFirst().orElseThrow();
  }

  @Test
  void theMomentIsKnownOrSomebodySaysIt() {
    Incident unknown =
        new Incident(
            "database-failure",
            Optional.of("database-corruption"),
            Scenario.Variant.UNGRACEFUL,
            Optional.empty());
    assertThatThrownBy(() -> PLAN.runPlan(unknown))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.moment-missing"));
    RunPlan known =
        PLAN.runPlan(
            incident("database-failure", "database-corruption", Scenario.Variant.UNGRACEFUL));
    assertThat(task(known, "point-in-time-recovery.restore").inputs())
        .containsEntry("moment", NOW.toString());
    RunPlan said =
        PLAN.runPlan(
            new Incident(
                "security-breach",
                Optional.empty(),
                Scenario.Variant.UNGRACEFUL,
                Optional.empty()));
    assertThat(task(said, "clean-recovery.restore").inputs())
        .containsEntry("moment-from", "clean-recovery.moment")
        .doesNotContainKey("moment");
    assertThat(task(said, "clean-recovery.validate").inputs())
        .containsEntry("of", "clean-recovery.restore");
    assertThat(task(said, "clean-recovery.compare").inputs())
        .containsEntry("of", "clean-recovery.files");
    assertThat(task(known, "point-in-time-recovery.restore").needs())
        .containsExactly("point-in-time-recovery.fence");
    assertThat(said.cause()).isEmpty();
  }

  @Test
  void theWayBackIsWhatTheProceduresName() {
    RunPlan back =
        PLAN.failbackPlan(
            incident("database-failure", "database-connection-failure", Scenario.Variant.GRACEFUL));

    assertThat(back.tasks().stream().map(Task::procedure).distinct())
        .containsExactly("database-failback");
    assertThat(task(back, "database-failback.promote").inputs())
        .containsEntry("fence", "database-failback.fence")
        .containsEntry("server", "primary");
    assertThat(task(back, "database-failback.rejoin").approval().orElseThrow().need()).isEqualTo(2);
    try (RunEngine engine = engine(Set.of())) {
      assertThat(engine.dryRun(back).steps()).hasSize(9);
    }
    assertThatThrownBy(
            () ->
                PLAN.failbackPlan(
                    incident("database-failure", "database-corruption", Scenario.Variant.GRACEFUL)))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.no-failback"));
  }

  @Test
  void whatThePlanDoesNotAnswerIsRefusedByName() {
    assertThatThrownBy(
            () ->
                PLAN.runPlan(
                    new Incident(
                        "database-failure",
                        Optional.empty(),
                        Scenario.Variant.UNGRACEFUL,
                        Optional.empty())))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("run.cause-missing");
              assertThat(e.remedy()).contains("database-connection-failure");
            });
    assertThatThrownBy(
            () ->
                PLAN.runPlan(
                    incident("database-failure", "database-curruption", Scenario.Variant.GRACEFUL)))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("run.cause-unknown");
              assertThat(e.remedy()).isEqualTo("Did you mean database-corruption?");
            });
    RecoveryPlan partly =
        plan(
            PlanReader.example()
                .replace(
                    "when: [database-connection-failure], procedures",
                    "when: [database-connection-failure], variant: ungraceful, procedures"));
    assertThatThrownBy(
            () ->
                partly.runPlan(
                    incident(
                        "database-failure",
                        "database-connection-failure",
                        Scenario.Variant.GRACEFUL)))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.cause-unanswered"));
  }

  @Test
  void aStrictPlanThatCouldNotBeMeasuredStillRecovers() {
    String strict = PlanReader.example().replace("version: 1\n", "version: 1\nstrict: true\n");
    PlanDraft draft = PlanReader.read(strict, "plan");

    assertThat(Validation.of(draft, PlanFacts.none(NOW)).loads()).isFalse();
    RecoveryPlan plan = Validation.inRecovery(draft, NOW).require();
    assertThat(plan.canonical()).contains("\"strict\":\"true\"");
    assertThatThrownBy(
            () ->
                Validation.inRecovery(
                        PlanReader.read(strict.replace("owner: dba", "owner: dbb"), "plan"), NOW)
                    .require())
        .isInstanceOf(BackupException.class);
  }

  private static final String TWO_PROCEDURES =
      """
        - id: first
          owner: dba
          critical: %s
          steps:
            - { id: a, action: freeze-writes, expected: 1s, deadline: 1m }
            - { id: b, action: restore, expected: 1s, deadline: 1m, on-failure: %s }
            - { id: c, action: validate, expected: 1s, deadline: 1m }
        - id: second
          owner: dba
          critical: true
          depends-on: %s
          steps:
            - { id: d, action: hold-backups, expected: 1s, deadline: 1m }

      """;

  private RunReport runTwo(String critical, String onFailure, String dependsOn) {
    String text = PlanReader.example();
    String changed =
        (text.substring(0, text.indexOf("procedures:\n") + "procedures:\n".length())
                + TWO_PROCEDURES.formatted(critical, onFailure, dependsOn).indent(0)
                + text.substring(text.indexOf("  - id: database-failover\n")))
            .replace(
                "procedures: [emergency-deployment, traffic-rerouting]",
                "procedures: [first, second, emergency-deployment, traffic-rerouting]");
    RecoveryPlan plan = plan(changed);
    RunPlan whole =
        plan.runPlan(
            incident("application-server-outage", "platform-outage", Scenario.Variant.UNGRACEFUL));
    List<Task> tasks =
        whole.tasks().stream()
            .filter(it -> Set.of("first", "second").contains(it.procedure()))
            .toList();
    broken.add("first.b");
    try (RunEngine engine = engine(ActionNames.ALL)) {
      return engine.start(RunPlan.of("two", "", tasks), "incident", "somebody");
    }
  }

  @Test
  void whatFailsInAProcedureThatIsNotCriticalEndsThatProcedureAlone() {
    RunReport report = runTwo("false", "stop", "[]");

    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(order).containsExactly("first.a", "first.b", "second.d");
    assertThat(report.task("first.c").orElseThrow().detail())
        .isEqualTo("was not begun, as first.b is not done");
  }

  @Test
  void whatDependsOnItIsNotBegun() {
    RunReport report = runTwo("false", "stop", "[first]");

    assertThat(report.status()).isEqualTo(RunStatus.FAILED);
    assertThat(order).containsExactly("first.a", "first.b");
    assertThat(report.reason())
        .isEqualTo("critical step second.d: was not begun, as first.c is not done");
  }

  @Test
  void whatMayFailIsPassedOver() {
    RunReport report = runTwo("true", "continue", "[first]");

    assertThat(report.status()).isEqualTo(RunStatus.SUCCEEDED);
    assertThat(order).containsExactly("first.a", "first.b", "first.c", "second.d");
  }

  @Test
  void aFailureTakesBackWhatItsProcedureDid() {
    RunReport report = runTwo("true", "undo", "[first]");

    assertThat(report.status()).isEqualTo(RunStatus.COMPENSATED);
    assertThat(order).containsExactly("first.a", "first.b", "undo first.b", "undo first.a");
    assertThat(report.reason()).isEqualTo("critical step first.b: is broken");
  }

  @Test
  void whoLooksFirstIsAskedBeforeTheProgramGoesOn() {
    RecoveryPlan plan =
        plan(
            PlanReader.example()
                .replace(
                    "action: hold-backups\n        title: Keep every backup that may be needed",
                    "action: hold-backups\n        mode: assisted\n        instruction: Look\n"
                        + "        title: Keep every backup that may be needed"));
    RunPlan run =
        plan.runPlan(
            incident("database-failure", "database-corruption", Scenario.Variant.UNGRACEFUL));

    Task look = task(run, "point-in-time-recovery.hold/look");
    assertThat(look.action()).isEqualTo("manual");
    assertThat(look.title()).isEqualTo("Look");
    assertThat(look.needs()).containsExactly("point-in-time-recovery.freeze");
    assertThat(task(run, "point-in-time-recovery.hold").needs()).containsExactly(look.id());
  }

  private static RecoveryPlan plan(String text) {
    return Validation.inRecovery(PlanReader.read(text, "plan"), NOW).require();
  }
}
