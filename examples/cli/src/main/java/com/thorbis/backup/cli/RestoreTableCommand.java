package com.thorbis.backup.cli;

import com.thorbis.backup.api.TableName;
import com.thorbis.backup.api.TableRestorePlan;
import com.thorbis.backup.api.TableRestoreReport;
import com.thorbis.backup.api.TableRestoreRequest;
import com.thorbis.backup.api.TableRestoreRequest.Destination;
import com.thorbis.backup.api.TableRestoreRequest.Into;
import com.thorbis.backup.api.TableRestoreRequest.Output;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "restore-table",
    description = {
      "Bring tables, or a whole database, back as they were, into a running server or a file. Fetches",
      "the files of that database alone, recovers a throw-away server on this host, and removes it.",
      "Overwrites nothing."
    })
final class RestoreTableCommand extends Job {
  private static final int MOST_PASSWORD_BYTES = 4096;

  @Parameters(paramLabel = "SOURCE", description = "The source's name in the configuration.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String source;

  @ArgGroup(multiplicity = "1", heading = "What (one of):%n")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  What what;

  static final class What {
    @Option(
        names = "--table",
        paramLabel = "DATABASE.SCHEMA.TABLE",
        description = {
          "Letters count as they stand; a part with a dot or a quote stands in double quotes. Its",
          "partitions, indexes, constraints and the sequences it owns come with it. May be repeated."
        })
    List<String> tables = new ArrayList<>();

    @Option(
        names = "--database",
        paramLabel = "NAME",
        description = "All of a database, by its name or object id.")
    @Nullable String database;
  }

  @ArgGroup(multiplicity = "1", heading = "The moment (one of):%n")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  Moment moment;

  @Option(
      names = "--exclusive",
      description = "Stop just before the time, position or transaction.")
  boolean exclusive;

  @Option(names = "--timeline", paramLabel = "N|latest", description = "Which branch to follow.")
  String timeline = "latest";

  @Option(names = "--backup", paramLabel = "ID", description = "Start from this backup.")
  @Nullable String backup;

  @ArgGroup(multiplicity = "1", heading = "Where to (one of):%n")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  Place place;

  static final class Place {
    @Option(
        names = "--into",
        paramLabel = "JDBC-URL",
        description = {
          "A database of a running server. Tables come in one transaction, and are refused where it",
          "has something of their name; a whole database is made anew under the name in the URL, and",
          "has that name once all of it is there."
        })
    @Nullable String into;

    @Option(
        names = "--output",
        paramLabel = "FILE",
        description = {
          "A new file: a script if its name ends in .sql, else an archive for pg_restore."
        })
    @Nullable Path output;
  }

  @Option(
      names = "--as-schema",
      paramLabel = "NAME",
      description = {
        "Put them into a new schema, beside what there is now, without foreign keys to tables that",
        "stay outside."
      })
  @Nullable String asSchema;

  @Option(
      names = "--user",
      paramLabel = "ROLE",
      description = "Who loads; else user= in the URL, else the source's.")
  @Nullable String user;

  @Option(
      names = "--password-file",
      paramLabel = "FILE",
      description = {
        "Its password; the source's needs none where the server and the role are the source's."
      })
  @Nullable Path passwordFile;

  @Option(names = "--no-owner", description = "Leave owners and grants out.")
  boolean noOwner;

  @Option(
      names = "--no-foreign-keys",
      description = "Leave foreign keys to other tables out, and print them.")
  boolean noForeignKeys;

  @Option(
      names = "--work-dir",
      paramLabel = "DIR",
      description = "Lay the throw-away server into a new folder below DIR.")
  @Nullable Path workDirectory;

  @Option(names = "--plan", description = "Say what would be done, and do nothing.")
  boolean plan;

  @Option(names = "--yes", description = "Nothing is overwritten, so that nothing is asked.")
  boolean yes;

  @Override
  public Integer call() {
    Optional<SecretValue> password = password();
    try {
      TableRestoreRequest request = request(password);
      return plan ? plan(request) : restore(request);
    } finally {
      password.ifPresent(SecretValue::close);
    }
  }

  private int plan(TableRestoreRequest request) {
    TableRestorePlan found = thorbis().reading(opened -> opened.planTables(request));
    thorbis()
        .print(
            Facts.tablePlan(found),
            out -> {
              out.println("Reachable: " + Words.target(found.restore().target()));
              out.println(
                  "From backup "
                      + found.restore().backup().id()
                      + " of "
                      + Text.time(found.restore().backup().stoppedAt())
                      + found.restore().until().map(until -> ", up to " + until).orElse(""));
              out.println(
                  found.restore().files()
                      + " files, "
                      + Text.bytes(found.restore().bytes())
                      + " to write below "
                      + found.workDirectory()
                      + ", which needs "
                      + Text.bytes(found.neededBytes())
                      + " and has "
                      + Text.bytes(found.freeBytes()));
              found
                  .restore()
                  .estimate()
                  .ifPresent(estimate -> out.println(Words.estimate(estimate)));
              found.tools().forEach(tool -> out.println("With " + tool));
              found.restore().notes().forEach(note -> out.println("note: " + note));
            });
    return Exit.DONE;
  }

  private int restore(TableRestoreRequest request) {
    RestoreRecord record =
        new RestoreRecord(thorbis(), "tables", source)
            .say("moment", Words.target(request.target()))
            .say("into", place.output == null ? "database" : "file")
            .say("database", what.database)
            .say("tables", request.whole() ? null : what.tables);
    TableRestoreReport report =
        thorbis()
            .reading(
                opened ->
                    record.around(
                        opened,
                        () -> thorbis().followed(control -> opened.restoreTables(request, control)),
                        RestoreTableCommand::told));
    String into = place.into;
    Path output = request.destination() instanceof Output to ? to.file() : null;
    thorbis()
        .print(
            Facts.tables(report, into, output),
            out -> {
              if (request.whole()) {
                out.println(
                    "Database "
                        + request.database()
                        + ": "
                        + report.tables().size()
                        + " tables, "
                        + report.rows()
                        + " rows");
              } else {
                report.tables().forEach(table -> out.println(line(table)));
              }
              out.println(
                  "As of "
                      + report.reached().lsn()
                      + report.reached().time().map(time -> ", " + time).orElse("")
                      + ", from "
                      + report.backup()
                      + "; "
                      + Text.bytes(report.bytesFetched())
                      + " fetched, in "
                      + Text.span(report.durationMillis()));
              out.println(
                  (request.whole() ? "It is in " : "They are in ")
                      + (output == null ? into : output));
              report.next().forEach(out::println);
            });
    return Exit.DONE;
  }

  private String line(TableRestoreReport.Table table) {
    return table.name()
        + ": "
        + table.rows()
        + " rows"
        + (table.partitions() == 0 ? "" : ", in " + table.partitions() + " partitions")
        + (asSchema == null ? "" : ", in schema " + table.schema());
  }

  private static void told(TableRestoreReport report, RestoreRecord record) {
    record
        .from(report.backup())
        .say("bytesFetched", report.bytesFetched())
        .say("rows", report.tables().stream().mapToLong(table -> table.rows()).sum())
        .say("reachedLsn", report.reached().lsn().toString())
        .say("reachedTime", report.reached().time().map(Instant::toString).orElse(null));
  }

  private TableRestoreRequest request(Optional<SecretValue> password) {
    Path folder = thorbis().host().folder();
    Path output = place.output;
    String into = place.into;
    if (into == null && (user != null || passwordFile != null)) {
      throw Failure.usage("--user and --password-file say who loads into a server", "Add --into.");
    }
    Destination destination =
        output != null
            ? new Output(folder.resolve(output).normalize())
            : new Into(into == null ? "" : into, Optional.ofNullable(user), password);
    TableRestoreRequest.Builder request =
        TableRestoreRequest.builder(source, Moment.target(moment, exclusive), destination)
            .owners(!noOwner)
            .foreignKeys(!noForeignKeys);
    if (what.database != null) {
      if (asSchema != null || noForeignKeys) {
        throw Failure.usage(
            "--as-schema and --no-foreign-keys are for tables", "Leave them out with --database.");
      }
      request.database(what.database);
    }
    List<TableName> names = what.tables.stream().map(Words::table).toList();
    names.forEach(request::table);
    if (names.stream().map(TableName::database).distinct().count() > 1) {
      throw Failure.usage(
          "--table: they are of several databases", "Run it once for each database.");
    }
    if (!timeline.equals("latest")) {
      request.timeline(Words.timeline(timeline));
    }
    if (backup != null) {
      request.backup(Words.backupId(backup));
    }
    if (asSchema != null) {
      if (asSchema.isEmpty() || asSchema.startsWith("pg_")) {
        throw Failure.usage(
            "--as-schema: \"" + asSchema + "\" can be no schema's name", "Choose another.");
      }
      request.asSchema(asSchema);
    }
    if (workDirectory != null) {
      request.workDirectory(folder.resolve(workDirectory).normalize());
    }
    return request.build();
  }

  private Optional<SecretValue> password() {
    Path named = passwordFile;
    if (named == null) {
      return Optional.empty();
    }
    Path file = thorbis().host().folder().resolve(named);
    byte[] bytes;
    try (var in = Files.newInputStream(file)) {
      bytes = in.readNBytes(MOST_PASSWORD_BYTES);
    } catch (IOException e) {
      throw com.thorbis.backup.api.BackupException.from(e);
    }
    int end = bytes.length;
    while (end > 0 && (bytes[end - 1] == '\n' || bytes[end - 1] == '\r')) {
      end--;
    }
    byte[] secret = Arrays.copyOf(bytes, end);
    try {
      return Optional.of(SecretValue.copyOf(secret));
    } finally {
      Arrays.fill(secret, (byte) 0);
      Arrays.fill(bytes, (byte) 0);
    }
  }
}
