package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A disaster is made under load, and recovered from, by one command. */
class DrTestIT {
  @TempDir Path folder;

  static Stream<String> disasters() {
    return Boolean.getBoolean("thorbis.release")
        ? Stream.of(
            "database-failure", "network-partition", "application-failure", "data-corruption")
        : Stream.of("database-failure");
  }

  @ParameterizedTest
  @MethodSource("disasters")
  @Timeout(180)
  void aFullSimulationIsKept(String disaster) throws Exception {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        DrTestCommandTest.CONFIG
                .formatted(folder.resolve("state"), folder.resolve("repo").toUri())
                .replace("repository:\n", "repository:\n  signing-key: sign.key\n")
            + "sources:\n  evidence: { type: evidence }\n");
    CommandRunner thorbis =
        new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    String key = thorbis.run("keys", "signing-key", "sign.key").out().strip();
    assertThat(thorbis.run("init").code()).isZero();
    Result result =
        thorbis.run("dr", "test", "full-simulation", disaster, "--within", "2m", "--json");
    assertThat(result.code()).as(result.out() + result.err()).isZero();
    JsonNode report = new ObjectMapper().readTree(result.out());
    assertThat(report.path("loss").path("lost").asLong(-1))
        .isEqualTo(report.path("givenUp").path("commits").asLong(0));
    assertThat(report.path("loss").path("acknowledged").asLong()).isPositive();
    assertThat(report.path("run").path("status").asText()).isEqualTo("succeeded");
    for (JsonNode plant : report.path("plants")) {
      assertThat(plant.path("result").asText()).as(plant.toString()).isEqualTo("detected");
    }
    assertThat(report.path("plants").size()).isGreaterThan(10);
    long downtime = report.path("outage").path("downtimeMillis").asLong();
    long together = 0;
    for (JsonNode stage : report.path("outage").path("stages")) {
      together += stage.path("millis").asLong();
    }
    assertThat(downtime).isPositive();
    assertThat(together).isBetween(downtime - 10, downtime); // each is cut to milliseconds
    assertThat(result.err()).doesNotContain("the evidence of");
    Result evidence = thorbis.run("check", "evidence", "--json");
    assertThat(evidence.code()).as(evidence.out() + evidence.err()).isZero();
    assertThat(evidence.out()).doesNotContain("unsigned").doesNotContain("evidence.signatures");

    // What has shown it goes to somebody who has neither the repository nor this host.
    List<JsonNode> kept = KeptRecords.of("exercise", thorbis, folder.resolve("bundle.zip"));
    assertThat(kept).hasSize(1);
    assertThat(kept.get(0).at("/document/id")).isEqualTo(report.path("id"));
    Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
    Files.copy(folder.resolve("bundle.zip"), elsewhere.resolve("bundle.zip"));
    CommandRunner auditor = new CommandRunner(elsewhere);
    assertThat(auditor.run("report", "verify", "bundle.zip", "--key", key).code()).isZero();
  }
}
