package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.point.PointPlan;
import com.thorbis.backup.dr.point.PointReport;
import com.thorbis.backup.dr.point.Reconciliation;
import com.thorbis.backup.dr.point.RecoveryPoint;
import com.thorbis.backup.dr.point.RecoveryPointEngine;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "recovery-point",
    description = "One moment of a database, its files, applications and secrets, by one id.",
    subcommands = {
      RecoveryPointCommand.Create.class,
      RecoveryPointCommand.Show.class,
      RecoveryPointCommand.Restore.class,
      RecoveryPointCommand.Reconcile.class
    })
final class RecoveryPointCommand extends Group {
  private static final int MOST_SHOWN = 20;

  private static RecoveryPointEngine engine(ThorbisBackup opened, BackupId id) {
    return opened.engine(opened.show(id).source(), RecoveryPointEngine.class);
  }

  @Command(
      name = "create",
      description = "Back up every member of a source of type recovery-point, servers first.")
  static final class Create extends Job {
    @Parameters(paramLabel = "SOURCE", description = "A source of type recovery-point.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String source;

    @Option(names = "--label", paramLabel = "TEXT", description = "Words that find it again.")
    @Nullable String label;

    @Override
    public Integer call() {
      return thorbis()
          .writing(
              opened -> {
                RecoveryPointEngine engine = opened.engine(source, RecoveryPointEngine.class);
                BackupRequest.Builder request = BackupRequest.builder(source);
                if (label != null) {
                  request.label(label);
                }
                BackupDescriptor taken =
                    thorbis().followed(control -> opened.backup(request.build(), control));
                RecoveryPoint point = said(() -> engine.point(taken.id(), opened.repository()));
                thorbis()
                    .print(
                        json(point, taken),
                        out -> {
                          people(point, out);
                          taken.warnings().forEach(text -> out.println("warning: " + text));
                        });
                return Exit.DONE;
              });
    }
  }

  @Command(name = "show", description = "What a recovery point consists of.")
  static final class Show extends Job {
    @Parameters(paramLabel = "ID", description = "Its id, as list SOURCE prints it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String id;

    @Override
    public Integer call() {
      return thorbis()
          .reading(
              opened -> {
                BackupId wanted = Words.backupId(id);
                RecoveryPointEngine engine = engine(opened, wanted);
                RecoveryPoint point = said(() -> engine.point(wanted, opened.repository()));
                thorbis().print(json(point, opened.show(wanted)), out -> people(point, out));
                return Exit.DONE;
              });
    }
  }

  private static Map<String, @Nullable Object> json(RecoveryPoint point, BackupDescriptor backup) {
    return Json.object(
        "id", point.id(),
        "source", point.source(),
        "status", backup.status().label(),
        "partial", backup.partial(),
        "warnings", backup.warnings(),
        "members",
            point.members().stream()
                .map(
                    one ->
                        Json.object(
                            "source", one.source(),
                            "backup", one.backup(),
                            "type", one.type().label(),
                            "stoppedAt", one.stoppedAt(),
                            "position", one.position(),
                            "timeline", one.timeline(),
                            "whole", one.whole(),
                            "facts", one.facts()))
                .toList());
  }

  private static void people(RecoveryPoint point, PrintStream out) {
    out.println("Recovery point " + point.id() + " of " + point.source() + ":");
    for (RecoveryPoint.Member one : point.members()) {
      out.println(
          "  "
              + one.source()
              + ": backup "
              + one.backup()
              + ", "
              + Text.time(one.stoppedAt())
              + one.position().map(at -> ", position " + at).orElse("")
              + (one.whole() ? "" : ", with gaps or warnings: show " + one.backup()));
    }
  }

