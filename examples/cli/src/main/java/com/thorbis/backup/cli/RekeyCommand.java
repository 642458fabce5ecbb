package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.RekeyReport;
import com.thorbis.backup.api.RekeyReport.LogState;
import com.thorbis.backup.api.RekeyRequest;
import com.thorbis.backup.api.RetentionForecast;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.ThorbisBackup;
import java.io.PrintStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "rekey",
    description = {
      "Write backups anew that lie, even in part, under a key before the last of their source, as",
      "after it has leaked: opened, checked, stored under the last one and read back. Each takes the",
      "place of the old one, with its times, its label and its holds; the old one can be undeleted",
      "until prune.grace is over, and prune then removes it. Needs keys rotate before, and room for",
      "what is written. Interrupted, it goes on when it is run again. The log is sealed anew, too, but",
      "for segments that are not whole: it says which."
    })
final class RekeyCommand extends Job {
  private static final Duration DAY = Duration.ofDays(1);
  private static final int MOST_DAYS = 3 * 365;

  @Parameters(
      arity = "0..1",
      paramLabel = "SOURCE",
      description = "The backups and the log of this source; else of all.")
  @Nullable String source;

  @Option(
      names = "--plan",
      description = "Say what would be written and what stays; change nothing.")
  boolean planOnly;

  @Option(
      names = "--before-epoch",
      paramLabel = "N",
      description = {
        "Only what lies under keys before this one of SOURCE, as keys list numbers them. Default: the",
        "last."
      })
  @Nullable Integer beforeEpoch;

  @Option(names = "--yes", description = "Do it without asking.")
  boolean yes;

  /** What is expected of retention, by a source and the backup that needs log. */
  private final Map<BackupId, Instant> until = new HashMap<>();

  @Override
  public Integer call() {
    RekeyRequest request = request();
    RekeyReport report =
        planOnly
            ? thorbis().reading(opened -> expecting(opened, opened.planRekey(request)))
            : thorbis().writing(opened -> expecting(opened, rekey(opened, request)));
    thorbis().print(json(report), out -> people(report, planOnly, out));
    return report.hasFindings() ? Exit.DAMAGED : Exit.DONE;
  }

  private RekeyRequest request() {
    Integer before = beforeEpoch;
    if (before != null && source == null) {
      throw Failure.usage(
          "--before-epoch needs SOURCE: each source numbers its keys itself", "Name the source.");
    }
    if (before != null && before < 2) {
      throw Failure.usage(
          "--before-epoch: no key has a number below 1", "Give the first that nobody else has.");
    }
    return new RekeyRequest(
        Optional.ofNullable(source),
        before == null ? OptionalInt.empty() : OptionalInt.of(before),
        thorbis().config().grace());
  }

  private RekeyReport rekey(ThorbisBackup opened, RekeyRequest request) {
    if (!yes) {
      RekeyReport plan = expecting(opened, opened.planRekey(request));
      if (plan.sources().stream()
          .anyMatch(
              one -> !one.backups().isEmpty() || log(one, LogState.OLDER).findAny().isPresent())) {
        people(plan, true, thorbis().host().err());
        thorbis().host().confirm("keys.not-confirmed", "keys rekey --plan");
      }
    }
    return thorbis().followed(control -> opened.rekey(request, control));
  }

  /** Asks retention when it will have let go of what needs log under older keys. */
  private RekeyReport expecting(ThorbisBackup opened, RekeyReport report) {
    for (RekeyReport.Source one : report.sources()) {
      Set<BackupId> needing = new HashSet<>();
      one.log().forEach(log -> log.neededBy().ifPresent(needing::add));
      Config.SourceConfig configured = thorbis().config().sources().get(one.source());
      Optional<RetentionPolicy> policy =
          configured == null ? Optional.empty() : configured.retention();
      if (!needing.isEmpty() && policy.isPresent()) {
        expect(opened, one.source(), policy.get(), needing);
      }
    }
    return report;
  }

  private void expect(
      ThorbisBackup opened, String name, RetentionPolicy policy, Set<BackupId> needing) {
    Instant now = Instant.now();
    List<Instant> days =
        Stream.iterate(now.plus(DAY), at -> at.plus(DAY)).limit(MOST_DAYS).toList();
    List<RetentionForecast> forecasts;
    try {
      forecasts = opened.forecast(name, policy, days, days);
    } catch (BackupException e) {
      return; // what needs it is said all the same
    }
    List<BackupId> ordered =
        opened.backups(Optional.of(name)).stream().map(BackupDescriptor::id).toList();
    for (BackupId last : needing) {
      Set<BackupId> all = new HashSet<>(ordered.subList(0, ordered.indexOf(last) + 1));
      forecasts.stream()
          .filter(
              forecast ->
                  forecast.backups().stream().map(BackupDescriptor::id).noneMatch(all::contains))
          .findFirst()
          .ifPresent(forecast -> until.put(last, forecast.at()));
    }
  }

  private Map<String, @Nullable Object> json(RekeyReport report) {
    return Json.object(
        "items", report.sources().stream().map(this::json).toList(), "notes", report.notes());
  }

