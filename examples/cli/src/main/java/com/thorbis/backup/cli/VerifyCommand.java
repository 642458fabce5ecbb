package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.dr.drill.Drill;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.spi.Settings;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "verify",
    description = "Check what is stored: one backup, or every object of every copy.")
final class VerifyCommand extends Job {
  @Parameters(arity = "0..1", paramLabel = "BACKUP", description = "One backup; else everything.")
  @Nullable String backup;

  @Option(
      names = "--level",
      paramLabel = "objects|data|restore",
      description =
          "objects: presence and length; data: every byte is opened; restore: the BACKUP is"
              + " restored, started, looked at and thrown away, as drill does.")
  String level = "data";

  @Option(
      names = "--sample",
      paramLabel = "PERCENT",
      description = "At level data: which share of the pieces to open.")
  int sample = 100;

  @Option(
      names = "--budget",
      paramLabel = "SIZE|TIME",
      description =
          "Open so much, such as 10GiB, or for so long, such as 30m: what was proven longest ago"
              + " comes first, and the next run goes on from there.")
  @Nullable String budget;

  @Option(
      names = "--thaw",
      description =
          "Bring back what lies in an archive tier, wait for it, and open it; without this it is"
              + " not opened. Takes hours, and the vendor charges for it.")
  boolean thaw;

  @Override
  public Integer call() {
    Optional<BackupId> chosen = Optional.ofNullable(backup).map(Words::backupId);
    if (sample < 1 || sample > 100) {
      throw Failure.usage("--sample: " + sample + " is not a percentage", "Write 1 to 100.");
    }
    if (level.equals("restore")) {
      return restore(
          chosen.orElseThrow(
              () -> Failure.usage("--level restore tries one backup", "Name BACKUP.")));
    }
    VerifyRequest request = request(chosen);
    VerifyReport report =
        thorbis().reading(opened -> thorbis().followed(control -> opened.verify(request, control)));
    thorbis()
        .print(
            Facts.verify(report),
            out -> {
              for (VerifyReport.Damage damage : report.damaged()) {
                out.println(words(damage));
              }
              out.println(
                  report.checked()
                      + " objects checked in "
                      + Text.span(report.durationMillis())
                      + ", "
                      + (report.damaged().isEmpty() ? "none" : report.damaged().size())
                      + " damaged");
              report.coverage().ifPresent(coverage -> people(coverage, out));
              if (!report.frozen().isNone()) {
                out.println(frozen(report.frozen()));
              }
            });
    return report.damaged().isEmpty() ? Exit.DONE : Exit.DAMAGED;
  }

  /** A drill of a backup to its own end, by what every cluster has to be. */
  private int restore(BackupId id) {
    if (thaw || budget != null || sample != 100) {
      throw Failure.usage(
          "--level restore goes with neither --thaw nor --budget nor --sample", "Leave them out.");
    }
    return DrillCommand.recording(
        thorbis(),
        opened -> {
          Drill drill =
              Drill.builder(opened, opened.show(id).source(), thorbis().config().stateDirectory())
                  .product(Main.version())
                  .clock(thorbis().clock())
                  .recorder(DrillCommand.evidence(thorbis(), opened, EvidenceRecord.VERIFICATION))
                  .backup(id)
                  .verification()
                  .build();
          return DrillCommand.report(
              thorbis(), thorbis().followed(control -> said(() -> drill.run(control))));
        });
  }

  private VerifyRequest request(Optional<BackupId> chosen) {
    if (thaw && (budget != null || level() != VerifyRequest.Level.DATA)) {
      throw Failure.usage(
          "--thaw goes with neither --budget nor --level objects",
          "Leave them out: what is brought back is opened.");
    }
    if (budget == null) {
      VerifyRequest request = new VerifyRequest(chosen, level(), sample);
      return thaw ? request.thawing() : request;
    }
    if (chosen.isPresent() || sample != 100 || level() != VerifyRequest.Level.DATA) {
      throw Failure.usage(
          "--budget goes with neither BACKUP nor --sample nor --level objects",
          "Leave them out: within a budget every byte of everything gets its turn.");
    }
    return VerifyRequest.within(budget(budget));
  }

  private static String frozen(Thaw frozen) {
    return frozen.objects()
        + " objects ("
        + Text.bytes(frozen.bytes())
        + ") on "
        + String.join(", ", frozen.copies())
        + " lie in an archive tier: they are there, and were not opened. --thaw brings them back,"
        + " which takes up to "
        + Text.span(frozen.time().toMillis());
  }

  static VerifyRequest.Budget budget(String text) {
    Settings given = Settings.of("", Map.of("--budget", text));
    try {
      return text.matches(".*[0-9B]\\s*")
          ? VerifyRequest.Budget.ofBytes(given.bytes("--budget", 0))
          : VerifyRequest.Budget.ofTime(given.duration("--budget", Duration.ZERO));
    } catch (BackupException | IllegalArgumentException e) {
      throw Failure.usage(
          "--budget: \"" + text + "\" is neither a size nor a time",
          "Write one such as 10GiB, or 30m.");
    }
  }

  private static void people(VerifyReport.Coverage coverage, PrintStream out) {
    out.println(
        coverage.openedObjects()
            + " of "
            + coverage.objects()
            + " packs and pieces of log opened, "
            + Text.bytes(coverage.openedBytes())
            + " of "
            + Text.bytes(coverage.bytes()));
    out.println(
        (coverage.unprovenObjects() == 0
                ? "Every one"
                : coverage.unprovenObjects()
                    + " ("
                    + Text.bytes(coverage.unprovenBytes())
                    + ") wait for a later run; every other one")
            + " was found whole"
            + coverage.oldestProof().map(at -> " since " + Text.time(at)).orElse(", of none"));
  }

  private VerifyRequest.Level level() {
    return switch (level) {
      case "objects" -> VerifyRequest.Level.OBJECTS;
      case "data" -> VerifyRequest.Level.DATA;
      default ->
          throw Failure.usage(
              "--level: \"" + level + "\" is neither objects, data nor restore", "Write one.");
    };
  }

  private static String words(VerifyReport.Damage damage) {
    return "damaged: "
        + damage.object()
        + " on "
        + damage.copy()
        + ": "
        + damage.kind()
        + damage.file().map(file -> ", in " + file).orElse("")
        + damage.range().map(range -> " at " + range).orElse("")
        + (damage.backups().isEmpty()
            ? ""
            : ", needed by "
                + damage.backups().stream().map(BackupId::value).collect(Collectors.joining(", ")))
        + (damage.referenced() ? "" : ", not referenced")
        + (damage.healable() ? ", whole on another copy" : "");
  }
}
