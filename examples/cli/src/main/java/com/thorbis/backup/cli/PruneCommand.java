package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupState;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.TierMoves;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "prune",
    description = {
      "Give up the backups and the log that retention lets go of, and remove what was given up",
      "earlier and is past its grace. Until then undelete brings a backup back. With --backup:"
          + " give",
      "up this one backup, whatever retention says, and remove nothing."
    })
final class PruneCommand extends Job {
  @Parameters(
      arity = "0..1",
      paramLabel = "SOURCE",
      description = "One source; else all that have a retention.")
  @Nullable String source;

  @Option(names = "--plan", description = "Say what would go and why; change nothing.")
  boolean planOnly;

  @Option(
      names = "--forecast",
      paramLabel = "TIME",
      description = {
        "Say what retention will have left until so far ahead, such as 400d, if every backup",
        "succeeds and is verified; change nothing."
      })
  @Nullable String forecast;

  @Option(
      names = "--every",
      paramLabel = "TIME",
      description =
          "With --forecast: how often a backup is made. Default: as its schedule says, else 1d.")
  @Nullable String every;

  @Option(names = "--yes", description = "Do it without asking.")
  boolean yes;

  @Option(
      names = "--allow-many",
      description = "Let more go than the policy's most-deleted-percent.")
  boolean allowMany;

  @Option(names = "--backup", paramLabel = "ID", description = "Give up this backup and no other.")
  @Nullable String backup;

  @Option(
      names = "--allow-last",
      description = "With --backup: even the last one that can be restored, or was verified.")
  boolean allowLast;

  @Override
  public Integer call() {
    String chosen = backup;
    if (forecast != null) {
      return forecast(forecast, chosen);
    }
    if (every != null) {
      throw Failure.usage("--every is of no use without --forecast", "Say how far ahead to look.");
    }
    if (chosen == null) {
      if (allowLast) {
        throw Failure.usage("--allow-last is of no use without --backup", "Name a backup.");
      }
      Map<String, RetentionPolicy> policies = policies();
      return run(opened -> requests(policies));
    }
    if (source != null || allowMany) {
      throw Failure.usage("--backup goes with neither SOURCE nor --allow-many", "Leave them out.");
    }
    return run(opened -> List.of(request(opened, chosen)));
  }

  private int forecast(String ahead, @Nullable String chosen) {
    if (chosen != null || yes || allowMany || allowLast) {
      throw Failure.usage(
          "--forecast goes with none of --backup, --yes, --allow-many and --allow-last",
          "Leave them out: a forecast changes nothing.");
    }
    PruneForecast forecast = PruneForecast.until(ahead, every);
    Map<String, RetentionPolicy> policies = policies();
    return thorbis()
        .reading(
            opened -> {
              policies.forEach(
                  (name, policy) ->
                      forecast.of(opened, name, policy, thorbis().config().timetable()));
              thorbis().print(forecast.json(), forecast::show);
              return Exit.DONE;
            });
  }

  private int run(Function<ThorbisBackup, List<PruneRequest.Builder>> requests) {
    return planOnly
        ? thorbis().reading(opened -> plan(plans(opened, requests.apply(opened))))
        : thorbis().writing(opened -> prune(opened, requests.apply(opened)));
  }

  private PruneRequest.Builder request(ThorbisBackup opened, String chosen) {
    BackupId id = Words.backupId(chosen);
    BackupDescriptor found = // from the catalogue: its own manifest may be beyond reading
        opened.states(Optional.empty()).stream()
            .map(BackupState::backup)
            .filter(each -> each.id().equals(id))
            .findFirst()
            .orElseThrow(() -> missing(opened, id));
    return PruneRequest.builder(found).lastAllowed(allowLast);
  }

  private static BackupException missing(ThorbisBackup opened, BackupId id) {
    return opened.erasures().stream()
        .filter(one -> one.erased().isPresent() && one.backups().contains(id))
        .findFirst()
        .map(
            one ->
                BackupException.of(
                        "backup.erased",
                        FailureKind.NOT_FOUND,
                        "Backup " + id + ": source " + Words.erasure(one))
                    .remedy("Its packs go with a prune of any source."))
        .orElseGet(
            () ->
                BackupException.of(
                        "backup.not-found",
                        FailureKind.NOT_FOUND,
                        "The repository has no backup " + id)
                    .remedy("Look with list."))
        .build();
  }

