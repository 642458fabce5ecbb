package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.evidence.EvidenceRecord;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What runs, exercises and drills of a period have shown, one by one: for people; all of it is in
 * the records. Members that a record of another version has not are left out.
 */
final class Accounts {
  /** More than this belong to machines. */
  private static final int MOST = 10;

  private static final int MOST_LINES = 60;

  private final List<EvidenceRecord> records;
  private final Html out;

  /**
   * Of a page.
   *
   * @param records of the period
   */
  Accounts(List<EvidenceRecord> records, Html out) {
    this.records = records;
    this.out = out;
  }

  /** Writes all of them. */
  void write() {
    each(EvidenceRecord.DR_RUN, "Incidents and invocations", this::run);
    each(EvidenceRecord.EXERCISE, "Exercises", this::exercise);
    each(EvidenceRecord.DRILL, "Drills", this::drill);
  }

  private interface Teller {
    void tell(EvidenceRecord record, Fields document);
  }

  private void each(String kind, String title, Teller teller) {
    List<EvidenceRecord> all = records.stream().filter(it -> it.kind().equals(kind)).toList();
    if (all.isEmpty()) {
      return; // the table of all of them says so
    }
    out.element("h2", title);
    for (EvidenceRecord record : all.subList(Math.max(0, all.size() - MOST), all.size())) {
      boolean good = record.outcome().equals(EvidenceRecord.PASSED);
      out.raw("\n<section class=\"card\">\n<h3>")
          .name(record.subject())
          .raw(" <span class=\"badge " + (good ? "good" : "bad") + "\">" + (good ? "✓ " : "✗ "))
          .text(record.outcome())
          .raw("</span></h3>\n<dl>\n");
      teller.tell(record, new Fields(record.document()));
      fact("Record", record.id() + " of " + Texts.time(record.at()) + " on " + record.host());
      out.raw("</dl>\n</section>\n");
    }
    if (all.size() > MOST) {
      out.raw("<p>")
          .text("The last " + MOST + " of " + all.size() + "; the bundle has all of them.")
          .raw("</p>\n");
    }
  }

  private void run(EvidenceRecord record, Fields run) {
    fact("Scenario", words(run, "scenario", "cause", "variant"));
    fact("Asked for by", run.text("requester").orElse(record.actor()));
    from(run);
    fact("Ended as", words(run, "status", "reason"));
    fact(
        "Outage since",
        run.findMoment("outage").map(Texts::time).or(() -> run.text("outage")).orElse(""));
    list("What is promised", run.objects("tiers"), Accounts::tier);
    List<Fields> steps = run.objects("steps");
    list(
        "Otherwise than planned",
        steps.stream().filter(it -> !it.text("status").orElse("").equals("done")).toList(),
        Accounts::step);
    list("Steps", steps, Accounts::step);
    list("What people said", run.objects("people"), Accounts::said);
    fact("Plan", run.text("planDigest").map(it -> "SHA-256 " + it).orElse(""));
    Fields journal = run.object("journal");
    journal
        .text("digest")
        .ifPresent(
            digest ->
                fact(
                    "Journal",
                    journal.number("records").orElse(0) + " records, the last SHA-256 " + digest));
  }

  private static String tier(Fields tier) {
    return tier.text("tier").orElse("")
        + ": away "
        + tier.span("tookMillis").map(Texts::span).orElse("not measured")
        + " of "
        + tier.span("rtoMillis").map(Texts::span).orElse("no limit")
        + ", "
        + tier.text("time").orElse("unknown")
        + "; lost "
        + tier.span("lostMillis").map(Texts::span).orElse("not measured")
        + " of "
        + tier.span("rpoMillis").map(Texts::span).orElse("no limit")
        + ", "
        + tier.text("loss").orElse("unknown");
  }

  private static String step(Fields step) {
    long attempts = step.number("attempts").orElse(1);
    return step.text("status").orElse("")
        + ": "
        + step.text("id").orElse("")
        + step.text("endedAt").map(at -> " at " + at).orElse("")
        + (attempts > 1 ? ", " + attempts + " attempts" : "")
        + step.text("detail").filter(it -> !it.isEmpty()).map(it -> ": " + it).orElse("");
  }

  private static String said(Fields one) {
    return one.text("at").orElse("")
        + " "
        + words(one, "by", "what", "step")
        + one.text("text").filter(it -> !it.isEmpty()).map(it -> ": " + it).orElse("");
  }

