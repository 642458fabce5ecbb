package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.cli.CommandRunner.Running;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.dr.run.Message;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A plan is carried out by the command, by several people and from several machines. */
class DrRunCommandTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String OUTAGE = "application-server-outage";
  private static final String CONFIG =
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
        journal:
          store: { uri: %s }
        keys: { first-dba: first.key, second-dba: second.key }
      """;

  private static final String REHEARSAL =
      """
        - id: rehearsal
          owner: dba
          critical: true
          settlement: { within: 1h, otherwise: rollback }
          steps:
            - id: mark
              action: run-command
              with:
                command: [touch, "DIR/marked"]
                check: [test, -e, "DIR/marked"]
                undo: [rm, -f, "DIR/marked"]
              expected: 1s
              deadline: 1m
            - id: agree
              action: approve
              title: Let it be destroyed
              expected: 0s
              deadline: 3m
              approval: { people: [dba], required: 2, deadline: 3m }
            - id: destroy
              action: run-command
              destructive: true
              with:
                command: [sh, -c, "echo once >> DIR/destroyed"]
                check: [test, -e, "DIR/destroyed"]
              expected: 1s
              deadline: 1m
            - id: look
              action: manual
              instruction: Look whether people can work again
              expected: 1s
              deadline: 3m

      """;

  @TempDir Path folder;

  @BeforeEach
  void prepare() throws IOException {
    Files.createDirectories(folder.resolve("journal"));
    configure(folder, "state");
    String plan = PlanReader.example();
    int procedures = plan.indexOf("procedures:\n  - id:") + "procedures:\n".length();
    plan =
        plan.substring(0, procedures)
            + REHEARSAL.replace("DIR", folder.toString()).indent(0)
            + plan.substring(procedures);
    plan =
        plan.replace(
            "procedures: [emergency-deployment, traffic-rerouting]", "procedures: [rehearsal]");
    Files.writeString(folder.resolve("plan.yaml"), ShippedPlan.signed(plan, folder));
  }

  private void configure(Path where, String state) throws IOException {
    Files.writeString(
        where.resolve("thorbis.yaml"),
        CONFIG.formatted(
            where.resolve(state),
            folder.resolve("repo").toUri(),
            folder.resolve("journal").toUri()));
  }

  private Result run(int code, String... words) {
    return run(folder, code, words);
  }

  private static Result run(Path where, int code, String... words) {
    Result result = command(where).run(words);
    assertThat(result.code())
        .as("%s%n%s%s", String.join(" ", words), result.out(), result.err())
        .isEqualTo(code);
    return result;
  }

  private static CommandRunner command(Path where) {
    return new CommandRunner(where).with("PASSPHRASE", "correct horse battery staple");
  }

  private Result begin(String... more) {
    return run(
        1,
        Stream.concat(
                Stream.of(
                    "dr",
                    "run",
                    OUTAGE,
                    "--incident",
                    "inc-1",
                    "--as",
                    "recovery-lead",
                    "--yes",
                    "--no-wait"),
                Stream.of(more))
            .toArray(String[]::new));
  }

  private void approve() {
    run(0, "dr", "approve", "inc-1", "rehearsal.agree", "--as", "first-dba");
    run(0, "dr", "approve", "inc-1", "rehearsal.agree", "--as", "second-dba");
  }

  private JsonNode status(Path where) throws IOException {
    return JSON.readTree(run(where, 0, "dr", "status", "inc-1", "--json").out());
  }

  private static String step(JsonNode status, String id) {
    for (JsonNode step : status.path("steps")) {
      if (step.path("id").asText().equals(id)) {
        return step.path("status").asText();
      }
    }
    throw new AssertionError(id + " is not in " + status);
  }

  private boolean there(String file) {
    return Files.exists(folder.resolve(file));
  }

  @Test
  void aDisasterIsRecoveredFromByPeopleAndProgramsTogether() throws IOException {
    run(0, "init");
    assertThat(run(0, "dr", "run", OUTAGE, "--dry-run").out())
        .contains("rehearsal.destroy", "cannot be taken back", "not-done")
        .contains("if nobody says anything, it is taken back");
    assertThat(there("marked")).isFalse();
    assertThat(run(4, "dr", "run", OUTAGE).err()).contains("thorbis: Nobody confirmed it");
    assertThat(run(0, "dr", "status", "--json").out().strip()).isEqualTo("{\"items\":[]}");

    Result begun = begin();
    assertThat(begun.out())
        .contains("waiting")
        .contains("thorbis dr approve inc-1 rehearsal.agree --as first-dba")
        .contains("thorbis dr resume inc-1");
    assertThat(begun.err()).contains("WAITS    rehearsal.agree for approval until");
    assertThat(there("marked")).isTrue();
    assertThat(run(4, "dr", "run", OUTAGE, "--yes").err())
        .contains("Run inc-1 of scenario application-server-outage is waiting");
    approve();
    run(1, "dr", "resume", "inc-1", "--no-wait");
    assertThat(there("destroyed")).isTrue();
    assertThat(run(4, "dr", "done", "inc-1", "rehearsal.look", "--as", "recovery-lead").err())
        .contains("recovery-lead is none of first-dba, second-dba");
    run(0, "dr", "done", "inc-1", "rehearsal.look", "--as", "second-dba", "--text", "they can");
    run(1, "dr", "resume", "inc-1", "--no-wait");
    run(0, "dr", "note", "inc-1", "the customers are told", "--as", "recovery-lead");
    JsonNode waits = status(folder);
    assertThat(waits.path("status").asText()).isEqualTo("waiting");
    List<String> next = waits.path("next").findValuesAsText("command");
    assertThat(next).hasSize(3).allMatch(it -> it.startsWith("thorbis dr "));
    assertThat(next.get(1)).startsWith("thorbis dr abort inc-1 --as ");
    run(0, next.get(0).substring("thorbis ".length()).split(" ", -1)); // as it is printed
    Result end = run(0, "dr", "resume", "inc-1");
    assertThat(end.out())
        .contains("succeeded: committed by " + next.get(0).replaceFirst(".* --as ", ""))
        .contains("nobody said when the outage began")
        .containsPattern("tier-1 +15 min 0 s +\\S.* +unknown +5 min 0 s +- +unknown");
    assertThat(end.err()).doesNotContain("warning");
    assertThat(Files.readString(folder.resolve("destroyed"))).isEqualTo("once\n");

    Result all = run(0, "dr", "status", "inc-1");
    assertThat(all.out())
        .containsSubsequence(
            "said     first-dba: approve rehearsal.agree",
            "begins   rehearsal.destroy",
            "done     rehearsal.look: done by second-dba",
            "said     recovery-lead: note: the customers are told");
    run(0, "dr", "run", OUTAGE, "--incident", "inc-1", "--yes"); // which starts nothing
    assertThat(evidence()).hasSize(1);
    List<JsonNode> approvals = evidence("approval");
    assertThat(approvals)
        .extracting(it -> it.path("document").path("approver").asText())
        .containsExactly("first-dba", "second-dba");
    JsonNode approval = approvals.get(0);
    assertThat(approval.path("subject").asText()).isEqualTo("inc-1 rehearsal.agree");
    JsonNode signed = approval.path("document");
    assertThat(
            genuine(
                folder.resolve("first.key"),
                Message.signedText(
                    "inc-1",
                    "rehearsal.agree",
                    signed.path("planDigest").asText(),
                    signed.path("request").asLong(),
                    Instant.parse(signed.path("until").asText()),
                    "first-dba"),
                signed.path("signature").asText()))
        .isTrue();
  }

  /** Checked with what the record says and the key alone. */
  private static boolean genuine(Path key, byte[] message, String signature) {
    try (SigningKey own = Recipients.signingKey(key)) {
      return HexFormat.of().formatHex(own.sign(message)).equals(signature); // Ed25519 has one
    }
  }

  @Test
  void whetherWhatIsPromisedWasKeptIsToldAndRecorded() throws IOException {
    run(0, "init");
    assertThat(run(2, "dr", "run", OUTAGE, "--outage", "2999-01-01T00:00:00Z").err())
        .contains("--outage is yet to come");
    begin("--outage", "2026-01-01T00:00:00Z");
    JsonNode waits = status(folder);
    assertThat(waits.path("outage").asText()).isEqualTo("2026-01-01T00:00:00Z");
    assertThat(waits.path("tiers").findValuesAsText("time"))
        .containsExactly("missed", "missed", "missed");
    assertThat(waits.path("tiers").findValuesAsText("loss"))
        .containsExactly("unknown", "unknown", "unknown");

    run(0, "dr", "abort", "inc-1", "--as", "first-dba", "--yes");
    assertThat(run(1, "dr", "resume", "inc-1").out())
        .contains("What is promised, from the outage at")
        .contains("tier-1: this run did not bring it back: rehearsal.");
    JsonNode record =
        KeptRecords.of("dr-run", command(folder), folder.resolve("bundle.zip")).get(0);
    assertThat(record.path("outcome").asText()).isEqualTo("compensated");
    assertThat(record.path("document").path("outage").asText()).isEqualTo("2026-01-01T00:00:00Z");
    JsonNode tier = record.path("document").path("tiers").path(0);
    assertThat(tier.path("tier").asText()).isEqualTo("tier-1");
    assertThat(tier.path("rtoMillis").asLong()).isEqualTo(15 * 60_000);
    assertThat(tier.path("time").asText()).isEqualTo("missed");
    assertThat(tier.path("loss").asText()).isEqualTo("unknown");
    assertThat(tier.has("tookMillis")).isFalse();
    try (FileSystem bundle = FileSystems.newFileSystem(folder.resolve("bundle.zip"))) {
      JsonNode report = JSON.readTree(Files.readString(bundle.getPath("report.json")));
      assertThat(report.path("tiers").findValuesAsText("tier").get(0)).isEqualTo("tier-1");
      assertThat(report.path("reasons").findValuesAsText("why"))
          .anyMatch(why -> why.contains("in run inc-1 tier-1 did not keep it: this run did not"));
    }
  }

  @Test
  void aRunThatDoesNotGoOnOrEndWellIsAnAlarmUntilSomebodySeesToIt() throws IOException {
    append(
        "thorbis.yaml",
        """
        notify:
          notifiers:
            - { name: file, kind: exec, command: [/bin/sh, -c, "cat >> %s"] }
          escalation:
            - { to: [file] }
        """
            .formatted(folder.resolve("told")));
    run(0, "init");
    begin();
    assertThat(codes(alarms(command(folder)))).doesNotContain("recovery.blocked");
    SettableClock later = SettableClock.at(Instant.now().plus(Duration.ofHours(1)));
    JsonNode blocked = alarm(alarms(command(folder).at(later)), "recovery.blocked");
    assertThat(blocked.path("subject").asText()).isEqualTo("inc-1");
    assertThat(blocked.path("severity").asText()).isEqualTo("critical");
    assertThat(blocked.path("found").asText()).contains("rehearsal.agree (approval)");

    run(0, "dr", "abort", "inc-1", "--as", "first-dba", "--yes");
    assertThat(there("told")).isFalse();
    run(1, "dr", "resume", "inc-1");
    assertThat(Files.readString(folder.resolve("told")))
        .contains("recovery.failed", "aborted by first-dba");
    JsonNode stopped = alarm(alarms(command(folder)), "recovery.failed");
    assertThat(stopped.path("severity").asText()).isEqualTo("warning");
    run(0, "alarms", "ack", stopped.path("id").asText(), "--by", "ada");
    assertThat(
            alarm(alarms(command(folder)), "recovery.failed")
                .path("acknowledged")
                .path("by")
                .asText())
        .isEqualTo("ada");
    assertThat(run(0, "status").out())
        .contains("recovery.failed inc-1")
        .contains("tiers of the plan")
        .contains(
            "tier-1: loss unknown of 5 min 0 s, never measured how long it is away, of 15 min 0 s");
  }

  private static JsonNode alarms(CommandRunner command) throws IOException {
    return JSON.readTree(command.run("alarms", "list", "--json").out()).path("items");
  }

  private static List<String> codes(JsonNode alarms) {
    return alarms.findValuesAsText("code");
  }

  private static JsonNode alarm(JsonNode alarms, String code) {
    for (JsonNode alarm : alarms) {
      if (alarm.path("code").asText().equals(code)) {
        return alarm;
      }
    }
    throw new AssertionError(code + " is not among " + alarms);
  }

  @Test
  void anApprovalIsOfThePersonWhoseKeySignsIt() {
    begin();
    assertThat(
            run(
                    4,
                    "dr",
                    "approve",
                    "inc-1",
                    "rehearsal.agree",
                    "--as",
                    "first-dba",
                    "--key-file",
                    "second.key")
                .err())
        .contains("its signature is not that of first-dba");
    assertThat(run(4, "dr", "approve", "inc-1", "rehearsal.agree", "--as", "recovery-lead").err())
        .contains("recovery-lead is none of first-dba, second-dba");
    assertThat(run(2, "dr", "approve", "inc-1", "rehearsal.agree").err()).contains("--as PERSON");
    run(0, "dr", "approve", "inc-1", "rehearsal.agree", "--as", "first-dba");
    run(1, "dr", "resume", "inc-1", "--no-wait");
    assertThat(there("destroyed")).isFalse();
    assertThat(run(5, "dr", "approve", "inc-2", "rehearsal.agree", "--as", "first-dba").err())
        .contains("There is no run inc-2");
  }

  @Test
  void whatWasDoneIsTakenBack() throws IOException {
    begin();
    run(4, "dr", "abort", "inc-1", "--as", "first-dba");
    run(0, "dr", "abort", "inc-1", "--as", "first-dba", "--yes");
    Result end = run(1, "dr", "resume", "inc-1");
    assertThat(end.out()).contains("compensated: aborted by first-dba");
    assertThat(end.err())
        .contains("warning: the evidence of this run is not in the repository yet");
    assertThat(there("marked")).isFalse();
    assertThat(step(status(folder), "rehearsal.mark")).isEqualTo("undone");
  }

  @Test
  void anotherMachineGoesOnWithTheStoreAlone() throws IOException {
    begin();
    approve();
    Path other = Files.createDirectories(folder.resolve("other"));
    configure(other, "elsewhere");
    delete(folder.resolve("state"));

    run(other, 1, "dr", "resume", "inc-1", "--no-wait");
    JsonNode there = status(other);
    assertThat(step(there, "rehearsal.destroy")).isEqualTo("done");
    assertThat(there.path("fence").asLong()).isGreaterThan(1);
    assertThat(Files.readString(folder.resolve("destroyed"))).isEqualTo("once\n");
    run(1, "dr", "resume", "inc-1", "--no-wait");
    assertThat(Files.readString(folder.resolve("destroyed"))).isEqualTo("once\n");
  }

  /** Its state directory is gone with it, and what waited there for the repository. */
  @Test
  void whoeverGoesOnWithARunThatHasEndedKeepsTheEvidenceThatNobodyKept() throws IOException {
    begin();
    run(0, "dr", "approve", "inc-1", "rehearsal.agree", "--as", "first-dba");
    run(1, "dr", "resume", "inc-1", "--no-wait");
    run(0, "dr", "abort", "inc-1", "--as", "first-dba", "--yes");
    assertThat(run(1, "dr", "resume", "inc-1").err()).contains("is not in the repository yet");
    delete(folder.resolve("state"));
    Path other = Files.createDirectories(folder.resolve("other"));
    configure(other, "elsewhere");
    assertThat(run(other, 1, "dr", "resume", "inc-1").err())
        .contains("whether evidence of run inc-1 is kept cannot be seen");

    run(other, 0, "init");
    for (int time = 0; time < 2; time++) {
      assertThat(run(other, 1, "dr", "resume", "inc-1").err()).doesNotContain("warning");
      List<JsonNode> kept = evidence();
      assertThat(kept).hasSize(1);
      assertThat(kept.get(0).path("outcome").asText()).isEqualTo("compensated");
      assertThat(evidence("approval")).hasSize(1);
    }
  }

  /** Whoever can write to the store of journals can write one there. */
  @Test
  void anApprovalThatIsNotOfItsPersonIsKeptAsOneThatDidNotCount() throws Exception {
    run(0, "init");
    begin();
    run(0, "dr", "approve", "inc-1", "rehearsal.agree", "--as", "first-dba");
    run(1, "dr", "resume", "inc-1", "--no-wait");
    forge("first-dba", "second-dba");
    delete(folder.resolve("state"));
    run(0, "dr", "abort", "inc-1", "--as", "first-dba", "--yes");
    run(1, "dr", "resume", "inc-1");
    assertThat(evidence("approval"))
        .extracting(
            it -> it.path("document").path("approver").asText() + " " + it.path("outcome").asText())
        .containsExactly("first-dba approved", "second-dba not-counted");
  }

  /** Writes what one person said once more, as the last record, in another's name. */
  private void forge(String said, String other) throws Exception {
    List<Path> lines;
    try (Stream<Path> files = Files.walk(folder.resolve("journal"))) {
      lines =
          files.filter(it -> it.getFileName().toString().matches("[0-9a-f]{16}")).sorted().toList();
    }
    Path last = lines.get(lines.size() - 1);
    Map<String, Object> forged = new TreeMap<>();
    for (Path line : lines) {
      JsonNode record = JSON.readTree(Files.readString(line));
      if (record.path("data").path("what").asText().equals("approve")) {
        forged.putAll(
            JSON.readValue(Files.readString(line).replace(said, other), new TypeReference<>() {}));
      }
    }
    long next = Long.parseLong(last.getFileName().toString(), 16) + 1;
    JsonNode before = JSON.readTree(Files.readString(last));
    forged.put("sequence", next);
    forged.put("previous", before.path("digest").asText());
    forged.put("at", before.path("at").asText());
    forged.put("fence", before.path("fence").asLong());
    forged.remove("digest");
    byte[] body = JSON.writeValueAsBytes(forged);
    forged.put(
        "digest", HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(body)));
    Files.writeString(
        last.resolveSibling(String.format("%016x", next)), JSON.writeValueAsString(forged) + "\n");
  }

  @Test
  void aRunThatFailedAndIsTriedAgainLeavesEvidenceOfBothEnds() throws IOException {
    run(0, "init");
    procedure(
        """
              - id: ready
                action: run-command
                with: { command: [test, -e, DIR/ready], check: [test, -e, DIR/ready] }
                expected: 1s
                deadline: 1s
        """);
    begin();
    Files.createFile(folder.resolve("ready"));
    run(0, "dr", "retry", "inc-1", "rehearsal.ready", "--as", "first-dba");
    run(1, "dr", "resume", "inc-1", "--no-wait");
    run(0, "dr", "commit", "inc-1", "--as", "recovery-lead");
    run(0, "dr", "resume", "inc-1");

    assertThat(evidence())
        .extracting(it -> it.path("outcome").asText())
        .containsExactly("failed", "passed");
  }

  private List<JsonNode> evidence() throws IOException {
    return evidence("dr-run");
  }

  private List<JsonNode> evidence(String kind) throws IOException {
    return KeptRecords.of(kind, command(folder), folder.resolve("bundle.zip"));
  }

  @Test
  void withoutTheStoreNothingIsDestroyedUntilSomebodyAnswersForThat() throws IOException {
    begin();
    approve();
    Files.move(folder.resolve("journal"), folder.resolve("away"));

    Result waits = run(1, "dr", "resume", "inc-1", "--no-wait");
    assertThat(there("destroyed")).isFalse();
    assertThat(waits.out())
        .contains("the store of the journal does not answer")
        .contains("thorbis dr override inc-1");
    run(0, "dr", "override", "inc-1", "--as", "first-dba", "--yes");
    run(1, "dr", "resume", "inc-1", "--no-wait");
    assertThat(there("destroyed")).isTrue();
  }

  @Test
  void whoeverStaysGoesOnWhenPeopleHaveSpoken() throws Exception {
    Running stays =
        command(folder)
            .start("dr", "run", OUTAGE, "--incident", "inc-1", "--as", "recovery-lead", "--yes");
    stays.awaits("WAITS    rehearsal.agree");
    approve();
    stays.awaits("WAITS    rehearsal.look");
    assertThat(run(0, "dr", "done", "inc-1", "rehearsal.look", "--as", "first-dba").out())
        .contains("takes it in");
    stays.awaits("WAITS    it counts when it is committed");
    Result stopped = stays.stop();
    assertThat(stopped.code()).isEqualTo(1);
    assertThat(stopped.out()).contains("carried out by nobody now", "thorbis dr commit inc-1");
  }

  @Test
  void secretsApplicationsAndRecoveryPointsAreBroughtBackBySteps() throws IOException {
    Path files = Files.createDirectories(folder.resolve("files/etc"));
    Path env = folder.resolve("app.env");
    Files.writeString(files.resolve("site.conf"), "listen 80;\n");
    Files.writeString(env, "API_KEY=planted-8Xw\n");
    append(
        "thorbis.yaml",
        """
        sources:
          tokens:
            type: secrets
            places:
              - { name: app, kind: env-file, path: %1$s }
          user-files: { type: files, paths: %2$s }
          shop:
            type: nextjs
            source: none
            configuration:
              web-server: { kind: files, paths: %2$s }
            artifacts: none
            deployment: none
            files: none
          all: { type: recovery-point, members: "tokens, user-files" }
        """
            .formatted(env, files));
    procedure(
        """
              - { id: hold, action: hold-backups, expected: 1s, deadline: 1m }
              - id: agree
                action: approve
                title: Let it be brought back
                expected: 0s
                deadline: 3m
                approval: { people: [dba], required: 2, deadline: 3m }
              - { id: secrets, action: secrets-restore, with: { set: tokens }, expected: 1s, deadline: 1m }
              - { id: application, action: app-restore, with: { into: DIR/application }, expected: 1s, deadline: 1m }
              - { id: point, action: recovery-point-restore, with: { target-dir: DIR/point }, expected: 1s, deadline: 1m }
              - { id: compared, action: validate, with: { source: user-files }, expected: 1s, deadline: 1m }
        """);
    run(0, "init");
    run(0, "recovery-point", "create", "all");
    run(0, "app", "backup", "shop");
    assertThat(run(0, "dr", "run", OUTAGE, "--dry-run").out())
        .containsPattern("rehearsal.secrets .* done: 1 secrets stand there already");
    Files.delete(env);

    assertThat(run(0, "dr", "run", OUTAGE, "--dry-run").out())
        .containsPattern("rehearsal.secrets .* not-done: 1 secrets to be written");
    begin();
    approve();
    Result end = run(0, "dr", "resume", "inc-1");
    assertThat(env).hasContent("API_KEY=planted-8Xw");
    assertThat(count(folder.resolve("application"), "site.conf")).isEqualTo(1);
    assertThat(count(folder.resolve("point"), "site.conf")).isEqualTo(1);
    assertThat(end.out()).contains("1 files of the backup are there").doesNotContain("planted-8Xw");

    JsonNode steps = status(folder).path("steps");
    assertThat(steps.findValuesAsText("status")).containsOnly("done");
    Result again = run(1, "dr", "run", OUTAGE, "--incident", "inc-2", "--yes", "--no-wait");
    assertThat(again.out()).contains("waiting");
    run(0, "dr", "approve", "inc-2", "rehearsal.agree", "--as", "first-dba");
    run(0, "dr", "approve", "inc-2", "rehearsal.agree", "--as", "second-dba");
    assertThat(run(1, "dr", "resume", "inc-2").out())
        .contains("application holds what no step of this run put there");
  }

  @Test
  void whatOnlyAPersonCanBringBackOfAnApplicationIsWaitedFor() throws IOException {
    Files.createDirectories(folder.resolve("etc"));
    Files.writeString(folder.resolve("etc/site.conf"), "listen 80;");
    append(
        "thorbis.yaml",
        """
        sources:
          shop:
            type: nextjs
            source: none
            configuration:
              web-server: { kind: files, paths: %s }
            artifacts: none
            deployment: none
            files: none
        """
            .formatted(folder.resolve("etc")));
    procedure(
        """
              - id: application
                action: app-restore
                expected: 1s
                deadline: 1m
                approval: { people: [dba], required: 1, deadline: 1m }
        """);
    run(0, "init");
    run(0, "app", "backup", "shop");

    begin();
    run(0, "dr", "approve", "inc-1", "rehearsal.application", "--as", "first-dba");
    assertThat(run(1, "dr", "resume", "inc-1", "--no-wait").err())
        .contains("WAITS    rehearsal.application for manual")
        .contains("is left to people: configuration: web-server is files: say where to lay them");
    run(0, "dr", "done", "inc-1", "rehearsal.application", "--as", "second-dba");
    run(1, "dr", "resume", "inc-1", "--no-wait");
    run(0, "dr", "commit", "inc-1", "--as", "recovery-lead");
    assertThat(run(0, "dr", "resume", "inc-1").out())
        .containsPattern("done +rehearsal.application .* second-dba says that the rest is done");
  }

  @Test
  void aStepTellsThroughWhicheverNotifierWorksAndNobodyLearnsHowTheOthersAreReached()
      throws IOException {
    append(
        "thorbis.yaml",
        """
        notify:
          notifiers:
            - { name: pager, kind: exec, command: [/bin/sh, -c, "exit 1", planted-8Xw] }
        """);
    procedure(
        """
              - { id: tell, action: notify, title: The portal is away, deadline: 1m }
        """);
    Result nobody =
        run(1, "dr", "run", OUTAGE, "--incident", "inc-0", "--as", "recovery-lead", "--yes");
    assertThat(nobody.out())
        .containsPattern("FAILED +rehearsal.tell .*Nobody was told: pager: /bin/sh ended with 1");
    assertThat(nobody.out() + nobody.err() + run(0, "dr", "status", "inc-0").out())
        .doesNotContain("planted-8Xw");

    append(
        "thorbis.yaml",
        "    - { name: file, kind: exec, command: [/bin/sh, -c, \"cat >> %s\"] }\n"
            .formatted(folder.resolve("told")));
    begin();
    assertThat(step(status(folder), "rehearsal.tell")).isEqualTo("done");
    assertThat(Files.readString(folder.resolve("told")))
        .contains("first-dba, second-dba to know", "The portal is away", "inc-1/rehearsal.tell");
    assertThat(run(4, "dr", "run", OUTAGE, "--incident", "inc-2", "--yes").err())
        .contains("Run inc-1 of scenario " + OUTAGE + " is waiting");
  }

  @Test
  void aManagerOfHighAvailabilityIsASetting() throws IOException {
    String settings =
        """
          servers: { one: { host: 127.0.0.1, port: 5431 }, two: { host: 127.0.0.1, port: 5433 } }
          failover:
            database:
              primary: one
              standby: two
              manager: %s
        """;
    String before = Files.readString(folder.resolve("thorbis.yaml"));
    append(
        "thorbis.yaml",
        settings.formatted(
            "{ type: patroni, members: [\"http://10.0.0.1:8008\"], login: { user: u } }"));
    assertThat(run(2, "dr", "status").err()).contains("password is missing");
    Files.writeString(folder.resolve("thorbis.yaml"), before);
    append("thorbis.yaml", settings.formatted("{ type: command, status: [look] }"));
    assertThat(run(2, "dr", "status").err()).contains("failover");
    Files.writeString(folder.resolve("thorbis.yaml"), before);
    append(
        "thorbis.yaml",
        settings.formatted("{ type: patroni, members: [\"https://db1.example:8008\"] }"));
    run(0, "dr", "status");
  }

  @Test
  void whatIsBackedUpIsHeldBroughtBackAndCompared() throws IOException {
    Files.createDirectories(folder.resolve("files/deep"));
    Files.writeString(folder.resolve("files/deep/one"), "one");
    append(
        "thorbis.yaml",
        """
        sources:
          user-files: { type: files, paths: %s }
        """
            .formatted(folder.resolve("files")));
    procedure(
        """
              - { id: hold, action: hold-backups, with: { source: user-files }, expected: 1s, deadline: 1m }
              - id: restore
                action: restore
                with: { source: user-files, target-dir: DIR/restored }
                expected: 1s
                deadline: 1m
              - { id: validate, action: validate, with: { source: user-files }, expected: 1s, deadline: 1m }
        """);
    run(0, "init");
    run(0, "backup", "user-files");

    Result end = run(0, "dr", "run", OUTAGE, "--incident", "inc-1", "--yes");
    assertThat(end.out()).contains("1 backups are held", "1 files of the backup are there");
    assertThat(count(folder.resolve("restored"), "one")).isEqualTo(1);
    JsonNode held = JSON.readTree(run(0, "list", "user-files", "--json").out());
    assertThat(held.toString()).contains("recovery inc-1/rehearsal.hold");

    Result again = run(1, "dr", "run", OUTAGE, "--incident", "inc-2", "--yes");
    assertThat(again.out()).contains("restored was filled by inc-1/rehearsal.restore");
  }

  private static long count(Path tree, String name) throws IOException {
    try (Stream<Path> all = Files.walk(tree)) {
      return all.filter(each -> each.endsWith(name)).count();
    }
  }

  /** Every kind that a failover and a restore take is there, and nothing is asked of servers. */
  @Test
  void theExampleIsTriedDryWithServersThatAreDown() throws IOException {
    Files.writeString(folder.resolve("app.conf"), "db1.example.com:5432");
    Files.writeString(folder.resolve("pgbouncer.ini"), "");
    append(
        "thorbis.yaml",
        """
          servers:
            db1: { host: 127.0.0.1, port: 1, user: x, password: "${env:PASSPHRASE}" }
            db2: { host: 127.0.0.1, port: 2 }
            pool: { host: 127.0.0.1, port: 3, database: orders }
            restored: { host: 127.0.0.1, port: 6, data-directory: /srv/recovery/database, bin-directory: /bin }
          failover:
            database:
              primary: db1
              standby: db2
              detect:
                - { kind: port, from: application, patience: 1s }
                - { kind: standby, patience: 1s }
              fence: { command: [/bin/false], check: [/bin/false] }
          detectors:
            platform:
              - { kind: http, id: one, from: probe, url: "http://127.0.0.1:4/" }
              - { kind: command, id: two, from: balancer, command: [/bin/false] }
          switches:
            connections: { type: connection-file, file: DIR/app.conf }
            pool: { type: pgbouncer, file: DIR/pgbouncer.ini, database: orders, host: 127.0.0.1, port: 5 }
        sources:
          database: { type: postgres, url: "jdbc:postgresql://127.0.0.1:1/orders", user: x, reader: replication }
        """
            .replace("DIR", folder.toString()));

    JsonNode outage =
        JSON.readTree(
            run(
                    0,
                    "dr",
                    "run",
                    "database-failure",
                    "--cause",
                    "database-connection-failure",
                    "--dry-run",
                    "--json")
                .out());
    assertThat(outage.path("steps").findValuesAsText("found")).doesNotContain("done", "waiting");
    assertThat(outage.path("steps").findValuesAsText("would"))
        .anyMatch(it -> it.contains("db1.example.com:5432 to db2.example.com:5432"));
    JsonNode damage =
        JSON.readTree(
            run(
                    0,
                    "dr",
                    "run",
                    "database-failure",
                    "--cause",
                    "database-corruption",
                    "--before",
                    "2026-01-02T03:04:05Z",
                    "--dry-run",
                    "--json")
                .out());
    assertThat(damage.path("steps").findValuesAsText("would"))
        .anyMatch(
            it ->
                it.contains(
                    "restore database to before 2026-01-02T03:04:05Z into /srv/recovery/database,"
                        + " and start its server as restored (127.0.0.1:6)"))
        .anyMatch(
            it -> it.endsWith("adopt the restored cluster of database at restored (127.0.0.1:6)"));
  }

  @Test
  void whatCannotBeCarriedOutDoesNotBegin() throws IOException {
    Files.writeString(
        folder.resolve("plan.yaml"),
        Files.readString(folder.resolve("plan.yaml"))
            .replace(
                "action: manual\n        instruction: Look",
                "action: app-restore\n        instruction: Look"));

    assertThat(run(2, "dr", "run", OUTAGE, "--yes", "--no-wait").err())
        .contains("rehearsal.look", "source is missing; there are []");
    assertThat(there("marked")).isFalse();
  }

  private void append(String file, String text) throws IOException {
    Files.writeString(folder.resolve(file), Files.readString(folder.resolve(file)) + text);
  }

  /** Puts other steps into the procedure. */
  private void procedure(String steps) throws IOException {
    String plan = Files.readString(folder.resolve("plan.yaml"));
    int from =
        plan.indexOf("    steps:\n", plan.indexOf("- id: rehearsal\n")) + "    steps:\n".length();
    Files.writeString(
        folder.resolve("plan.yaml"),
        (plan.substring(0, from)
                + steps.replace("DIR", folder.toString()).indent(0)
                + plan.substring(plan.indexOf("  - id: database-failover\n")))
            .replace(
                "    settlement: { within: 1h, otherwise: rollback }\n"
                    + "    steps:\n"
                    + "      - { id: hold",
                "    steps:\n      - { id: hold"));
  }

  private static void delete(Path tree) throws IOException {
    try (Stream<Path> all = Files.walk(tree)) {
      for (Path each : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }
}
