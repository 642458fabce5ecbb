package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.notify.AlarmBook;
import com.thorbis.backup.dr.notify.Standing;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.dr.run.RunEngine;
import com.thorbis.backup.dr.run.RunReport;
import com.thorbis.backup.dr.run.RunStatus;
import com.thorbis.backup.dr.schedule.Claims;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What stays down is said to people, or begins one recovery. */
class DrTriggersTest {
  private static final String SCENARIO = "application-server-outage";
  private static final String CONFIG =
      """
      state-directory: STATE
      repository:
        copies:
          - uri: URI
        encryption:
          accept-single-key-risk: true
          recipients:
            - uri: keystore:target/keys.p12
              password: ${env:PASSPHRASE}
              alias: main
      dr:
        plan: DIR/plan.yaml
        journal:
          store: { uri: JOURNAL }
        detectors:
          platform:
            - { kind: command, id: outside, from: probe, command: [/bin/sh, -c, "test ! -e DIR/down1"] }
            - { kind: command, id: balancer, from: balancer, command: [/bin/sh, -c, "test ! -e DIR/down2"] }
        triggers:
          - { scenario: application-server-outage, trigger: platform-outage, detector: platform, mode: MODE, every: 20s, held: 1m, cool-down: 1h }
      """;

  private static final String REHEARSAL =
      """
        - id: rehearsal
          owner: dba
          critical: true
          steps:
            - id: mark
              action: run-command
              with: { command: [sh, -c, "echo once >> DIR/marked"], check: [test, -e, "DIR/marked"] }
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
              with: { command: [touch, "DIR/destroyed"] }
              expected: 1s
              deadline: 1m
      """;

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(Instant.now());
  private final List<String> told = Collections.synchronizedList(new ArrayList<>());
  private final Set<String> claimed = Collections.synchronizedSet(new HashSet<>());
  private final Claims claims =
      (name, lasts) ->
          claimed.add(name) ? Optional.of(() -> claimed.remove(name)) : Optional.empty();

  @BeforeEach
  void plan() throws IOException {
    Files.createDirectories(folder.resolve("journal"));
    String plan = PlanReader.example();
    int procedures = plan.indexOf("procedures:\n  - id:") + "procedures:\n".length();
    Files.writeString(
        folder.resolve("plan.yaml"),
        (plan.substring(0, procedures)
                + REHEARSAL.replace("DIR", folder.toString())
                + plan.substring(procedures))
            .replace(
                "procedures: [emergency-deployment, traffic-rerouting]", "procedures: [rehearsal]")
            .replace("scenarios: [database-failure]", "scenarios: [" + SCENARIO + "]")
            .replaceFirst("(id: platform-outage\n)", "$1        automatic: true\n"));
  }

  private Thorbis host(String name, String mode) throws IOException {
    return host(name, mode, text -> text);
  }

  private Thorbis host(String name, String mode, UnaryOperator<String> change) throws IOException {
    Path where = Files.createDirectories(folder.resolve(name));
    Files.writeString(
        where.resolve("thorbis.yaml"),
        change
            .apply(CONFIG)
            .replace("STATE", where.resolve("state").toString())
            .replace("URI", folder.resolve("repo").toUri().toString())
            .replace("JOURNAL", folder.resolve("journal").toUri().toString())
            .replace("DIR", folder.toString())
            .replace("MODE", mode));
    return new Thorbis(
        new Run(
            new CommandRunner(where).with("PASSPHRASE", "correct horse battery staple").host(),
            new Cancellation(),
            clock));
  }

  private DrTriggers triggers(Thorbis host) {
    return new DrTriggers(host, claims, told::add);
  }

  private void down(boolean... signals) throws IOException {
    for (int i = 0; i < signals.length; i++) {
      Path mark = folder.resolve("down" + (i + 1));
      Files.deleteIfExists(mark);
      if (signals[i]) {
        Files.createFile(mark);
      }
    }
  }

  /** A minute and a half of looks. */
  private boolean look(DrTriggers triggers) throws InterruptedException {
    boolean changed = false;
    for (int i = 0; i < 5; i++) {
      clock.advance(Duration.ofSeconds(20));
      changed |= triggers.look();
    }
    return changed;
  }

  private List<RunReport> runs(Thorbis host) {
    return DrRuns.with(
        host,
        DrRuns.Attendance.none(),
        (RunEngine engine) -> engine.everyRun().stream().map(engine::look).toList());
  }

