package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.drill.DrillReport;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.report.Judgement.Verdict;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * What a report says, worked out from what was observed and from records, and from nothing else:
 * who verifies a report works it out again.
 */
final class Figures {
  /** How far clocks may be apart. */
  private static final Duration CLOCKS = Duration.ofMinutes(5);

  private final Fields observed;
  private final List<EvidenceRecord> records;
  private final Instant now;
  private final Instant from;
  private final List<InForce> stretches;
  private final List<Fields> sources;
  private final List<Item> items;
  private final Tiers tiers;

  private Figures(Map<String, Object> observed, List<EvidenceRecord> records) {
    this.observed = new Fields(observed);
    this.records = records;
    this.now = this.observed.moment("to").orElseThrow(IllegalArgumentException::new);
    this.from = this.observed.moment("from").orElseThrow(IllegalArgumentException::new);
    this.stretches = InForce.of(records, from, now);
    this.sources = sources();
    this.items = Items.of(this.observed, records).stream().map(this::waived).toList();
    this.tiers =
        new Tiers(
            records(
                EvidenceRecord.DR_RUN,
                run -> !run.at().isBefore(from) && !run.at().isAfter(now.plus(CLOCKS))));
  }

  static Map<String, Object> of(
      Map<String, Object> observed, List<EvidenceRecord> records, Map<String, Object> controls) {
    return new Figures(observed, records).all(new Fields(controls));
  }

  private Map<String, Object> all(Fields controls) {
    Map<String, Object> figures = new LinkedHashMap<>();
    List<Judgement> period = period();
    Judgement worst = Judgement.worst(period);
    figures.put("verdict", worst.verdict().good() ? "met" : "not-met");
    figures.put(
        "reasons",
        period.stream()
            .filter(one -> worst.verdict().good() || !one.verdict().good())
            .map(one -> Map.of("verdict", one.verdict().label(), "why", one.why()))
            .distinct()
            .toList());
    figures.put(
        "population",
        stretches.stream()
            .map(
                one ->
                    Map.of(
                        "from", one.from().toString(),
                        "to", one.to().toString(),
                        "assumed", one.assumed(),
                        "records", one.records()))
            .toList());
    figures.put("expected", counts());
    figures.put("items", items.stream().map(Item::json).toList());
    figures.put("sources", sources.stream().map(this::source).toList());
    List<Map<String, Object>> kept = tiers.json();
    if (!kept.isEmpty()) { // reports of periods without a run are as they were
      figures.put("tiers", kept);
    }
    figures.put("controls", controls.objects("controls").stream().map(this::control).toList());
    figures.put("deviations", deviations());
    Map<String, Object> signers = new TreeMap<>();
    for (EvidenceRecord record : records) {
      signers.merge(
          record.signature().map(EvidenceRecord.Signature::key).orElse("unsigned"),
          1L,
          (one, more) -> (Long) one + (Long) more);
    }
    figures.put("signers", signers);
    return figures;
  }

  /** How many of each kind of thing were expected, and what there is of them. */
  private Map<String, Object> counts() {
    Map<String, Map<String, Object>> counts = new LinkedHashMap<>();
    for (String what : List.of("backup", "drill", "exercise", "alarm")) {
      Map<String, Object> each = new LinkedHashMap<>();
      for (Verdict verdict : Verdict.values()) {
        each.put(
            verdict.label(),
            items.stream()
                .filter(one -> one.what().equals(what) && one.verdict() == verdict)
                .count());
      }
      counts.put(what, each);
    }
    return new LinkedHashMap<>(counts);
  }