  private List<PruneRequest.Builder> requests(Map<String, RetentionPolicy> policies) {
    List<PruneRequest.Builder> requests = new ArrayList<>();
    policies.forEach(
        (name, policy) -> requests.add(PruneRequest.builder(name, policy).confirmed(allowMany)));
    return requests;
  }

  private int plan(List<PrunePlan> plans) {
    thorbis().print(json(plans, List.of()), out -> plans.forEach(plan -> show(plan, out)));
    return Exit.DONE;
  }

  private int prune(ThorbisBackup opened, List<PruneRequest.Builder> requests) {
    List<PrunePlan> plans = plans(opened, requests);
    if (!yes) {
      plans.forEach(plan -> show(plan, thorbis().host().err()));
      thorbis().host().confirm("prune.not-confirmed", "prune --plan");
    }
    List<PruneReport> reports = new ArrayList<>();
    for (int i = 0; i < plans.size(); i++) {
      PruneRequest request =
          requests.get(i).plan(plans.get(i)).grace(thorbis().config().grace()).build();
      PruneReport report = thorbis().followed(control -> opened.prune(request, control));
      HostEvidence.of(thorbis(), opened).pruned(opened, report);
      reports.add(report);
    }
    thorbis()
        .print(
            json(reports.stream().map(PruneReport::plan).toList(), reports),
            out -> reports.forEach(report -> show(report, out)));
    return Exit.DONE;
  }

  private Map<String, RetentionPolicy> policies() {
    Map<String, RetentionPolicy> found = new LinkedHashMap<>();
    String only = source;
    thorbis()
        .config()
        .sources()
        .forEach(
            (name, config) -> {
              if (only == null || only.equals(name)) {
                config
                    .retention()
                    .map(policy -> allowMany ? policy.withMostDeletedPercent(100) : policy)
                    .ifPresent(policy -> found.put(name, policy));
              }
            });
    if (only != null && !thorbis().config().sources().containsKey(only)) {
      throw BackupException.of(
              "source.not-configured",
              FailureKind.NOT_FOUND,
              "No source \"" + only + "\" is configured")
          .remedy("Add it under sources.")
          .build();
    }
    if (found.isEmpty()) {
      throw Failure.usage(
          (only == null ? "No source says" : "Source " + only + " does not say")
              + " what stays: nothing is ever given up",
          "Set sources."
              + (only == null ? "NAME" : only)
              + ".retention to a policy below retention, or to critical, standard or logs.");
    }
    return found;
  }

  private static List<PrunePlan> plans(ThorbisBackup opened, List<PruneRequest.Builder> requests) {
    return requests.stream().map(request -> opened.planPrune(request.build())).toList();
  }

  private static Map<String, @Nullable Object> json(
      List<PrunePlan> plans, List<PruneReport> reports) {
    List<Map<String, @Nullable Object>> items = new ArrayList<>();
    List<Map<String, @Nullable Object>> copies = new ArrayList<>();
    List<String> alarms = new ArrayList<>();
    for (PrunePlan plan : plans) {
      for (RetentionPlan.Decision decision : plan.retention().decisions()) {
        items.add(
            Json.object(
                "backup", decision.backup(),
                "source", plan.retention().source(),
                "keep", decision.keep(),
                "reasons", decision.reasons()));
      }
      plan.copies().forEach(copy -> copies.addAll(decisions(copy)));
      if (reports.isEmpty()) {
        alarms.addAll(plan.retention().alarms());
        plan.copies().forEach(copy -> alarms.addAll(alarms(copy)));
      }
    }
    reports.forEach(report -> alarms.addAll(report.alarms()));
    return Json.object(
        "items", items,
        "copies", copies,
        "letGo",
            reports.stream()
                .flatMap(report -> report.copies().stream())
                .map(
                    copy ->
                        Json.object(
                            "copy", copy.copy(),
                            "backups", copy.letGo(),
                            "objectsRemoved", copy.objectsRemoved(),
                            "bytesFreed", copy.bytesFreed()))
                .toList(),
        "deleted", reports.stream().flatMap(report -> report.deleted().stream()).toList(),
        "swept", reports.stream().flatMap(report -> report.swept().stream()).toList(),
        "objectsRemoved", reports.stream().mapToLong(PruneReport::objectsRemoved).sum(),
        "bytesFreed", reports.stream().mapToLong(PruneReport::bytesFreed).sum(),
        "unknown", reports.stream().flatMap(report -> report.unknown().stream()).toList(),
        "tiers",
            plans.stream().flatMap(plan -> plan.tiers().stream()).map(PruneCommand::json).toList(),
        "moved",
            reports.stream()
                .flatMap(report -> report.moved().stream())
                .map(PruneCommand::json)
                .toList(),
        "alarms", alarms);
  }

