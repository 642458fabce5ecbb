package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.report.Judgement.Verdict;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;

/** Everything that was expected in a period, one by one. */
final class Items {
  /** How far clocks of hosts may be apart. */
  private static final Duration MOST_SKEW = Duration.ofMinutes(5);

  /** More than this is not a period, but a mistake. */
  private static final int MOST = 200_000;

  private final Fields observed;
  private final List<EvidenceRecord> records;
  private final List<InForce> stretches;
  private final Instant to;
  private final List<Item> items = new ArrayList<>();

  private Items(Fields observed, List<EvidenceRecord> records) {
    this.observed = observed;
    this.records = records;
    Instant from = observed.moment("from").orElseThrow(IllegalArgumentException::new);
    this.to = observed.moment("to").orElseThrow(IllegalArgumentException::new);
    this.stretches = InForce.of(records, from, to);
  }

  static List<Item> of(Fields observed, List<EvidenceRecord> records) {
    return new Items(observed, records).all();
  }

  private List<Item> all() {
    for (String source : names(InForce::sources)) {
      backups(source);
      drills(source);
    }
    names(InForce::exercises).forEach(this::exercises);
    observed.objects("alarms").forEach(this::alarm);
    return items;
  }

  private Set<String> names(Function<InForce, Map<String, ?>> which) {
    Set<String> names = new LinkedHashSet<>();
    stretches.forEach(stretch -> names.addAll(which.apply(stretch).keySet()));
    return names;
  }

  private void add(Item item) {
    if (items.size() == MOST) {
      throw new IllegalArgumentException(
          "more than " + MOST + " things were expected: take a shorter period");
    }
    items.add(item);
  }

  // ---- backups

  /** A backup that is there, or was. */
  private record Taken(String id, String type, Instant startedAt, Instant stoppedAt) {
    static Optional<Taken> of(Fields json) {
      Optional<String> id = json.text("id");
      Optional<String> type = json.text("type");
      Optional<Instant> started = json.findMoment("startedAt");
      Optional<Instant> stopped = json.findMoment("stoppedAt");
      return id.isPresent() && type.isPresent() && started.isPresent() && stopped.isPresent()
          ? Optional.of(new Taken(id.get(), type.get(), started.get(), stopped.get()))
          : Optional.empty();
    }

    boolean does(String wanted) {
      if (wanted.equals("dump") || type.equals("dump")) {
        return type.equals(wanted);
      }
      return type.equals(wanted)
          || type.equals("full")
          || wanted.equals("incremental") && type.equals("differential");
    }
  }

  private void backups(String source) {
    Optional<Fields> seen =
        observed.objects("sources").stream()
            .filter(one -> one.text("name").equals(Optional.of(source)))
            .findFirst();
    List<Taken> taken = new ArrayList<>();
    seen.ifPresent(
        it ->
            it.objects("backups").stream()
                .filter(one -> one.flag("restorable") && !one.flag("partial"))
                .forEach(one -> Taken.of(one).ifPresent(taken::add)));
    for (EvidenceRecord record : records) {
      if (record.kind().equals(EvidenceRecord.RETENTION) && record.subject().equals(source)) {
        new Fields(record.document())
            .objects("deleted")
            .forEach(one -> Taken.of(one).ifPresent(taken::add));
      }
    }
    taken.sort(Comparator.comparing(Taken::startedAt));
    List<Fields> failures =
        observed.objects("failures").stream()
            .filter(one -> one.text("source").equals(Optional.of(source)))
            .toList();
    Optional<Instant> oldest = taken.stream().map(Taken::startedAt).findFirst();
    for (InForce stretch : stretches) {
      Population.Source expected = stretch.sources().get(source);
      if (expected == null) {
        continue;
      }
      for (Population.Due due : expected.due()) {
        Instant at = due.schedule().next(stretch.from().minusMillis(1));
        while (at.isBefore(stretch.to())) {
          Instant next = due.schedule().next(at);
          backup(expected, due, at, next, stretch.assumed(), seen, taken, failures, oldest);
          at = next;
        }
      }
    }
  }

