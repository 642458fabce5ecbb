package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.thorbis.backup.cli.CommandRunner.Result;
import com.thorbis.backup.dr.schedule.StandardSchedule;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is due is done once, whoever looks and however often. */
class RunCommandTest {
  private static final ObjectMapper JSON = new ObjectMapper();
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
      sources:
        home:
          type: files
          retention: short
          paths: %s
          schedule:
            full: { at: "Sun 02:00", window: 4h }
            incremental: { at: "Mon-Sat 01:00", window: 2h, jitter: 5m }
            zone: Europe/Berlin
      retention:
        short: { daily: 7, minimum: 1 }
      blackouts:
        - { from: 2026-03-10T00:00:00Z, to: 2026-03-11T00:00:00Z }
      """;

  private static final String MAINTENANCE =
      """
      maintenance:
        prune: "04:00 UTC"
        verify: { at: "Sat 03:00 UTC", budget: 30m }
        sync: hourly UTC
        rotate: "monthly 05:00 UTC"
      """;

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(Instant.parse("2026-03-07T12:00:00Z"));

  @BeforeEach
  void init() throws IOException {
    Files.createDirectories(folder.resolve("files"));
    Files.writeString(folder.resolve("files/one"), "one");
    configure("state");
    run(0, "init");
  }

  private void configure(String state) throws IOException {
    write(
        CONFIG.formatted(
            folder.resolve(state), folder.resolve("repo").toUri(), folder.resolve("files")));
  }

  private void write(String config) throws IOException {
    Files.writeString(folder.resolve("thorbis.yaml"), config);
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

  /** What happened to the backups of the source. */
  private List<String> once(int code, String at) {
    clock.set(Instant.parse(at));
    return run(code, "run", "--once").out().lines().filter(line -> line.contains("home.")).toList();
  }

  private static void lease(Path file, Path folder) throws IOException {
    Files.writeString(
        file,
        ("{'faults':[],'folder':'%s','format':'thorbis-environment/1','id':'1',"
                + "'name':'dr-test-primary','owner':'process 7 of ada',"
                + "'since':'2026-03-07T11:00:00Z','until':'2026-03-07T18:00:00Z'}")
            .formatted(folder)
            .replace('\'', '"'));
  }

  @Test
  void whatAKilledTestOfDisastersLeftIsRemoved() throws Exception {
    Path left = Files.createDirectory(folder.resolve("thorbis-dr-1"));
    Files.writeString(left.resolve("thorbis-environment.json"), "1");
    ProcessBuilder builder = new ProcessBuilder("sleep", "600");
    builder.environment().put("THORBIS_ENVIRONMENT", "thorbis-dr-1");
    Process running = builder.start();
    Path leases = Files.createDirectories(folder.resolve("state/environments"));
    Path lease = leases.resolve("dr-test-primary.json");
    lease(lease, left);
    Result result = run(0, "run", "--once");
    assertThat(result.out() + result.err())
        .contains("Removed environment dr-test-primary of process 7 of ada")
        .contains("with 1 processes that still ran");
    assertThat(running.waitFor(10, TimeUnit.SECONDS)).isTrue();
    assertThat(left).doesNotExist();
    assertThat(lease).doesNotExist();

    // One that is not what its lease says stays, and stops nothing, nor keeps another one.
    Path second = Files.createDirectory(folder.resolve("second"));
    lease(leases.resolve("other.json"), second);
    Path foreign = Files.createDirectory(folder.resolve("foreign"));
    Files.writeString(foreign.resolve("thorbis-environment.json"), "2");
    lease(lease, foreign);
    assertThat(run(0, "run", "--once").err()).contains("is not marked as environment 1");
    assertThat(foreign).exists();
    assertThat(second).doesNotExist();
  }

  @Test
  void everyMomentIsServedOnceByWhicheverHostLooksFirst() throws IOException {
    assertThat(once(0, "2026-03-08T01:30:00Z")) // 02:30 in Berlin
        .hasSize(2)
        .allMatch(line -> line.startsWith("2026-03-08T01:30:00Z "))
        .anyMatch(line -> line.contains("finished home.full"));
    assertThat(once(0, "2026-03-08T02:30:00Z")).isEmpty();
    configure("another-host");
    assertThat(once(0, "2026-03-08T03:30:00Z")).isEmpty();
    assertThat(once(0, "2026-03-09T00:30:00Z"))
        .anyMatch(line -> line.contains("finished home.incremental"));
    configure("state");
    assertThat(once(0, "2026-03-09T00:35:00Z")).isEmpty();
    JsonNode list = JSON.readTree(run(0, "list", "home", "--json").out()).path("items");
    assertThat(list).hasSize(2);
    assertThat(list.findValuesAsText("type")).containsExactly("full", "incremental");
    assertThat(once(0, "2026-03-10T00:30:00Z")) // a blackout
        .singleElement()
        .asString()
        .contains("skipped home.incremental: A blackout lasts until 2026-03-11T00:00:00Z");
    assertThat(once(1, "2026-03-10T03:00:00Z"))
        .singleElement()
        .asString()
        .contains("missed home.incremental: It was not started by 2026-03-10T02:00:00Z");
    assertThat(once(0, "2026-03-10T03:30:00Z")).isEmpty();
  }

  @Test
  void theRepositoryIsKeptInOrderAndWhatHappensCanBeReadByPrograms() throws IOException {
    String always = "* * * * * UTC";
    write(
        (Files.readString(folder.resolve("thorbis.yaml")) + MAINTENANCE)
            .replaceAll("(prune|sync|rotate): .*", "$1: \"" + always + "\"")
            .replaceAll("Sat 03:00 UTC|Sun 02:00", always)
            .replaceAll("window: [24]h", "window: 1m")
            .replaceAll(".*incremental:.*\n", ""));
    clock.set(Instant.now()); // which prune compares with the store's
    Result result = run(0, "run", "--once", "--json");

    JsonNode summary = JSON.readTree(result.out());
    List<JsonNode> events = new ArrayList<>();
    for (String line : result.err().lines().toList()) {
      events.add(JSON.readTree(line));
    }
    assertThat(events)
        .filteredOn(event -> event.path("event").asText().equals("finished"))
        .extracting(event -> event.path("job").asText())
        .containsExactlyInAnyOrder("home.full", "prune", "sync", "verify", "rotate");
    assertThat(summary.path("finished").asInt()).isEqualTo(5);
    assertThat(summary.path("started").asInt()).isEqualTo(5);
    assertThat(summary.path("failed").asInt()).isZero();
    assertThat(summary.path("stopped").asBoolean()).isFalse();
    assertThat(events.get(0).fieldNames())
        .toIterable()
        .containsExactly(
            "event", "job", "due", "at", "reason", "durationMillis", "retryAt", "code");
    assertThat(run(0, "run", "--once").out().strip()).isEqualTo("Nothing was due");
    clock.advance(Duration.ofDays(2));
    assertThat(run(1, "run", "--once").out())
        .contains("failed prune after 0 ms: The store's clock");
  }

  @Test
  void aPlanShowsWhenEverythingIsDueInLocalTimeAndUtc() throws IOException {
    Result people = run(0, "run", "--plan", "--moments", "2");
    assertThat(people.out())
        .contains("home.full", "2026-03-08T01:00:00Z", "2026-03-08T02:00 Europe/Berlin")
        .contains("2026-03-15T01:00:00Z")
        .doesNotContain("2026-03-22");

    JsonNode items = JSON.readTree(run(0, "run", "--plan", "--moments", "4", "--json").out());
    List<String> incrementals = new ArrayList<>();
    for (JsonNode item : items.path("items")) {
      if (item.path("job").asText().equals("home.incremental")) {
        Instant due = Instant.parse(item.path("due").asText());
        incrementals.add(item.path("local").asText() + " " + item.path("start").isNull());
        assertThat(Instant.parse(item.path("lastStart").asText()))
            .isEqualTo(due.plusSeconds(2 * 3600));
        if (!item.path("start").isNull()) {
          assertThat(Instant.parse(item.path("start").asText()))
              .isBetween(due, due.plusSeconds(300));
        }
      }
    }
    assertThat(incrementals)
        .containsExactly(
            "2026-03-09T01:00 Europe/Berlin false",
            "2026-03-10T01:00 Europe/Berlin true", // the blackout
            "2026-03-11T01:00 Europe/Berlin false",
            "2026-03-12T01:00 Europe/Berlin false");
    assertThat(run(2, "run", "--plan", "--once").err()).contains("exclude each other");
  }

  @Test
  void aFailureIsShownAndEndsWithOne() throws IOException {
    Files.delete(folder.resolve("files/one"));
    Files.delete(folder.resolve("files"));
    clock.set(Instant.parse("2026-03-08T01:30:00Z"));
    Result result = run(1, "run", "--once");
    assertThat(result.out()).contains("failed home.full", "next try at 2026-03-08T01:31:00Z");
  }

  @Test
  void stoppedItEndsCleanly() throws Exception {
    clock.set(Instant.parse("2026-03-08T01:30:00Z"));
    CommandRunner.Running running =
        new CommandRunner(folder)
            .with("PASSPHRASE", "correct horse battery staple")
            .at(clock)
            .start("run", "--json");
    long deadline = System.nanoTime() + 60_000_000_000L;
    while (!running.err().contains("\"event\":\"finished\",\"job\":\"home.full\"")) {
      assertThat(System.nanoTime()).as(running.err()).isLessThan(deadline);
      Thread.sleep(20);
    }
    Result result = running.stop();
    assertThat(result.code()).isZero();
    assertThat(JSON.readTree(result.out()).path("stopped").asBoolean()).isTrue();
  }

  @Test
  void theStandardScheduleIsOneWord() throws IOException {
    String plain =
        CONFIG.formatted(
            folder.resolve("state"), folder.resolve("repo").toUri(), folder.resolve("files"));
    int from = plain.indexOf("    schedule:");
    write(
        plain.substring(0, from)
            + "    schedule: standard\n"
            + plain.substring(plain.indexOf("retention:\n", from)));
    assertThat(run(0, "run", "--plan").out())
        .contains("2026-03-08T02:00:00Z  2026-03-08T02:00 UTC", "2026-03-09T01:00:00Z");
    Path document =
        Path.of("").toAbsolutePath().getParent().getParent().resolve("docs/schedules.md");
    assertThat(document)
        .content()
        .contains(
            "full: { at: \"" + StandardSchedule.FULL + "\", window: 4h }",
            "incremental: { at: \"" + StandardSchedule.INCREMENTAL + "\", window: 2h }");
    assertThat(StandardSchedule.FULL_WINDOW).hasHours(4);
    assertThat(StandardSchedule.INCREMENTAL_WINDOW).hasHours(2);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          prune: "04:00 UTC"  | prune: "04:00"               | maintenance.prune: Schedule "04:00": does not say in which time zone
          prune: "04:00 UTC"  | prunes: "04:00 UTC"          | maintenance.prunes: is unknown
          prune: "04:00 UTC"  | prune: { at: "daily UTC", window: 2d } | maintenance.prune: its window of 2d is longer than 1d
          budget: 30m         | budget: much                 | maintenance.verify: budget "much" is neither a size nor a time
          budget: 30m         | budgets: 30m                 | maintenance.verify.budgets: is unknown
          to: 2026            | until: 2026                  | blackouts[0].for: is missing
          to: 2026            | to: 1926                     | blackouts[0].to: is not after from
          """)
  void whatTheFileSaysWrongIsNamed(String right, String wrong, String problem) throws IOException {
    Path file = folder.resolve("thorbis.yaml");
    String config = Files.readString(file) + MAINTENANCE;
    assertThat(config).contains(right);
    write(config.replace(right, wrong));
    assertThat(run(2, "run", "--plan").err()).contains(problem);
  }

  @Test
  void withoutAnythingToDoItSaysSo() throws IOException {
    String config = Files.readString(folder.resolve("thorbis.yaml"));
    write(
        config.substring(0, config.indexOf("    schedule:")).replace("    retention: short\n", ""));
    assertThat(run(2, "run").err()).contains("Nothing is due at any time", "wal.mode: stream");
  }
}