  /** What is to be said of all that was expected. */
  private List<Judgement> period() {
    List<Judgement> all = new ArrayList<>();
    for (String problem : observed.texts("problems")) {
      all.add(Judgement.of(Verdict.UNKNOWN, problem));
    }
    if (stretches.isEmpty()) {
      all.add(
          Judgement.of(
              Verdict.MISSING, "nobody ever recorded what is expected: there is no population"));
    } else if (stretches.get(0).assumed()) {
      all.add(
          Judgement.of(
              Verdict.UNKNOWN,
              "what was expected before "
                  + Texts.time(stretches.get(0).to())
                  + " is not recorded; what was recorded first is taken"));
    }
    all.add(chain());
    for (Verdict verdict : Verdict.values()) {
      long count = items.stream().filter(one -> one.verdict() == verdict).count();
      if (count > 0) {
        all.add(
            Judgement.of(
                verdict,
                verdict.label() + ": " + count + " of " + items.size() + " that were expected"));
      }
    }
    for (Fields source : sources) {
      all.add(backup(source, 7));
      if (source.span("rpoMillis").isPresent()) {
        all.add(rpo(source));
      }
      if (source.span("rtoMillis").isPresent()) {
        all.add(rto(source, 92));
      }
    }
    all.addAll(tiers.missed());
    return all;
  }

  /** An item that somebody said need not be there. */
  private Item waived(Item item) {
    if (item.verdict() == Verdict.PRESENT) {
      return item;
    }
    for (EvidenceRecord waiver :
        records(
            EvidenceRecord.WAIVER,
            record -> record.subject().equals(item.what() + " " + item.subject()))) {
      Fields document = new Fields(waiver.document());
      Optional<Instant> begin = document.findMoment("from");
      Optional<Instant> end = document.findMoment("until");
      Optional<String> approver = document.text("approver");
      if (begin.isPresent()
          && end.isPresent()
          && approver.isPresent()
          && !item.due().isBefore(begin.get())
          && item.due().isBefore(end.get())) {
        boolean late = item.due().isBefore(waiver.at().minus(CLOCKS));
        return new Item(
            item.what(),
            item.subject(),
            item.detail(),
            item.due(),
            late ? item.verdict() : Verdict.WAIVED,
            late
                ? item.why()
                    + "; "
                    + approver.get()
                    + " answered for it when it had been due, at "
                    + Texts.time(waiver.at())
                : "waived by " + approver.get() + "; without that: " + item.why(),
            Optional.of(waiver.id()),
            item.assumed());
      }
    }
    return item;
  }

  /** All that have something of their own to bring back: what is stored, and what is expected. */
  private List<Fields> sources() {
    Map<String, Map<String, Object>> found = new TreeMap<>();
    for (Fields source : observed.objects("sources")) {
      if (!source.require("type").equals("evidence")) {
        found.put(source.require("name"), new LinkedHashMap<>(source.json()));
      }
    }
    if (!stretches.isEmpty()) {
      stretches.get(stretches.size() - 1).sources().values().stream()
          .filter(one -> !one.type().equals("evidence"))
          .forEach(
              one -> {
                Map<String, Object> json =
                    found.computeIfAbsent(one.name(), any -> new LinkedHashMap<>());
                json.put("name", one.name());
                json.put("type", one.type());
                one.owner().ifPresent(it -> json.put("owner", it));
                one.rpo().ifPresent(it -> json.put("rpoMillis", it.toMillis()));
                one.rto().ifPresent(it -> json.put("rtoMillis", it.toMillis()));
                one.drillEvery().ifPresent(it -> json.put("drillEveryMillis", it.toMillis()));
                one.retention().ifPresent(it -> json.put("retention", it));
                json.put("scheduled", !one.due().isEmpty());
              });
    }
    return found.values().stream().map(Fields::new).toList();
  }

  private List<Fields> drilled() {
    return sources.stream()
        .filter(source -> !source.require("type").equals("recovery-point"))
        .toList();
  }

  private List<EvidenceRecord> records(String kind, Predicate<EvidenceRecord> which) {
    return records.stream()
        .filter(record -> record.kind().equals(kind) && which.test(record))
        .sorted(Comparator.comparing(EvidenceRecord::at))
        .toList();
  }

