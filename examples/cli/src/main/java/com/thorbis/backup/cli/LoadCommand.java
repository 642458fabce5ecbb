package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.LoadPlan;
import com.thorbis.backup.api.LoadReport;
import com.thorbis.backup.api.LoadReport.LoadedTable;
import com.thorbis.backup.api.LoadRequest;
import com.thorbis.backup.spi.SecretValue;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "load",
    description = {
      "Load a dump into a running server, whole or not at all, and compare every table with what",
      "was dumped."
    })
final class LoadCommand extends Job {
  private static final int MOST_NAMED = 20;

  @Parameters(paramLabel = "BACKUP", description = "The dump's id, as list prints it.")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  String backup;

  @ArgGroup(multiplicity = "1")
  @SuppressWarnings("NullAway.Init") // picocli sets it
  Where where;

  /** Where to. */
  static final class Where {
    @Option(
        names = "--into",
        paramLabel = "JDBC-URL",
        description = "The database, as jdbc:postgresql://host/database, without a password.")
    @Nullable String into;

    @Option(
        names = "--output",
        paramLabel = "DIR",
        description = {
          "Instead of loading, lay the dump into a new or empty folder, for pg_restore by hand: with",
          "globals.sql, which has the roles and may have hashes of their passwords."
        })
    @Nullable Path output;
  }

  @Option(names = "--user", paramLabel = "ROLE", description = "The role, if the URL has none.")
  @Nullable String user;

  @Option(
      names = "--password",
      paramLabel = "PLACEHOLDER",
      description = "Where its password is: $${env:NAME} or $${file:PATH}.")
  @Nullable String password;

  @Option(
      names = "--database",
      paramLabel = "NAME",
      description = "Which database of the dump, where it is of several.")
  @Nullable String database;

  @Option(
      names = "--tables",
      paramLabel = "S.T",
      description = {
        "These alone, with their partitions, keys, indexes, defaults and sequences, and a comma",
        "between; a name with a dot or a comma stands in double quotes."
      })
  List<String> tables = new ArrayList<>();

  @Option(names = "--schema", paramLabel = "SCHEMA", description = "What is in this one alone.")
  List<String> schemas = new ArrayList<>();

  @Option(
      names = "--clean",
      description = {
        "Drop whatever the target has under the same names, not tables alone, in the same",
        "transaction."
      })
  boolean clean;

  @Option(
      names = "--owners",
      description = "With the owners and privileges that there were; the roles must exist.")
  boolean owners;

  @Option(names = "--plan", description = "Say what would be done, and do nothing.")
  boolean plan;

  @Option(names = "--yes", description = "Do it without asking; only --clean asks.")
  boolean yes;

  @Override
  public Integer call() {
    BackupId id = Words.backupId(backup);
    Path output = where.output;
    if (output != null) {
      if (user != null
          || password != null
          || database != null
          || !tables.isEmpty()
          || !schemas.isEmpty()
          || clean
          || owners) {
        throw Failure.usage(
            "--output lays the whole dump down and asks no server: --user, --password, --database,"
                + " --tables, --schema, --clean and --owners are for --into",
            "Leave them out; pg_restore has options like them.");
      }
      return lay(id, thorbis().host().folder().resolve(output));
    }
    if (!tables.isEmpty() && !schemas.isEmpty()) {
      throw Failure.usage("--tables and --schema choose in two ways", "Write one of them.");
    }
    SecretValue secret = password == null ? null : secret(password, thorbis().host());
    try {
      LoadRequest request = request(id, secret);
      return plan ? plan(request) : load(request);
    } finally {
      if (secret != null) {
        secret.close();
      }
    }
  }

  private LoadRequest request(BackupId id, @Nullable SecretValue secret) {
    LoadRequest.Builder request =
        LoadRequest.builder(id, String.valueOf(where.into)).replace(clean).owners(owners);
    if (user != null) {
      request.user(user);
    }
    if (secret != null) {
      request.password(secret);
    }
    if (database != null) {
      request.database(database);
    }
    tables.forEach(list -> tables(list).forEach(request::table));
    schemas.forEach(request::schema);
    return request.build();
  }

  /** Only where it is stands on the command line, which others can see. */
  static SecretValue secret(String text, Host host) {
    if (!Placeholders.anyIn(text)) {
      throw Failure.usage(
          "--password is no place for the password itself: everybody on this machine sees it",
          "Write where it is: '${env:NAME}' or '${file:PATH}'.");
    }
    byte[] filled;
    try {
      filled = new Placeholders(host.environment(), host.folder()).fill(text);
    } catch (Placeholders.MissingException e) {
      throw Failure.usage("--password: " + e.getMessage(), e.remedy());
    }
    try {
      return SecretValue.copyOf(filled);
    } finally {
      Arrays.fill(filled, (byte) 0);
    }
  }

  /** Takes a list of names apart. */
  static List<LoadRequest.Table> tables(String list) {
    List<LoadRequest.Table> found = new ArrayList<>();
    List<String> names = new ArrayList<>();
    StringBuilder name = new StringBuilder();
    boolean quoted = false;
    for (int i = 0; i <= list.length(); i++) {
      char c = i < list.length() ? list.charAt(i) : ',';
      if (quoted && c == '"' && i + 1 < list.length() && list.charAt(i + 1) == '"') {
        name.append('"');
        i++;
      } else if (c == '"' && i < list.length()) {
        quoted = !quoted;
      } else if (!quoted && (c == '.' || c == ',')) {
        names.add(name.toString());
        name.setLength(0);
        if (c == ',') {
          if (names.size() != 2 || names.contains("")) {
            throw Failure.usage(
                "--tables: \"" + list + "\" is no list of tables",
                "Write schema.table, with a comma between two.");
          }
          found.add(new LoadRequest.Table(names.get(0), names.get(1)));
          names.clear();
        }
      } else {
        name.append(c);
      }
    }
    if (quoted) {
      throw Failure.usage("--tables: a double quote is not closed", "Close it.");
    }
    return found;
  }

