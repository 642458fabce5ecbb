package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.evidence.EvidenceRecord;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/** Drawings as SVG within a page, which take its colours. What colour says, shape says too. */
final class Charts {
  private static final int WIDTH = 340;
  private static final int LEFT = 8;
  private static final int RIGHT = 332;

  private final Instant from;
  private final Instant to;

  Charts(Instant from, Instant to) {
    this.from = from;
    this.to = to;
  }

  private double x(Instant at) {
    double all = Math.max(1, Duration.between(from, to).toMillis());
    double part = Duration.between(from, at).toMillis() / all;
    return LEFT + Math.max(0, Math.min(1, part)) * (RIGHT - LEFT);
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.1f", value);
  }

  private static Html begin(int height, String title) {
    return new Html()
        .raw("<svg role=\"img\" viewBox=\"0 0 " + WIDTH + " " + height + "\">")
        .element("title", title);
  }

  private void axis(Html svg, int y) {
    svg.raw(line("axis", LEFT, y, RIGHT, y))
        .raw("<text x=\"" + LEFT + "\" y=\"" + (y + 14) + "\">" + Texts.day(from) + "</text>")
        .raw(
            "<text x=\""
                + RIGHT
                + "\" y=\""
                + (y + 14)
                + "\" text-anchor=\"end\">"
                + Texts.day(to)
                + "</text>");
  }

  private static String line(String kind, double x1, double y1, double x2, double y2) {
    return "<line class=\""
        + kind
        + "\" x1=\""
        + number(x1)
        + "\" y1=\""
        + number(y1)
        + "\" x2=\""
        + number(x2)
        + "\" y2=\""
        + number(y2)
        + "\"/>";
  }

  private static String box(String kind, double x, double y, double width, double height) {
    return "<rect class=\""
        + kind
        + "\" x=\""
        + number(x)
        + "\" y=\""
        + number(y)
        + "\" width=\""
        + number(width)
        + "\" height=\""
        + number(height)
        + "\"/>";
  }

  /** A diamond for what passed, a cross for what did not. */
  private static String mark(boolean good, double x, double y) {
    if (good) {
      return "<path class=\"good\" d=\"M"
          + number(x)
          + " "
          + number(y - 5)
          + "l5 5l-5 5l-5 -5z\"/>";
    }
    return "<path class=\"bad\" d=\"M" + number(x - 4) + " " + number(y - 4) + "l8 8m0 -8l-8 8\"/>";
  }

  /** What can be recovered, what was backed up, and what was tried. */
  String timeline(Fields source, List<Fields> bad, List<EvidenceRecord> drills) {
    Html svg = begin(74, "Recoverable stretches, backups and drills of " + source.require("name"));
    for (Fields window : source.objects("windows")) {
      Optional<Instant> begin = window.moment("from");
      if (begin.isPresent()) {
        double left = x(begin.get());
        double right = x(window.moment("to").orElse(begin.get()));
        svg.raw(box("window", left, 30, Math.max(1, right - left), 10));
      }
    }
    for (Fields item : bad) {
      item.moment("due").ifPresent(due -> svg.raw(box("gap", x(due) - 1.5, 44, 3, 8)));
    }
    for (Fields backup : source.objects("backups")) {
      Optional<Instant> at = backup.moment("stoppedAt");
      if (at.isPresent()) {
        boolean full = backup.text("type").equals(Optional.of("full"));
        svg.raw(line("tick", x(at.get()), full ? 18 : 24, x(at.get()), 30));
      }
    }
    for (EvidenceRecord drill : drills) {
      if (!drill.at().isBefore(from)) {
        svg.raw(mark(drill.outcome().equals(EvidenceRecord.PASSED), x(drill.at()), 9));
      }
    }
    axis(svg, 54);
    return svg.raw("</svg>").toString();
  }

  /** What was measured, each at its time, against a target. */
  String measured(
      String title,
      List<EvidenceRecord> drills,
      Function<EvidenceRecord, Optional<Duration>> measure,
      Optional<Duration> target) {
    long most = target.map(Duration::toMillis).orElse(1L);
    for (EvidenceRecord drill : drills) {
      most = Math.max(most, measure.apply(drill).map(Duration::toMillis).orElse(0L));
    }
    Html svg = begin(104, title);
    double scale = 64.0 / Math.max(1, most);
    if (target.isPresent()) {
      double y = 84 - target.get().toMillis() * scale;
      svg.raw(line("target", LEFT, y, RIGHT, y))
          .raw("<text x=\"" + RIGHT + "\" y=\"" + number(y - 4) + "\" text-anchor=\"end\">")
          .text("at most " + Texts.span(target.get()))
          .raw("</text>");
    }
    for (EvidenceRecord drill : drills) {
      Optional<Duration> took = measure.apply(drill);
      if (took.isPresent() && !drill.at().isBefore(from)) {
        double y = 84 - took.get().toMillis() * scale;
        boolean good = target.isEmpty() || took.get().compareTo(target.get()) <= 0;
        svg.raw(line("stem", x(drill.at()), 84, x(drill.at()), y))
            .raw(mark(good, x(drill.at()), y));
      }
    }
    axis(svg, 84);
    return svg.raw("</svg>").toString();
  }

  /** How large backups are, and how much of each was new. */
  String sizes(Fields source) {
    List<Fields> backups = source.objects("backups");
    long most =
        Math.max(
            1, backups.stream().mapToLong(one -> one.number("bytes").orElse(0)).max().orElse(1));
    Html svg = begin(104, "Sizes of backups of " + source.require("name"));
    double wide = Math.max(1, Math.min(12, (RIGHT - LEFT) / (1.5 * Math.max(1, backups.size()))));
    for (Fields backup : backups) {
      Optional<Instant> at = backup.moment("stoppedAt");
      if (at.isPresent()) {
        double x = Math.min(x(at.get()), RIGHT - wide);
        double all = 64.0 * backup.number("bytes").orElse(0) / most;
        double changed = 64.0 * backup.number("bytesChanged").orElse(0) / most;
        svg.raw(box("size", x, 84 - all, wide, all))
            .raw(box("change", x, 84 - changed, wide, changed));
      }
    }
    svg.raw("<text x=\"" + LEFT + "\" y=\"14\">")
        .text("largest: " + Texts.bytes(most))
        .raw("</text>");
    axis(svg, 84);
    return svg.raw("</svg>").toString();
  }
}