  @Command(
      name = "restore",
      description = {
        "Bring the members of a recovery point back, servers first, each into a folder of its name.",
        "What goes into a platform, such as secrets, is printed as a command to run."
      })
  static final class Restore extends Job {
    @Parameters(paramLabel = "ID", description = "Its id, as list SOURCE prints it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String id;

    @Option(
        names = "--target-dir",
        required = true,
        paramLabel = "DIR",
        description = "A new or empty folder.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    Path directory;

    @Option(
        names = "--source",
        paramLabel = "SOURCE",
        description = "This member alone; may be given again.")
    List<String> sources = new ArrayList<>();

    @Option(
        names = "--start",
        description = "Start restored servers, and prove the position they reached.")
    boolean start;

    @Option(names = "--plan", description = "Say what would be done, and do nothing.")
    boolean planOnly;

    @Override
    public Integer call() {
      return thorbis()
          .reading(opened -> thorbis().followed(control -> said(() -> run(opened, control))));
    }

    private int run(ThorbisBackup opened, RunControl control) throws IOException {
      BackupId wanted = Words.backupId(id);
      Path folder = thorbis().host().folder().resolve(directory).normalize();
      RecoveryPointEngine engine = engine(opened, wanted);
      LinkedHashSet<String> only = new LinkedHashSet<>(sources);
      if (planOnly) {
        PointPlan plan = engine.plan(wanted, folder, only, start, opened.repository());
        thorbis().print(json(plan), out -> people(plan, out));
        return plan.possible() ? Exit.DONE : Exit.FAILED;
      }
      PointReport report =
          new RestoreRecord(thorbis(), "recovery-point", opened.show(wanted).source())
              .from(wanted)
              .say("into", "folder")
              .say("started", start)
              .around(
                  opened,
                  () ->
                      said(
                          () ->
                              engine.restore(
                                  wanted, folder, only, start, opened.repository(), control)),
                  Restore::told);
      thorbis().print(json(report), out -> people(report, out));
      return report.done() ? Exit.DONE : Exit.FAILED;
    }

    private static void told(PointReport report, RestoreRecord record) {
      record.say(
          "members",
          report.parts().stream()
              .filter(part -> part.report().isPresent())
              .map(part -> part.plan().member().source())
              .toList());
      record.say(
          "byHand",
          report.parts().stream().flatMap(part -> part.plan().command().stream()).toList());
      if (!report.done()) {
        record.failed(
            report.parts().stream()
                .flatMap(part -> part.failure().stream())
                .findFirst()
                .map(BackupException::code)
                .orElse("point.not-done"));
      }
    }

    private static Map<String, @Nullable Object> json(PointPlan plan) {
      return Json.object(
          "id", plan.point().id(),
          "source", plan.point().source(),
          "possible", plan.possible(),
          "members",
              plan.parts().stream()
                  .map(
                      part -> {
                        Map<String, @Nullable Object> facts = json(part, part.failure());
                        facts.put("plan", part.plan().map(Facts::plan));
                        return facts;
                      })
                  .toList());
    }

    private static Map<String, @Nullable Object> json(PointReport report) {
      return Json.object(
          "id", report.point().id(),
          "source", report.point().source(),
          "done", report.done(),
          "members",
              report.parts().stream()
                  .map(
                      part -> {
                        Map<String, @Nullable Object> facts = json(part.plan(), part.failure());
                        facts.put("restore", part.report().map(Facts::restore));
                        return facts;
                      })
                  .toList());
    }

    private static Map<String, @Nullable Object> json(
        PointPlan.Part part, Optional<BackupException> failure) {
      return Json.object(
          "source", part.member().source(),
          "backup", part.backup().map(BackupDescriptor::id),
          "whole", part.member().whole(),
          "targetDir", part.target(),
          "command", part.command(),
          "error",
              failure.map(
                  e ->
                      Json.object(
                          "code", e.code(),
                          "message", e.getMessage(),
                          "remedy", e.remedy(),
                          "details", e.details())));
    }

    private static void people(PointPlan plan, PrintStream out) {
      out.println("Recovery point " + plan.point().id() + ", in this order:");
      for (PointPlan.Part part : plan.parts()) {
        String source = "  " + part.member().source() + ": ";
        part.target()
            .ifPresent(
                folder ->
                    out.println(
                        source
                            + "backup "
                            + part.backup().map(BackupDescriptor::id).orElseThrow()
                            + " into "
                            + folder
                            + part.plan()
                                .map(to -> ", " + to.files() + " files, " + Text.bytes(to.bytes()))
                                .orElse("")));
        rest(source, part, part.failure(), out);
      }
    }

    private static void people(PointReport report, PrintStream out) {
      for (PointReport.Part part : report.parts()) {
        String source = part.plan().member().source() + ": ";
        part.report().ifPresent(done -> people(source, done, out));
        rest(source, part.plan(), part.failure(), out);
      }
      long byHand = report.parts().stream().filter(it -> it.plan().command().isPresent()).count();
      if (byHand > 0) {
        out.println("Left to do by hand: " + byHand);
      }
    }

    private static void people(String source, RestoreReport done, PrintStream out) {
      out.println(
          source
              + "backup "
              + done.backup()
              + " is in "
              + done.targetDirectory()
              + ": "
              + done.files()
              + " files, "
              + Text.bytes(done.bytesWritten())
              + done.reached().map(reached -> "; the server is at " + reached.lsn()).orElse("")
              + (done.port().isPresent() ? ", on port " + done.port().getAsInt() : ""));
      done.next().forEach(line -> out.println("  " + line));
    }

    private static void rest(
        String source, PointPlan.Part part, Optional<BackupException> failure, PrintStream out) {
      part.command().ifPresent(line -> out.println(source + "by hand: " + line));
      if (!part.member().whole()) {
        out.println(source + "was taken with gaps or warnings: show " + part.member().backup());
      }
      failure.ifPresent(
          e -> {
            out.println(source + "not brought back: " + e.getMessage());
            if (!e.remedy().isEmpty()) {
              out.println("  " + e.remedy());
            }
          });
    }
  }

  @Command(
      name = "reconcile",
      description = {
        "Compare the files of a recovery point with what the rows of a database say of them.",
        "Mends nothing; exits 3 where they differ."
      })
  static final class Reconcile extends Job {
    @Parameters(paramLabel = "ID", description = "Its id, as list SOURCE prints it.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String id;

    @Option(
        names = "--into",
        required = true,
        paramLabel = "JDBC-URL",
        description = "The restored database, as jdbc:postgresql://host/database.")
    @SuppressWarnings("NullAway.Init") // picocli sets it
    String url;

    @Option(names = "--user", paramLabel = "ROLE", description = "The role, if the URL has none.")
    @Nullable String user;

    @Option(
        names = "--password",
        paramLabel = "PLACEHOLDER",
        description = "Where its password is: $${env:NAME} or $${file:PATH}.")
    @Nullable String password;

    @Override
    public Integer call() {
      BackupId wanted = Words.backupId(id);
      return thorbis()
          .reading(
              opened -> thorbis().followed(control -> said(() -> run(opened, wanted, control))));
    }

    private int run(ThorbisBackup opened, BackupId wanted, RunControl control) throws IOException {
      SecretValue secret = password == null ? null : LoadCommand.secret(password, thorbis().host());
      try {
        Reconciliation found =
            engine(opened, wanted)
                .reconcile(
                    wanted,
                    url,
                    Optional.ofNullable(user),
                    Optional.ofNullable(secret),
                    opened.repository(),
                    control);
        thorbis().print(json(found), out -> people(found, out));
        return found.agrees() ? Exit.DONE : Exit.DAMAGED;
      } finally {
        if (secret != null) {
          secret.close();
        }
      }
    }

    private static Map<String, @Nullable Object> json(Reconciliation found) {
      return Json.object(
          "rows", found.rows(),
          "rowsWithoutPath", found.withoutPath(),
          "files", found.files(),
          "missing", found.missing(),
          "missingPaths", found.missingPaths(),
          "orphans", found.orphans(),
          "orphanPaths", found.orphanPaths());
    }

    private static void people(Reconciliation found, PrintStream out) {
      out.println(
          found.rows()
              + " rows, "
              + found.withoutPath()
              + " of them without a path; "
              + found.files()
              + " files");
      some("rows name a file that is not there", found.missing(), found.missingPaths(), out);
      some("files are named by no row", found.orphans(), found.orphanPaths(), out);
      if (found.agrees()) {
        out.println("Every path has its file, and every file its row");
      } else if (found.rows() + found.files() == 0) {
        out.println("Nothing was compared: is it the right database, and the right prefix?");
      }
    }

    private static void some(String what, long count, List<String> paths, PrintStream out) {
      if (count == 0) {
        return;
      }
      out.println(count + " " + what + ":");
      paths.stream().limit(MOST_SHOWN).forEach(path -> out.println("  " + Text.plain(path)));
      if (count > MOST_SHOWN) {
        out.println("  and " + (count - MOST_SHOWN) + " more; --json has up to 1000");
      }
    }
  }
}