  private int plan(LoadRequest request) {
    LoadPlan found = thorbis().reading(opened -> opened.planLoad(request));
    thorbis()
        .print(
            Json.object(
                "backup", found.backup(),
                "database", found.database(),
                "target", found.target(),
                "tables",
                    found.tables().stream()
                        .map(one -> Json.object("table", one.table(), "rows", rows(one.rows())))
                        .toList(),
                "existing", found.existing(),
                "excluded", found.excluded(),
                "notes", found.notes()),
            out -> people(found, out));
    return Exit.DONE;
  }

  private static void people(LoadPlan plan, PrintStream out) {
    out.println(
        "Database "
            + plan.database()
            + " of backup "
            + plan.backup()
            + " into "
            + plan.target()
            + ":");
    plan.tables()
        .forEach(one -> out.println("  " + one.table() + ", " + words(one.rows()) + " rows"));
    excluded(plan.excluded(), out);
    if (!plan.existing().isEmpty()) {
      out.println(
          "The target already has "
              + named(plan.existing())
              + ": only --clean loads in spite of that, and drops them");
    }
    plan.notes().forEach(note -> out.println("note: " + note));
  }

  private int load(LoadRequest request) {
    RestoreRecord record =
        new RestoreRecord(thorbis(), "dump", request.backup().value())
            .from(request.backup())
            .say("into", "database");
    LoadReport report =
        thorbis()
            .reading(
                opened -> {
                  record.of(opened.show(request.backup()).source());
                  LoadPlan found = opened.planLoad(request);
                  PrintStream err = thorbis().host().err();
                  excluded(found.excluded(), err);
                  if (clean && !yes) {
                    err.println(
                        "Dropped in "
                            + found.target()
                            + " is everything of the same name as something in the dump: tables,"
                            + " views, functions, types and all else"
                            + (found.existing().isEmpty()
                                ? ""
                                : "; among it " + named(found.existing())));
                    thorbis().host().confirm("load.not-confirmed", "load --clean --plan");
                  }
                  return record.around(
                      opened,
                      () -> thorbis().followed(control -> opened.load(request, control)),
                      LoadCommand::told);
                });
    thorbis()
        .print(
            Json.object(
                "backup", report.backup(),
                "target", report.target(),
                "same", report.same(),
                "compared", report.compared(),
                "tables", report.tables().stream().map(LoadCommand::facts).toList(),
                "excluded", report.excluded(),
                "warnings", report.warnings(),
                "durationMillis", report.durationMillis()),
            out -> people(report, out));
    return report.differs() ? Exit.DAMAGED : Exit.DONE;
  }

  private static void told(LoadReport report, RestoreRecord record) {
    record.say("tables", (long) report.tables().size());
    if (report.differs()) {
      record.failed("load.differs");
    }
  }

  private static Map<String, @Nullable Object> facts(LoadedTable one) {
    return Json.object(
        "table", one.table(),
        "rows", rows(one.rows()),
        "expectedRows", rows(one.expectedRows()),
        "outcome", one.outcome().label());
  }

  private static void people(LoadReport report, PrintStream out) {
    out.println(
        report.backup()
            + " is loaded into "
            + report.target()
            + ", in "
            + Text.span(report.durationMillis()));
    for (LoadedTable one : report.tables()) {
      out.println(
          "  "
              + one.table()
              + ": "
              + words(one.rows())
              + " rows, "
              + switch (one.outcome()) {
                case SAME -> "the same as were dumped";
                case COUNTED -> "as many as were dumped";
                case DIFFERENT -> "DIFFERENT: " + words(one.expectedRows()) + " were dumped";
                case UNKNOWN -> "not compared";
              });
    }
    report.warnings().forEach(warning -> out.println("warning: " + warning));
  }

  private static void excluded(List<LoadRequest.Table> tables, PrintStream out) {
    if (!tables.isEmpty()) {
      out.println("Not in the dump, by exclude-tables: " + named(tables));
    }
  }

  private static String named(List<LoadRequest.Table> tables) {
    List<String> names =
        tables.stream().limit(MOST_NAMED).map(LoadRequest.Table::toString).toList();
    return String.join(", ", names)
        + (tables.size() > MOST_NAMED ? " and " + (tables.size() - MOST_NAMED) + " more" : "");
  }

  private static @Nullable Object rows(OptionalLong rows) {
    return rows.isPresent() ? rows.getAsLong() : null;
  }

  private static String words(OptionalLong rows) {
    return rows.isPresent() ? Long.toString(rows.getAsLong()) : "an unknown number of";
  }

  /** Lays the files of a dump down for whoever goes on by hand. */
  private int lay(BackupId id, Path folder) {
    LaidDump laid = new LaidDump(id, folder);
    List<String> files =
        thorbis()
            .reading(
                opened ->
                    plan
                        ? laid.plan(opened)
                        : new RestoreRecord(thorbis(), "dump", opened.show(id).source())
                            .from(id)
                            .say("into", "folder")
                            .around(
                                opened,
                                () -> thorbis().followed(control -> laid.lay(opened, control)),
                                (done, record) -> record.say("files", (long) done.size())));
    thorbis()
        .print(
            Json.object("backup", id, "outputDir", folder, "files", files),
            out -> {
              out.println(
                  id
                      + (plan ? " would lie in " : " lies in ")
                      + folder
                      + ": "
                      + String.join(", ", files));
              if (!plan) {
                out.println("Load it with pg_restore; globals.sql is for psql.");
              }
            });
    return Exit.DONE;
  }
}