  private List<EvidenceRecord> drills(Fields source) {
    return records(
        EvidenceRecord.DRILL,
        record ->
            record.subject().equals(source.require("name"))
                // One that was interrupted says nothing, and one of a clock that was ahead is no
                // later than those that others did since.
                && !record.outcome().equals(EvidenceRecord.ABORTED)
                && !record.at().isAfter(now.plus(CLOCKS)));
  }

  private static Optional<EvidenceRecord> last(List<EvidenceRecord> some) {
    return some.isEmpty() ? Optional.empty() : Optional.of(some.get(some.size() - 1));
  }

  private static boolean passed(EvidenceRecord record) {
    return record.outcome().equals(EvidenceRecord.PASSED);
  }

  /** What bringing it back took in a drill: its stages, or all of it where it names none. */
  static Optional<Duration> took(EvidenceRecord drill) {
    return DrillReport.restored(drill.document());
  }

  static Optional<Duration> lost(EvidenceRecord drill) {
    return new Fields(drill.document()).object("loss").span("millis");
  }

  private Map<String, Object> source(Fields source) {
    Map<String, Object> figures = new LinkedHashMap<>();
    figures.put("name", source.require("name"));
    figures.put("backup", backup(source, 7).json());
    figures.put("rpo", rpo(source).json());
    figures.put("rto", rto(source, 92).json());
    figures.put("drill", drill(source, 92).json());
    figures.put("retention", retention(source, 31).json());
    List<Duration> measured =
        drills(source).stream().filter(Figures::passed).flatMap(one -> took(one).stream()).toList();
    if (!measured.isEmpty()) {
      figures.put("measured", measured(measured));
    }
    for (String said :
        List.of("type", "owner", "rpoMillis", "rtoMillis", "drillEveryMillis", "retention")) {
      Object value = source.json().get(said);
      if (value != null) {
        figures.put(said.equals("retention") ? "policy" : said, value);
      }
    }
    return figures;
  }

  /** How often it was measured, and what came of it. */
  static Map<String, Object> measured(List<Duration> spans) {
    List<Duration> sorted = spans.stream().sorted().toList();
    return Map.of(
        "count", sorted.size(),
        "lastMillis", spans.get(spans.size() - 1).toMillis(),
        "medianMillis", sorted.get(sorted.size() / 2).toMillis(),
        "worstMillis", sorted.get(sorted.size() - 1).toMillis());
  }

  private List<Item> items(String what, Fields source) {
    return items.stream()
        .filter(one -> one.what().equals(what) && one.subject().equals(source.require("name")))
        .toList();
  }

  private Map<String, Object> control(Fields control) {
    Judgement judged = judge(control);
    Map<String, Object> figures = new LinkedHashMap<>(judged.json());
    figures.put("framework", control.require("framework"));
    figures.put("id", control.require("id"));
    figures.put(
        "evidence",
        control.objects("needs").stream()
            .map(
                need -> {
                  Map<String, Object> one = new LinkedHashMap<>(judgeNeed(need).json());
                  one.put("kind", need.require("evidence"));
                  return one;
                })
            .toList());
    return figures;
  }

  private Judgement judge(Fields control) {
    Judgement judged =
        Judgement.worst(control.objects("needs").stream().map(this::judgeNeed).toList());
    if (judged.verdict() == Verdict.PRESENT) {
      return judged;
    }
    String name = control.require("framework") + " " + control.require("id");
    for (EvidenceRecord waiver :
        records(EvidenceRecord.WAIVER, record -> record.subject().equals(name))) {
      Fields document = new Fields(waiver.document());
      Optional<Instant> until = document.findMoment("until");
      Optional<String> approver = document.text("approver");
      boolean begun = document.findMoment("from").filter(it -> it.isAfter(now)).isEmpty();
      if (begun && until.isPresent() && approver.isPresent() && until.get().isAfter(now)) {
        return Judgement.of(
            Verdict.WAIVED,
            "waived by "
                + approver.get()
                + " until "
                + until.get()
                + document.text("reason").map(reason -> ": " + reason).orElse("")
                + "; without that: "
                + judged.why(),
            waiver.id());
      }
    }
    return judged;
  }