  private void exercise(EvidenceRecord record, Fields exercise) {
    fact("Kind", exercise.text("exercise").orElse(""));
    fact("Scenario", exercise.text("scenario").orElse(record.subject()));
    fact("Led by", exercise.text("leader").orElse(record.actor()));
    fact("Took part", String.join(", ", exercise.texts("participants")));
    from(exercise);
    if (exercise.json().containsKey("unanswered")) {
      List<String> open = exercise.texts("unanswered");
      fact(
          "Answered",
          exercise.objects("injects").size()
              - open.size()
              + " of "
              + exercise.objects("injects").size());
    }
    list("Decisions", exercise.objects("answers"), it -> words(it, "at", "by", "text"));
    list(
        "Found wanting",
        exercise.objects("findings"),
        it ->
            it.text("text").orElse("")
                + " ("
                + it.text("owner").orElse("nobody")
                + ", until "
                + it.text("due").orElse("")
                + ")");
    Fields outage = exercise.object("outage");
    outage
        .span("downtimeMillis")
        .ifPresent(
            it ->
                fact(
                    "Clients were without it",
                    (outage.text("firstSuccess").isPresent() ? "" : "at least ")
                        + Texts.span(it)
                        + ": "
                        + stages(outage)));
    Fields loss = exercise.object("loss");
    if (loss.number("acknowledged").isPresent()) {
      fact(
          "Rows that were promised",
          loss.number("acknowledged").getAsLong()
              + ", of which "
              + loss.number("lost").orElse(0)
              + " are gone");
    }
    looked(exercise);
  }

  private void drill(EvidenceRecord record, Fields drill) {
    Fields choice = drill.object("choice");
    fact(
        "From",
        choice.text("backup").map(it -> "backup " + it).orElse("no backup")
            + choice.text("selection").map(it -> ", " + it).orElse("")
            + choice.text("seed").map(it -> ", seed " + it).orElse("")
            + choice.text("target").map(it -> ", to " + it).orElse(""));
    fact(
        "Read from",
        choice
            .text("copy")
            .map(it -> "copy " + it + " alone")
            .orElse(String.join(", ", choice.texts("copies"))));
    Fields reached = drill.object("reached");
    fact("Reached", words(reached, "lsn", "time") + timeline(reached));
    fact("Took", stages(drill));
    Fields loss = drill.object("loss");
    List<String> lost = new ArrayList<>();
    loss.span("millis").ifPresent(it -> lost.add(Texts.span(it)));
    loss.number("transactions").ifPresent(it -> lost.add(it + " transactions"));
    loss.number("bytes").ifPresent(it -> lost.add(Texts.bytes(it) + " of log"));
    loss.number("files").ifPresent(it -> lost.add(it + " files of log"));
    fact("Lost", String.join(", ", lost));
    looked(drill);
  }

  private static String timeline(Fields reached) {
    return reached.text("timeline").map(it -> " on timeline " + it).orElse("");
  }

  /** What both a drill and a simulation look at. */
  private void looked(Fields document) {
    List<Fields> isolation = document.objects("isolation");
    long proven =
        isolation.stream().filter(it -> it.text("outcome").orElse("").equals("ok")).count();
    fact(
        "Kept apart",
        isolation.isEmpty() ? "" : proven + " of " + isolation.size() + " proofs before it began");
    list(
        "Checks",
        document.objects("checks"),
        it ->
            it.text("outcome").orElse("")
                + ": "
                + it.text("name").orElse("")
                + ": "
                + it.text("detail").orElse(""));
    List<Fields> plants = document.objects("plants");
    Map<Boolean, List<Fields>> noticed =
        plants.stream()
            .collect(
                Collectors.partitioningBy(it -> it.text("result").orElse("").equals("detected")));
    fact(
        "Damage made on purpose",
        plants.isEmpty()
            ? ""
            : noticed.getOrDefault(true, List.of()).size()
                + " of "
                + plants.size()
                + " noticed by the check that is for it");
    list(
        "Not noticed",
        noticed.getOrDefault(false, List.of()),
        it -> words(it, "check", "damage", "detail"));
    Fields problem = document.object("problem");
    fact("Problem", words(problem, "code", "message"));
  }

  private static String stages(Fields document) {
    return document.objects("stages").stream()
        .map(
            it ->
                it.text("stage").orElse("")
                    + " "
                    + it.span("millis").map(Texts::span).orElse("not measured"))
        .collect(Collectors.joining(", "));
  }

  private void from(Fields document) {
    Optional<String> began = document.text("startedAt");
    began.ifPresent(
        it ->
            fact(
                "From",
                it
                    + document
                        .text("endedAt")
                        .or(() -> document.text("closedAt"))
                        .map(end -> " to " + end)
                        .orElse("")
                    + document
                        .span("millis")
                        .map(Duration::abs)
                        .map(span -> ", " + Texts.span(span))
                        .orElse("")));
  }

  /** The members that are there and not empty. */
  private static String words(Fields fields, String... names) {
    List<String> found = new ArrayList<>();
    for (String name : names) {
      fields.text(name).filter(it -> !it.isBlank()).ifPresent(found::add);
    }
    return String.join(", ", found);
  }

  private void fact(String term, String text) {
    if (!text.isBlank()) {
      out.element("dt", term).raw("<dd>").text(text).raw("</dd>\n");
    }
  }

  private interface Line {
    String of(Fields fields);
  }

  private void list(String term, List<Fields> all, Line line) {
    if (all.isEmpty()) {
      return;
    }
    out.element("dt", term).raw("<dd><ul class=\"plain\">\n");
    for (Fields one : all.subList(0, Math.min(MOST_LINES, all.size()))) {
      out.raw("<li>").text(line.of(one)).raw("</li>\n");
    }
    if (all.size() > MOST_LINES) {
      out.raw("<li>").text("and " + (all.size() - MOST_LINES) + " more").raw("</li>\n");
    }
    out.raw("</ul></dd>\n");
  }
}