  private Map<String, @Nullable Object> json(RekeyReport.Source one) {
    return Json.object(
        "source", one.source(),
        "epoch", one.epoch(),
        "beforeEpoch", one.before(),
        "backups",
            one.backups().stream()
                .map(
                    backup ->
                        Json.object(
                            "backup", backup.backup(),
                            "anew", backup.anew(),
                            "bytesRead", backup.bytesRead(),
                            "bytesWritten", backup.bytesWritten(),
                            "verified", backup.verified()))
                .toList(),
        "skipped",
            one.skipped().stream()
                .map(
                    skipped ->
                        Json.object(
                            "backup", skipped.backup(),
                            "code", skipped.code(),
                            "reason", skipped.reason()))
                .toList(),
        "deleted",
            one.deleted().stream()
                .map(
                    deleted ->
                        Json.object("backup", deleted.backup(), "sweepAfter", deleted.sweepAfter()))
                .toList(),
        "log",
            one.log().stream()
                .map(
                    log ->
                        Json.object(
                            "state", log.state().name().toLowerCase(Locale.ROOT).replace('_', '-'),
                            "incarnation", log.incarnation(),
                            "timeline", Integer.toUnsignedLong(log.timeline().number()),
                            "segments", log.segments(),
                            "objects", log.objects(),
                            "bytes", log.bytes(),
                            "from", log.from(),
                            "to", log.to(),
                            "neededBy", log.neededBy(),
                            "expectedUntil", log.neededBy().map(until::get),
                            "sweepAfter", log.sweepAfter()))
                .toList(),
        "problems", one.problems());
  }

  private void people(RekeyReport report, boolean plan, PrintStream out) {
    for (RekeyReport.Source one : report.sources()) {
      people(one, plan, out);
    }
    report.notes().forEach(note -> out.println("stays: " + note));
  }

  private void people(RekeyReport.Source one, boolean plan, PrintStream out) {
    String under = " under keys before " + one.before();
    if (one.backups().isEmpty()) {
      out.println(one.source() + ": no backup that counts and can be written anew lies" + under);
    } else {
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("BACKUP", "ANEW", "READ", "WRITTEN", "READ BACK"));
      for (RekeyReport.Backup backup : one.backups()) {
        rows.add(
            List.of(
                backup.backup().value(),
                Text.maybe(backup.anew()),
                Text.bytes(backup.bytesRead()),
                Text.bytes(backup.bytesWritten()),
                plan ? "-" : backup.verified() ? "yes" : "no"));
      }
      Text.table(rows).forEach(out::println);
      long written = one.backups().stream().mapToLong(RekeyReport.Backup::bytesWritten).sum();
      out.println(
          one.source()
              + ": "
              + one.backups().size()
              + (plan ? " backups to be" : " backups")
              + " written anew under key "
              + one.epoch()
              + ", "
              + Text.bytes(written)
              + (plan ? ", about" : "")
              + ". As much more room is taken until prune has removed the old ones, which it may"
              + " after prune.grace");
    }
    one.skipped()
        .forEach(
            skipped ->
                out.println(
                    "stays" + under + ": backup " + skipped.backup() + ": " + skipped.reason()));
    one.problems().forEach(problem -> out.println("problem: " + problem));
    if (!one.deleted().isEmpty()) {
      out.println(
          "stays"
              + under
              + ": "
              + one.deleted().size()
              + " backups that were given up; prune may remove the last of them from "
              + Text.time(
                  one.deleted().stream()
                      .map(RekeyReport.Deleted::sweepAfter)
                      .max(Instant::compareTo)
                      .orElseThrow())
              + " on");
    }
    log(one, LogState.ANEW)
        .forEach(log -> out.println("sealed anew under key " + one.epoch() + ": " + extent(log)));
    log(one, LogState.OLDER)
        .forEach(
            log ->
                out.println(
                    plan
                        ? "to be sealed anew under key " + one.epoch() + ": " + extent(log)
                        : "stays" + under + ": " + extent(log) + ". " + whyOlder(log)));
    log(one, LogState.GIVEN_UP)
        .forEach(
            log ->
                out.println(
                    "stays"
                        + under
                        + ": "
                        + extent(log)
                        + ", which counts no more; prune may remove the last of it from "
                        + log.sweepAfter().map(Text::time).orElse("now")
                        + " on"));
  }

  private static Stream<RekeyReport.Log> log(RekeyReport.Source one, LogState state) {
    return one.log().stream().filter(log -> log.state() == state);
  }

  private String whyOlder(RekeyReport.Log log) {
    return "The segment that is being written, and what was never finished, is not sealed anew: run"
        + " this again when it is whole. "
        + log.neededBy().map(this::words).orElse("No backup needs it: prune lets go of it");
  }

  private static String extent(RekeyReport.Log log) {
    return "log of timeline "
        + log.timeline()
        + " of "
        + log.incarnation()
        + ": "
        + log.segments()
        + " segments, "
        + Text.bytes(log.bytes())
        + log.from().map(from -> " from " + from).orElse("")
        + log.to().map(to -> " to " + to).orElse("");
  }

  private String words(BackupId last) {
    Instant at = until.get(last);
    return "Some of it is kept as long as any backup up to "
        + last
        + (at == null
            ? "; nothing says when that ends"
            : ", until about " + Text.time(at) + " if one is made every day and verified");
  }
}
