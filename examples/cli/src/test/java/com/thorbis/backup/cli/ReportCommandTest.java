package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.report.Population;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reports of a real repository, and their check where there is none. */
class ReportCommandTest {
  static final String CONFIG =
      """
      state-directory: state
      repository:
        signing-key: host.key
        copies:
          - uri: %s
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: keystore:target/keys.p12
              password: ${env:PASSPHRASE}
              alias: main
      sources:
        home:
          type: files
          paths: [%s]
          objectives: { owner: ada }
          schedule:
            full: { at: "02:00 UTC", window: 4h }
          %s
      report:
        excluded:
          - { name: scratch, why: can be made again }
      """;

  private static final String AUDIT = "\n  audit: { type: evidence, keep: 3650d }";

  @TempDir Path folder;
  @TempDir Path elsewhere;

  private final SettableClock clock = SettableClock.at(Instant.parse("2026-03-07T01:00:00Z"));
  private String key = "";

  @BeforeEach
  void init() throws IOException {
    Files.writeString(folder.resolve("file"), "content");
    configure("");
    key = run("keys signing-key host.key", 0).out().strip();
    run("init", 0);
  }

  private void configure(String more) throws IOException {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(folder.resolve("repo").toUri(), folder.resolve("file"), more));
  }

  private Result run(String command, int code) {
    return run(folder, command, code);
  }

  private Result run(Path where, String command, int code) {
    return run(where, List.of(command.split(" ", -1)), code);
  }

  private Result run(Path where, List<String> command, int code) {
    Result result =
        new CommandRunner(where)
            .with("PASSPHRASE", "correct horse battery staple")
            .at(clock)
            .run(command.toArray(String[]::new));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  private static JsonNode json(Result result) throws IOException {
    return new ObjectMapper().readTree(result.out());
  }

  @Test
  void aDayWithItsBackupIsMetAndOneWithoutIsNot() throws IOException {
    Result first = run("report create -o first.json", 1);
    assertThat(first.out())
        .contains(
            "what was expected before", "home has no backup that can be restored", "is there");
    clock.set(Instant.parse("2026-03-07T02:10:00Z"));
    run("backup home", 0);
    clock.set(Instant.parse("2026-03-07T12:00:00Z"));
    Result alone = run("report create -o report.json --period 11h", 1);
    assertThat(alone.out()).contains("late: 1 of 2 that were expected"); // an alarm
    for (JsonNode alarm : json(run("--json alarms list", 0)).get("items")) {
      run("alarms ack " + alarm.get("id").asText() + " --by ada", 0);
    }
    Result met = run("--json report create -o report.json --period 11h", 0);
    assertThat(json(met).get("met").asBoolean()).isTrue();
    JsonNode report = new ObjectMapper().readTree(Files.readString(folder.resolve("report.json")));
    assertThat(report.get("expected").get("backup").get("present").asInt()).isEqualTo(1);
    assertThat(report.get("sources").get(0).get("owner").asText()).isEqualTo("ada");

    clock.advance(Duration.ofDays(1));
    Result missed = run("report create -o report.json --period 35h", 1);
    assertThat(missed.out()).contains("1 of 2 backups of home were not there in time");
  }

  @Test
  void whatSomebodyAnswersForIsWaivedUntilThatEnds() throws IOException {
    run("report create -o first.json", 1); // what is expected is recorded
    clock.set(Instant.parse("2026-03-07T02:10:00Z"));
    run("backup home", 0);
    clock.set(Instant.parse("2026-03-08T01:00:00Z"));
    assertThat(waive(0, "2026-03-09T00:00:00Z", "backup", "home").out())
        .contains("backup home is waived by bo from 2026-03-08T01:00:00Z to 2026-03-09T00:00:00Z");
    clock.set(Instant.parse("2026-03-08T12:00:00Z"));
    for (JsonNode alarm : json(run("--json alarms list", 0)).get("items")) {
      run("alarms ack " + alarm.get("id").asText() + " --by ada", 0);
    }

    run("report create -o report.json --period 35h", 0);
    JsonNode report = new ObjectMapper().readTree(Files.readString(folder.resolve("report.json")));
    assertThat(report.get("expected").get("backup").get("present").asInt()).isEqualTo(1);
    assertThat(report.get("expected").get("backup").get("waived").asInt()).isEqualTo(1);
    assertThat(report.get("items").findValuesAsText("why"))
        .contains("waived by bo; without that: there is none");

    clock.set(Instant.parse("2026-03-09T12:00:00Z"));
    assertThat(run("report create -o later.json --period 59h", 1).out())
        .contains("missing: 1 of 4", "1 of 3 backups of home were not there in time");
  }

  private Result waive(int code, String until, String... name) {
    List<String> words = new ArrayList<>(List.of("report", "waive"));
    words.addAll(List.of(name));
    words.addAll(List.of("--approver", "bo", "--reason", "the server moves", "--until", until));
    return run(folder, words, code);
  }

  @Test
  void aWaiverOfNothingThatIsExpectedIsRefused() {
    assertThat(waive(5, "2027-01-01T00:00:00Z", "backup", "hoem").err())
        .contains("Reports expect nothing that is called \"backup hoem\"", "backup home, ");
    assertThat(waive(2, "2020-01-01T00:00:00Z", "backup", "home").err())
        .contains("--until 2020-01-01T00:00:00Z is not after its begin", "--from");
    assertThat(waive(2, "2027-01-01", "backup", "home").err()).contains("in which time zone");
    assertThat(run("report waive backup home --reason x --until 2027-01-01T00:00:00Z", 2).err())
        .contains("--approver");
    assertThat(
            run(
                    folder,
                    List.of(
                        "report",
                        "waive",
                        "backup",
                        "home",
                        "--approver",
                        " ",
                        "--reason",
                        "x",
                        "--until",
                        "2027-01-01T00:00:00Z"),
                    2)
                .err())
        .contains("--approver is empty");
  }

  @Test
  void whatCouldNotBeLookedAtIsNotSaidToBeNothing() throws IOException {
    assertThat(waive(5, "2027-01-01T00:00:00Z", "alarm", "hoem").err())
        .contains("Reports expect nothing that is called");
    Files.createDirectories(folder.resolve("state/alarms/acknowledged")); // which is a file
    assertThat(waive(1, "2027-01-01T00:00:00Z", "alarm", "hoem").err())
        .contains("whether reports expect anything", "is not known")
        .doesNotContain("Reports expect nothing");
  }

  @Test
  void whatIsExpectedIsRecordedWhenItChanges() throws IOException {
    run("report create -o one.json", 1);
    clock.advance(Duration.ofHours(1));
    run("report create -o two.json", 1);
    clock.advance(Duration.ofHours(1));
    configure("expect: { drill-every: 30d }");
    clock.advance(Duration.ofHours(1));
    run("run --once", 0);
    clock.advance(Duration.ofHours(1));
    run("report create -o three.json", 1);
    JsonNode report = new ObjectMapper().readTree(Files.readString(folder.resolve("three.json")));
    assertThat(report.get("population")).hasSize(3); // one is assumed
    assertThat(report.get("sources").get(0).get("drillEveryMillis").asLong())
        .isEqualTo(Duration.ofDays(30).toMillis());
  }

  @Test
  void evidenceIsKeptUnderTheNameAndAsLongAsItsSourceSays() throws IOException {
    configure(AUDIT);
    run("report create -o one.json", 1);
    clock.advance(Duration.ofDays(3000)); // longer than evidence is kept unless told otherwise
    configure("expect: { drill-every: 30d }" + AUDIT);
    run("report create -o two.json", 1);
    assertThat(json(run("--json list audit", 0)).get("items")).hasSize(2);
    run("list evidence", 5);
    assertThat(run("check audit", 0).out()).contains("2 records, each as it was written");
  }

  @Test
  void whatWaitsOnThisHostIsWrittenOrSaidToBeLeftOut() throws IOException {
    EvidenceLog away =
        EvidenceLog.builder(
                () -> {
                  throw new IOException("away");
                },
                folder.resolve("state"))
            .clock(clock)
            .build();
    away.append(EvidenceRecord.RESTORE, "home", EvidenceRecord.PASSED, Map.of());
    CommandRunner command =
        new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple").at(clock);
    Path bundle = folder.resolve("bundle.zip");
    JsonNode restore = KeptRecords.of(EvidenceRecord.RESTORE, command, bundle).get(0);
    JsonNode expected = KeptRecords.of(Population.KIND, command, bundle).get(0);
    assertThat(expected.get("subject")).isEqualTo(restore.get("host")); // one host, one name
    assertThat(away.waiting()).isZero();

    Files.writeString(folder.resolve("state/evidence/evidence/waiting/ev-x.json"), "{}");
    Result left = run("report create -o report.json", 1);
    assertThat(left.err()).contains("ev-x.json is no record that waits");
    assertThat(left.out()).contains("1 records wait on this host");
  }

  @Test
  void aBundleIsCheckedWithoutConfigurationOrRepository() throws IOException {
    run("backup home", 0);
    assertThat(run("report create -o bundle.zip", 1).out()).doesNotContain("It is not signed");
    Path bundle = elsewhere.resolve("bundle.zip");
    Files.move(folder.resolve("bundle.zip"), bundle);

    Result sound = run(elsewhere, "--json report verify bundle.zip --key " + key, 0);
    assertThat(json(sound).get("sound").asBoolean()).isTrue();
    assertThat(json(sound).get("signedBy").asText()).isEqualTo(key);
    assertThat(json(sound).get("verdict").asText()).isEqualTo("not-met");

    Result unknown = run(elsewhere, "report verify bundle.zip", 3);
    assertThat(unknown.out()).contains("unknown-signer", "Signed by " + key, "say it with --key");
    String other = run(elsewhere, "keys signing-key other.key", 0).out().strip();
    assertThat(run(elsewhere, "report verify bundle.zip --key " + other, 3).out())
        .contains("foreign-key");

    byte[] bytes = Files.readAllBytes(bundle);
    bytes[bytes.length / 2] ^= 1;
    Files.write(elsewhere.resolve("changed.zip"), bytes);
    assertThat(run(elsewhere, "report verify changed.zip --key " + key, 3).out())
        .contains("altered: ", "Do not rely on it.");
    assertThat(run(elsewhere, "report verify nothing.zip", 5).err()).contains("There is no file");
    assertThat(run(elsewhere, "report verify bundle.zip --key abc", 2).err()).contains("--key");
  }

  @Test
  void aPageReplacesTheOneBeforeAndKeepsItsRights() throws IOException {
    run("report create -o page.html", 1);
    Path page = folder.resolve("page.html");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(page)))
        .isEqualTo("rw-------");
    assertThat(Files.readString(page)).contains("can be made again", "<h1>Backups and recovery");
    Files.setPosixFilePermissions(page, PosixFilePermissions.fromString("rw-r--r--"));
    run("report create -o page.html", 1);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(page)))
        .isEqualTo("rw-r--r--");
    assertThat(folder.toFile().list()).noneMatch(name -> name.startsWith(".page"));
  }

  @Test
  void whatCannotBeWrittenIsSaidBeforeAnythingIsLookedAt() {
    assertThat(run("report create -o report.txt", 2).err()).contains("Let it end with .html");
    assertThat(run("report create -o report.pdf", 2).err())
        .contains("none is on the PATH", "Install chromium");
    assertThat(run("report create -o report.html --period never", 2).err())
        .contains("is no length of time");
    assertThat(run("report create -o none/report.html", 2).err()).contains("There is no folder");
  }
}
