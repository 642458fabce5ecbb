package com.thorbis.backup.dr.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** What is built in Java is what is read: each kind of element, in the plan that is shipped. */
class PlanBuilderTest {
  private static final PlanDraft READ = PlanReader.read(PlanReader.example(), "example");

  @Test
  void aPlanBuiltInJavaHasTheDigestOfItsText() {
    String shipped = digest(READ);
    PlanDraft built =
        PlanDraft.builder("disaster-recovery", 1)
            .title("Disaster recovery")
            .owner("recovery-lead")
            .objectives(new Objectives(minutes(60), minutes(15), Objectives.Verdict.PER_TIER))
            .people(with(READ.people(), person(), Person::id))
            .sources(with(READ.sources(), source(), ProtectedSource::id))
            .environments(with(READ.environments(), environment(), Environment::id))
            .tiers(with(READ.tiers(), tier(), Tier::id))
            .scenarios(with(READ.scenarios(), breach(), Scenario::id))
            .procedures(
                with(
                    with(READ.procedures(), failover(), Procedure::id), rerouting(), Procedure::id))
            .exercises(with(READ.exercises(), simulation(), Exercise::id))
            .build();
    assertThat(digest(built)).isEqualTo(shipped);
  }

  @Test
  void whatIsBuiltOtherwiseHasAnotherDigest() {
    Exercise yearly =
        new Exercise(
            "quarterly-full-simulation",
            Exercise.Kind.FULL_SIMULATION,
            "dba",
            List.of("database-failure"),
            Exercise.Frequency.YEARLY,
            simulation().first(),
            Duration.ofHours(8),
            Optional.of("dr-test-primary"));
    PlanDraft built =
        PlanDraft.builder(READ.id(), READ.version())
            .title(READ.title())
            .owner(READ.owner())
            .objectives(READ.objectives())
            .people(READ.people())
            .sources(READ.sources())
            .environments(READ.environments())
            .tiers(READ.tiers())
            .scenarios(READ.scenarios())
            .procedures(READ.procedures())
            .exercises(with(READ.exercises(), yearly, Exercise::id))
            .build();
    assertThat(digest(built)).isNotEqualTo(digest(READ));
  }

  private static String digest(PlanDraft draft) {
    return Validation.of(draft, PlanFacts.none(Instant.parse("2026-11-01T00:00:00Z")))
        .require()
        .digest();
  }

  /** The same list with one of its elements built here. */
  private static <T> List<T> with(List<T> read, T built, Function<T, String> id) {
    List<T> all = new ArrayList<>(read);
    all.replaceAll(one -> id.apply(one).equals(id.apply(built)) ? built : one);
    assertThat(all).hasSameSizeAs(read).anyMatch(one -> one == built);
    return all;
  }

  private static Duration minutes(int number) {
    return Duration.ofMinutes(number);
  }

  private static Person person() {
    return new Person(
        "first-dba",
        "First database administrator",
        List.of("tel:+1-555-0100", "mailto:first-dba@example.com"),
        List.of("dba", "approver"),
        Optional.of("E2-eWBZrXBQi5v1ljE56Ma0aqk8nfrTTKbigNwX_WF1elqJF"));
  }

  private static ProtectedSource source() {
    return new ProtectedSource(
        "database",
        Optional.of(minutes(3)),
        List.of(
            new ProtectedSource.Backup("full", Timetable.parse("Sun 02:00 UTC"), minutes(240)),
            new ProtectedSource.Backup(
                "incremental", Timetable.parse("Mon-Sat 01:00 UTC"), minutes(120))));
  }

  private static Environment environment() {
    return new Environment(
        "dr-test-secondary",
        "Secondary region testing",
        Environment.Isolation.NETWORK_ONLY,
        true,
        Duration.ofHours(24));
  }

  private static Tier tier() {
    return new Tier(
        "tier-1",
        "Tier 1 - Critical",
        1,
        minutes(15),
        minutes(5),
        List.of(
            new Tier.Application("payment-processing", List.of("user-authentication", "core-api")),
            new Tier.Application("user-authentication", List.of()),
            new Tier.Application("core-api", List.of())),
        List.of("database"));
  }

