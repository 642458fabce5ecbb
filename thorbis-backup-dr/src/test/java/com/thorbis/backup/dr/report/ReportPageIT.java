package com.thorbis.backup.dr.report;

import static com.thorbis.backup.dr.report.PlantedReport.FROM;
import static com.thorbis.backup.dr.report.PlantedReport.TO;
import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.schedule.Schedule;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Looks at pages as people do, in a browser. */
class ReportPageIT {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");

  /** What of the text of a page has less contrast to what lies behind it than WCAG AA asks. */
  private static final String CONTRAST =
      """
      (() => {
        const rgb = text => { const m = text.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
        const lum = c => { const f = c.slice(0, 3).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
        const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
        const found = [];
        let seen = 0;
        const look = (e, color, pseudo) => {
          const a = lum(rgb(color)), b = lum(behind(e));
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          const style = getComputedStyle(e, pseudo);
          const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
          const least = size >= 24 || bold && size >= 18.66 ? 3 : 4.5;
          seen++;
          if (ratio < least) found.push(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2) + ' ' + e.textContent.slice(0, 40));
        };
        for (const e of document.body.querySelectorAll('*')) {
          const svg = e.namespaceURI.endsWith('svg');
          if (e.tagName === 'title') continue;
          if ([...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) look(e, svg ? getComputedStyle(e).fill : getComputedStyle(e).color, null);
          const before = getComputedStyle(e, '::before');
          if (!['none', 'normal'].includes(before.content)) look(e, before.color, '::before');
        }
        return seen + ' ' + found.join(' | ');
      })()
      """;

  /** What goes beyond the sides of the page. */
  private static final String OVERFLOW =
      """
      (() => {
        const wide = document.documentElement.clientWidth;
        const found = document.documentElement.scrollWidth > wide ? ['page ' + document.documentElement.scrollWidth] : [];
        for (const e of document.body.querySelectorAll('*')) {
          const box = e.getBoundingClientRect();
          if (e.closest('thead') && box.width <= 1) continue;
          if (getComputedStyle(e).clipPath !== 'none' || e.parentElement.closest('thead') && wide < 704) continue;
          if (box.right > wide + 0.5 || box.left < -0.5) found.push(e.tagName + '.' + e.className + ' ' + box.right);
        }
        return found.join(' | ');
      })()
      """;

  @TempDir Path folder;

  /** All that can be on a page, with names that nobody should choose. */
  private static PlantedReport full() {
    List<Map<String, Object>> backups = new ArrayList<>(PlantedReport.daily());
    backups.remove(12);
    backups.remove(11);
    Population.Source files =
        new Population.Source(
            PlantedReport.HOSTILE,
            "files",
            Optional.of("x".repeat(200)),
            Optional.of(Duration.ofDays(1)),
            Optional.of(Duration.ofMinutes(10)),
            Optional.of(Duration.ofDays(20)),
            Optional.empty(),
            List.of(
                new Population.Due("full", Schedule.parse("Mon 02:00 UTC"), Duration.ofHours(4))));
    PlantedReport planted =
        new PlantedReport()
            .expecting(
                FROM.plus(Duration.ofDays(2)),
                "host",
                Population.builder()
                    .source(PlantedReport.orders())
                    .source(files)
                    .exclude("scratch", "can be made again, and " + "much ".repeat(30))
                    .exercise(
                        new Population.Exercise(
                            "talk", "tabletop", "ada", List.of("region-lost"), Duration.ofDays(14)))
                    .build())
            .source("orders", "postgres", backups)
            .source(PlantedReport.HOSTILE, "files", PlantedReport.daily().subList(0, 3))
            .unreadable("ledger", "the store answers with 503, and has done so for a while")
            .failure("orders", FROM.plus(Duration.ofHours(11 * 24 + 3)), "no space left on device")
            .alarm("backup.late", "critical", "orders", Optional.empty())
            .alarm("copy.behind", "warning", "two", Optional.of("bo"))
            .observe(
                "copies",
                List.of(
                    Map.of(
                        "name",
                        "one",
                        "offsite",
                        false,
                        "immutable",
                        false,
                        "complete",
                        true,
                        "objects",
                        4711,
                        "bytes",
                        1L << 40,
                        "verifiedAt",
                        FROM.toString()),
                    Map.of(
                        "name",
                        "two",
                        "offsite",
                        true,
                        "immutable",
                        true,
                        "medium",
                        "object",
                        "domain",
                        "other-account",
                        "problem",
                        "access denied")))
            .observe(
                "criteria",
                List.of(
                    Map.of("name", "3 copies", "verdict", "met", "reason", "three"),
                    Map.of("name", "0 errors", "verdict", "unknown", "reason", "nobody looked")))
            .observe(
                "keys",
                List.of(
                    Map.of(
                        "key",
                        "orders/1",
                        "source",
                        "orders",
                        "since",
                        FROM.toString(),
                        "recipients",
                        2,
                        "problems",
                        List.of("recovery key was never tried"))))
            .observe(
                "evidenceProblems",
                List.of(Map.of("code", "missing", "record", "0".repeat(64), "message", "is away")));
    for (int week = 0; week < 4; week++) {
      planted.drill(
          FROM.plus(Duration.ofDays(7L * week + 6)),
          week % 2 == 0 ? "orders" : PlantedReport.HOSTILE,
          week == 3 ? EvidenceRecord.FAILED : EvidenceRecord.PASSED,
          Duration.ofMinutes(20 + 25L * week),
          Duration.ofSeconds(40 + 230L * week));
    }
    planted.accounts(TO.minus(Duration.ofDays(3)));
    return planted.record(
        TO.minus(Duration.ofDays(2)),
        EvidenceRecord.EXERCISE,
        "region-lost",
        EvidenceRecord.PASSED,
        Map.of("participants", List.of("ada", "bo")));
  }