  private static void until(java.util.function.BooleanSupplier so) throws InterruptedException {
    for (int turns = 0; turns < 1000 && !so.getAsBoolean(); turns++) {
      Thread.sleep(20);
    }
    assertThat(so.getAsBoolean()).isTrue();
  }

  @Test
  void whatIsHeldIsAnAlarmWithTheCommandAndBeginsNothing() throws Exception {
    Thorbis host = host("one", "announce");
    try (DrTriggers triggers = triggers(host)) {
      assertThat(triggers.look()).isFalse();
      down(true, false);
      assertThat(look(triggers)).isFalse();
      assertThat(triggers.alarms()).isEmpty();

      down(true, true);
      clock.advance(Duration.ofSeconds(20));
      assertThat(triggers.look()).isFalse();
      assertThat(triggers.alarms()).isEmpty();
      assertThat(look(triggers)).isTrue();
      Alarm alarm = triggers.alarms().get(0);
      assertThat(alarm.kind().code()).isEqualTo("recovery.due");
      assertThat(alarm.found()).contains("outside down", "balancer down");
      assertThat(alarm.remedy())
          .contains(
              "thorbis dr run "
                  + SCENARIO
                  + " --cause platform-outage --outage "
                  + alarm.since().orElseThrow().truncatedTo(ChronoUnit.SECONDS));

      down(false, true);
      assertThat(look(triggers)).isTrue();
      assertThat(triggers.alarms()).isEmpty();
    }
    assertThat(runs(host)).isEmpty();
  }

  @Test
  void ofTwoHostsOneBeginsOneRunAndPeopleStillHaveToAgree() throws Exception {
    Thorbis one = host("one", "begin");
    Thorbis other = host("other", "begin");
    down(true, true);
    DrTriggers first = triggers(one);
    DrTriggers second = triggers(other);
    try (first;
        second) {
      for (int i = 0; i < 8; i++) {
        clock.advance(Duration.ofSeconds(20));
        first.look();
        second.look();
      }
      until(() -> runs(one).stream().anyMatch(run -> run.status() == RunStatus.WAITING));
      clock.advance(Duration.ofSeconds(61));
      first.look();
      second.look();
      assertThat(first.alarms()).isEmpty();
    }
    assertThat(runs(one)).hasSize(1);
    RunReport run = runs(one).get(0);
    assertThat(run.status()).isEqualTo(RunStatus.WAITING);
    assertThat(run.requester()).isEqualTo("trigger platform-outage");
    assertThat(run.plan().outage()).isPresent();
    assertThat(run.waiting().get(0).task().id()).isEqualTo("rehearsal.agree");
    assertThat(Files.readString(folder.resolve("marked"))).isEqualTo("once\n");
    assertThat(Files.exists(folder.resolve("destroyed"))).isFalse();
    assertThat(told).anyMatch(line -> line.contains("is held: recovery"));
  }

  @Test
  void afterARunNoneBeginsUntilItHasCooledDown() throws Exception {
    Thorbis host = host("one", "begin");
    down(true, true);
    Files.createDirectory(folder.resolve("marked")); // what the first step does fails
    Files.writeString(
        folder.resolve("plan.yaml"),
        Files.readString(folder.resolve("plan.yaml"))
            .replace(
                "check: [test, -e, \"" + folder + "/marked\"]",
                "check: [test, -f, \"" + folder + "/marked\"]"));
    try (DrTriggers triggers = triggers(host)) {
      look(triggers);
      until(() -> runs(host).stream().anyMatch(run -> run.status() == RunStatus.FAILED));
      for (int looks = 0; looks < 100 && !coolsDown(triggers); looks++) {
        clock.advance(Duration.ofSeconds(20)); // the thread of the run may not have ended yet
        triggers.look();
        Thread.sleep(50);
      }
      assertThat(coolsDown(triggers)).isTrue();
      assertThat(runs(host)).hasSize(1);
    }
  }

  private static boolean coolsDown(DrTriggers triggers) {
    return triggers.alarms().stream()
        .anyMatch(it -> it.found().contains("none begins by itself before"));
  }

  @Test
  void whatThePlanDoesNotAllowIsRefused() throws IOException {
    Files.writeString(
        folder.resolve("plan.yaml"),
        Files.readString(folder.resolve("plan.yaml"))
            .replace("automatic: true", "automatic: false"));
    Thorbis host = host("one", "begin");
    assertThatThrownBy(() -> triggers(host))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("does not let it begin");
  }

