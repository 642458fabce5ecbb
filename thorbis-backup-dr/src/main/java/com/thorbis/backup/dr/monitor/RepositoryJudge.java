package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.KeysReport;
import com.thorbis.backup.api.RotateRequest;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Turns what was found of copies, keys, writers and clocks into alarms. */
final class RepositoryJudge {
  private RepositoryJudge() {}

  static List<Alarm> copies(List<CheckItem> items) {
    return items.stream()
        .filter(item -> item.outcome() != Outcome.OK)
        .map(
            item ->
                alarm(
                    switch (item.subject()) {
                      case "repository.copy-behind" -> AlarmKind.COPY_BEHIND;
                      case "repository.copy-unreachable" -> AlarmKind.COPY_UNREACHABLE;
                      default -> AlarmKind.COPY_WRONG;
                    },
                    Monitor.COPIES,
                    item,
                    "a copy that can be asked and holds everything"))
        .toList();
  }

  /** What came of trying each recipient; one that could not be asked opens nothing now either. */
  static List<Alarm> recipients(List<CheckItem> items) {
    List<Alarm> alarms = new ArrayList<>();
    for (CheckItem item : items) {
      if (item.outcome() == Outcome.OK) {
        continue;
      }
      switch (item.subject()) {
        case "repository.key" ->
            alarms.add(
                alarm(
                    AlarmKind.KEY_REFUSED,
                    Monitor.RECIPIENTS,
                    item,
                    "a recipient that opens every key"));
        case "repository.key-unreachable" ->
            alarms.add(
                alarm(
                    AlarmKind.NOT_LOOKED,
                    Monitor.RECIPIENTS,
                    item,
                    "a recipient that can be asked"));
        case "repository.key-slot" ->
            alarms.add(
                alarm(AlarmKind.KEY_DAMAGED, Monitor.RECIPIENTS, item, "every wrap of every key"));
        case "repository.erasure" ->
            alarms.add(
                alarm(AlarmKind.ERASURE, Monitor.RECIPIENTS, item, "sources whose keys stay"));
        default -> {
          // Ages of keys are judged by what is stored, whether or not any recipient answers.
        }
      }
    }
    return alarms;
  }

  static List<Alarm> writers(List<CheckItem> items) {
    return items.stream()
        .filter(item -> item.outcome() == Outcome.FAIL)
        .map(
            item ->
                alarm(
                    AlarmKind.FOREIGN_COMMIT,
                    Monitor.WRITERS,
                    item,
                    "commits of those alone who may write"))
        .toList();
  }

  static List<Alarm> keyAges(KeysReport keys, Instant now) {
    List<Alarm> alarms = new ArrayList<>();
    for (KeysReport.Tree tree : keys.trees()) {
      if (tree.epochs().isEmpty()) {
        continue; // it was erased
      }
      Instant since = tree.epochs().get(tree.epochs().size() - 1).since();
      Instant due = since.plus(RotateRequest.INTERVAL);
      if (now.isAfter(due)) {
        alarms.add(
            new Alarm(
                AlarmKind.KEY_OLD,
                Severity.WARNING,
                Monitor.REPOSITORY,
                tree.source().map(source -> "key of " + source).orElse("key of the catalogue"),
                Optional.of(due),
                "a key that is at most " + RotateRequest.INTERVAL.toDays() + " days old",
                "it seals since " + Said.time(since),
                "Run keys rotate, or keys rotate --if-due every day."));
      }
    }
    return alarms;
  }

  static List<Alarm> clock(Duration skew) {
    return skew.abs().compareTo(SourceJudge.MOST_SKEW) <= 0
        ? List.of()
        : List.of(
            new Alarm(
                AlarmKind.CLOCK,
                Severity.WARNING,
                Monitor.CLOCKS,
                "store",
                Optional.empty(),
                "clocks at most " + Said.span(SourceJudge.MOST_SKEW) + " apart",
                "this machine is "
                    + Said.span(skew)
                    + (skew.isNegative() ? " behind" : " ahead of")
                    + " the store: prune refuses to run, and ages are wrong",
                "Set the clocks right."));
  }

  private static Alarm alarm(AlarmKind kind, String area, CheckItem item, String expected) {
    return new Alarm(
        kind,
        item.outcome() == Outcome.FAIL ? Severity.CRITICAL : Severity.WARNING,
        area,
        item.about().orElse("repository"),
        Optional.empty(),
        expected,
        item.message(),
        item.remedy());
  }
}
