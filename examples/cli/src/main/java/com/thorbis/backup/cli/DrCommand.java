package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.plan.Finding;
import com.thorbis.backup.dr.plan.PlanDraft;
import com.thorbis.backup.dr.plan.PlanFacts;
import com.thorbis.backup.dr.plan.PlanReader;
import com.thorbis.backup.dr.plan.Validation;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "dr",
    description = "Check plans for disasters, and carry them out.",
    subcommands = {
      DrCommand.Validate.class,
      DrRunCommands.Start.class,
      DrRunCommands.Resume.class,
      DrRunCommands.Approve.class,
      DrRunCommands.Done.class,
      DrRunCommands.Retry.class,
      DrRunCommands.Commit.class,
      DrRunCommands.Abort.class,
      DrRunCommands.OverrideStore.class,
      DrRunCommands.Note.class,
      DrRunCommands.Status.class,
      DrTestCommands.Test.class
    })
final class DrCommand extends Group {
  /** The file of the plan: the one that is named, or the configured one. */
  static Path planFile(Thorbis thorbis, @Nullable Path named) {
    if (named != null) {
      return thorbis.host().folder().resolve(named).normalize();
    }
    return thorbis
        .config()
        .dr()
        .plan()
        .orElseThrow(
            () ->
                BackupException.of(
                        "configuration.invalid",
                        FailureKind.CONFIGURATION,
                        thorbis.config().file() + " names no plan")
                    .remedy("Set dr.plan to its file, or name the file.")
                    .build());
  }

  @Command(
      name = "validate",
      description = {
        "Check whether a plan can work: by itself, and against what is stored and how far behind it",
        "is. Exits 2 if it does not load."
      })
  static final class Validate extends Job {
    @Parameters(
        arity = "0..1",
        paramLabel = "FILE",
        description = "The plan; else what dr.plan of the configuration names.")
    @Nullable Path file;

    @Option(names = "--offline", description = "Do not open the repository.")
    boolean offline;

    @Option(names = "--example", description = "Print a plan to start from, and check nothing.")
    boolean example;

    @Override
    public Integer call() {
      if (example) {
        thorbis()
            .print(
                Json.object("plan", PlanReader.example()), out -> out.print(PlanReader.example()));
        return Exit.DONE;
      }
      Path chosen = planFile(thorbis(), file);
      PlanDraft draft = PlanReader.read(Config.read(chosen), chosen.toString());
      List<String> notes = new ArrayList<>();
      Validation validation =
          Validation.of(
              draft,
              offline
                  ? PlanFacts.none(thorbis().clock().instant())
                  : DrFacts.of(thorbis(), draft, notes::add));
      Optional<String> digest =
          validation.loads() ? Optional.of(validation.require().digest()) : Optional.empty();
      thorbis().print(json(draft, validation, digest), out -> people(validation, digest, out));
      if (!thorbis().json) {
        notes.forEach(note -> thorbis().host().err().println("warning: " + note));
      }
      return validation.loads() ? Exit.DONE : Exit.USAGE;
    }

    private static Map<String, @Nullable Object> json(
        PlanDraft draft, Validation validation, Optional<String> digest) {
      return Json.object(
          "plan", draft.id(),
          "version", draft.version(),
          "loads", validation.loads(),
          "digest", digest,
          "findings", validation.findings().stream().map(Validate::json).toList(),
          "predictions",
              validation.predictions().stream()
                  .map(
                      it ->
                          Json.object(
                              "scenario", it.scenario(),
                              "trigger", it.trigger(),
                              "variant", it.variant().label(),
                              "tier", it.tier(),
                              "detectionMillis", it.detection(),
                              "decisionMillis", it.decision(),
                              "recoveryMillis", it.recovery(),
                              "totalMillis", it.total(),
                              "rtoMillis", it.rto()))
                  .toList());
    }

    private static Map<String, @Nullable Object> json(Finding finding) {
      return Json.object(
          "code", finding.code(),
          "severity", finding.severity().label(),
          "path", finding.path(),
          "line", finding.position().map(Finding.Position::line),
          "column", finding.position().map(Finding.Position::column),
          "message", finding.message(),
          "reason", finding.reason(),
          "remedy", finding.remedy());
    }

    private static void people(Validation validation, Optional<String> digest, PrintStream out) {
      for (Finding finding : validation.findings()) {
        out.println(
            finding.position().map(at -> at + ": ").orElse("")
                + finding.severity().label()
                + " "
                + finding.code()
                + ": "
                + (finding.path().isEmpty() ? "" : Text.plain(finding.path()) + ": ")
                + Text.plain(finding.message()));
        out.println("  because " + Text.plain(finding.reason()));
        out.println("  " + Text.plain(finding.remedy()));
      }
      List<List<String>> rows = new ArrayList<>();
      rows.add(List.of("TRIGGER", "TIER", "BACK AFTER", "PROMISED"));
      validation
          .predictions()
          .forEach(
              it ->
                  rows.add(
                      List.of(
                          it.trigger(),
                          it.tier(),
                          Text.span(it.total().toMillis()),
                          Text.span(it.rto().toMillis()))));
      if (rows.size() > 1) {
        Text.table(rows).forEach(out::println);
      }
      out.println(
          digest.map(it -> "The plan loads, digest " + it).orElse("The plan does not load"));
    }
  }
}