  private Judgement judgeNeed(Fields need) {
    long days = need.number("withinDays").orElse(0);
    return switch (need.require("evidence")) {
      case "backup" -> each(sources, source -> backup(source, days));
      case "rpo" -> each(sources, this::rpo);
      case "rto" -> each(drilled(), source -> rto(source, days));
      case "drill" -> each(drilled(), source -> drill(source, days));
      case "segregation" -> each(drilled(), source -> segregation(source, days));
      case "retention" -> each(sources, source -> retention(source, days));
      case "objectives" -> each(sources, Figures::objectives);
      case "copies" -> copies();
      case "inventory" -> inventory();
      case "encryption" -> encryption();
      case "plan" -> plan();
      case "records" -> chain();
      case "verification" -> each(sources, source -> verification(source, days));
      case "exercise" -> exercise(days);
      case "alarms" -> alarms();
      default -> Judgement.of(Verdict.MISSING, "nothing here can show " + need.require("evidence"));
    };
  }

  private interface Judge {
    Judgement of(Fields source);
  }

  private static Judgement each(List<Fields> sources, Judge judge) {
    return Judgement.worst(sources.stream().map(judge::of).toList());
  }

  private Judgement backup(Fields source, long days) {
    String name = source.require("name");
    if (source.text("problem").isPresent()) {
      return Judgement.of(
          Verdict.UNKNOWN, name + " could not be looked at: " + source.require("problem"));
    }
    Optional<Instant> last = source.object("lastBackup").moment("stoppedAt");
    if (last.isEmpty()) {
      return Judgement.of(Verdict.MISSING, name + " has no backup that can be restored");
    }
    Duration age = Duration.between(last.get(), now);
    List<Item> due = items("backup", source);
    List<Item> bad = due.stream().filter(one -> !one.verdict().good()).toList();
    if (!bad.isEmpty()) {
      return Judgement.of(
          bad.stream().map(Item::verdict).max(Comparator.naturalOrder()).orElseThrow(),
          bad.size() + " of " + due.size() + " backups of " + name + " were not there in time");
    }
    if (!source.flag("scheduled") && age.compareTo(Duration.ofDays(days)) > 0) {
      return Judgement.of(
          Verdict.LATE,
          "the last backup of "
              + name
              + " is "
              + Texts.span(age)
              + " old, more than "
              + days
              + " days, and nothing says when one is due");
    }
    return Judgement.of(
        Verdict.PRESENT,
        name
            + " was backed up "
            + Texts.span(age)
            + " before"
            + (due.isEmpty() ? "" : "; all " + due.size() + " that were due are there"));
  }

  private Judgement rpo(Fields source) {
    String name = source.require("name");
    Optional<Duration> target = source.span("rpoMillis");
    Optional<Duration> lag = source.span("lagMillis");
    if (target.isEmpty()) {
      return Judgement.of(
          Verdict.MISSING, "it is not said how much of " + name + " may be lost (RPO)");
    }
    if (lag.isEmpty()) {
      return Judgement.of(
          source.text("problem").isPresent() ? Verdict.UNKNOWN : Verdict.MISSING,
          "it is not known how far what is stored of " + name + " is behind");
    }
    String both =
        Texts.span(lag.get())
            + " of "
            + name
            + " would be lost, of at most "
            + Texts.span(target.get());
    return Judgement.of(
        lag.get().compareTo(target.get()) > 0 ? Verdict.FAILED : Verdict.PRESENT, both);
  }

