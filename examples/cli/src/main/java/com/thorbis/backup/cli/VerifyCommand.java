package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
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
      paramLabel = "objects|data",
      description = "objects: presence and length; data: every byte is opened.")
  String level = "data";

  @Option(
      names = "--sample",
      paramLabel = "PERCENT",
      description = "At level data: which share of the pieces to open.")
  int sample = 100;

  @Override
  public Integer call() {
    Optional<BackupId> chosen = Optional.ofNullable(backup).map(Words::backupId);
    if (sample < 1 || sample > 100) {
      throw Failure.usage("--sample: " + sample + " is not a percentage", "Write 1 to 100.");
    }
    VerifyRequest request = new VerifyRequest(chosen, level(), sample);
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
            });
    return report.damaged().isEmpty() ? Exit.DONE : Exit.DAMAGED;
  }

  private VerifyRequest.Level level() {
    return switch (level) {
      case "objects" -> VerifyRequest.Level.OBJECTS;
      case "data" -> VerifyRequest.Level.DATA;
      case "restore" ->
          throw Failure.usage(
              "--level: this version does not verify by restoring",
              "Restore to an empty folder with restore --start, or take --level data.");
      default ->
          throw Failure.usage(
              "--level: \"" + level + "\" is neither objects nor data", "Write one.");
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
