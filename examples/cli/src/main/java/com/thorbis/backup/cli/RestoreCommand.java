package com.thorbis.backup.cli;

import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.RestoreRequest.Action;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "restore", description = "Bring a source back, to any moment that is covered.")
final class RestoreCommand extends Job {
  @Parameters(paramLabel = "SOURCE", description = "The source's name in the configuration.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String source;

  @Option(
      names = "--target-dir",
      paramLabel = "DIR",
      required = true,
      description = "The folder to write: new or empty, except with --delta.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  Path directory;

  @ArgGroup(heading = "The moment (one of):%n")
  @Nullable Moment target;

  @Option(
      names = "--exclusive",
      description = "Stop just before the time, position or transaction.")
  boolean exclusive;

  @Option(names = "--timeline", paramLabel = "N|latest", description = "Which branch to follow.")
  String timeline = "latest";

  @Option(names = "--backup", paramLabel = "ID", description = "Start from this backup.")
  @Nullable String backup;

  @Option(
      names = "--action",
      paramLabel = "promote|pause|shutdown",
      description = "At the target; promote for the latest moment, otherwise pause.")
  @Nullable String action;

  @Option(
      names = "--tablespace",
      paramLabel = "OLD=NEW",
      description = "Lay a tablespace (its path, name or OID) into NEW, which is empty or new.")
  Map<String, Path> tablespaces = new LinkedHashMap<>();

  @Option(
      names = "--databases",
      paramLabel = "A,B",
      split = ",",
      description =
          "Restore the content of these alone, by name or OID, besides template0, template1 and"
              + " postgres; drop the others afterwards.")
  List<String> databases = new ArrayList<>();

  @Option(
      names = "--include",
      paramLabel = "GLOB",
      description =
          "Of a source of files, bring back only what this matches and what is below it, such as"
              + " home/anna or *.odt; may be given again.")
  List<String> includes = new ArrayList<>();

  @Option(
      names = "--delta",
      description =
          "Bring the stopped cluster of this source in DIR to the backup, or go on with a restore"
              + " that was interrupted: what is right stays, what does not belong there goes.")
  boolean delta;

  @Option(names = "--standby", description = "Stay in recovery and follow the source.")
  boolean standby;

  @Option(
      names = "--primary-conninfo",
      paramLabel = "CONNINFO",
      description = "How the standby connects, without a password; as sources.SOURCE.url says.")
  @Nullable String primaryConninfo;

  @Option(
      names = "--primary-slot",
      paramLabel = "SLOT",
      description = "The physical replication slot the standby uses.")
  @Nullable String primarySlot;

  @Option(names = "--plan", description = "Say what would be done, and do nothing.")
  boolean plan;

  @Option(
      names = "--start",
      description = "Start the server on the restored files and prove the position it reaches.")
  boolean start;

  @Option(names = "--yes", description = "Do it without asking; only --delta asks.")
  boolean yes;

  @Override
  public Integer call() {
    RestoreRequest request = request();
    return plan ? plan(request) : restore(request);
  }

  private int plan(RestoreRequest request) {
    RestorePlan found = thorbis().reading(opened -> opened.plan(request));
    thorbis()
        .print(
            Facts.plan(found),
            out -> {
              out.println("Reachable: " + Words.target(found.target()));
              out.println(
                  "From backup "
                      + found.backup().id()
                      + " of "
                      + Text.time(found.backup().stoppedAt())
                      + found.timeline().map(line -> ", following timeline " + line).orElse("")
                      + found.until().map(until -> ", up to " + until).orElse(""));
              out.println(
                  found.files()
                      + " files, "
                      + Text.bytes(found.bytes())
                      + " to write to "
                      + request.targetDirectory());
              found
                  .wal()
                  .forEach(
                      range ->
                          out.println(
                              "WAL "
                                  + range.start()
                                  + " to "
                                  + range.end()
                                  + " on timeline "
                                  + range.timeline()));
              found
                  .estimate()
                  .ifPresent(
                      estimate ->
                          out.println(
                              Words.estimate(estimate)
                                  + (found.thaw().isNone() ? "" : ", once all can be read")));
              found.notes().forEach(note -> out.println("note: " + note));
            });
    return Exit.DONE;
  }

  private int restore(RestoreRequest request) {
    RestoreRecord record =
        new RestoreRecord(thorbis(), "source", source)
            .say("moment", Words.target(request.target()))
            .say("into", standby ? "standby" : "folder")
            .say("started", start);
    RestoreReport report =
        thorbis()
            .reading(
                opened -> {
                  if (delta && !yes && holdsSomething(request.targetDirectory())) {
                    RestorePlan found = opened.plan(request);
                    found.notes().forEach(note -> thorbis().host().err().println("note: " + note));
                    thorbis().host().confirm("restore.not-confirmed", "restore --delta --plan");
                  }
                  return record.around(
                      opened,
                      () -> thorbis().followed(control -> opened.restore(request, control)),
                      RestoreCommand::told);
                });
    thorbis()
        .print(
            Facts.restore(report),
            out -> {
              out.println(
                  source
                      + " is restored from "
                      + report.backup()
                      + " in "
                      + report.targetDirectory());
              out.println(
                  report.files()
                      + " files, "
                      + Text.bytes(report.bytesWritten())
                      + " written, "
                      + Text.bytes(report.bytesFetched())
                      + " fetched, in "
                      + Text.span(report.durationMillis()));
              if (delta) {
                out.println(
                    Text.bytes(report.bytesKept())
                        + " were right already, "
                        + report.removed()
                        + " files and folders were removed");
              }
              report
                  .reached()
                  .ifPresent(
                      reached ->
                          out.println(
                              "The server is at "
                                  + reached.lsn()
                                  + reached.time().map(time -> ", " + time).orElse("")
                                  + ", timeline "
                                  + reached.timeline()));
              report.port().ifPresent(port -> out.println("It listens on port " + port));
              report.next().forEach(out::println);
            });
    return Exit.DONE;
  }

  private static void told(RestoreReport report, RestoreRecord record) {
    record
        .from(report.backup())
        .say("files", report.files())
        .say("bytes", report.bytesWritten())
        .say("bytesFetched", report.bytesFetched());
    report
        .reached()
        .ifPresent(
            reached ->
                record
                    .say("reachedLsn", reached.lsn().toString())
                    .say("reachedTime", reached.time().map(Instant::toString).orElse(null)));
  }

  private RestoreRequest request() {
    RestoreRequest.Builder request =
        RestoreRequest.builder(source, thorbis().host().folder().resolve(directory).normalize())
            .target(Moment.target(target, exclusive))
            .start(start);
    if (!timeline.equals("latest")) {
      request.timeline(Words.timeline(timeline));
    }
    if (backup != null) {
      request.backup(Words.backupId(backup));
    }
    if (action != null) {
      request.action(action(action));
    }
    databases.forEach(request::database);
    includes.forEach(request::include);
    request.delta(delta);
    if (standby) {
      if (target != null || exclusive || action != null) {
        throw Failure.usage(
            "--standby follows the source for ever: it can have no target and no action",
            "Leave one of them out.");
      }
      request.standby(
          new RestoreRequest.Standby(
              Optional.ofNullable(primaryConninfo), Optional.ofNullable(primarySlot)));
    } else if (primaryConninfo != null || primarySlot != null) {
      throw Failure.usage(
          "--primary-conninfo and --primary-slot say how a standby connects", "Add --standby.");
    }
    tablespaces.forEach(
        (old, place) -> request.tablespace(old, thorbis().host().folder().resolve(place)));
    return request.build();
  }

  private static boolean holdsSomething(Path folder) {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.findAny().isPresent();
    } catch (IOException e) {
      return false; // nothing to ask about; what is wrong with it, the restore says
    }
  }

  private static Action action(String text) {
    for (Action action : Action.values()) {
      if (action.label().equals(text)) {
        return action;
      }
    }
    throw Failure.usage(
        "--action: \"" + text + "\" is none of promote, pause, shutdown", "Write one.");
  }
}