  @Test
  void aPageIsReadOnPhonesDesksAndPaperInBothLights() throws Exception {
    Map<String, PlantedReport> pages =
        Map.of("full", full(), "good", PlantedReport.good(), "nothing", new PlantedReport());
    try (Browser browser = Browser.open(folder)) {
      for (Map.Entry<String, PlantedReport> each : pages.entrySet()) {
        Path page = folder.resolve(each.getKey() + ".html");
        Files.write(page, Html.bytes(each.getValue().report().html()));
        for (int width : List.of(360, 1440)) {
          for (boolean dark : List.of(false, true)) {
            String what = each.getKey() + " at " + width + (dark ? " in the dark" : "");
            browser.show(page, width, dark);
            assertThat(browser.evaluate(OVERFLOW)).as("wider than " + what).isEqualTo("");
            contrast(browser, what);
            if (RELEASE) { // for people to look at; takes long
              browser.picture(picture(each.getKey() + "-" + width + (dark ? "-dark" : "")));
            }
          }
        }
        browser.media("print", false);
        assertThat(browser.evaluate(OVERFLOW)).as("wider than paper").isEqualTo("");
        contrast(browser, each.getKey() + " in print");
        browser.media("print", true);
        contrast(browser, each.getKey() + " in print in the dark");
        assertThat(browser.requests()).as("what is fetched").isLessThanOrEqualTo(8);
      }
      assertThat(browser.complaints()).isEmpty();
    }
  }

  private static void contrast(Browser browser, String what) throws Exception {
    String[] seen = String.valueOf(browser.evaluate(CONTRAST)).split(" ", 2);
    assertThat(Integer.parseInt(seen[0])).as("texts of " + what).isGreaterThan(30);
    assertThat(seen[1]).as("hard to read in " + what).isEmpty();
  }

  private static Path picture(String name) throws Exception {
    Path target = Files.createDirectories(Path.of("target", "pages"));
    return target.resolve(name + ".png");
  }

  @Test
  void theWatchSeesWhatIsTooWideAndTooPale() throws Exception {
    Path page = folder.resolve("bad.html");
    Files.writeString(
        page,
        "<!DOCTYPE html><body style='background:#fff'><p style='color:#999'>pale</p>"
            + "<p style='width:2000px'>wide</p><script>console.error('said')</script>");
    try (Browser browser = Browser.open(folder)) {
      browser.show(page, 360, false);
      assertThat(browser.evaluate(OVERFLOW)).asString().contains("page 20");
      assertThat(browser.evaluate(CONTRAST)).asString().contains("pale");
      assertThat(browser.complaints()).isNotEmpty();
    }
  }
}