  @Test
  void anAlarmIsASignalAsLongAsItIsFreshAndNobodySeesToIt() throws Exception {
    Files.writeString(folder.resolve("file"), "content");
    Thorbis host = host("one", "announce", seenByAlarm("backup.never-succeeded"));
    command("init");
    down(false, true);
    try (DrTriggers triggers = triggers(host)) {
      assertThat(look(triggers)).isFalse(); // nobody looked for alarms yet
      tellAlarms();
      assertThat(look(triggers)).isTrue();
      assertThat(triggers.alarms().get(0).found()).contains("stored down", "balancer down");
      down(false, false);
      assertThat(look(triggers)).isTrue(); // one alone is not enough
      down(false, true);
      tellAlarms();
      assertThat(look(triggers)).isTrue();

      String id = told("backup.never-succeeded");
      command("alarms", "ack", id, "--by", "ada");
      triggers.look();
      assertThat(triggers.alarms()).isEmpty();
      assertThat(command("dr", "status")).contains("cannot-tell", "ada sees to");
      command("backup", "home");
      tellAlarms();
      assertThat(command("dr", "status")).contains("no alarm backup.never-succeeded of home");
      clock.advance(Duration.ofMinutes(10));
      assertThat(command("dr", "status")).contains("nobody looked for alarms here since");
    }
  }

  @Test
  void aTriggerByAlarmThatCouldNotLastIsRefused() throws IOException {
    Thorbis quick =
        host(
            "one",
            "announce",
            text -> seenByAlarm("wal.gap").apply(text).replace("interval: 45s", "interval: 2m"));
    assertThatThrownBy(() -> triggers(quick))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("alarms are looked for every 2 min");
    assertThatThrownBy(() -> triggers(host("two", "announce", seenByAlarm("recovery.due"))))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("\"recovery.due\" is none of");
    assertThatThrownBy(
            () ->
                triggers(
                    host(
                        "misspelt",
                        "announce",
                        text ->
                            seenByAlarm("wal.gap")
                                .apply(text)
                                .replace("about: home", "about: hoem"))))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("\"hoem\" is none of home");
    assertThatThrownBy(
            () ->
                triggers(
                    host(
                        "three",
                        "announce",
                        text ->
                            seenByAlarm("wal.gap")
                                .apply(text)
                                .replaceFirst(
                                    "- \\{ kind: command, id: balancer.*",
                                    "- { kind: alarm, id: b, alarm: wal.lag, about: home }"))))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("Signals come from 1 places (stored)");
  }

  private UnaryOperator<String> seenByAlarm(String code) {
    return text ->
        text.replaceFirst(
                "- \\{ kind: command, id: outside.*",
                "- { kind: alarm, id: stored, alarm: " + code + ", about: home }")
            + """
            monitor: { interval: 45s }
            sources:
              home:
                type: files
                paths: [%s]
                schedule: { full: { at: "02:00 UTC", window: 4h } }
            """
                .formatted(folder.resolve("file"));
  }

  private String command(String... words) {
    CommandRunner.Result result =
        new CommandRunner(folder.resolve("one"))
            .with("PASSPHRASE", "correct horse battery staple")
            .at(clock)
            .run(words);
    assertThat(result.code()).as("%s%s", result.out(), result.err()).isZero();
    return result.out();
  }

  /** Somebody looks for alarms now, by the clock of this test. */
  private void tellAlarms() throws IOException {
    new CommandRunner(folder.resolve("one"))
        .with("PASSPHRASE", "correct horse battery staple")
        .at(clock)
        .run("alarms", "notify");
    Files.setLastModifiedTime(
        folder.resolve("one/state/alarms/book"), FileTime.from(clock.instant()));
  }

  private String told(String code) {
    return new AlarmBook(folder.resolve("one/state"), clock)
        .standing().stream()
            .map(Standing::alarm)
            .filter(alarm -> alarm.kind().code().equals(code))
            .findFirst()
            .orElseThrow()
            .id();
  }

  @Test
  void statusSaysWhatATriggerSees() throws IOException {
    host("one", "announce");
    down(true, true);
    CommandRunner command =
        new CommandRunner(folder.resolve("one")).with("PASSPHRASE", "correct horse battery staple");
    assertThat(command.run("dr", "status").out())
        .containsPattern("application-server-outage +platform-outage +announce +down");
    assertThat(command.run("dr", "status", "--json").out())
        .contains(
            "\"reading\":\"down\"", "dr run application-server-outage --cause platform-outage");
  }
}
