package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Needs Chromium. */
class ReportPdfIT {
  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(Instant.parse("2026-03-07T02:10:00Z"));

  @Test
  void aReportOnRealRecordsIsPrintedByTheBrowserThatIsInstalled() throws IOException {
    Files.writeString(folder.resolve("file"), "content");
    Files.writeString(
        folder.resolve("thorbis.yaml"),
        ReportCommandTest.CONFIG.formatted(
            folder.resolve("repo").toUri(), folder.resolve("file"), ""));
    run(0, "keys signing-key host.key");
    run(0, "init");
    run(0, "backup home");
    EvidenceLog waits =
        EvidenceLog.builder(
                () -> {
                  throw new IOException("written by what comes next");
                },
                folder.resolve("state"))
            .clock(clock)
            .build();
    List<String> ids = new ArrayList<>();
    for (int night = 0; night < 60; night++) {
      clock.advance(Duration.ofHours(12));
      ids.add(
          waits
              .append(
                  EvidenceRecord.DRILL,
                  "home",
                  night == 30 ? EvidenceRecord.FAILED : EvidenceRecord.PASSED,
                  Map.of("millis", 60_000L + 1000 * night, "loss", Map.of("millis", 5000L)))
              .id());
    }
    waits.append(
        EvidenceRecord.DR_RUN,
        "inc-1",
        EvidenceRecord.PASSED,
        Map.of(
            "tiers",
            List.of(
                Map.of(
                    "tier", "tier-1",
                    "rtoMillis", 900_000L,
                    "tookMillis", 300_000L,
                    "time", "kept",
                    "rpoMillis", 300_000L,
                    "lostMillis", 0L,
                    "loss", "kept"))));
    run(
        0,
        "report waive backup home --approver bo --reason moved --until 2026-05-01T00:00:00Z"
            + " --from 2026-03-01T00:00:00Z");
    clock.advance(Duration.ofHours(12));

    run(1, "report create -o report.pdf --period 40d --browser " + browser());
    String print =
        new String(Files.readAllBytes(folder.resolve("report.pdf")), StandardCharsets.ISO_8859_1);
    assertThat(print).startsWith("%PDF-").contains("/Title (Backups and recovery, 2026-04-06)");
    assertThat(print.stripTrailing()).endsWith("%%EOF");
    List<String> pages = PrintedText.pages(print);
    assertThat(pages).hasSizeBetween(6, 16).noneMatch(String::isBlank);
    String text = String.join("", pages);
    assertThat(text)
        .contains("Backups and recovery", "2026-02-25 to 2026-04-06")
        .contains("What runs kept of what is promised", "tier-1inc-15 min")
        .contains("waiver backuphome", "waivedbomoved2026-03-01")
        .contains("thorbis report verify");
    for (String id : ids) {
      assertThat(text).contains(id);
    }
    assertThat(pages.get(0)).startsWith("Backups and recovery");
    assertThat(pages.get(pages.size() - 1)).contains("thorbis report verify");
  }

  private static Path browser() {
    return Pdf.find(Map.of("PATH", "/nowhere:/usr/bin"), null).browser();
  }

  private void run(int code, String command) {
    CommandRunner.Result result =
        new CommandRunner(folder)
            .with("PASSPHRASE", "correct horse battery staple")
            .at(clock)
            .run(command.split(" ", -1));
    assertThat(result.code()).as("%s%n%s%s", command, result.out(), result.err()).isEqualTo(code);
  }

  @Test
  void aBrowserThatFailsIsNamed() {
    assertThatThrownBy(() -> new Pdf(Path.of("/bin/false")).print("<p>"))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("report.print-failed");
              assertThat(e).hasMessageContaining("/bin/false ended with 1");
            });
  }
}
