package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
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
    assertThat(result.err()).doesNotContain("warning");
    Result evidence = thorbis.run("check", "evidence", "--json");
    assertThat(evidence.code()).as(evidence.out() + evidence.err()).isZero();
    assertThat(evidence.out()).doesNotContain("unsigned").doesNotContain("evidence.signatures");

    // What has shown it goes to somebody who has neither the repository nor this host.
    Result told = thorbis.run("report", "create", "-o", "bundle.zip");
    assertThat(told.out()).doesNotContain("It is not signed");
    Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
    Files.copy(folder.resolve("bundle.zip"), elsewhere.resolve("bundle.zip"));
    CommandRunner auditor = new CommandRunner(elsewhere);
    assertThat(auditor.run("report", "verify", "bundle.zip", "--key", key).code()).isZero();
    assertThat(bundled(elsewhere.resolve("bundle.zip"), report.path("id").asText())).isTrue();
  }

  /** Whether a record in a bundle tells of something. */
  private static boolean bundled(Path bundle, String id) throws IOException {
    try (ZipFile zip = new ZipFile(bundle.toFile())) {
      for (ZipEntry entry : Collections.list(zip.entries())) {
        try (InputStream in = zip.getInputStream(entry)) {
          if (new String(in.readAllBytes(), StandardCharsets.UTF_8).contains(id)) {
            return true;
          }
        }
      }
    }
    return false;
  }
}
