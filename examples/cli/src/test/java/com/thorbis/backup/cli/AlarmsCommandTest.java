package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.monitor.DrillFact;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Alarms of a real repository, and who is told of them. */
class AlarmsCommandTest {
  private static final String CONFIG =
      """
      state-directory: state
      repository:
        copies:
          - uri: %s
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
      """;

  @TempDir Path folder;
  private Path file;
  private Path told;
  private CommandRunner runner;

  @BeforeEach
  void init() throws IOException {
    file = folder.resolve("file");
    told = folder.resolve("told");
    Files.writeString(file, "content");
    runner = new CommandRunner(folder).with("PASSPHRASE", "correct horse battery staple");
    write("");
    run("init", 0);
  }

  private void write(String more) throws IOException {
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        CONFIG.formatted(folder.resolve("one").toUri(), folder.resolve("two").toUri(), file)
            + more);
  }

  private Result run(String command, int code) {
    Result result = runner.run(command.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
    return result;
  }

  private List<String> alarms(String command, int code, String field) throws IOException {
    JsonNode json = new ObjectMapper().readTree(run("--json " + command, code).out());
    List<String> codes = new ArrayList<>();
    json.get(field).forEach(alarm -> codes.add(alarm.get("code").asText()));
    return codes;
  }

  @Test
  void aSourceWithoutABackupIsCriticalUntilItHasOneThatIsFreshEnough() throws IOException {
    run("copies sync", 0);
    assertThat(alarms("alarms list", 1, "items")).containsExactly("backup.never-succeeded");
    assertThat(alarms("status", 0, "alarms")).containsExactly("backup.never-succeeded");
    assertThat(alarms("status --alarms", 1, "alarms")).containsExactly("backup.never-succeeded");
    run("backup home", 0);
    run("copies sync", 0);
    assertThat(alarms("alarms list", 0, "items")).isEmpty();
    assertThat(run("status", 0).out()).contains("no alarms");
    write("    expect: { max-age: 1ms, drill-every: 90d }\n");
    assertThat(alarms("alarms list", 1, "items"))
        .containsExactlyInAnyOrder("backup.late", "drill.never");
    write("    expect: { max-age: 26h }\n");
    assertThat(run("alarms list", 0).out()).contains("Nothing is wrong.");
  }

  @Test
  void aCopyThatLacksSomethingOrIsGoneIsNamed() throws IOException {
    run("backup home", 0);
    run("copies sync", 0);
    run("backup home", 0);
    assertThat(alarms("alarms list", 0, "items")).containsExactly("copy.behind");
    assertThat(run("alarms list", 0).out()).contains(folder + "/two can be asked");
    run("copies sync", 0);
    assertThat(alarms("alarms list", 0, "items")).isEmpty();
    Files.move(folder.resolve("one"), folder.resolve("gone"));
    assertThat(alarms("alarms list", 1, "items")).contains("copy.unreachable");
  }

  @Test
  void aGapInTheLogIsNamed() throws IOException {
    write(
        """
          orders:
            type: postgres
            url: jdbc:postgresql://127.0.0.1:1/orders?sslmode=disable
            user: backup
        monitor: { live: false }
        """);
    WalSegmentSize size = new WalSegmentSize(1 << 20);
    Config config = Config.load(folder.resolve("thorbis.yaml"), runner.host(), false);
    try (ThorbisBackup thorbis = Recipients.all(config).build()) {
      thorbis.repository().register("orders", "postgres", new ClusterIdentity(7, 15, size));
      WalArchive log = thorbis.repository().wal("orders");
      for (long number : new long[] {4, 6}) {
        WalSegment segment = new WalSegment(new Timeline(1), number, size);
        log.storeSegment(segment, beginning(segment), WalMarks.NONE);
      }
    }
    run("backup home", 0);
    run("copies sync", 0);
    assertThat(alarms("alarms list", 1, "items"))
        .containsExactlyInAnyOrder("backup.never-succeeded", "wal.gap");
    assertThat(run("alarms list", 1).out()).contains("missing from 0/500000 to 0/600000");
  }

  /** A segment of which the header of its first page says which it is. */
  private static ByteBuffer beginning(WalSegment segment) {
    return ByteBuffer.allocate(segment.size().bytes())
        .order(ByteOrder.LITTLE_ENDIAN)
        .putShort(0, (short) 0xD110)
        .putShort(2, (short) 2)
        .putInt(4, 1)
        .putLong(8, segment.start().value())
        .putLong(24, 7)
        .putInt(32, segment.size().bytes())
        .putInt(36, 8192);
  }

  /** No host but the one that did them remembers drills; evidence of them is for all. */
  @Test
  void aDrillThatAnotherHostDidCounts() throws IOException {
    write("    expect: { drill-every: 90d }\n");
    run("backup home", 0);
    Config config = Config.load(folder.resolve("thorbis.yaml"), runner.host(), false);
    try (ThorbisBackup thorbis = Recipients.all(config).build()) {
      EvidenceLog other =
          EvidenceLog.builder(thorbis::repository, folder.resolve("other")).host("db2").build();
      other.append(EvidenceRecord.DRILL, "home", EvidenceRecord.PASSED, Map.of("id", "drill-0"));
      assertThat(alarms("alarms list", 0, "items")).containsExactly("copy.behind");
      other.append(
          EvidenceRecord.DRILL,
          "home",
          EvidenceRecord.PASSED,
          Map.of("id", "drill-1", "product", "0.0.1"));
      assertThat(run("alarms list", 0).out())
          .contains("drill.outdated", "this library is of version", "not 0.0.1");
      other.append(EvidenceRecord.DRILL, "home", EvidenceRecord.FAILED, Map.of("id", "drill-2"));
    }
    assertThat(run("alarms list", 1).out()).contains("drill.failing", "drill-2 on db2");
  }

  /** As {@code run} does it: what was read before is enough, and still what came since is read. */
  @Test
  void whoeverLooksAgainReadsWhatCameSince() throws IOException {
    write("    expect: { drill-every: 90d }\n");
    Config config = Config.load(folder.resolve("thorbis.yaml"), runner.host(), false);
    Clock clock = Clock.systemUTC();
    Thorbis command = new Thorbis(new Run(runner.host(), new Cancellation(), clock));
    try (ThorbisBackup thorbis = Recipients.all(config).build()) {
      DrillFacts facts = new DrillFacts(command, thorbis, config.watching().expectations());
      drill(thorbis, Clock.offset(clock, Duration.ofDays(-181)), EvidenceRecord.PASSED);
      assertThat(facts.get()).isEmpty(); // it has been overdue for as long again
      drill(thorbis, clock, EvidenceRecord.PASSED);
      assertThat(facts.get()).extracting(DrillFact::passed).containsExactly(true);
      drill(thorbis, clock, EvidenceRecord.FAILED);
      assertThat(facts.get()).extracting(DrillFact::passed).containsExactlyInAnyOrder(true, false);
    }
  }

  @Test
  void whatOneCopyFailedInIsReadThoughAnotherOnePassedSince() throws IOException {
    write("    expect: { drill-every: 90d }\n    drill: { copy: each }\n");
    Config config = Config.load(folder.resolve("thorbis.yaml"), runner.host(), false);
    Clock clock = Clock.systemUTC();
    Thorbis command = new Thorbis(new Run(runner.host(), new Cancellation(), clock));
    try (ThorbisBackup thorbis = Recipients.all(config).build()) {
      String one = thorbis.configuredCopies().get(0).name();
      String two = thorbis.configuredCopies().get(1).name();
      Clock before = Clock.offset(clock, Duration.ofDays(-2));
      drill(thorbis, before, EvidenceRecord.FAILED, Map.of("choice", Map.of("copy", two)));
      drill(thorbis, clock, EvidenceRecord.PASSED, Map.of("choice", Map.of("copy", one)));
      assertThat(new DrillFacts(command, thorbis, config.watching().expectations()).get())
          .extracting(DrillFact::copy)
          .containsExactlyInAnyOrder(Optional.of(one), Optional.of(two));
    }
  }

  private void drill(ThorbisBackup thorbis, Clock clock, String outcome) {
    drill(thorbis, clock, outcome, Map.of());
  }

  private void drill(
      ThorbisBackup thorbis, Clock clock, String outcome, Map<String, Object> document) {
    EvidenceLog other =
        EvidenceLog.builder(thorbis::repository, folder.resolve("other"))
            .host("db2")
            .clock(clock)
            .build();
    other.append(EvidenceRecord.APPROVAL, "run", "approved", Map.of());
    other.append(EvidenceRecord.DRILL, "home", outcome, document);
  }

  @Test
  void aRepositoryThatDoesNotOpenIsNotHealthy() throws IOException {
    run("backup home", 0);
    Files.move(folder.resolve("one"), folder.resolve("gone"));
    Files.move(folder.resolve("two"), folder.resolve("gone-too"));
    assertThat(alarms("alarms list", 1, "items")).containsExactly("monitor.could-not-look");
  }

  @Test
  void runsThatFailedAreKnownAfterwards() throws IOException {
    run("backup home", 0);
    run("copies sync", 0);
    Files.delete(file);
    run("backup home", 5);
    assertThat(alarms("alarms list", 0, "items")).containsExactly("backup.failing");
    run("backup home", 5);
    assertThat(alarms("alarms list", 1, "items")).containsExactly("backup.failing");
    Files.writeString(file, "again");
    run("backup home", 0);
    run("copies sync", 0);
    assertThat(alarms("alarms list", 0, "items")).isEmpty();
  }

  /** A timer looks once and ends: there is no next round in which it could be told. */
  @Test
  void aSignalThatNobodyTakesIsToldByWhoeverLooksOnce() throws IOException {
    run("backup home", 0);
    run("copies sync", 0);
    Path script = folder.resolve("tell");
    Files.writeString(script, "#!/bin/sh\ncat >> \"$1\"; echo >> \"$1\"\n");
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
    write(
        """
        notify:
          notifiers:
            - { name: script, kind: exec, command: [%s, %s], timeout: 5s }
          escalation:
            - to: [script]
          repeat: 12h
        monitor:
          heartbeat: { url: "http://127.0.0.1:1/", allow-http: true, allow-private: true }
        """
            .formatted(script, told));
    run("alarms notify", 0);
    run("alarms notify", 0);
    try (Stream<String> lines = Files.lines(told)) {
      assertThat(lines).singleElement().asString().contains("heartbeat", "\"event\":\"raised\"");
    }
  }

  @Test
  void peopleAreToldOnceAndNotOfWhatSomebodySeesTo() throws IOException {
    run("copies sync", 0);
    Path script = folder.resolve("tell");
    Files.writeString(script, "#!/bin/sh\ncat >> \"$1\"; echo >> \"$1\"\n");
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
    write(
        """
        notify:
          notifiers:
            - { name: script, kind: exec, command: [%s, %s], timeout: 5s }
          escalation:
            - to: [script]
          repeat: 12h
        """
            .formatted(script, told));
    run("alarms notify", 1);
    run("alarms notify", 1);
    try (Stream<String> lines = Files.lines(told)) {
      assertThat(lines).singleElement().asString().contains("\"event\":\"raised\"");
    }
    JsonNode alarm =
        new ObjectMapper().readTree(run("--json alarms list", 1).out()).get("items").get(0);
    assertThat(alarm.get("told").get(0).asText()).isEqualTo("script");
    assertThat(alarm.get("acknowledged").isNull()).isTrue();
    String id = alarm.get("id").asText();
    run("alarms ack 00000000 --by eva", 5);
    run("alarms ack " + id + " --by eva --until 2020-01-01T00:00:00Z", 2);
    assertThat(run("alarms ack " + id + " --by eva --until 2999-01-01T00:00:00Z", 0).out())
        .contains("eva sees to backup.never-succeeded of home until 2999-01-01T00:00:00Z");
    assertThat(run("alarms list", 1).out()).contains("(eva sees to it)");
    run("backup home", 0);
    run("copies sync", 0);
    run("alarms notify", 0);
    assertThat(Files.readAllLines(told).get(1)).contains("\"event\":\"cleared\"");
  }

  @Test
  void whatIsConfiguredWronglyIsSaid() throws IOException {
    write("    expect: { max-aeg: 1d }\n");
    assertThat(run("alarms list", 2).err()).contains("sources.home.expect.max-aeg", "max-age?");
    write("    expect: { max-age: 0s }\n");
    assertThat(run("alarms list", 2).err()).contains("sources.home.expect.max-age");
    write("    schedule: { full: \"Sun 02:00\" }\n");
    assertThat(run("alarms list", 2).err()).contains("sources.home.schedule.full");
    write("monitor: { intervall: 1m }\n");
    assertThat(run("alarms list", 2).err()).contains("monitor.interval?");
    write("monitor: { heartbeat: { url: \"http://h/\" } }\n");
    assertThat(run("alarms notify", 2).err()).contains("monitor.heartbeat.url");
    write("notify: { escalation: [{ to: [x] }] }\n");
    assertThat(run("alarms notify", 2).err()).contains("there is no notifier \"x\"");
    write("notify: { notifiers: [{ name: x, kind: pigeon }] }\n");
    assertThat(run("alarms notify", 2).err()).contains("pigeon", "webhook");
    write("notify: { notifiers: [{ name: x, kind: log, levl: 1 }] }\n");
    assertThat(run("alarms notify", 2).err()).contains("levl");
  }
}