  private Judgement rto(Fields source, long days) {
    String name = source.require("name");
    Optional<Duration> target = source.span("rtoMillis");
    if (target.isEmpty()) {
      return Judgement.of(
          Verdict.MISSING, "it is not said how long " + name + " may be away (RTO)");
    }
    Judgement drill = drill(source, days);
    Optional<EvidenceRecord> last = last(drills(source).stream().filter(Figures::passed).toList());
    Optional<Duration> took = last.flatMap(Figures::took);
    if (last.isEmpty() || took.isEmpty()) {
      return Judgement.of(
          Verdict.MISSING, "no drill measured how long bringing " + name + " back takes");
    }
    String both =
        "bringing "
            + name
            + " back took "
            + Texts.span(took.get())
            + ", of at most "
            + Texts.span(target.get());
    if (took.get().compareTo(target.get()) > 0) {
      return Judgement.of(Verdict.FAILED, both, last.get().id());
    }
    return drill.verdict() == Verdict.PRESENT
        ? Judgement.of(Verdict.PRESENT, both, last.get().id())
        : drill;
  }

  private static Optional<String> copy(EvidenceRecord drill) {
    return new Fields(drill.document()).object("choice").text("copy");
  }

  /** That one copy brings a source back says nothing of another one that there is. */
  static List<EvidenceRecord> lastOfEachCopy(Fields observed, List<EvidenceRecord> drills) {
    List<String> copies =
        observed.objects("copies").stream().flatMap(one -> one.text("name").stream()).toList();
    Map<Optional<String>, EvidenceRecord> last = new LinkedHashMap<>();
    for (EvidenceRecord drill : drills) {
      Optional<String> read = copy(drill);
      if (read.isEmpty() || copies.isEmpty() || copies.contains(read.get())) {
        last.put(read, drill);
      }
    }
    return List.copyOf(last.values());
  }

  private Judgement drill(Fields source, long days) {
    String name = source.require("name");
    List<EvidenceRecord> drills = drills(source);
    Optional<EvidenceRecord> last = last(drills);
    Optional<EvidenceRecord> good = last(drills.stream().filter(Figures::passed).toList());
    if (last.isEmpty()) {
      return Judgement.of(Verdict.MISSING, "bringing " + name + " back was never tried");
    }
    Optional<EvidenceRecord> bad =
        lastOfEachCopy(observed, drills).stream().filter(one -> !passed(one)).findFirst();
    if (bad.isPresent()) {
      return Judgement.of(
          Verdict.FAILED,
          "the last drill of "
              + name
              + copy(bad.get()).map(it -> " from copy " + it + " alone").orElse("")
              + " ended "
              + bad.get().outcome(),
          bad.get().id());
    }
    Duration most = Duration.ofDays(days);
    Optional<Duration> every = source.span("drillEveryMillis");
    if (every.isPresent() && every.get().compareTo(most) < 0) {
      most = every.get();
    }
    Duration age = Duration.between(good.orElseThrow().at(), now);
    return age.compareTo(most) > 0
        ? Judgement.of(
            Verdict.LATE,
            "the last drill of "
                + name
                + " that passed is "
                + Texts.span(age)
                + " old, more than "
                + Texts.span(most),
            good.get().id())
        : Judgement.of(
            Verdict.PRESENT,
            "a drill of " + name + " passed " + Texts.span(age) + " before",
            good.get().id());
  }

  private Judgement segregation(Fields source, long days) {
    Judgement drill = drill(source, days);
    if (drill.verdict() != Verdict.PRESENT) {
      return drill;
    }
    EvidenceRecord last = last(drills(source)).orElseThrow();
    List<Fields> isolation = new Fields(last.document()).objects("isolation");
    boolean proven =
        !isolation.isEmpty()
            && isolation.stream().allMatch(one -> one.text("outcome").equals(Optional.of("ok")));
    return proven
        ? Judgement.of(
            Verdict.PRESENT,
            "the drill of " + source.require("name") + " was proven to be apart",
            last.id())
        : Judgement.of(
            Verdict.MISSING,
            "the last drill of " + source.require("name") + " does not show that it was apart",
            last.id());
  }

