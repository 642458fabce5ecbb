package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.crypto.SigningKey;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A database is killed under load, and recovered, by one command. */
class DrTestIT {
  @TempDir Path folder;

  @Test
  @Timeout(180)
  void aFullSimulationLosesNothingAndIsKept() throws Exception {
    try (SigningKey key = SigningKey.generate(new SecureRandom())) {
      key.writeTo(folder.resolve("sign.key"));
    }
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        DrTestCommandTest.CONFIG
                .formatted(folder.resolve("state"), folder.resolve("repo").toUri())
                .replace("repository:\n", "repository:\n  signing-key: sign.key\n")
            + "sources:\n  evidence: { type: evidence }\n");
    CommandRunner thorbis =
        new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    assertThat(thorbis.run("init").code()).isZero();
    Result result =
        thorbis.run(
            "dr", "test", "full-simulation", "database-failure", "--within", "1m", "--json");
    assertThat(result.code()).as(result.out() + result.err()).isZero();
    JsonNode report = new ObjectMapper().readTree(result.out());
    assertThat(report.path("loss").path("lost").asLong(-1)).isZero();
    assertThat(report.path("loss").path("acknowledged").asLong()).isPositive();
    assertThat(report.path("run").path("status").asText()).isEqualTo("succeeded");
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
    assertThat(evidence.out()).doesNotContain("unsigned");
  }
}
