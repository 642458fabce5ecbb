package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.internal.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * A page that needs nothing else and runs nothing. The same report gives the same page, byte for
 * byte.
 */
final class HtmlPage {
  /** More rows than this belong to machines. */
  private static final int MOST_ROWS = 500;

  private final Report report;
  private final Fields observed;
  private final Fields figures;
  private final List<EvidenceRecord> records;
  private final Instant from;
  private final Instant to;
  private final Html out = new Html();
  private List<String> columns = List.of();
  private int column;

  HtmlPage(Report report) {
    this.report = report;
    observed = report.observed();
    figures = report.figures();
    records = report.chain().records();
    from = observed.moment("from").orElseThrow(IllegalArgumentException::new);
    to = observed.moment("to").orElseThrow(IllegalArgumentException::new);
  }

  private static String style() {
    try (InputStream in = HtmlPage.class.getResourceAsStream("page.css")) {
      if (in == null) {
        throw new IllegalStateException("page.css is missing");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String hash(String style) {
    return Base64.getEncoder().encodeToString(Sha256.of(style));
  }

  String page() {
    String style = style();
    out.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ")
        .raw("img-src data:; style-src 'sha256-" + hash(style) + "'\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta name=\"color-scheme\" content=\"light dark\">\n")
        .raw("<title>Backups and recovery, " + Texts.day(to) + "</title>\n")
        .raw("<link rel=\"icon\" href=\"data:,\">\n")
        .raw("<style>" + style + "</style>\n</head>\n<body>\n<main>\n");
    head();
    expected();
    sources();
    copies();
    drills();
    tiers();
    new Accounts(
            records.stream().filter(it -> !it.at().isBefore(from) && !it.at().isAfter(to)).toList(),
            out)
        .write();
    controls();
    deviations();
    consents();
    keys();
    integrity();
    out.raw("</main>\n</body>\n</html>\n");
    return out.toString();
  }

  private void head() {
    boolean met = report.met();
    out.raw("<header>\n<h1>Backups and recovery</h1>\n<p class=\"soft\">")
        .text(Texts.day(from) + " to " + Texts.time(to) + ", times in UTC")
        .raw("</p>\n</header>\n<section class=\"verdict ")
        .raw(met ? "good" : "bad")
        .raw("\">\n<h2>")
        .text(met ? "✓ All that was expected is there" : "✗ Not all that was expected is there")
        .raw("</h2>\n<ul>\n");
    for (Fields reason : figures.objects("reasons")) {
      out.raw("<li>").text(sentence(reason.require("why"))).raw("</li>\n");
    }
    out.raw("</ul>\n</section>\n");
    Optional<Fields> said = population();
    said.map(one -> one.object("plan"))
        .filter(plan -> !plan.json().isEmpty())
        .ifPresent(
            plan ->
                out.raw("<p class=\"soft\">Plan in force: ")
                    .name(plan.require("id"))
                    .text(", version " + plan.number("version").orElse(0) + ", SHA-256 ")
                    .raw("<code>")
                    .text(plan.require("digest"))
                    .raw("</code></p>\n"));
    List<Fields> excluded = said.map(one -> one.objects("excluded")).orElse(List.of());
    if (!excluded.isEmpty()) {
      out.raw("<h2>Not covered</h2>\n<ul>\n");
      for (Fields one : excluded) {
        out.raw("<li>").name(one.require("name")).text(": " + one.require("why")).raw("</li>\n");
      }
      out.raw("</ul>\n");
    }
  }

  private static String sentence(String text) {
    return text.isEmpty()
        ? text
        : text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1) + ".";
  }

  /** What was said last of what is expected. */
  private Optional<Fields> population() {
    return records.stream()
        .filter(one -> one.kind().equals(Population.KIND))
        .reduce((one, other) -> other)
        .map(one -> new Fields(one.document()));
  }

  /** A word with a sign before it, so that its colour says nothing of its own. */
  private static String badge(String verdict) {
    String sign =
        switch (verdict) {
          case "present" -> "✓";
          case "waived" -> "○";
          case "late" -> "▲";
          case "could-not-look" -> "?";
          default -> "✗";
        };
    String kind =
        switch (verdict) {
          case "present" -> "good";
          case "waived", "late", "could-not-look" -> "fair";
          default -> "bad";
        };
    return "<span class=\"badge "
        + kind
        + "\">"
        + sign
        + " "
        + Html.escape(verdict.replace('-', ' '))
        + "</span>";
  }

  private void expected() {
    Fields expected = figures.object("expected");
    List<String> titles = new ArrayList<>(List.of("Expected"));
    for (Judgement.Verdict verdict : Judgement.Verdict.values()) {
      titles.add(sentence(verdict.label().replace('-', ' ')).replace(".", ""));
    }
    table("What was expected in the period", titles);
    for (Map.Entry<String, String> what :
        List.of(
            Map.entry("backup", "Backups"),
            Map.entry("drill", "Drills"),
            Map.entry("exercise", "Exercises"),
            Map.entry("alarm", "Alarms"))) {
      row().head("th scope=\"row\"").text(what.getValue()).raw("</div></th>");
      for (Judgement.Verdict verdict : Judgement.Verdict.values()) {
        OptionalLong count = expected.object(what.getKey()).number(verdict.label());
        boolean bad = !verdict.good() && count.orElse(0) > 0;
        boolean dull = verdict != Judgement.Verdict.PRESENT && count.orElse(0) == 0;
        head(dull ? "td class=\"dull\"" : "td")
            .raw(bad ? "<strong class=\"badge bad\">" : "")
            .text(Long.toString(count.orElse(0)))
            .raw(bad ? "</strong>" : "")
            .raw("</div></td>");
      }
      out.raw("</tr>\n");
    }
    endTable();
    out.raw("<p class=\"soft\">");
    if (figures.objects("population").isEmpty()) {
      out.text("No record says what is expected.");
    } else {
      out.text("By the configurations that were in force: ");
      String comma = "";
      for (Fields one : figures.objects("population")) {
        out.text(comma + "from " + Texts.time(one.moment("from").orElse(from)) + " ")
            .text(one.flag("assumed") ? "(assumed) " : "");
        for (String id : one.texts("records")) {
          out.raw("<code>").text(id).raw("</code> ");
        }
        comma = "; ";
      }
    }
    out.raw("</p>\n");
  }

  private void sources() {
    out.raw("<h2>Sources</h2>\n");
    if (figures.objects("sources").isEmpty()) {
      out.raw("<p class=\"note\">Nothing is protected.</p>\n");
    }
    Charts charts = new Charts(from, to);
    for (Fields figure : figures.objects("sources")) {
      Fields source =
          observed.objects("sources").stream()
              .filter(one -> one.text("name").equals(figure.text("name")))
              .findFirst()
              .orElseGet(() -> new Fields(Map.of("name", figure.require("name"))));
      source(source, figure, charts);
    }
  }

  private void source(Fields source, Fields figure, Charts charts) {
    String name = figure.require("name");
    List<EvidenceRecord> drills =
        records.stream()
            .filter(one -> one.kind().equals(EvidenceRecord.DRILL) && one.subject().equals(name))
            .toList();
    List<EvidenceRecord> passed =
        drills.stream().filter(one -> one.outcome().equals(EvidenceRecord.PASSED)).toList();
    List<Fields> bad =
        figures.objects("items").stream()
            .filter(
                one ->
                    one.text("what").equals(Optional.of("backup"))
                        && one.text("subject").equals(Optional.of(name))
                        && !one.text("verdict").equals(Optional.of("present"))
                        && !one.text("verdict").equals(Optional.of("waived")))
            .toList();
    out.raw("<section class=\"card\">\n<h3>")
        .name(name)
        .raw(" <small>")
        .text(figure.text("type").orElse("type not known"))
        .raw("</small></h3>\n<dl>\n");
    fact("Owner", figure.text("owner").orElse("nobody named"));
    judged("Backups", figure.object("backup"));
    judged("Loss (RPO)", figure.object("rpo"));
    judged("Time to be back (RTO)", figure.object("rto"));
    judged("Drill", figure.object("drill"));
    judged("Retention", figure.object("retention"));
    fact(
        "Policy",
        figure.text("policy").orElse("none")
            + source
                .moment("oldest")
                .map(
                    at ->
                        "; the oldest of "
                            + source.number("backupCount").orElse(0)
                            + " backups is of "
                            + Texts.day(at))
                .orElse(""));
    fact("Holds", Integer.toString(source.objects("holds").size()));
    Fields measured = figure.object("measured");
    if (measured.number("count").isPresent()) {
      fact(
          "Measured in drills",
          "last "
              + span(measured, "lastMillis")
              + ", median "
              + span(measured, "medianMillis")
              + ", worst "
              + span(measured, "worstMillis")
              + ", of "
              + measured.number("count").getAsLong());
    }
    out.raw("</dl>\n<div class=\"charts\">\n");
    figure(
        charts.timeline(source, bad, drills),
        "Bar: what can be recovered. Ticks: backups, full ones longer. Diamond: a drill that"
            + " passed; cross: one that did not. Box below: a backup that was due and not there in"
            + " time.");
    if (!source.objects("backups").isEmpty()) {
      figure(charts.sizes(source), "Sizes of backups; filled: what had changed.");
    }
    if (!passed.isEmpty()) {
      figure(
          charts.measured("Time to be back", passed, Figures::took, figure.span("rtoMillis")),
          "How long bringing it back took in each drill that passed, and at most may take (RTO).");
      figure(
          charts.measured("Loss", passed, Figures::lost, figure.span("rpoMillis")),
          "What would have been lost at each of them, and at most may be (RPO).");
    }
    out.raw("</div>\n</section>\n");
  }

  private void figure(String svg, String caption) {
    out.raw("<figure>" + svg + "<figcaption>").text(caption).raw("</figcaption></figure>\n");
  }

  private static String span(Fields fields, String name) {
    return Texts.span(Duration.ofMillis(fields.number(name).orElse(0)));
  }

  private void fact(String term, String text) {
    out.element("dt", term).raw("<dd>").text(text).raw("</dd>\n");
  }

  private void judged(String term, Fields judged) {
    out.element("dt", term)
        .raw("<dd>" + badge(judged.require("verdict")) + " ")
        .text(judged.require("why"))
        .raw("</dd>\n");
  }

  // ---- tables: on a phone each row is a card, and each cell says its column

  private void table(String title, List<String> names) {
    columns = names;
    out.element("h2", title).raw("\n<table>\n<thead><tr>");
    for (String name : names) {
      out.element("th scope=\"col\"", name);
    }
    out.raw("</tr></thead>\n<tbody>\n");
  }

  private HtmlPage row() {
    column = 0;
    out.raw("<tr>");
    return this;
  }

  private Html head(String kind) {
    return out.raw("<" + kind + " data-label=\"" + Html.escape(columns.get(column++)) + "\"><div>");
  }

  private Html cell() {
    return head("td");
  }

  private void none(String title, String text) {
    out.element("h2", title).raw("\n<p>").text(text).raw("</p>\n");
  }

  private void endTable() {
    out.raw("</tbody>\n</table>\n");
  }

  private void copies() {
    if (observed.objects("copies").isEmpty()) {
      none("Copies", "None could be looked at.");
      return;
    }
    table("Copies", List.of("Copy", "State", "Where", "Holds", "Last read back"));
    for (Fields copy : observed.objects("copies")) {
      row().head("th scope=\"row\"").name(copy.require("name")).raw("</div></th>");
      boolean whole = copy.flag("complete") && copy.text("problem").isEmpty();
      cell()
          .raw(badge(whole ? "present" : "failed"))
          .text(copy.text("problem").map(why -> " " + why).orElse(whole ? " whole" : " behind"))
          .raw("</div></td>");
      cell()
          .text(
              copy.text("medium").orElse("medium not said")
                  + ", "
                  + copy.text("domain").orElse("domain not said")
                  + (copy.flag("offsite") ? ", offsite" : "")
                  + (copy.flag("immutable") ? ", said to be immutable" : ""))
          .raw("</div></td>");
      cell()
          .text(
              copy.number("bytes").isPresent()
                  ? Texts.bytes(copy.number("bytes").getAsLong())
                      + " in "
                      + copy.number("objects").orElse(0)
                      + " objects"
                  : "unknown")
          .raw("</div></td>");
      cell()
          .text(copy.moment("verifiedAt").map(Texts::time).orElse("never"))
          .raw("</div></td></tr>\n");
    }
    endTable();
    out.raw("<h3>3-2-1-1-0</h3>\n<ul>\n");
    for (Fields one : observed.objects("criteria")) {
      String verdict =
          switch (one.text("verdict").orElse("")) {
            case "met" -> "present";
            case "unknown" -> "could-not-look";
            default -> "missing";
          };
      out.raw("<li>" + badge(verdict) + " ")
          .text(one.require("name") + ": " + one.require("reason"))
          .raw("</li>\n");
    }
    out.raw("</ul>\n");
  }

  private void drills() {
    List<EvidenceRecord> some =
        records.stream()
            .filter(
                one ->
                    one.kind().equals(EvidenceRecord.DRILL)
                        || one.kind().equals(EvidenceRecord.EXERCISE)
                        || one.kind().equals(EvidenceRecord.DR_RUN))
            .filter(one -> !one.at().isBefore(from) && !one.at().isAfter(to))
            .toList();
    if (some.isEmpty()) {
      none("Drills, exercises and runs", "There was none in the period.");
      return;
    }
    table(
        "Drills, exercises and runs",
        List.of("When", "What", "Outcome", "Took", "Lost", "From or with", "Record"));
    for (EvidenceRecord one : newest(some)) {
      Fields choice = new Fields(one.document()).object("choice");
      row();
      cell().text(Texts.time(one.at())).raw("</div></td>");
      head("th scope=\"row\"").text(one.kind() + " ").name(one.subject()).raw("</div></th>");
      boolean good = one.outcome().equals(EvidenceRecord.PASSED);
      cell()
          .raw("<span class=\"badge " + (good ? "good" : "bad") + "\">" + (good ? "✓ " : "✗ "))
          .text(one.outcome())
          .raw("</span></div></td>");
      cell().text(Figures.took(one).map(Texts::span).orElse("not measured")).raw("</div></td>");
      cell().text(Figures.lost(one).map(Texts::span).orElse("not measured")).raw("</div></td>");
      cell()
          .text(
              choice
                  .text("backup")
                  .map(
                      id ->
                          id
                              + " ("
                              + choice.text("selection").orElse("chosen")
                              + choice.text("seed").map(seed -> ", seed " + seed).orElse("")
                              + ")")
                  .orElseGet(() -> participants(one)))
          .raw("</div></td>");
      cell().raw("<code>").text(one.id()).raw("</code></div></td></tr>\n");
    }
    endTable();
    more(some.size());
  }

  private void tiers() {
    List<Fields> tiers = figures.objects("tiers");
    if (tiers.isEmpty()) {
      return;
    }
    table(
        "What runs kept of what is promised",
        List.of("Tier", "Run", "Away", "At most (RTO)", "Time", "Lost", "At most (RPO)", "Loss"));
    for (Fields tier : tiers) {
      for (Fields run : tier.objects("runs")) {
        row().head("th scope=\"row\"").name(tier.require("tier")).raw("</div></th>");
        cell().name(run.require("run")).raw("</div></td>");
        kept(run, "tookMillis", "rtoMillis", "time");
        kept(run, "lostMillis", "rpoMillis", "loss");
        out.raw("</tr>\n");
      }
    }
    endTable();
    for (Fields tier : tiers) {
      Fields took = tier.object("took");
      if (took.number("count").isPresent()) {
        out.raw("<p class=\"soft\">")
            .name(tier.require("tier"))
            .text(
                " was away for "
                    + span(took, "lastMillis")
                    + " last, "
                    + span(took, "medianMillis")
                    + " in the median, "
                    + span(took, "worstMillis")
                    + " at worst, of "
                    + took.number("count").getAsLong()
                    + " measured.")
            .raw("</p>\n");
      }
    }
  }

  private void kept(Fields run, String found, String most, String verdict) {
    cell().text(run.span(found).map(Texts::span).orElse("not measured")).raw("</div></td>");
    cell().text(run.span(most).map(Texts::span).orElse("not said")).raw("</div></td>");
    String word = run.text(verdict).orElse("unknown");
    cell()
        .raw(
            switch (word) {
              case "kept" -> "<span class=\"badge good\">✓ ";
              case "missed" -> "<span class=\"badge bad\">✗ ";
              default -> "<span class=\"badge fair\">? ";
            })
        .text(word)
        .raw("</span></div></td>");
  }

  private static String participants(EvidenceRecord exercise) {
    List<String> named = new Fields(exercise.document()).texts("participants");
    return named.isEmpty() ? "not said" : String.join(", ", named);
  }

  private static <T> List<T> newest(List<T> some) {
    return some.subList(Math.max(0, some.size() - MOST_ROWS), some.size());
  }

  private void more(int all) {
    if (all > MOST_ROWS) {
      out.raw("<p>")
          .text("The last " + MOST_ROWS + " of " + all + "; the bundle has all of them.")
          .raw("</p>\n");
    }
  }

  private void controls() {
    List<Fields> asked = report.controls().objects("controls");
    List<Fields> judged = figures.objects("controls");
    table("What standards ask", List.of("Criterion", "In our words", "Evidence", "Why"));
    for (int i = 0; i < Math.min(asked.size(), judged.size()); i++) {
      Fields one = judged.get(i);
      row();
      head("th scope=\"row\"")
          .text(one.require("framework") + " " + one.require("id"))
          .raw("</div></th>");
      cell().text(asked.get(i).require("asks")).raw("</div></td>");
      cell().raw(badge(one.require("verdict"))).raw("</div></td>");
      cell().text(one.require("why"));
      if (!one.texts("records").isEmpty()) {
        out.text(" (" + String.join(", ", one.texts("records")) + ")");
      }
      out.raw("</div></td></tr>\n");
    }
    endTable();
    out.raw("<p class=\"soft\">")
        .text(
            report.controls().require("note")
                + " Table version "
                + report.controls().number("version").orElse(0)
                + ".")
        .raw("</p>\n");
  }

  private void deviations() {
    List<Fields> all = figures.objects("deviations");
    if (all.isEmpty()) {
      none("Deviations", "None is known in the period.");
      return;
    }
    table("Deviations", List.of("When", "What", "Who answers for it"));
    for (Fields one : newest(all)) {
      row();
      cell().text(one.moment("at").map(Texts::time).orElse("")).raw("</div></td>");
      cell().text(one.require("what")).raw("</div></td>");
      cell().name(one.require("owner")).raw("</div></td></tr>\n");
    }
    endTable();
    more(all.size());
  }

  private void consents() {
    List<EvidenceRecord> some =
        records.stream()
            .filter(
                one ->
                    one.kind().equals(EvidenceRecord.APPROVAL)
                        || one.kind().equals(EvidenceRecord.WAIVER))
            .filter(one -> !one.at().isBefore(from) && !one.at().isAfter(to))
            .toList();
    if (some.isEmpty()) {
      none("Approvals and waivers", "There is no record of one in the period.");
      return;
    }
    table(
        "Approvals and waivers",
        List.of("When", "What", "Outcome", "Who", "Why", "From", "Until", "Record"));
    for (EvidenceRecord one : newest(some)) {
      Fields document = new Fields(one.document());
      row();
      cell().text(Texts.time(one.at())).raw("</div></td>");
      head("th scope=\"row\"").text(one.kind() + " ").name(one.subject()).raw("</div></th>");
      cell().text(one.outcome()).raw("</div></td>");
      cell().name(document.text("approver").orElse(one.actor())).raw("</div></td>");
      cell()
          .text(document.text("reason").filter(why -> !why.isEmpty()).orElse("not said"))
          .raw("</div></td>");
      cell().text(moment(document, "from")).raw("</div></td>");
      cell().text(moment(document, "until")).raw("</div></td>");
      cell().raw("<code>").text(one.id()).raw("</code></div></td></tr>\n");
    }
    endTable();
    more(some.size());
  }

  private static String moment(Fields document, String name) {
    return document.findMoment(name).map(Texts::time).or(() -> document.text(name)).orElse("");
  }

  private void keys() {
    if (observed.objects("keys").isEmpty()) {
      none("Keys", "None could be looked at.");
      return;
    }
    table("Keys", List.of("Key", "Seals", "Since", "Opened by", "Problems"));
    for (Fields key : observed.objects("keys")) {
      row();
      head("th scope=\"row\"").raw("<code>").text(key.require("key")).raw("</code></div></th>");
      cell().name(key.text("source").orElse("the catalogue")).raw("</div></td>");
      cell().text(key.moment("since").map(Texts::day).orElse("")).raw("</div></td>");
      cell().text(key.number("recipients").orElse(0) + " recipients").raw("</div></td>");
      cell()
          .text(key.texts("problems").isEmpty() ? "none" : String.join("; ", key.texts("problems")))
          .raw("</div></td></tr>\n");
    }
    endTable();
  }

  private void integrity() {
    List<Fields> problems = observed.objects("evidenceProblems");
    out.raw("<h2>Records</h2>\n<ul>\n<li>")
        .text(records.size() + " records, ")
        .text(problems.isEmpty() ? "each as it was written" : problems.size() + " problems")
        .raw("</li>\n");
    for (Fields problem : problems) {
      out.raw("<li>" + badge("failed") + " ")
          .text(
              problem.require("code")
                  + " "
                  + problem.require("record")
                  + ": "
                  + problem.require("message"))
          .raw("</li>\n");
    }
    for (Map.Entry<String, Object> signer : figures.object("signers").json().entrySet()) {
      boolean unsigned = signer.getKey().equals("unsigned");
      out.raw("<li>")
          .text(unsigned ? "Not signed: " : "Signed by ")
          .raw(unsigned ? "" : "<code>")
          .text(unsigned ? "" : signer.getKey())
          .raw(unsigned ? "" : "</code>: ")
          .text(String.valueOf(signer.getValue()))
          .raw("</li>\n");
    }
    for (String head : report.chain().heads().stream().sorted().toList()) {
      out.raw("<li>Last record: SHA-256 <code>").text(head).raw("</code></li>\n");
    }
    out.raw("</ul>\n<footer class=\"soft\"><p>")
        .text("Made for ")
        .name(observed.require("generatedBy"))
        .text(" by version ")
        .name(observed.require("product"))
        .text(", of repository ")
        .raw("<code>")
        .text(observed.require("repository"))
        .raw("</code>. Evidence, not an attestation: an auditor judges. This page proves nothing")
        .raw(" by itself: check the bundle that holds it with ")
        .raw("<code>thorbis report verify</code>.</p></footer>\n");
  }
}