  private Judgement retention(Fields source, long days) {
    String name = source.require("name");
    if (source.text("retention").isEmpty()) {
      return Judgement.of(Verdict.MISSING, "it is not said which backups of " + name + " stay");
    }
    return recent(
        records(EvidenceRecord.RETENTION, record -> record.subject().equals(name)),
        "a run of retention for " + name,
        days);
  }

  private static Judgement objectives(Fields source) {
    String name = source.require("name");
    List<String> lacking = new ArrayList<>();
    if (source.span("rpoMillis").isEmpty()) {
      lacking.add("RPO");
    }
    if (source.span("rtoMillis").isEmpty()) {
      lacking.add("RTO");
    }
    if (source.text("owner").isEmpty()) {
      lacking.add("owner");
    }
    return lacking.isEmpty()
        ? Judgement.of(Verdict.PRESENT, name + " has objectives and an owner")
        : Judgement.of(Verdict.MISSING, name + " has no " + String.join(", no ", lacking));
  }

  private Judgement verification(Fields source, long days) {
    String name = source.require("name");
    Optional<Instant> at = source.moment("verifiedAt");
    if (at.isEmpty()) {
      return Judgement.of(Verdict.MISSING, "nothing stored of " + name + " was read back");
    }
    Duration age = Duration.between(at.get(), now);
    return age.compareTo(Duration.ofDays(days)) > 0
        ? Judgement.of(
            Verdict.LATE,
            "what is stored of "
                + name
                + " was read back "
                + Texts.span(age)
                + " before, more than "
                + days
                + " days")
        : Judgement.of(
            Verdict.PRESENT,
            "what is stored of " + name + " was read back " + Texts.span(age) + " before");
  }

  private Judgement exercise(long days) {
    List<Item> bad =
        items.stream()
            .filter(one -> one.what().equals("exercise") && !one.verdict().good())
            .toList();
    Judgement recent = recent(records(EvidenceRecord.EXERCISE, any -> true), "an exercise", days);
    return bad.isEmpty()
        ? recent
        : Judgement.worst(
            List.of(
                recent,
                Judgement.of(
                    bad.stream().map(Item::verdict).max(Comparator.naturalOrder()).orElseThrow(),
                    bad.size() + " exercises of the plan were not done in time")));
  }

  private Judgement alarms() {
    if (!observed.flag("alarmsLooked")) {
      return Judgement.of(Verdict.UNKNOWN, "nobody looked for alarms");
    }
    List<Item> bad =
        items.stream().filter(one -> one.what().equals("alarm") && !one.verdict().good()).toList();
    return bad.isEmpty()
        ? Judgement.of(Verdict.PRESENT, "somebody sees to every alarm there is")
        : Judgement.of(
            bad.stream().map(Item::verdict).max(Comparator.naturalOrder()).orElseThrow(),
            "nobody sees to " + bad.size() + " alarms, such as " + bad.get(0).detail());
  }

  private Judgement recent(List<EvidenceRecord> some, String what, long days) {
    Optional<EvidenceRecord> last = last(some);
    if (last.isEmpty()) {
      return Judgement.of(Verdict.MISSING, "there is no record of " + what);
    }
    if (!passed(last.get())) {
      return Judgement.of(
          Verdict.FAILED,
          what + " ended " + last.get().outcome() + " at " + last.get().at(),
          last.get().id());
    }
    Duration age = Duration.between(last.get().at(), now);
    return age.compareTo(Duration.ofDays(days)) > 0
        ? Judgement.of(
            Verdict.LATE,
            what + " is " + Texts.span(age) + " old, more than " + days + " days",
            last.get().id())
        : Judgement.of(Verdict.PRESENT, what + " is " + Texts.span(age) + " old", last.get().id());
  }

  private Judgement copies() {
    return Judgement.worst(
        observed.objects("criteria").stream()
            .map(
                one ->
                    Judgement.of(
                        one.text("verdict").equals(Optional.of("met"))
                            ? Verdict.PRESENT
                            : Verdict.MISSING,
                        one.require("name") + ": " + one.require("reason")))
            .toList());
  }