  private void backup(
      Population.Source source,
      Population.Due due,
      Instant at,
      Instant next,
      boolean assumed,
      Optional<Fields> seen,
      List<Taken> taken,
      List<Fields> failures,
      Optional<Instant> oldest) {
    Instant until = at.plus(due.window());
    Instant first = at.minus(MOST_SKEW);
    Optional<Taken> done =
        taken.stream()
            .filter(
                one ->
                    one.does(due.type())
                        && !one.startedAt().isBefore(first)
                        && one.startedAt().isBefore(next)
                        && !one.stoppedAt().isAfter(to.plus(MOST_SKEW)))
            .min(Comparator.comparing(Taken::stoppedAt));
    Verdict verdict;
    String why;
    if (done.isPresent()) {
      boolean inTime = !done.get().stoppedAt().isAfter(until);
      verdict = inTime ? Verdict.PRESENT : Verdict.LATE;
      why =
          "ended at "
              + Texts.time(done.get().stoppedAt())
              + (inTime
                  ? ""
                  : ", " + Texts.span(Duration.between(until, done.get().stoppedAt())) + " late");
    } else if (!until.isBefore(to)) {
      return; // it still has time
    } else if (seen.isPresent() && seen.get().text("problem").isPresent()) {
      verdict = Verdict.UNKNOWN;
      why = "could not be looked at: " + seen.get().require("problem");
    } else {
      Optional<Fields> failure =
          failures.stream()
              .filter(
                  one ->
                      one.moment("at")
                          .filter(when -> !when.isBefore(first) && !when.isAfter(until))
                          .isPresent())
              .findFirst();
      boolean letGo = source.retention().isPresent() && oldest.filter(at::isBefore).isPresent();
      if (failure.isPresent()) {
        verdict = Verdict.FAILED;
        why = "failed: " + failure.get().text("outcome").orElse("no reason is known");
      } else if (letGo) {
        verdict = Verdict.UNKNOWN;
        why = "retention may have let go of it: no record says what was there then";
      } else {
        verdict = Verdict.MISSING;
        why = seen.isEmpty() ? "the repository has no such source" : "there is none";
      }
    }
    add(
        new Item(
            "backup", source.name(), due.type(), at, verdict, why, done.map(Taken::id), assumed));
  }

  // ---- what has to be done again and again

  private void drills(String source) {
    List<EvidenceRecord> done =
        records.stream()
            .filter(one -> one.kind().equals(EvidenceRecord.DRILL) && one.subject().equals(source))
            .filter(one -> !one.outcome().equals(EvidenceRecord.ABORTED)) // says nothing
            .toList();
    repeated(
        "drill",
        source,
        "restore",
        done,
        stretch ->
            Optional.ofNullable(stretch.sources().get(source))
                .flatMap(Population.Source::drillEvery));
  }

  private void exercises(String id) {
    Optional<Population.Exercise> last =
        stretches.stream()
            .flatMap(stretch -> Optional.ofNullable(stretch.exercises().get(id)).stream())
            .reduce((one, other) -> other);
    Predicate<EvidenceRecord> isIt =
        record ->
            record.subject().equals(id)
                || last.filter(it -> it.scenarios().contains(record.subject())).isPresent()
                    && new Fields(record.document())
                        .text("exercise")
                        .filter(
                            kind -> !kind.equals(last.map(Population.Exercise::kind).orElse("")))
                        .isEmpty();
    List<EvidenceRecord> done =
        records.stream()
            .filter(one -> one.kind().equals(EvidenceRecord.EXERCISE) && isIt.test(one))
            .toList();
    repeated(
        "exercise",
        id,
        last.map(Population.Exercise::kind).orElse(""),
        done,
        stretch ->
            Optional.ofNullable(stretch.exercises().get(id)).map(Population.Exercise::every));
  }

