package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.application.app.ApplicationEngine;
import com.thorbis.backup.application.app.ApplicationReport.ComponentReport;
import com.thorbis.backup.application.app.ApplicationRestore;
import com.thorbis.backup.application.app.ApplicationType;
import com.thorbis.backup.application.app.ApplyMode;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.application.app.RestoreWish;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "app",
    description = "Back up applications, and bring parts of them back.",
    subcommands = {AppCommand.Backup.class, AppCommand.Restore.class})
final class AppCommand extends Group {
  /** Whether sources of a type are applications. */
  static boolean isApplication(String type) {
    return Arrays.stream(ApplicationType.values()).anyMatch(it -> it.label().equals(type));
  }

  @Command(
      name = "backup",
      description = {
        "Back up source, configuration, artifacts, what is live and, through their own source, files.",
        "A component that fails stops no other."
      })
  static final class Backup extends Job {
    @Parameters(
        arity = "0..1",
        paramLabel = "NAME",
        description = "An application; else all of them.")
    @Nullable String name;

    @Option(names = "--label", paramLabel = "TEXT", description = "Words that find it again.")
    @Nullable String label;

    @Override
    public Integer call() {
      String chosen = name;
      if (chosen != null) {
        ApplicationEngine.Taken taken = thorbis().writing(opened -> take(opened, chosen));
        thorbis().print(json(taken), out -> people(taken, out));
        return Exit.DONE;
      }
      List<String> types =
          Arrays.stream(ApplicationType.values()).map(ApplicationType::label).toList();
      List<String> names =
          thorbis().config().sources().entrySet().stream()
              .filter(source -> isApplication(source.getValue().type()))
              .map(Map.Entry::getKey)
              .toList();
      if (names.isEmpty()) {
        throw Failure.usage(
            "No application is configured",
            "Add a source of type " + String.join(", ", types) + ".");
      }
      return thorbis().writing(opened -> all(opened, names));
    }

    private ApplicationEngine.Taken take(ThorbisBackup opened, String application) {
      ApplicationEngine engine = opened.engine(application, ApplicationEngine.class);
      return thorbis()
          .followed(
              control ->
                  said(
                      () ->
                          engine.backUp(
                              Optional.ofNullable(label),
                              Optional.of(
                                  files ->
                                      opened.backup(BackupRequest.builder(files).build(), control)),
                              opened.repository(),
                              control)));
    }

    /** One that fails does not stop the others. */
    private int all(ThorbisBackup opened, List<String> names) {
      List<Map<String, @Nullable Object>> items = new ArrayList<>();
      List<ApplicationEngine.Taken> taken = new ArrayList<>();
      int worst = Exit.DONE;
      for (String application : names) {
        try {
          ApplicationEngine.Taken one = take(opened, application);
          taken.add(one);
          items.add(json(one));
        } catch (BackupException e) {
          if (e.kind() == FailureKind.CANCELLED) {
            throw e;
          }
          worst = Math.max(worst, Exit.of(e.kind()));
          thorbis().host().err().println("thorbis: " + application + ": " + e.getMessage());
          if (!e.remedy().isEmpty()) {
            thorbis().host().err().println("  " + e.remedy());
          }
          items.add(
              Json.object(
                  "source",
                  application,
                  "error",
                  Json.object(
                      "code", e.code(),
                      "message", e.getMessage(),
                      "remedy", e.remedy(),
                      "details", e.details())));
        }
      }
      thorbis().print(Json.object("items", items), out -> taken.forEach(one -> people(one, out)));
      return worst;
    }

    private static Map<String, @Nullable Object> json(ApplicationEngine.Taken taken) {
      Map<String, @Nullable Object> facts = Facts.backup(taken.backup());
      facts.put("application", taken.report().type());
      facts.put("components", taken.report().components().stream().map(Backup::component).toList());
      return facts;
    }

    private static Map<String, @Nullable Object> component(ComponentReport one) {
      Map<String, @Nullable Object> documents = new LinkedHashMap<>();
      one.documents()
          .forEach(
              (file, reference) ->
                  documents.put(
                      file,
                      Json.object("length", reference.length(), "sha256", reference.sha256())));
      return Json.object(
          "name", one.name(),
          "outcome", one.outcome().label(),
          "counts", one.counts(),
          "unchangedSince", one.unchangedSince(),
          "documents", documents,
          "gaps",
              one.gaps().stream()
                  .map(
                      gap ->
                          Json.object(
                              "what", gap.what(),
                              "code", gap.code(),
                              "message", gap.message(),
                              "remedy", gap.remedy()))
                  .toList());
    }

