package com.thorbis.backup.dr.drill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.dr.drill.DrillCheck.Category;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.drill.DrillReport.Choice;
import com.thorbis.backup.dr.drill.DrillReport.Loss;
import com.thorbis.backup.dr.drill.DrillReport.Problem;
import com.thorbis.backup.dr.drill.DrillReport.Status;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DrillReportTest {
  private static final Basis UNSAID = new Basis("0.1.0", Optional.empty(), Optional.empty());

  @TempDir Path folder;

  private static DrillReport report(String id, Verdict verdict, String settings, long pace) {
    Map<String, Long> stages = new LinkedHashMap<>();
    stages.put("copy", 1200L);
    stages.put("recover", 300L);
    return new DrillReport(
        id,
        "orders",
        Instant.parse("2026-03-01T00:00:00Z"),
        2000,
        Status.COMPLETED,
        verdict,
        verdict == Verdict.PASSED
            ? Optional.empty()
            : Optional.of(new Problem("drill.check-failed", "indexes failed: \"a\"", "Mend it.")),
        new Choice(
            "random",
            OptionalLong.of(-9_007_199_254_740_993L),
            "2026-02-28T00:00:00Z",
            Optional.of("20260101T000000Z-00000001"),
            Optional.of("full"),
            OptionalLong.of(15),
            Optional.of(new Timeline(1)),
            List.of("file:///repo"),
            Optional.empty()),
        Optional.of(
            new Reached(
                Lsn.parse("0/3000"),
                Optional.of(Instant.parse("2026-02-27T23:59:59Z")),
                new Timeline(2))),
        stages,
        4096,
        List.of(new CheckItem("isolation.port", CheckItem.Outcome.OK, "port is 20001", "")),
        List.of(
            new DrillCheck("indexes", Category.INTEGRITY, true, Outcome.PASSED, "2 indexes", 12),
            new DrillCheck("pace", Category.PERFORMANCE, true, Outcome.PASSED, "fast", pace)),
        List.of(new Plant("indexes", "a row is gone", Plant.Result.DETECTED, "it lacks one")),
        Optional.of(
            new Loss(
                true,
                16,
                OptionalLong.empty(),
                OptionalLong.of(1),
                Optional.of(Duration.ofMillis(5)))),
        UNSAID,
        settings);
  }

  /** A passed drill of one copy alone. */
  static DrillReport of(String id, String selection, Optional<String> copy, Instant at) {
    String text = new String(report(id, Verdict.PASSED, "aa", 7).bytes(), StandardCharsets.UTF_8);
    return parse(
        text.replace("2026-03-01T00:00:00Z", at.toString())
            .replaceAll("\"selection\":\"[a-z]+\"", "\"selection\":\"" + selection + "\"")
            .replace(
                "[\"file:///repo\"]",
                "[\"file:///repo\"]" + copy.map(it -> ",\"copy\":\"" + it + "\"").orElse("")));
  }

  @Test
  void aReportOfTheFirstFormatIsReadAndWrittenTheSame() throws IOException {
    byte[] golden;
    try (InputStream in = DrillReportTest.class.getResourceAsStream("drill-1.json")) {
      golden = in.readAllBytes();
    }
    DrillReport report = report("drill-20260301T000000Z-00000001", Verdict.FAILED, "aa", 7);
    assertThat(new String(report.bytes(), StandardCharsets.UTF_8))
        .isEqualTo(new String(golden, StandardCharsets.UTF_8));
    assertThat(DrillReport.parse(golden)).isEqualTo(report);
  }

  @Test
  void whatIsUnknownIsRefused() {
    String text =
        new String(report("drill-1", Verdict.PASSED, "aa", 7).bytes(), StandardCharsets.UTF_8);
    assertThatThrownBy(() -> parse(text.replace("\"format\"", "\"farmat\"")))
        .hasMessageContaining("farmat");
    assertThatThrownBy(() -> parse(text.replace("thorbis-drill/1", "thorbis-drill/2")))
        .hasMessage("Another format: thorbis-drill/2");
    assertThatThrownBy(() -> parse(text.replace("\"asked\":true,", "\"asked\":true,\"b\":1,")))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> parse(text.replace("\"passed\"", "\"perfect\"")))
        .hasMessageContaining("perfect");
  }

  private static DrillReport parse(String text) {
    return DrillReport.parse(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void historyKeepsEveryReportAndKnowsTheLastThatPassed() throws IOException {
    DrillHistory history = new DrillHistory(folder, "orders");
    assertThat(history.reports()).isEmpty();
    DrillReport passed = report("drill-1", Verdict.PASSED, "aa", 7);
    DrillReport failed = report("drill-2", Verdict.FAILED, "aa", 900);
    history.add(passed);
    history.add(failed);
    Files.writeString(folder.resolve("drills/orders/drill-3.json"), "{}");
    assertThat(history.reports()).containsExactly(passed, failed);
    assertThat(history.lastPassed()).contains(passed);
  }

  @Test
  void whatChangedSinceTheLastPassedDrillNeedsATest() {
    List<DrillReport> reports =
        List.of(
            report("drill-1", Verdict.PASSED, "aa", 7), report("drill-2", Verdict.FAILED, "bb", 7));
    assertThat(DrillHistory.needsRetest(reports, "full", 15, UNSAID, "aa")).isEmpty();
    assertThat(DrillHistory.needsRetest(List.of(), "full", 15, UNSAID, "aa")).hasSize(1);
    assertThat(
            DrillHistory.needsRetest(
                reports,
                "incremental",
                16,
                new Basis("0.2.0", Optional.of("cc"), Optional.of("here")),
                "bb"))
        .containsExactly(
            "no backup of type incremental was tried",
            "the server is of version 16 now",
            "this library is of version 0.2.0 now, not 0.1.0",
            "what a drill looks at was changed");
  }

  @Test
  void anotherPlanOrEnvironmentNeedsATestAndWhatNobodySaidDoesNot() {
    Basis then = new Basis("1", Optional.of("0123456789abcdef"), Optional.of("db1 (Linux)"));
    assertThat(then.changedSince(then)).isEmpty();
    assertThat(then.changedSince(new Basis("1", Optional.empty(), Optional.empty()))).isEmpty();
    assertThat(
            new Basis("1", Optional.of("fedcba9876543210"), Optional.of("db2 (Linux)"))
                .changedSince(then))
        .containsExactly(
            "the recovery plan was changed: it is fedcba987654 now, not 0123456789ab",
            "it was tried on db1 (Linux), and this is db2 (Linux)");
    assertThat(new Basis("1", Optional.empty(), then.environment()).changedSince(then))
        .isEmpty(); // this host has none, or cannot read it
  }

  @Test
  void whatItWasDoneWithAndTheCopyAreKept() {
    DrillReport plain = report("drill-1", Verdict.PASSED, "aa", 7);
    String text =
        new String(plain.bytes(), StandardCharsets.UTF_8)
            .replace(
                "\"copies\":[\"file:///repo\"]",
                "\"copies\":[\"file:///repo\"],\"copy\":\"file:///repo\"")
            .replace("\"bytes\":16", "\"bytes\":16,\"files\":2")
            .replace("\"format\"", "\"environment\":\"db1\",\"format\"")
            .replace("\"plants\"", "\"plan\":\"cc\",\"plants\"");
    DrillReport told = parse(text);
    assertThat(told.choice().copy()).contains("file:///repo");
    assertThat(told.basis()).isEqualTo(new Basis("0.1.0", Optional.of("cc"), Optional.of("db1")));
    assertThat(new String(told.bytes(), StandardCharsets.UTF_8)).isEqualTo(text);
  }

  @Test
  void whatIsUsualIsTheMiddleOneOfThoseThatPassed() {
    List<DrillReport> reports =
        List.of(
            report("drill-1", Verdict.PASSED, "aa", 10),
            report("drill-2", Verdict.FAILED, "aa", 9000),
            report("drill-3", Verdict.PASSED, "aa", 30),
            report("drill-4", Verdict.PASSED, "aa", 20));
    assertThat(DrillHistory.usual(reports, "pace")).hasValue(20);
    assertThat(DrillHistory.usual(reports, "other")).isEmpty();
  }
}