  /** Each time by which it had to be done once more, and at the end whether it is done now. */
  private void repeated(
      String what,
      String subject,
      String detail,
      List<EvidenceRecord> done,
      Function<InForce, Optional<Duration>> interval) {
    List<EvidenceRecord> passed =
        done.stream().filter(one -> one.outcome().equals(EvidenceRecord.PASSED)).toList();
    for (InForce stretch : stretches) {
      Optional<Duration> every = interval.apply(stretch);
      if (every.isEmpty()) {
        continue;
      }
      Instant begin = last(passed, stretch.from()).map(EvidenceRecord::at).orElse(stretch.from());
      Instant until = begin.plus(every.get());
      while (until.isBefore(stretch.to())) {
        Instant since = begin;
        Optional<EvidenceRecord> good = last(passed, until).filter(one -> one.at().isAfter(since));
        if (good.isPresent()) {
          add(item(what, subject, detail, until, Verdict.PRESENT, good, stretch.assumed()));
          begin = good.get().at();
          until = begin.plus(every.get());
          continue;
        }
        Instant due = until;
        Optional<EvidenceRecord> late =
            passed.stream()
                .filter(one -> one.at().isAfter(due) && one.at().isBefore(stretch.to()))
                .min(Comparator.comparing(EvidenceRecord::at));
        Optional<EvidenceRecord> bad =
            done.stream()
                .filter(one -> one.at().isAfter(since) && !one.at().isAfter(due))
                .max(Comparator.comparing(EvidenceRecord::at));
        Verdict verdict =
            late.isPresent() ? Verdict.LATE : bad.isPresent() ? Verdict.FAILED : Verdict.MISSING;
        add(item(what, subject, detail, due, verdict, late.or(() -> bad), stretch.assumed()));
        begin = late.map(EvidenceRecord::at).orElse(due);
        until = begin.plus(every.get());
      }
      if (stretch.to().equals(to)) {
        now(what, subject, detail, done, passed, every.get(), stretch.assumed());
      }
    }
  }

  private void now(
      String what,
      String subject,
      String detail,
      List<EvidenceRecord> done,
      List<EvidenceRecord> passed,
      Duration every,
      boolean assumed) {
    Instant latest = to.plus(MOST_SKEW);
    List<EvidenceRecord> until =
        done.stream()
            .filter(one -> !one.at().isAfter(latest))
            .sorted(Comparator.comparing(EvidenceRecord::at))
            .toList();
    Optional<EvidenceRecord> bad =
        Figures.lastOfEachCopy(observed, until).stream()
            .filter(one -> !one.outcome().equals(EvidenceRecord.PASSED))
            .findFirst();
    Optional<EvidenceRecord> good = last(passed, latest);
    if (bad.isPresent()) {
      add(item(what, subject, detail, to, Verdict.FAILED, bad, assumed));
    } else if (good.isPresent() && !good.get().at().plus(every).isBefore(to)) {
      add(item(what, subject, detail, to, Verdict.PRESENT, good, assumed));
    }
  }

  private static Optional<EvidenceRecord> last(List<EvidenceRecord> some, Instant until) {
    return some.stream()
        .filter(one -> !one.at().isAfter(until))
        .max(Comparator.comparing(EvidenceRecord::at));
  }

  private static Item item(
      String what,
      String subject,
      String detail,
      Instant due,
      Verdict verdict,
      Optional<EvidenceRecord> record,
      boolean assumed) {
    String why =
        record
            .map(one -> one.outcome() + " at " + Texts.time(one.at()))
            .orElse("there is no record of one");
    return new Item(
        what, subject, detail, due, verdict, why, record.map(EvidenceRecord::id), assumed);
  }

  // ---- alarms

  private void alarm(Fields alarm) {
    Optional<String> by = alarm.text("acknowledgedBy");
    boolean critical = alarm.text("severity").equals(Optional.of("critical"));
    add(
        new Item(
            "alarm",
            alarm.require("subject"),
            alarm.require("code"),
            to, // whoever answers for it does so from then on, however long it stood before
            by.isPresent() ? Verdict.PRESENT : critical ? Verdict.FAILED : Verdict.LATE,
            alarm.require("found")
                + alarm.moment("since").map(at -> ", since " + Texts.time(at)).orElse("")
                + by.map(name -> "; " + name + " sees to it").orElse("; nobody sees to it"),
            Optional.empty(),
            false));
  }
}