    private void people(ApplicationEngine.Taken taken, PrintStream out) {
      out.println(
          "Backup "
              + taken.backup().id()
              + " of "
              + taken.backup().source()
              + " is "
              + taken.backup().status().label()
              + (taken.backup().partial() ? ", and partial" : ""));
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("COMPONENT", "OUTCOME", "WHAT"));
      for (ComponentReport one : taken.report().components()) {
        String counts =
            one.counts().entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .map(count -> count.getKey() + " " + count.getValue())
                .collect(Collectors.joining(", "));
        rows.add(
            List.of(
                one.name(),
                one.outcome().label(),
                counts + one.unchangedSince().map(id -> "; as in " + id).orElse("")));
      }
      Text.table(rows).forEach(out::println);
      for (Map.Entry<String, Gap> gap : taken.report().gaps()) {
        out.println(
            Text.plain(
                "gap: "
                    + gap.getKey()
                    + ": "
                    + gap.getValue().message()
                    + " ("
                    + gap.getValue().code()
                    + ")"
                    + (gap.getValue().remedy().isEmpty() ? "" : ". " + gap.getValue().remedy())));
      }
      if (thorbis().config().sealed().isPresent()) {
        out.println("It counts when a host that opens the repository has run offers adopt");
      }
    }
  }

  @Command(
      name = "restore",
      description = {
        "Bring parts of an application back. A plan comes first; nothing is deleted, and nothing that",
        "stands on a platform is overwritten unless --mode says so."
      })
  static final class Restore extends Job {
    @Parameters(paramLabel = "NAME", description = "An application.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String name;

    @Option(names = "--backup", paramLabel = "ID", description = "Which; else the newest.")
    @Nullable String backup;

    @Option(
        names = "--component",
        paramLabel = "COMPONENT",
        description = "This one alone; may be given again.")
    List<String> components = new ArrayList<>();

    @Option(
        names = "--into",
        paramLabel = "DIR",
        description = "A new or empty folder for clones, files and documents.")
    @Nullable Path into;

    @Option(
        names = "--mode",
        paramLabel = "create-missing|overwrite",
        description = "What happens to what stands on a platform. Default: create-missing.")
    @Nullable String mode;

    @Option(names = "--plan", description = "Say what would be done; write nothing.")
    boolean planOnly;

    @Option(names = "--yes", description = "Change what is in use without asking.")
    boolean yes;

    @Override
    public Integer call() {
      String said = mode == null ? ApplyMode.CREATE_MISSING.label() : mode;
      ApplyMode wanted =
          ApplyMode.ofLabel(said)
              .orElseThrow(
                  () ->
                      Failure.usage(
                          "--mode: there is no \"" + said + "\"",
                          "Write "
                              + Arrays.stream(ApplyMode.values())
                                  .map(ApplyMode::label)
                                  .collect(Collectors.joining(" or "))
                              + "."));
      Path folder = into;
      Optional<Path> target =
          folder == null
              ? Optional.empty()
              : Optional.of(thorbis().host().folder().resolve(folder).normalize());
      RestoreWish wish = new RestoreWish(target, wanted);
      return thorbis()
          .reading(opened -> thorbis().followed(control -> said(() -> run(opened, wish, control))));
    }

    private int run(ThorbisBackup opened, RestoreWish wish, RunControl control) throws IOException {
      Repository repository = opened.repository();
      ApplicationEngine engine = opened.engine(name, ApplicationEngine.class);
      BackupId id = id(engine, repository);
      try (ApplicationRestore restore =
          engine.restore(id, new LinkedHashSet<>(components), wish, repository)) {
        List<Step> plan = restore.plan();
        if (planOnly) {
          thorbis()
              .print(
                  Json.object(
                      "backup", id,
                      "mode", wish.mode().label(),
                      "steps", plan.stream().map(Restore::json).toList()),
                  out -> people(id, plan, out));
          return plan.stream().anyMatch(step -> step.action() == Step.Action.UNAVAILABLE)
              ? Exit.FAILED
              : Exit.DONE;
        }
        if (!yes && plan.stream().anyMatch(Restore::touchesWhatIsInUse)) {
          people(id, plan, thorbis().host().err());
          thorbis().host().confirm("application.not-confirmed", "app restore --plan");
        }
        List<ApplicationRestore.Result> results =
            new RestoreRecord(thorbis(), "application", name)
                .from(id)
                .say("components", components)
                .say("into", wish.into().isPresent() ? "folder" : "platform")
                .say("mode", wish.mode().label())
                .around(opened, () -> restore.run(plan, control), Restore::told);
        thorbis()
            .print(
                Json.object(
                    "backup", id,
                    "mode", wish.mode().label(),
                    "results", results.stream().map(Restore::json).toList()),
                out -> results(id, results, out));
        return results.stream().anyMatch(result -> result.done() == ApplicationRestore.Done.FAILED)
            ? Exit.FAILED
            : Exit.DONE;
      }
    }

    private static void told(List<ApplicationRestore.Result> results, RestoreRecord record) {
      record.say(
          "results",
          RestoreRecord.counts(results.stream().map(result -> result.done().label()).toList()));
      results.stream()
          .filter(result -> result.done() == ApplicationRestore.Done.FAILED)
          .findFirst()
          .ifPresent(result -> record.failed(result.code()));
    }

    private static boolean touchesWhatIsInUse(Step step) {
      return step.action() == Step.Action.CREATE || step.action() == Step.Action.UPDATE;
    }

    private BackupId id(ApplicationEngine engine, Repository repository) {
      String named = backup;
      if (named != null) {
        try {
          return new BackupId(named);
        } catch (IllegalArgumentException e) {
          throw Failure.usage(
              "--backup: \"" + named + "\" is no id", "See them with list " + name + ".");
        }
      }
      return engine
          .newest(repository)
          .map(BackupDescriptor::id)
          .orElseThrow(
              () ->
                  BackupException.of(
                          "backup.not-found",
                          FailureKind.NOT_FOUND,
                          "There is no backup of " + name + " that can be restored")
                      .remedy("Take one with app backup, or look with list.")
                      .build());
    }

    private static Map<String, @Nullable Object> json(Step step) {
      return Json.object(
          "subject", step.subject(),
          "action", step.action().label(),
          "reason", step.reason(),
          "previous", step.previous());
    }

    private static Map<String, @Nullable Object> json(ApplicationRestore.Result result) {
      return Json.object(
          "subject", result.step().subject(),
          "action", result.step().action().label(),
          "outcome", result.done().label(),
          "code", result.code().isEmpty() ? null : result.code(),
          "message", result.message(),
          "remedy", result.remedy().isEmpty() ? null : result.remedy(),
          "previous", result.step().previous());
    }

    private static void people(BackupId id, List<Step> plan, PrintStream out) {
      out.println("From backup " + id + ":");
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("WHAT", "ACTION", "WHY"));
      plan.forEach(
          step ->
              rows.add(
                  List.of(
                      step.subject(),
                      step.action().label(),
                      step.reason()
                          + step.previous().map(was -> "; there now: " + was).orElse(""))));
      Text.table(rows).forEach(out::println);
    }

    private static void results(
        BackupId id, List<ApplicationRestore.Result> results, PrintStream out) {
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("WHAT", "OUTCOME", "MESSAGE"));
      for (ApplicationRestore.Result result : results) {
        String was =
            result.done() == ApplicationRestore.Done.DONE
                ? result.step().previous().map(text -> "; it was " + text).orElse("")
                : "";
        rows.add(
            List.of(
                result.step().subject(),
                result.done().label(),
                result.message()
                    + was
                    + (result.remedy().isEmpty() ? "" : ". " + result.remedy())));
      }
      Text.table(rows).forEach(out::println);
      out.println(
          "Backup "
              + id
              + ": "
              + Arrays.stream(ApplicationRestore.Done.values())
                  .map(
                      done ->
                          results.stream().filter(one -> one.done() == done).count()
                              + " "
                              + done.label())
                  .collect(Collectors.joining(", ")));
    }
  }
}
