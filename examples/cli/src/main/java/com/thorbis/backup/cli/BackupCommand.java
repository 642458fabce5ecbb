package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "backup", description = "Back up a source and wait until it can be restored.")
final class BackupCommand extends Job {
  @Parameters(paramLabel = "SOURCE", description = "The source's name in the configuration.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String source;

  @Option(
      names = "--type",
      paramLabel = "full|differential|incremental",
      description =
          "full: everything. differential: what changed since the last full backup. incremental:"
              + " what changed since the last backup. Without one to build on it becomes full.")
  String type = BackupType.FULL.label();

  @Option(names = "--label", paramLabel = "TEXT", description = "Words that find it again.")
  @Nullable String label;

  @Override
  public Integer call() {
    BackupType wanted =
        BackupType.ofLabel(type)
            .orElseThrow(
                () ->
                    Failure.usage(
                        "--type: no backup is \"" + type + "\"",
                        "Write full, differential or incremental."));
    BackupRequest.Builder request = BackupRequest.builder(source).type(wanted);
    if (label != null) {
      request.label(label);
    }
    BackupDescriptor backup =
        thorbis()
            .writing(
                opened -> thorbis().followed(control -> opened.backup(request.build(), control)));
    thorbis()
        .print(
            Facts.backup(backup),
            out -> {
              out.println(
                  "Backup "
                      + backup.id()
                      + " of "
                      + source
                      + backup
                          .base()
                          .map(base -> ", " + backup.type().label() + " since " + base + ",")
                          .orElse("")
                      + " is "
                      + backup.status().label());
              out.println(
                  backup.files()
                      + " files, "
                      + Text.bytes(backup.bytesRead())
                      + " read, "
                      + Text.bytes(backup.bytesChanged())
                      + " changed, "
                      + Text.bytes(backup.bytesStored())
                      + " stored, in "
                      + Text.span(backup.durationMillis()));
              out.println(
                  "WAL "
                      + backup.startLsn()
                      + " to "
                      + backup.stopLsn()
                      + " on timeline "
                      + backup.timeline());
              backup.warnings().forEach(warning -> out.println("warning: " + warning));
              if (thorbis().config().sealed().isPresent()) {
                out.println("It counts when a host that opens the repository has run offers adopt");
              }
            });
    return Exit.DONE;
  }
}