  private static Scenario breach() {
    String reason = "evidence is secured and secrets are renewed before anything is served again";
    return Scenario.builder("security-breach", "Security Breach")
        .description("Somebody is inside, and systems have to be isolated")
        .owner("security")
        .likelihood(Scenario.Likelihood.MEDIUM)
        .impact(Scenario.Impact.CRITICAL)
        .simulation(Scenario.Simulation.DATA_CORRUPTION)
        .allowances(
            List.of(
                new Scenario.Allowance("tier-1", Duration.ofHours(8), reason, "lead"),
                new Scenario.Allowance("tier-2", Duration.ofHours(8), reason, "lead"),
                new Scenario.Allowance("tier-3", Duration.ofHours(12), reason, "lead")))
        .triggers(
            List.of(
                Trigger.builder("intrusion-detection", Trigger.Cause.COMPROMISE)
                    .signals(
                        List.of(
                            new Trigger.Signal("host-sensor", "hosts"),
                            new Trigger.Signal("network-sensor", "network")))
                    .quorum(2)
                    .detection(minutes(5))
                    .decision(minutes(15))
                    .build(),
                Trigger.builder("data-breach", Trigger.Cause.COMPROMISE)
                    .signals(
                        List.of(
                            new Trigger.Signal("access-log", "database"),
                            new Trigger.Signal("report-from-outside", "people")))
                    .quorum(2)
                    .detection(minutes(30))
                    .decision(minutes(30))
                    .build()))
        .branches(
            List.of(
                new Scenario.Branch(
                    List.of("intrusion-detection", "data-breach"),
                    Scenario.Variant.EITHER,
                    List.of("incident-isolation", "forensic-preservation", "clean-recovery"))))
        .build();
  }

  private static PlanStep.Builder step(String id, String action, int expected, int deadline) {
    return PlanStep.builder(id, action)
        .expected(Duration.ofSeconds(expected))
        .deadline(Duration.ofSeconds(deadline));
  }

  private static PlanStep moves(String id, String action, String title) {
    return step(id, action, 10, 60)
        .settings(
            Map.of("switch", id, "from", "db1.example.com:5432", "to", "db2.example.com:5432"))
        .title(title)
        .onFailure(PlanStep.OnFailure.STOP)
        .build();
  }

  private static Procedure failover() {
    Map<String, String> database = Map.of("source", "database");
    return Procedure.builder("database-failover")
        .title("Failover to the standby")
        .owner("dba")
        .critical(true)
        .failback("database-failback")
        .settlement(new Procedure.Settlement(minutes(120), Procedure.Settlement.Outcome.COMMIT))
        .step(
            step("detect", "detect", 20, 60)
                .title("Detect database failure")
                .settings(database)
                .build())
        .step(step("announce", "notify", 5, 60).title("Tell those on call").build())
        .step(
            step("agree", "approve", 0, 180)
                .title("Accept the loss that is shown")
                .approval(new PlanApproval(List.of("approver"), 2, minutes(3)))
                .build())
        .step(
            step("fence", "fence", 30, 120)
                .title("Prove that the old primary takes no writes")
                .settings(database)
                .build())
        .step(
            step("promote", "promote", 30, 120)
                .title("Promote the standby")
                .settings(Map.of("source", "database", "max-loss", "any"))
                .build())
        .step(
            step("validate", "validate", 60, 120)
                .title("Validate backup database integrity")
                .settings(database)
                .build())
        .together(
            List.of(
                moves(
                    "connections",
                    "switch-connection-file",
                    "Update application connection strings"),
                moves("pool", "switch-pgbouncer", "Send the pool to the new primary")))
        .step(
            step("connectivity", "sql-check", 10, 60)
                .settings(Map.of("server", "pool", "query", "SELECT 1"))
                .title("Test application connectivity")
                .build())
        .step(
            step("health", "http-check", 60, 180)
                .settings(Map.of("url", "https://portal.example.com/health"))
                .title("Monitor application health")
                .serves(List.of("tier-1", "tier-2", "tier-3"))
                .build())
        .step(PlanStep.builder("written", "record").deadline(Duration.ofSeconds(30)).build())
        .build();
  }

  private static Procedure rerouting() {
    return Procedure.builder("traffic-rerouting")
        .title("Send clients to what was deployed")
        .owner("platform")
        .critical(true)
        .dependsOn(List.of("emergency-deployment"))
        .settlement(new Procedure.Settlement(minutes(60), Procedure.Settlement.Outcome.ROLLBACK))
        .step(
            step("balancer", "switch-haproxy", 5, 60)
                .settings(
                    Map.of(
                        "switch", "balancer",
                        "from", "first=10.0.0.1:443 ready, second=10.0.1.1:443 maint",
                        "to", "first=10.0.0.1:443 maint, second=10.0.1.1:443 ready"))
                .onFailure(PlanStep.OnFailure.UNDO)
                .build())
        .step(
            step("answers", "http-check", 60, 180)
                .settings(Map.of("url", "https://portal.example.com/health"))
                .serves(List.of("tier-1", "tier-2", "tier-3"))
                .build())
        .build();
  }

  private static Exercise simulation() {
    return new Exercise(
        "quarterly-full-simulation",
        Exercise.Kind.FULL_SIMULATION,
        "dba",
        List.of("database-failure"),
        Exercise.Frequency.QUARTERLY,
        Optional.of(ZonedDateTime.parse("2027-01-26T10:00Z")),
        Duration.ofHours(8),
        Optional.of("dr-test-primary"));
  }
}
