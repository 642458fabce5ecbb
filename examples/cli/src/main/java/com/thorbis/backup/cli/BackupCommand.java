package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.monitor.RunFact;
import com.thorbis.backup.dr.monitor.RunLog;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "backup", description = "Back up a source and wait until it can be restored.")
final class BackupCommand extends Job {
  static final String EXCLUDE_TABLE =
      "Leave a table out of a dump, with its partitions: schema.name, or name for one in any"
          + " schema; * stands for any characters, ? for one. Besides exclude-tables.";

  @Parameters(paramLabel = "SOURCE", description = "The source's name in the configuration.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String source;

  @Option(
      names = "--type",
      paramLabel = "full|differential|incremental|dump",
      description =
          "full: everything. differential: what changed since the last full backup. incremental:"
              + " what changed since the last backup. Without one to build on it becomes full."
              + " dump: what pg_dump exports of the database, for load; with reader: dump and"
              + " changes.mode, incremental is what was changed since. Full by default, dump with"
              + " reader: dump, incremental for files.")
  @Nullable String type;

  @Option(names = "--exclude-table", paramLabel = "PATTERN", description = EXCLUDE_TABLE)
  List<String> excluded = new ArrayList<>();

  @Option(names = "--label", paramLabel = "TEXT", description = "Words that find it again.")
  @Nullable String label;

  @Override
  public Integer call() {
    BackupRequest.Builder request = BackupRequest.builder(source);
    if (type != null) {
      request.type(
          BackupType.ofLabel(type)
              .orElseThrow(
                  () ->
                      Failure.usage(
                          "--type: no backup is \"" + type + "\"",
                          "Write full, differential, incremental or dump.")));
    }
    excluded.forEach(request::excludeTable);
    if (label != null) {
      request.label(label);
    }
    return take(thorbis(), request.build());
  }

  static int take(Thorbis thorbis, BackupRequest request) {
    Taken taken;
    try {
      taken =
          thorbis.writing(
              opened -> {
                BackupDescriptor made =
                    thorbis.followed(control -> opened.backup(request, control));
                return new Taken(
                    made,
                    made.type() == BackupType.CHANGES ? ShowCommand.changes(opened, made) : null);
              });
    } catch (BackupException e) {
      if (e.kind() != FailureKind.CANCELLED) {
        note(thorbis, request.source(), false, e.getMessage() + " (" + e.code() + ")");
      }
      throw e;
    }
    BackupDescriptor backup = taken.backup();
    note(thorbis, backup.source(), true, backup.id().toString());
    Map<String, @Nullable Object> facts = Facts.backup(backup);
    if (taken.changes() != null) {
      facts.put("changes", taken.changes());
    }
    thorbis.print(
        facts,
        out -> {
          out.println(
              "Backup "
                  + backup.id()
                  + " of "
                  + backup.source()
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
          if (backup.server().isPresent()) {
            out.println(
                (backup.physical()
                        ? "WAL " + backup.startLsn() + " to " + backup.stopLsn()
                        : "Dump as of " + backup.startLsn())
                    + " on timeline "
                    + backup.timeline());
          }
          if (taken.changes() != null) {
            out.println(followed(taken.changes()));
          }
          backup.warnings().forEach(warning -> out.println("warning: " + warning));
          if (thorbis.config().sealed().isPresent()) {
            out.println("It counts when a host that opens the repository has run offers adopt");
          }
        });
    return Exit.DONE;
  }

  /**
   * A backup that was taken.
   *
   * @param changes what of changes behind a dump is in it
   */
  private record Taken(BackupDescriptor backup, @Nullable Map<String, @Nullable Object> changes) {}

  private static String followed(Map<String, @Nullable Object> changes) {
    return (changes.get("transactions") == null
            ? "Changes of "
            : changes.get("transactions") + " transactions of ")
        + changes.get("followed")
        + " tables: "
        + changes.get("inserts")
        + " inserts, "
        + changes.get("updates")
        + " updates, "
        + changes.get("deletes")
        + " deletes, "
        + changes.get("truncates")
        + " truncates";
  }

  /** For whoever looks for alarms; that it does not work changes nothing about the backup. */
  private static void note(Thorbis thorbis, String source, boolean succeeded, String outcome) {
    if (!thorbis.config().sources().containsKey(source)) {
      return;
    }
    try {
      new RunLog(thorbis.config().stateDirectory())
          .add(new RunFact(source, Instant.now(), succeeded, outcome));
    } catch (BackupException e) {
      thorbis.host().err().println("warning: how it ended is not noted: " + e.getMessage());
    }
  }
}