  private Judgement inventory() {
    return Judgement.worst(
        observed.objects("copies").stream()
            .map(
                one ->
                    one.text("problem")
                        .map(
                            why ->
                                Judgement.of(
                                    Verdict.MISSING,
                                    "copy " + one.require("name") + " could not be asked: " + why))
                        .orElseGet(
                            () ->
                                Judgement.of(
                                    Verdict.PRESENT, "copy " + one.require("name") + " answered")))
            .toList());
  }

  private Judgement encryption() {
    return Judgement.worst(
        observed.objects("keys").stream()
            .map(
                one ->
                    one.texts("problems").isEmpty() && one.number("recipients").orElse(0) > 0
                        ? Judgement.of(Verdict.PRESENT, "every key has those who open it")
                        : Judgement.of(
                            Verdict.FAILED,
                            "key "
                                + one.require("key")
                                + ": "
                                + String.join(", ", one.texts("problems"))))
            .toList());
  }

  private Judgement plan() {
    Optional<EvidenceRecord> last = last(records(Population.KIND, any -> true));
    return last.flatMap(record -> InForce.population(record).plan())
        .map(
            it ->
                Judgement.of(
                    Verdict.PRESENT,
                    "plan " + it.id() + ", version " + it.version() + ", digest " + it.digest(),
                    last.orElseThrow().id()))
        .orElseGet(() -> Judgement.of(Verdict.MISSING, "no plan for recovery is in force"));
  }

  private Judgement chain() {
    List<Fields> problems = observed.objects("evidenceProblems");
    if (!problems.isEmpty()) {
      return Judgement.of(
          Verdict.FAILED,
          "problems with evidence: "
              + problems.size()
              + ", such as "
              + problems.get(0).require("code")
              + " "
              + problems.get(0).require("record"));
    }
    return records.isEmpty()
        ? Judgement.of(Verdict.MISSING, "there are no records")
        : Judgement.of(Verdict.PRESENT, records.size() + " records, each as it was written");
  }

  /** What was not as it should be in the period, and who answers for it. */
  private List<Map<String, Object>> deviations() {
    List<Map<String, Object>> deviations = new ArrayList<>();
    Map<String, String> owners = new LinkedHashMap<>();
    for (Fields source : sources) {
      source.text("owner").ifPresent(owner -> owners.put(source.require("name"), owner));
    }
    for (EvidenceRecord record : records) {
      boolean good =
          passed(record)
              || record.kind().equals(EvidenceRecord.APPROVAL)
              || record.kind().equals(EvidenceRecord.WAIVER);
      if (!good && !record.at().isBefore(from)) {
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("at", record.at().toString());
        one.put("what", record.kind() + " of " + record.subject() + " ended " + record.outcome());
        one.put("owner", owners.getOrDefault(record.subject(), record.actor()));
        one.put("record", record.id());
        deviations.add(one);
      }
    }
    for (Item item : items) {
      if (!item.verdict().good()) {
        Map<String, Object> one = new LinkedHashMap<>();
        one.put("at", item.due().toString());
        one.put(
            "what",
            item.verdict().label()
                + ": "
                + item.what()
                + " of "
                + item.subject()
                + " ("
                + item.detail()
                + "): "
                + item.why());
        one.put("owner", owners.getOrDefault(item.subject(), "nobody named"));
        deviations.add(one);
      }
    }
    for (Judgement one : tiers.missed()) {
      String id = one.records().get(0);
      EvidenceRecord run =
          records.stream().filter(it -> it.id().equals(id)).findFirst().orElseThrow();
      deviations.add(
          Map.of(
              "at", run.at().toString(),
              "what", one.why(),
              "owner", new Fields(run.document()).text("requester").orElse(run.actor()),
              "record", id));
    }
    deviations.sort(Comparator.comparing(one -> String.valueOf(one.get("at"))));
    return deviations;
  }
}
