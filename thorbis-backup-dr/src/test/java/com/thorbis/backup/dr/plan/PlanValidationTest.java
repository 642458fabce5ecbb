package com.thorbis.backup.dr.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.plan.Finding.Severity;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PlanValidationTest {
  private static final Instant NOW = Instant.parse("2026-11-01T00:00:00Z");
  private static final PlanFacts NO_FACTS = PlanFacts.none(NOW);
  private static final String GOOD = PlanReader.example();
  private static final Set<String> OF_THE_EXAMPLE = codes(validate(GOOD));

  @Test
  void theExampleCanWork() {
    Validation validation = validate(GOOD);

    assertThat(validation.findings()).filteredOn(it -> it.severity() == Severity.ERROR).isEmpty();
    assertThat(codes(validation)).contains("person.key-example");
    RecoveryPlan plan = validation.require();
    assertThat(plan.content().procedures().stream().map(Procedure::id))
        .contains(
            "database-failover",
            "cross-region-failover",
            "point-in-time-recovery",
            "emergency-deployment",
            "traffic-rerouting",
            "emergency-communications",
            "incident-isolation",
            "forensic-preservation",
            "clean-recovery");
    assertThat(validation.predictions())
        .isNotEmpty()
        .allMatch(it -> it.total().compareTo(it.rto()) <= 0);
    Validation.Prediction failover =
        validation.predictions().stream()
            .filter(it -> it.trigger().equals("database-connection-failure"))
            .findFirst()
            .orElseThrow();
    assertThat(failover.total()).isEqualTo(Duration.ofSeconds(8 * 60 + 40));
    assertThat(plan.people("dba")).hasSize(2);
  }

  /** The contradictions of a plan as such plans are often written, by the rows that list them. */
  @Test
  void aPlanThatContradictsItselfDoesNotLoad() {
    Validation validation = Validation.of(PlanReader.read(contradictory(), "plan"), NO_FACTS);

    Map<String, String> rows =
        Map.of(
            "C-31", "rpo.exceeded",
            "C-32", "source.windows-overlap",
            "C-33", "rto.exceeded",
            "C-37", "environment.exposed",
            "C-38", "exercise.literal-date",
            "C-39", "notify.blocks",
            "C-40", "reference.dangling",
            "C-42", "branch.causes-mixed",
            "C-43", "trigger.times-undeclared",
            "C-44", "objective.plan-wide");
    assertThat(codes(validation)).containsAll(rows.values());
    assertThat(validation.findings())
        .filteredOn(it -> it.code().equals("reference.dangling"))
        .extracting(Finding::message)
        .contains(
            "There is no procedure \"point-in-time-recovery\"",
            "There is no procedure \"emergency-deployment\"",
            "There is no procedure \"traffic-rerouting\"",
            "There is no procedure \"emergency-communications\"",
            "There is no procedure \"incident-isolation\"",
            "There is no procedure \"forensic-preservation\"",
            "There is no procedure \"clean-recovery\"");
    assertThat(validation.findings())
        .filteredOn(it -> it.code().equals("rto.exceeded"))
        .extracting(Finding::reason)
        .contains(
            "detection unknown, decision unknown and recovery 15m make more than 15m of 15m",
            "detection unknown, decision unknown and recovery 1h make more than 1h of 15m");
    assertThat(validation.findings())
        .filteredOn(it -> it.code().equals("rpo.exceeded"))
        .singleElement()
        .satisfies(
            it -> {
              assertThat(it.path()).isEqualTo("tiers.tier-1.rpo");
              assertThat(it.reason()).isEqualTo("its capture may be 15m behind");
              assertThat(it.position()).isPresent();
            });
    assertThat(validation.findings()).noneMatch(it -> it.toString().contains("C-3"));
    assertThatThrownBy(validation::require)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("plan.cannot-work"));
  }

  /** The figures this product began with. */
  @Test
  void theShippedPlanHasTheFiguresItBeganWith() {
    PlanDraft plan = validate(GOOD).require().content();

    assertThat(plan.objectives().rto()).isEqualTo(Duration.ofMinutes(60));
    assertThat(plan.objectives().rpo()).isEqualTo(Duration.ofMinutes(15));
    assertThat(
            plan.tiers().stream()
                .map(
                    it ->
                        it.priority()
                            + " "
                            + it.rto().toMinutes()
                            + " "
                            + it.rpo().toMinutes()
                            + " "
                            + it.applications().stream().map(Tier.Application::id).toList()))
        .containsExactly(
            "1 15 5 [payment-processing, user-authentication, core-api]",
            "2 60 15 [work-orders, invoicing, customer-portal]",
            "3 240 60 [reporting, analytics, documentation]");
    assertThat(
            plan.scenarios().stream()
                .map(
                    it ->
                        it.id()
                            + " "
                            + it.likelihood().label()
                            + " "
                            + it.impact().label()
                            + " "
                            + it.branches().stream()
                                .map(branch -> branch.when() + " " + branch.procedures())
                                .toList()))
        .containsExactly(
            "database-failure medium high [[database-connection-failure] [database-failover],"
                + " [database-corruption] [point-in-time-recovery]]",
            "application-server-outage low high [[platform-outage, deployment-failure]"
                + " [emergency-deployment, traffic-rerouting]]",
            "data-center-outage low critical [[region-outage, network-isolation]"
                + " [cross-region-failover, emergency-communications]]",
            "security-breach medium critical [[intrusion-detection, data-breach]"
                + " [incident-isolation, forensic-preservation, clean-recovery]]");
    assertThat(plan.exercises().stream().map(it -> it.kind() + " " + it.frequency()))
        .containsExactly(
            "TABLETOP QUARTERLY", "WALKTHROUGH QUARTERLY", "FULL_SIMULATION QUARTERLY");
    assertThat(
            plan.environments().stream()
                .map(it -> it.id() + ", " + it.purpose() + ", " + it.isolation()))
        .containsExactly(
            "dr-test-primary, Primary recovery testing, COMPLETE",
            "dr-test-secondary, Secondary region testing, NETWORK_ONLY");
  }

  @ParameterizedTest
  @CsvSource({
    "likelihood: medium, likelihood: sometimes",
    "impact: critical, impact: huge",
    "mode: assisted, mode: partial"
  })
  void whatIsChosenFromAListIsAWordOfIt(String good, String bad) {
    assertThat(GOOD).contains(good);
    Validation validation = validate(GOOD.replaceFirst(good, bad));

    assertThat(validation.loads()).isFalse();
    assertThat(validation.findings())
        .filteredOn(it -> it.code().equals("text.malformed"))
        .singleElement()
        .satisfies(it -> assertThat(it.toString()).contains(bad.substring(bad.indexOf(' ') + 1)));
  }

  @Test
  void eachStepSaysByItselfWhoDoesIt() {
    RecoveryPlan plan = validate(GOOD).require();

    assertThat(plan.procedure("database-failover").steps())
        .extracting(PlanStep::mode)
        .containsOnly(PlanStep.Mode.FULL);
    assertThat(plan.procedure("clean-recovery").steps())
        .extracting(PlanStep::mode)
        .contains(PlanStep.Mode.FULL, PlanStep.Mode.ASSISTED, PlanStep.Mode.MANUAL);
  }

  /** Each line takes one thing out of the plan that works, or puts something wrong into it. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "text.unknown-key|title: Disaster recovery|titel: Disaster recovery",
        "text.malformed|max-delay: 3m|max-delay: 3",
        "id.malformed|- analytics|x",
        "id.duplicate|id: second-dba|id: first-dba",
        "reference.dangling|failback: database-failback|failback: database-failbak",
        "owner.missing|    owner: dba\\n    likelihood|    likelihood",
        "person.unreachable|contacts: [\"tel:+1-555-0100\","
            + " \"mailto:first-dba@example.com\"]|contacts: []",
        "person.key-invalid|signs-with: E2-|signs-with: X2-",
        "person.key-shared|signs-with: yhqJ2tx6SVPUsz4WrSuMR1GEsnXVCyxmYUICb8wvnVXQl0xT|signs-with:"
            + " E2-eWBZrXBQi5v1ljE56Ma0aqk8nfrTTKbigNwX_WF1elqJF",
        "objective.plan-wide|verdict: per-tier|verdict: plan-wide",
        "tier.priority-inverted|priority: 1|priority: 9",
        "tier.dependency-slower|- user-authentication\\n"
            + "|- { id: user-authentication, depends-on: [reporting] }\\n",
        "source.unprotected|max-delay: 3m\\n"
            + "    backups:\\n"
            + "      - { type: full, at: Sun 02:00 UTC, window: 4h }\\n"
            + "      - { type: incremental, at: Mon-Sat 01:00 UTC, window: 2h }|backups: []",
        "source.windows-overlap|Mon-Sat 01:00 UTC|Mon-Sun 01:00 UTC",
        "rpo.exceeded|max-delay: 3m|max-delay: 6m",
        "rpo.exceeded|every 30m, window: 20m|every 45m, window: 20m",
        "rto.exceeded|target: before-damage }\\n"
            + "        expected: 4m|target: before-damage }\\n"
            + "        expected: 8m",
        "rto.tight|target: before-damage }\\n"
            + "        expected: 4m|target: before-damage }\\n"
            + "        expected: 5m",
        "trigger.times-undeclared|quorum: 2\\n        detection: 1m\\n|quorum: 2\\n",
        "trigger.single-signal|from: standby }|from: application-host }",
        "trigger.automatic-unsure|quorum: 2|automatic: true",
        "trigger.automatic-unpractised|quorum: 2\\n"
            + "        detection: 5m|quorum: 2\\n"
            + "        automatic: true\\n"
            + "        detection: 5m",
        "trigger.unanswered|when: [database-corruption]|when: [database-corruption], variant:"
            + " graceful",
        "branch.ambiguous|when: [database-corruption]|when: [database-corruption,"
            + " database-connection-failure]",
        "branch.empty|procedures: [database-failover]|procedures: []",
        "branch.causes-mixed|when: [database-corruption]|when: [database-corruption,"
            + " database-connection-failure]",
        "branch.promotes-damage|procedures: [point-in-time-recovery]|procedures:"
            + " [database-failover]",
        "branch.failover-and-restore|procedures: [database-failover]|procedures:"
            + " [database-failover, point-in-time-recovery]",
        "branch.order|procedures: [emergency-deployment, traffic-rerouting]|procedures:"
            + " [traffic-rerouting, emergency-deployment]",
        "branch.settlements-differ|title: Deploy the last good release elsewhere\\n"
            + "|title: Deploy the last good release elsewhere\\n"
            + "    settlement: { within: 1h, otherwise: commit }\\n",
        "branch.nothing-critical|Failover to the standby\\n"
            + "    owner: dba\\n"
            + "    critical: true|Failover to the standby\\n"
            + "    owner: dba\\n"
            + "    critical: false",
        "procedure.critical-undeclared|    critical: false\\n|",
        "procedure.empty|    steps:\\n"
            + "      - together:\\n"
            + "          - { id: customers, action: notify, title: Tell customers, deadline: 2m"
            + " }\\n"
            + "          - { id: staff, action: notify, title: Tell everybody on call, deadline: 2m"
            + " }\\n"
            + "      - { id: written, action: record, deadline: 30s }|    steps: []",
        "procedure.unused|[cross-region-failover,"
            + " emergency-communications]|[cross-region-failover]",
        "procedure.cycle|depends-on: [incident-isolation]\\n|depends-on: [clean-recovery]\\n",
        "procedure.no-failback|failback: database-failback|depends-on: []",
        "procedure.estimate-short|failback: database-failback|failback: database-failback\\n"
            + "    expected: 5m",
        "step.unknown-action|action: hold-backups|action: hold-backup",
        "step.cycle|action: detect\\n"
            + "        title: Detect database failure|action: detect\\n"
            + "        after: [health]",
        "step.unreachable|action: detect\\n"
            + "        title: Detect database failure|action: detect\\n"
            + "        after: [detect]",
        "step.no-duration|        expected: 20s\\n|",
        "step.no-deadline|expected: 20s\\n        deadline: 1m|expected: 20s",
        "step.manual-no-deadline|        deadline: 4h\\n|",
        "step.deadline-short|expected: 20s|expected: 2m",
        "step.undo-uncritical|title: Tell customers,|title: Tell customers, on-failure: undo,",
        "step.undo-promoted|on-failure: stop|on-failure: undo",
        "step.undo-promoted|title: Tell customers,|title: Tell customers, on-failure: undo,",
        "step.no-instruction|        instruction: Choose a moment before the first sign of the"
            + " intrusion, and note the reason\\n"
            + "|",
        "step.unapproved|approval: { people: [platform, lead], required: 1, deadline: 2m"
            + " }|instruction: none",
        "approval.missing|        approval: { people: [approver], required: 2, deadline: 3m }\\n|",
        "approval.too-few|people: [security, lead], required: 2|people: [security, lead], required:"
            + " 3",
        "approval.single-person|people: [platform, lead], required: 1|people: [lead], required: 1",
        "approval.unsigned|    signs-with: E2-eWBZrXBQi5v1ljE56Ma0aqk8nfrTTKbigNwX_WF1elqJF\\n|",
        "promote.unfenced|action: fence\\n"
            + "        title: Prove that the old primary takes no writes|action: freeze-writes",
        "fence.failure-ignored|with: { source: database }\\n"
            + "        expected: 30s|with: { source: database }\\n"
            + "        on-failure: continue\\n"
            + "        expected: 30s",
        "traffic.before-promotion|action: switch-connection-file\\n"
            + "|action: switch-connection-file\\n"
            + "            after: [agree]\\n",
        "traffic.unproven|      - { id: written, action: record, deadline: 30s }\\n"
            + "\\n"
            + "  - id: database-failback|      - { id: late, action: switch-haproxy, expected: 1s,"
            + " deadline: 1m }\\n"
            + "\\n"
            + "  - id: database-failback",
        "restore.unfenced|      - { id: fence, action: fence, with: { source: database }, expected: 30s,"
            + " deadline: 2m }\\n"
            + "      # As long|      # As long",
        "restore.unvalidated|- { id: validate, action: validate, with: { source: database },"
            + " expected: 10m, deadline: 30m }|- { id: validate, action: wait, expected: 10m,"
            + " deadline: 30m }",
        "notify.blocks|title: Tell those on call|on-failure: stop",
        "notify.blocks|action: approve\\n"
            + "        title: Accept the loss|action: approve\\n"
            + "        after: [announce]\\n"
            + "        title: Accept the loss",
        "notify.blocks|[cross-region-failover, emergency-communications]|[emergency-communications,"
            + " cross-region-failover]",
        "scenario.untested|scenarios: [application-server-outage, data-center-outage]|scenarios:"
            + " [data-center-outage]",
        "scenario.no-simulation|    simulation: database-failure\\n|",
        "exercise.no-date|    first: 2027-01-12T10:00Z\\n|",
        "exercise.literal-date|    first: 2027-01-12T10:00Z\\n"
            + "|    first: 2027-01-12T10:00Z\\n"
            + "    last: 2026-01-12\\n",
        "exercise.overdue|first: 2027-01-12T10:00Z|first: 2026-01-12T10:00Z",
        "exercise.overlap|owner: lead\\n"
            + "    scenarios: [security-breach, data-center-outage]\\n"
            + "    frequency: quarterly\\n"
            + "    first: 2027-01-12|owner: platform\\n"
            + "    scenarios: [security-breach, data-center-outage]\\n"
            + "    frequency: quarterly\\n"
            + "    first: 2027-01-19",
        "exercise.no-environment|    environment: dr-test-primary|",
        "environment.exposed|    masked: true\\n|",
        "environment.no-lease|    isolation: complete\\n    lease: 24h|    isolation: complete",
        "environment.lease-short|    isolation: complete\\n"
            + "    lease: 24h|    isolation: complete\\n"
            + "    lease: 2h",
      })
  void oneMistakeIsFoundByName(String code, String good, String bad) {
    String text = broken(code, unescaped(good), unescaped(bad == null ? "" : bad));

    Validation validation = validate(text);

    assertThat(codes(validation)).contains(code);
    assertThat(OF_THE_EXAMPLE).doesNotContain(code);
    assertThat(validation.findings())
        .filteredOn(it -> it.code().equals(code))
        .allSatisfy(
            it -> {
              assertThat(it.message()).isNotBlank();
              assertThat(it.reason()).isNotBlank();
              assertThat(it.remedy()).isNotBlank();
              assertThat(it.position()).isPresent();
            });
  }

  @Test
  void whatMayComeBeforeAPromotionOrBeOneCanBeUndone() {
    String code = "step.undo-promoted";
    assertThat(
            codes(
                validate(
                    GOOD.replace("title: Promote the standby", "on-failure: undo")
                        .replace("title: Update application connection strings", "after: [agree]")
                        .replaceFirst("on-failure: stop", "on-failure: undo"))))
        .contains("traffic.before-promotion")
        .doesNotContain(code);
    String shared =
        GOOD.replace("title: Tell customers,", "on-failure: undo,")
            .replace("traffic-rerouting]", "traffic-rerouting, emergency-communications]");
    assertThat(codes(validate(shared))).contains("step.undo-uncritical").doesNotContain(code);
  }

  @Test
  void whatIsMissingAltogetherIsFound() {
    PlanDraft draft = PlanReader.read(GOOD, "plan");

    assertThat(codes(validate(GOOD.substring(0, GOOD.indexOf("# When each is due")))))
        .contains("plan.untested");
    assertThat(
            codes(
                validate(
                    GOOD.replace("impact: critical", "impact: critical\n    tiers: [tier-1]")
                        .replace("impact: high", "impact: high\n    tiers: [tier-1, tier-2]"))))
        .contains("tier.without-scenario");
    assertThat(codes(Validation.of(PlanDraft.builder(draft.id(), 1).build(), NO_FACTS)))
        .contains("owner.missing", "plan.untested");
  }

  @Test
  void backupsThatAreNotConfiguredSoOftenAreFound() {
    Duration week = Duration.ofDays(7);
    Duration night = Duration.ofDays(2); // from Saturday to Monday
    assertThat(scheduled(Map.of("full", week, "incremental", night))).isEmpty();
    assertThat(scheduled(Map.of("full", week, "incremental", Duration.ofHours(6)))).isEmpty();
    assertThat(scheduled(Map.of("full", week.plusDays(7), "incremental", night)))
        .containsExactly("The configuration lets 14d pass between two backups of type full");
    assertThat(scheduled(Map.of("full", week)))
        .containsExactly("The configuration schedules no backup of type incremental");
  }

  private static List<String> scheduled(Map<String, Duration> configured) {
    return Validation.of(PlanReader.read(GOOD, "plan"), measured(configured)).findings().stream()
        .filter(it -> it.code().equals("source.schedule-differs"))
        .map(Finding::message)
        .toList();
  }

  @Test
  void whatWasMeasuredIsHeldAgainstThePlan() {
    PlanFacts facts = measured(Map.of());

    Validation validation = Validation.of(PlanReader.read(GOOD, "plan"), facts);

    assertThat(codes(validation))
        .contains("rpo.lag", "source.delay-differs", "rto.exceeded", "step.restore-short");
    assertThat(codes(validate(GOOD))).contains("rpo.unchecked", "rto.unchecked", "rto.allowance");
    assertThat(validate(GOOD).loads()).isTrue();
    assertThat(validate(GOOD.replace("version: 1\n", "version: 1\nstrict: true\n")).loads())
        .isFalse();
  }

  private static PlanFacts measured(Map<String, Duration> backups) {
    return PlanFacts.builder(NOW)
        .source(
            "database",
            new PlanFacts.SourceFacts(
                Optional.of(Duration.ofMinutes(15)),
                Optional.of(backups),
                Optional.of(Duration.ofMinutes(7)),
                Optional.of(Duration.ofMinutes(2)),
                OptionalLong.of(600L << 30),
                OptionalLong.of(200L << 20),
                Duration.ZERO))
        .build();
  }

  @Property(tries = 60)
  void whatIsRenamedIsMissedAndNothingThrows(@ForAll("references") String id) {
    String text =
        Pattern.compile("(id: |- )" + Pattern.quote(id) + "\\b(?!-)")
            .matcher(GOOD)
            .replaceFirst("$1gone");

    assertThat(codes(validate(text))).isNotEmpty().contains("reference.dangling");
  }

  @Provide
  Arbitrary<String> references() {
    return Arbitraries.of(
        "database",
        "user-files",
        "dr-test-primary",
        "user-authentication",
        "core-api",
        "tier-1",
        "tier-3",
        "database-failback",
        "point-in-time-recovery",
        "emergency-deployment",
        "cross-region-failover",
        "region-failback",
        "incident-isolation",
        "database-connection-failure",
        "data-breach",
        "security-breach",
        "recovery-lead");
  }

  @Property(tries = 200)
  void anyPartOfAPlanIsReadWithoutAnException(@ForAll("cuts") int cut) {
    String text = GOOD.substring(0, cut);

    assertThat(validate(text).loads()).isFalse();
  }

  @Provide
  Arbitrary<Integer> cuts() {
    return Arbitraries.integers().between(0, GOOD.indexOf("# When each is due") - 1);
  }

  @Test
  void theCanonicalFormSaysTheSameAndIsReadAgain() {
    RecoveryPlan plan = validate(GOOD).require();

    RecoveryPlan again = validate(plan.canonical()).require();

    assertThat(again.canonical()).isEqualTo(plan.canonical());
    assertThat(again.digest()).isEqualTo(plan.digest()).hasSize(64);
    assertThat(validate("# a comment\n" + GOOD).require().digest()).isEqualTo(plan.digest());
    assertThat(validate(GOOD.replace("max-delay: 3m", "max-delay: 4m")).require().digest())
        .isNotEqualTo(plan.digest());
    assertThat(plan.digest()).isEqualTo(resource("example.sha256").strip());
  }

  @Test
  void stepsComeAfterWhatStandsBeforeThemAndNeverAfterWhatTells() {
    Procedure failover = validate(GOOD).require().procedure("database-failover");

    assertThat(failover.step("detect").orElseThrow().after()).isEmpty();
    assertThat(failover.step("agree").orElseThrow().after()).containsExactly("detect");
    assertThat(failover.step("pool").orElseThrow().after()).containsExactly("validate");
    assertThat(failover.step("connectivity").orElseThrow().after())
        .containsExactly("connections", "pool");
    assertThat(failover.step("announce").orElseThrow().onFailure())
        .isEqualTo(PlanStep.OnFailure.CONTINUE);
    assertThatThrownBy(() -> validate(GOOD).require().scenario("database-failur"))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> assertThat(e.remedy()).isEqualTo("Did you mean database-failure?"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "- a list",
        "plan: [",
        "plan: x\nplan: y",
        "a: &a [x]\nb: *a",
        "a: !!java.lang.Object {}",
        "plan: x\n---\nplan: y",
        "? [a]\n: b",
        "plan: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a:"
            + " 1}}}}}}}}}}}}}}}}}",
      })
  void aHostileTextIsOneFinding(String text) {
    Validation validation = validate(text);

    assertThat(validation.findings())
        .singleElement()
        .satisfies(
            it -> {
              assertThat(it.code()).isEqualTo("text.unreadable");
              assertThat(it.position()).isPresent();
            });
  }

  @Test
  void aHostileTextIsNotExpandedOrFollowed() {
    String laughs =
        "a: &a [x, x]\n"
            + Arrays.stream("b c d e f g h i".split(" "))
                .map(it -> it + ": &" + it + " [*a, *a, *a, *a, *a, *a, *a, *a]\n")
                .collect(Collectors.joining());
    assertThat(codes(validate(laughs))).containsExactly("text.unreadable");
    assertThat(codes(validate("a: " + "[".repeat(100_000)))).containsExactly("text.unreadable");
    assertThat(codes(validate("a: [" + "x,".repeat(60_000) + "]")))
        .containsExactly("text.unreadable");
    assertThat(codes(validate("a: " + "x".repeat(PlanText.MAX_CHARACTERS))))
        .containsExactly("text.unreadable");
    assertThat(codes(validate("steps: " + "{a: ".repeat(5) + "1" + "}".repeat(5))))
        .contains("text.malformed");
  }

  @Test
  void findingsSayWhereTheyStand() {
    String text = GOOD.replace("    failback: database-failback", "    failbak: database-failback");
    int line = (int) text.substring(0, text.indexOf("    failbak")).lines().count() + 1;

    assertThat(validate(text).findings())
        .filteredOn(it -> it.code().equals("text.unknown-key"))
        .singleElement()
        .satisfies(
            it -> {
              assertThat(it.position()).contains(new Finding.Position("plan", line, 5));
              assertThat(it.remedy()).isEqualTo("Did you mean failback?");
            });
  }

  @Test
  void everyCheckIsDocumented() throws IOException {
    String docs = Files.readString(Path.of("..", "docs", "plans.md"));

    for (Rule rule : Rule.values()) {
      assertThat(docs)
          .contains(
              "| `"
                  + rule.code()
                  + "` | "
                  + (rule.severity() == Severity.ERROR ? "error" : "warning")
                  + " | "
                  + rule.because()
                  + " |");
    }
  }

  private static Validation validate(String text) {
    return Validation.of(PlanReader.read(text, "plan"), NO_FACTS);
  }

  private static Set<String> codes(Validation validation) {
    return validation.findings().stream()
        .map(Finding::code)
        .collect(Collectors.toCollection(LinkedHashSet::new));
  }

  private static String broken(String code, String good, String bad) {
    if (code.equals("id.malformed")) {
      return GOOD.replace("analytics", "Analytics!");
    }
    assertThat(GOOD).contains(good);
    int at = GOOD.indexOf(good);
    return GOOD.substring(0, at) + bad + GOOD.substring(at + good.length());
  }

  private static String unescaped(String text) {
    return text.replace("\\n", "\n");
  }

  private static String contradictory() {
    return resource("contradictory.yaml");
  }

  private static String resource(String name) {
    try (InputStream in = PlanValidationTest.class.getResourceAsStream(name)) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
