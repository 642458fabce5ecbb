package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Disasters are talked through by the command, and kept as evidence. */
class DrTestCommandTest {
  static final String CONFIG =
      """
      state-directory: %s
      repository:
        copies:
          - uri: %s
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: keystore:target/keys.p12
              password: ${env:PASSPHRASE}
              alias: main
      dr:
        plan: plan.yaml
      """;

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(Instant.parse("2026-11-27T10:00:00Z"));

  @BeforeEach
  void prepare() throws IOException {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(folder.resolve("state"), folder.resolve("repo").toUri()));
    Files.writeString(folder.resolve("plan.yaml"), PlanReader.example());
  }

  private Result run(int code, String... words) {
    Result result =
        new CommandRunner(folder)
            .with("PASSPHRASE", "correct horse battery staple")
            .at(clock)
            .run(words);
    assertThat(result.code())
        .as("%s%n%s%s", String.join(" ", words), result.out(), result.err())
        .isEqualTo(code);
    return result;
  }

  private JsonNode json(int code, String... words) throws IOException {
    return JSON.readTree(run(code, words).out());
  }

  @Test
  void aTabletopIsHeldAndKept() throws IOException {
    run(0, "init");
    JsonNode begun = json(0, "dr", "test", "tabletop", "database-failure", "--as", "ada", "--json");
    String id = begun.path("id").asText();
    assertThat(begun.path("injects").size()).isGreaterThan(5);
    for (JsonNode inject : begun.path("injects")) {
      String number = inject.path("number").asText();
      run(0, "dr", "test", "answer", id, number, "We look.", "--as", "bo");
    }
    run(
        0,
        "dr",
        "test",
        "finding",
        id,
        "No key at night",
        "--owner",
        "ada",
        "--due",
        "2027-02-01",
        "--as",
        "bo");
    assertThat(run(0, "dr", "test", "show", id).out())
        .contains("bo: We look.", "found by bo: No key at night (ada, until 2027-02-01)")
        .contains("0 to be answered");
    Result closed = run(0, "dr", "test", "close", id, "--as", "ada");
    assertThat(closed.out()).contains("Closed by ada");
    assertThat(closed.err()).doesNotContain("warning");
    assertThat(run(0, "list", "--json").out()).contains("\"source\":\"evidence\"");
    assertThat(run(4, "dr", "test", "answer", id, "1", "late", "--as", "bo").err())
        .contains("was closed by ada");
  }

  /** Which exercises a check of the plan says are overdue. */
  private List<String> overdue() throws IOException {
    List<String> found = new ArrayList<>();
    for (JsonNode finding : json(0, "dr", "validate", "--json").path("findings")) {
      if (finding.path("code").asText().equals("exercise.overdue")) {
        found.add(finding.path("path").asText());
      }
    }
    return found;
  }

  @Test
  void whatWasHeldIsNotOverdue() throws IOException {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        Files.readString(folder.resolve("thorbis.yaml"))
            + "sources:\n  evidence: { type: evidence }\n");
    run(0, "init");
    clock.set(Instant.parse("2027-02-01T10:00:00Z"));
    assertThat(overdue())
        .containsExactly(
            "exercises.quarterly-tabletop",
            "exercises.quarterly-walkthrough",
            "exercises.quarterly-full-simulation");
    // Of another scenario, and of another kind: neither is the one that is due.
    hold("tabletop", "database-failure");
    hold("walkthrough", "security-breach");
    assertThat(overdue()).hasSize(3);
    hold("tabletop", "security-breach");
    assertThat(overdue())
        .containsExactly("exercises.quarterly-walkthrough", "exercises.quarterly-full-simulation");
    clock.set(Instant.parse("2027-05-02T10:00:00Z"));
    assertThat(overdue()).hasSize(3);
  }

  private void hold(String kind, String scenario) throws IOException {
    JsonNode begun = json(0, "dr", "test", kind, scenario, "--as", "ada", "--json");
    String id = begun.path("id").asText();
    for (JsonNode inject : begun.path("injects")) {
      run(0, "dr", "test", "answer", id, inject.path("number").asText(), "So.", "--as", "bo");
    }
    run(0, "dr", "test", "close", id, "--as", "ada");
  }

  @Test
  void aWalkthroughThatWasNotFinishedHasNotPassed() throws IOException {
    String id =
        json(0, "dr", "test", "walkthrough", "database-failure", "--as", "ada", "--json")
            .path("id")
            .asText();
    assertThat(json(0, "dr", "test", "show", id, "--json").path("needsRetest")).isEmpty();
    Files.writeString(
        folder.resolve("plan.yaml"), PlanReader.example().replaceFirst("version: 1", "version: 2"));
    assertThat(run(0, "dr", "test", "show", id).out())
        .contains("needs a test: the recovery plan was changed: it is ");
    String changed = Files.readString(folder.resolve("plan.yaml"));
    Files.writeString(folder.resolve("plan.yaml"), "version: [");
    Result unread = run(0, "dr", "test", "show", id);
    assertThat(unread.out()).doesNotContain("needs a test");
    assertThat(unread.err()).contains("the recovery plan could not be read, so ");
    Files.writeString(folder.resolve("plan.yaml"), changed);
    Result closed = run(3, "dr", "test", "close", id, "--as", "ada"); // and there is no repository
    assertThat(closed.err()).contains("warning: the evidence of this exercise is not in");
    assertThat(run(2, "dr", "test", "finding", id, "x", "--owner", "ada", "--due", "soon").err())
        .contains("\"soon\" is no date");
  }

  @Test
  void whatIsNoDisasterIsSaid() {
    assertThat(run(2, "dr", "test", "full-simulation", "meteor").err())
        .contains("Unknown disaster scenario: meteor")
        .contains("database-failure, application-failure, network-partition, data-corruption");
    assertThat(run(5, "dr", "test", "show", "exercise-1").err())
        .contains("There is no exercise exercise-1");
  }

  @Test
  void oneStopHoldsAllUntilTheyAreReleased() {
    run(0, "init");
    run(0, "dr", "test", "stop", "--as", "ada");
    assertThat(run(1, "dr", "test", "full-simulation", "database-failure").out())
        .contains("environment.stopped")
        .contains("stopped by ada");
    run(0, "dr", "test", "release");
    assertThat(folder.resolve("state/environments/stop")).doesNotExist();
  }
}