  private static Map<String, @Nullable Object> json(TierMoves moves) {
    return Json.object(
        "copy", moves.copy(),
        "source", moves.source(),
        "from", moves.from(),
        "to", moves.to(),
        "reason", moves.reason(),
        "objects", moves.objects(),
        "bytes", moves.bytes());
  }

  private static String words(TierMoves moves) {
    return moves.copy()
        + ": "
        + moves.objects()
        + " objects with "
        + Text.bytes(moves.bytes())
        + (moves.moves()
            ? ", from " + moves.from() + " to " + moves.to()
            : ", " + moves.from() + ", stay")
        + ": "
        + moves.reason();
  }

  private static List<Map<String, @Nullable Object>> decisions(PrunePlan.CopyPlan copy) {
    List<Map<String, @Nullable Object>> items = new ArrayList<>();
    for (RetentionPlan.Decision decision : copy.retention().decisions()) {
      items.add(
          Json.object(
              "copy", copy.copy(),
              "backup", decision.backup(),
              "source", copy.retention().source(),
              "keep", decision.keep(),
              "reasons", decision.reasons()));
    }
    return items;
  }

  private static List<String> alarms(PrunePlan.CopyPlan copy) {
    return copy.retention().alarms().stream()
        .map(alarm -> alarm + " (" + copy.copy() + ")")
        .toList();
  }

  private static void show(PrunePlan plan, PrintStream out) {
    show(plan.retention(), "STAYS", out);
    for (BackupId id : plan.sweeps()) {
      out.println(id + " was deleted, and its grace is over: its bytes go");
    }
    plan.retention().alarms().forEach(alarm -> out.println("alarm: " + alarm));
    plan.copies().forEach(copy -> show(copy, out));
    plan.tiers().forEach(moves -> out.println("tiers: " + words(moves)));
  }

  private static void show(PrunePlan.CopyPlan copy, PrintStream out) {
    out.println();
    out.println("Of what stays, on " + copy.copy() + ":");
    show(copy.retention(), "STAYS THERE", out);
    alarms(copy).forEach(alarm -> out.println("alarm: " + alarm));
  }

  private static void show(RetentionPlan plan, String stays, PrintStream out) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(List.of("BACKUP", "SOURCE", stays, "WHY"));
    for (RetentionPlan.Decision decision : plan.decisions()) {
      rows.add(
          List.of(
              decision.backup().value(),
              plan.source(),
              decision.keep() ? "yes" : "no",
              String.join(", ", decision.reasons())));
    }
    Text.table(rows).forEach(out::println);
  }

  private static void show(PruneReport report, PrintStream out) {
    String name = report.plan().retention().source();
    for (BackupId id : report.deleted()) {
      out.println("deleted: " + id + " of " + name + "; undelete brings it back for now");
    }
    for (BackupId id : report.swept()) {
      out.println("gone: " + id + " of " + name);
    }
    for (PruneReport.CopyReport copy : report.copies()) {
      for (BackupId id : copy.letGo()) {
        out.println("let go: " + id + " of " + name + " on " + copy.copy() + "; others keep it");
      }
      if (copy.objectsRemoved() > 0) {
        out.println(
            copy.copy()
                + ": "
                + copy.objectsRemoved()
                + " objects with "
                + Text.bytes(copy.bytesFreed())
                + " removed");
      }
    }
    report.moved().forEach(moves -> out.println("moved: " + words(moves)));
    report.unknown().forEach(key -> out.println("unknown, left alone: " + key));
    report.alarms().forEach(alarm -> out.println("alarm: " + alarm));
    out.println(
        name
            + ": "
            + report.deleted().size()
            + " backups given up, "
            + report.objectsRemoved()
            + " objects with "
            + Text.bytes(report.bytesFreed())
            + " removed");
  }
}
