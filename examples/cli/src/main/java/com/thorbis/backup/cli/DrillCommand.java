package com.thorbis.backup.cli;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.drill.Drill;
import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillHistory;
import com.thorbis.backup.dr.drill.DrillJob;
import com.thorbis.backup.dr.drill.DrillReport;
import com.thorbis.backup.dr.drill.DrillReport.Verdict;
import com.thorbis.backup.dr.drill.DrillSettings;
import com.thorbis.backup.dr.drill.Plant;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.spi.repository.Copy;
import java.io.PrintStream;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "drill",
    description = {
      "Try whether a source comes back: restore it apart from everything, start its server, replay",
      "the log, look at all of it, see that damage would be noticed, and throw it away. Exits 0 if",
      "it passed, 3 if it did not, 1 if it could not be tried."
    })
final class DrillCommand extends Job {
  @Parameters(
      arity = "0..1",
      paramLabel = "SOURCE",
      description = "The source; may be left out where there is one alone.")
  @Nullable String source;

  @Option(
      names = "--random",
      description = "A backup and a moment that chance chooses, of the last 30 days.")
  boolean random;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "With --random: choose what an earlier drill chose.")
  @Nullable Long seed;

  @Option(names = "--to-time", paramLabel = "TIME", description = "Recover to this moment.")
  @Nullable String toTime;

  @Option(names = "--backup", paramLabel = "ID", description = "Start from this backup.")
  @Nullable String backup;

  @Option(
      names = "--copy",
      paramLabel = "NAME",
      description = {
        "Read this copy of the repository alone, named by its uri: what it lacks, no other makes",
        "up for."
      })
  @Nullable String copy;

  @Option(
      names = "--no-negative-control",
      description = "Do not damage anything on purpose to see that it is noticed.")
  boolean noNegativeControl;

  @Option(
      names = "--write-sentinel",
      description = "Write a row that later drills look for, and do nothing else.")
  boolean writeSentinel;

  @Option(names = "--plan", description = "Say what would be tried, and do nothing.")
  boolean plan;

  @Override
  public Integer call() {
    if (seed != null && !random) {
      throw Failure.usage("--seed says what chance chooses", "Add --random.");
    }
    if (random && backup != null) {
      throw Failure.usage("--random chooses the backup itself", "Leave --backup out.");
    }
    return plan ? thorbis().reading(this::run) : recording(thorbis(), this::run);
  }

  /** Does what leaves evidence in the repository, where this host may write there at all. */
  static <T> T recording(Thorbis thorbis, Function<ThorbisBackup, T> work) {
    return thorbis.mayWrite() ? thorbis.writing(work) : thorbis.reading(work);
  }

  /** Keeps a report as evidence. */
  static Consumer<DrillReport> evidence(Thorbis thorbis, ThorbisBackup opened, String kind) {
    HostEvidence evidence = HostEvidence.of(thorbis, opened);
    return report ->
        evidence.append(
            kind,
            report.source(),
            report.verdict() == Verdict.NONE ? EvidenceRecord.ABORTED : report.verdict().label(),
            report.json());
  }

  /** The drills of a source that are due. */
  static DrillJob job(Thorbis thorbis, ThorbisBackup opened, String source) {
    return DrillJob.of(
        source,
        turn -> {
          Drill.Builder drill = builder(thorbis, opened, source);
          turn.copy().ifPresent(drill::copy);
          if (!turn.latest()) {
            drill.random();
          }
          return drill.build();
        },
        settings(thorbis.config(), source),
        opened.configuredCopies().stream().map(Copy::name).toList(),
        HostEvidence.of(thorbis, opened).log(),
        new DrillHistory(thorbis.config().stateDirectory(), source),
        thorbis.clock());
  }

  private int run(ThorbisBackup opened) {
    Drill.Builder drill = builder(thorbis(), opened, chosen(opened));
    if (random) {
      Long given = seed;
      if (given == null) {
        drill.random();
      } else {
        drill.random(given);
      }
    }
    if (toTime != null) {
      drill.to(Times.parse("--to-time", toTime));
    }
    if (backup != null) {
      drill.backup(Words.backupId(backup));
    }
    if (copy != null) {
      drill.copy(copy);
    }
    Drill built = drill.negativeControl(!noNegativeControl).build();
    if (writeSentinel) {
      Instant at = said(built::writeSentinel);
      thorbis()
          .print(Json.object("writtenAt", at), out -> out.println("Written at " + Text.time(at)));
      return Exit.DONE;
    }
    if (plan) {
      return plan(said(built::plan));
    }
    return report(thorbis(), thorbis().followed(control -> said(() -> built.run(control))));
  }

  private String chosen(ThorbisBackup opened) {
    String named = source;
    if (named != null) {
      return named;
    }
    if (opened.sources().size() != 1) {
      throw Failure.usage(
          "There is not one source alone, but " + String.join(", ", opened.sources()), "Name one.");
    }
    return opened.sources().get(0);
  }

  private static Drill.Builder builder(Thorbis thorbis, ThorbisBackup opened, String name) {
    Drill.Builder drill =
        Drill.builder(opened, name, thorbis.config().stateDirectory())
            .product(Main.version())
            .clock(thorbis.clock())
            .recorder(evidence(thorbis, opened, EvidenceRecord.DRILL))
            .settings(settings(thorbis.config(), name));
    HostEvidence.planDigest(thorbis).ifPresent(drill::plan);
    return drill;
  }

  static DrillSettings settings(Config config, String source) {
    return Optional.ofNullable(config.sources().get(source))
        .flatMap(Config.SourceConfig::drill)
        .orElseGet(() -> DrillSettings.builder().build());
  }

  private int plan(Drill.Plan found) {
    thorbis()
        .print(
            Json.object(
                "plan", Facts.plan(found.plan()),
                "selection", found.choice().selection(),
                "seed", found.choice().seed(),
                "target", found.choice().target(),
                "copy", found.choice().copy(),
                "needsRetest", found.retest()),
            out -> {
              out.println(
                  "From backup "
                      + found.plan().backup().id()
                      + " of "
                      + Text.time(found.plan().backup().stoppedAt())
                      + " to "
                      + found.choice().target()
                      + ": "
                      + found.plan().files()
                      + " files, "
                      + Text.bytes(found.plan().bytes()));
              found.plan().estimate().ifPresent(it -> out.println(Words.estimate(it)));
              found.retest().forEach(reason -> out.println("needs a test: " + reason));
            });
    return Exit.DONE;
  }

  /** Prints a report, and says what to end with. */
  static int report(Thorbis thorbis, DrillReport report) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>(report.json());
    thorbis.print(json, out -> people(report, out));
    return report.verdict() == Verdict.PASSED
        ? Exit.DONE
        : report.verdict() == Verdict.FAILED ? Exit.DAMAGED : Exit.FAILED;
  }

  private static void people(DrillReport report, PrintStream out) {
    report
        .choice()
        .backup()
        .ifPresent(
            id ->
                out.println(
                    "From backup "
                        + id
                        + " to "
                        + report.choice().target()
                        + (report.choice().seed().isPresent()
                            ? ", seed " + report.choice().seed().getAsLong()
                            : "")
                        + report.choice().copy().map(it -> ", read from " + it).orElse("")));
    report.isolation().stream()
        .filter(item -> item.outcome() != CheckItem.Outcome.OK)
        .forEach(item -> out.println("  " + item.outcome().label() + ": " + item.message()));
    for (DrillCheck check : report.checks()) {
      out.println(
          "  "
              + check.outcome().label()
              + (check.required() ? "" : " (advisory)")
              + ": "
              + check.name()
              + ": "
              + Text.plain(check.detail()));
    }
    plants(report.plants(), out);
    report.loss().ifPresent(loss -> out.println(lost(loss)));
    if (!report.stages().isEmpty()) {
      StringBuilder took = new StringBuilder("Took");
      report
          .stages()
          .forEach((stage, millis) -> took.append(' ').append(stage + " " + Text.span(millis)));
      out.println(took.append("; ").append(Text.span(report.millis())).append(" in all"));
    }
    out.println("Drill " + report.id() + ": " + report.verdict().label());
    report
        .problem()
        .ifPresent(
            problem -> {
              out.println(problem.code() + ": " + Text.plain(problem.message()));
              if (!problem.remedy().isEmpty()) {
                out.println("  " + problem.remedy());
              }
            });
  }

  /** What was damaged on purpose, and whether it was noticed. */
  static void plants(List<Plant> plants, PrintStream out) {
    for (Plant plant : plants) {
      out.println(
          "  "
              + plant.result().label()
              + ": "
              + plant.check()
              + ": "
              + Text.plain(plant.damage())
              + (plant.result() == Plant.Result.DETECTED ? "" : ": " + Text.plain(plant.detail())));
    }
  }

  private static String lost(DrillReport.Loss loss) {
    return "Would have been lost: "
        + Text.bytes(loss.bytes())
        + " of log"
        + (loss.files().isPresent() ? " in files: " + loss.files().getAsLong() : "")
        + (loss.transactions().isPresent()
            ? ", at most " + loss.transactions().getAsLong() + " transactions"
            : "")
        + loss.time().map(time -> ", up to " + Text.span(time.toMillis())).orElse("")
        + (loss.asked() ? "" : " (by what is stored: the source does not answer)");
  }
}
