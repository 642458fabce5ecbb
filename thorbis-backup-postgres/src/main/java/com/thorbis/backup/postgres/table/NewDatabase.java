package com.thorbis.backup.postgres.table;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest;
import com.thorbis.backup.api.TableRestoreRequest;
import com.thorbis.backup.api.TableRestoreRequest.Into;
import com.thorbis.backup.postgres.dump.DatabaseSession;
import com.thorbis.backup.postgres.dump.DatabaseSession.Sum;
import com.thorbis.backup.postgres.restore.Stages;
import com.thorbis.backup.postgres.server.ThrowAway;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.tools.ToolConnection;
import com.thorbis.backup.postgres.tools.ToolRun;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;

/**
 * A new database of a running server that a whole one is brought into. It has a name that nobody
 * knows until all of it is there and compared; what fails before drops it. Used by one thread.
 */
final class NewDatabase {
  private static final String MAINTENANCE = "postgres";
  private static final String IN_USE = "55006";
  private static final String TAKEN = "42P04";
  private static final int MOST_TRIES = 6; // the server waits for others for five seconds itself
  private static final int BUFFER_BYTES = 1 << 16;
  private static final int MOST_NAMED = 5;

  private final PostgresSettings settings;
  private final String name;

  private NewDatabase(PostgresSettings settings, String name) {
    this.settings = settings;
    this.name = name;
  }

  /** As a request names it; contacts nobody. */
  static NewDatabase of(PostgresSettings source, Into into) {
    PostgresSettings target = LiveDatabase.target(source, into);
    return new NewDatabase(
        target,
        target
            .database()
            .orElseThrow(
                () ->
                    BackupException.of(
                            "restore.no-database-name",
                            FailureKind.CONFIGURATION,
                            "The URL that the database goes to names none")
                        .remedy("Name the new one: --into jdbc:postgresql://HOST/NAME")
                        .build()));
  }

  /** Where the server is, as it is written down for whoever drops what a killed run left. */
  String address() {
    return settings.address().toString();
  }

  private String describe() {
    return settings.address() + "/" + name;
  }

  /** Refuses, before anything is fetched, what would be refused at the end. */
  void check() {
    try (Connection session = SqlConnections.open(settings, MAINTENANCE)) {
      if (flag(session, "SELECT pg_is_in_recovery()")) {
        throw LiveDatabase.standby(settings.address().toString());
      }
      requireFree(session);
      if (!flag(
          session, "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user")) {
        throw BackupException.of(
                "restore.may-not-create",
                FailureKind.REFUSED,
                "Role \"" + settings.user() + "\" may not create databases on " + address())
            .remedy("Name a role that may, with --user and --password-file.")
            .build();
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  private void requireFree(Connection session) throws SQLException {
    if (!Sql.rows(
            session, row -> row.getLong(1), "SELECT oid FROM pg_database WHERE datname = ?", name)
        .isEmpty()) {
      throw taken();
    }
  }

  private BackupException taken() {
    return BackupException.of(
            "restore.database-exists",
            FailureKind.REFUSED,
            settings.address() + " has a database " + Sql.name(name) + " now; nothing was changed")
        .remedy("Name one in the URL that does not exist, or rename what is there.")
        .detail("database", name)
        .build();
  }

  private static boolean flag(Connection session, String question) throws SQLException {
    return Sql.rows(session, row -> row.getBoolean(1), question).get(0);
  }

  /** Whether a superuser loads. */
  boolean superuser() {
    try (Connection session = SqlConnections.open(settings, MAINTENANCE)) {
      return flag(session, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user");
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  /**
   * Brings it in.
   *
   * @param past the database then, which has the name there that the new one has until it is whole
   * @return how many rows each table has, by object id then
   */
  Map<Long, Long> load(
      Past past,
      TableRestoreRequest request,
      Definitions definitions,
      ThrowAway place,
      Stages stages)
      throws IOException {
    place.databaseBegun();
    try {
      stages.begin("load", -1);
      copy(past, request, definitions, place.database(), stages);
      stages.begin("compare", -1);
      Map<Long, Long> rows = compare(past, place.database(), stages.control().cancellation());
      analyze(place.database(), stages);
      stages.control().cancellation().check();
      publish(place);
      return rows;
    } catch (BackupException e) {
      throw e.kind() == FailureKind.OUTCOME_UNKNOWN ? e : undone(e, place);
    } catch (IOException | RuntimeException e) {
      undone(BackupException.of("restore.load-failed", FailureKind.PERMANENT, "").build(), place);
      throw e;
    }
  }

  /** What was made is dropped, or it is said that it is left. */
  private BackupException undone(BackupException e, ThrowAway place) {
    Optional<String> kept = drop(settings, place.database());
    if (kept.isEmpty()) {
      place.databaseSettled();
      return e;
    }
    return BackupException.of(
            e.code(),
            e.kind(),
            e.getMessage()
                + " (and the unfinished database "
                + Sql.name(place.database())
                + " is left on "
                + address()
                + ", as it could not be dropped: "
                + kept.get()
                + ")")
        .remedy(e.remedy() + " The next restore-table into this server drops what is left.")
        .cause(e)
        .build();
  }

  /**
   * Drops one that a run made.
   *
   * @return why it may still be there; empty if it is gone
   */
  static Optional<String> drop(PostgresSettings settings, String made) {
    try (Connection session = SqlConnections.open(settings, MAINTENANCE)) {
      session.setNetworkTimeout(Runnable::run, 0);
      boolean there =
          !Sql.rows(
                  session,
                  row -> row.getLong(1),
                  "SELECT oid FROM pg_database WHERE datname = ?",
                  made)
              .isEmpty();
      if (there) {
        Sql.execute(session, "ALTER DATABASE " + Sql.name(made) + " IS_TEMPLATE false");
        Sql.execute(session, "DROP DATABASE IF EXISTS " + Sql.name(made) + " WITH (FORCE)");
      }
      return Optional.empty();
    } catch (SQLException e) {
      return Optional.of(String.valueOf(e.getMessage()));
    }
  }

  /** From one server to the other, through two programs and no file. */
  private void copy(
      Past past, TableRestoreRequest request, Definitions definitions, String made, Stages stages)
      throws IOException {
    ToolConnection connection = ToolConnection.of(settings, MAINTENANCE);
    List<String> words =
        new ArrayList<>(
            List.of("--create", "--exit-on-error", "--dbname=" + connection.databaseArgument()));
    if (!request.owners()) {
      words.add("--no-owner");
      words.add("--no-privileges");
    }
    if (!tablespaces(past)) {
      words.add("--no-tablespaces");
    }
    Cancellation cancellation = stages.control().cancellation();
    try (ToolRun dump = definitions.archive();
        ToolRun load =
            definitions.tools().start(Tool.PG_RESTORE, connection, words, cancellation)) {
      boolean taken = pass(dump.output(), load.input(), stages);
      if (taken) {
        dump.finish();
      }
      try {
        load.input().close();
      } catch (IOException e) {
        taken = false; // its end tells why
      }
      load.finish();
      if (!taken) {
        dump.finish();
      }
    } catch (BackupException e) {
      throw e.code().equals("tools.failed") ? refused(e, made) : e;
    }
  }

  /**
   * Passes an archive on.
   *
   * @return whether all of it was taken
   */
  private static boolean pass(InputStream from, OutputStream to, Stages stages) throws IOException {
    byte[] buffer = new byte[BUFFER_BYTES];
    long passed = 0;
    for (int length = from.read(buffer); length >= 0; length = from.read(buffer)) {
      try {
        to.write(buffer, 0, length);
      } catch (IOException e) {
        return false; // its end tells why
      }
      passed += length;
      stages.control().progress().advance(passed, -1);
    }
    return true;
  }

  private boolean tablespaces(Past past) {
    List<String> missing = new ArrayList<>(past.allTablespaces());
    try (Connection session = SqlConnections.open(settings, MAINTENANCE)) {
      missing.removeAll(
          Sql.rows(session, row -> row.getString(1), "SELECT spcname FROM pg_tablespace"));
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
    if (!missing.isEmpty()) {
      past.next()
          .add(
              "All of it lies where the server's databases do: there is no tablespace "
                  + String.join(", ", missing));
    }
    return missing.isEmpty();
  }

  private BackupException refused(BackupException e, String made) {
    String said = String.valueOf(e.getMessage()).replace(made, name);
    return BackupException.of(
            "restore.load-failed",
            FailureKind.PERMANENT,
            describe() + " was not taken, and nothing of it is there: " + said)
        .remedy(
            said.contains("does not exist") && said.contains("role")
                    || said.contains("permission denied")
                    || said.contains("must be ")
                ? "Load as a superuser, or without owners and grants with --no-owner; make roles"
                    + " that are missing."
                : "Mend what the server says, or restore into a file.")
        .cause(e)
        .build();
  }

  /** Both are read at once, each by its own server. */
  private Map<Long, Long> compare(Past past, String made, Cancellation cancellation)
      throws IOException {
    FutureTask<Map<LoadRequest.Table, Sum>> then =
        new FutureTask<>(() -> sums(past.connect(), cancellation));
    Thread reader = new Thread(then, "thorbis-restore-compare");
    reader.setDaemon(true);
    reader.start();
    try {
      Map<LoadRequest.Table, Sum> now = sums(SqlConnections.open(settings, made), cancellation);
      requireSame(then.get(), now, past);
      Map<Long, Long> rows = new LinkedHashMap<>();
      for (Relation one : past.all()) {
        Sum sum = now.get(new LoadRequest.Table(one.schema(), one.name()));
        rows.put(one.oid(), sum == null ? 0 : sum.rows().orElse(0));
      }
      return rows;
    } catch (SQLException e) {
      cancellation.check();
      throw Failures.of(settings, e);
    } catch (ExecutionException e) {
      cancellation.check();
      if (e.getCause() instanceof SQLException sql) {
        throw Past.failed(sql);
      }
      throw new IOException("The tables cannot be compared", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while the tables were compared");
    }
  }

  private static Map<LoadRequest.Table, Sum> sums(Connection sql, Cancellation cancellation)
      throws SQLException {
    Map<LoadRequest.Table, Sum> sums = new LinkedHashMap<>();
    try (DatabaseSession session = DatabaseSession.of(sql, cancellation)) {
      for (DatabaseSession.Relation one : session.relations()) {
        if (one.hasRows()) {
          cancellation.check();
          sums.put(one.table(), session.sum(one.table()));
        }
      }
    }
    return sums;
  }

  private void requireSame(
      Map<LoadRequest.Table, Sum> then, Map<LoadRequest.Table, Sum> now, Past past) {
    Set<LoadRequest.Table> all = new LinkedHashSet<>(then.keySet());
    all.addAll(now.keySet());
    List<String> different = new ArrayList<>();
    List<String> counted = new ArrayList<>();
    for (LoadRequest.Table table : all) {
      Sum before = then.getOrDefault(table, Sum.NONE);
      Sum after = now.getOrDefault(table, Sum.NONE);
      Optional<String> digest = before.digest();
      if (!then.containsKey(table)
          || !now.containsKey(table)
          || before.rows().isEmpty()
          || !before.rows().equals(after.rows())
          || digest.isPresent() && after.digest().isPresent() && !digest.equals(after.digest())) {
        different.add(table.toString());
      } else if (digest.isEmpty() || after.digest().isEmpty()) {
        counted.add(table.toString());
      }
    }
    if (!different.isEmpty()) {
      throw BackupException.of(
              "restore.rows-differ",
              FailureKind.PERMANENT,
              "Tables came with other rows than they had: " + named(different))
          .remedy("Nothing was changed. Restore it into a file, and report this.")
          .build();
    }
    if (!counted.isEmpty()) {
      past.next().add("As many rows, and their content could not be compared: " + named(counted));
    }
  }

  private static String named(List<String> tables) {
    return tables.stream().limit(MOST_NAMED).collect(Collectors.joining(", "))
        + (tables.size() > MOST_NAMED ? " and " + (tables.size() - MOST_NAMED) + " more" : "");
  }

  /** What the planner knows of tables does not come with them. */
  private void analyze(String made, Stages stages) {
    stages.begin("analyze", -1);
    try (Connection session = SqlConnections.open(settings, made)) {
      session.setNetworkTimeout(Runnable::run, 0);
      Sql.execute(session, "ANALYZE");
    } catch (SQLException e) {
      stages
          .control()
          .progress()
          .warning("It is not analyzed, which ANALYZE mends: " + e.getMessage());
    }
  }

  /** It gets its name. */
  private void publish(ThrowAway place) {
    String statement =
        "ALTER DATABASE " + Sql.name(place.database()) + " RENAME TO " + Sql.name(name);
    try (Connection session = SqlConnections.open(settings, MAINTENANCE)) {
      session.setNetworkTimeout(Runnable::run, 0);
      for (int tries = 1; ; tries++) {
        try {
          Sql.execute(session, statement);
          place.databaseSettled();
          return;
        } catch (SQLException e) {
          String state = Objects.requireNonNullElse(e.getSQLState(), "");
          if (state.startsWith("08") || state.startsWith("57P")) {
            throw unknown(place, e);
          }
          if (state.equals(TAKEN)) {
            throw taken();
          }
          if (!state.equals(IN_USE) || tries == MOST_TRIES) {
            throw e;
          }
          // Whoever looks into every database, as monitoring does; the owner may send him away.
          Sql.rows(
              session,
              row -> row.getBoolean(1),
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?",
              place.database());
        }
      }
    } catch (SQLException e) {
      throw BackupException.of(
              "restore.load-failed",
              FailureKind.PERMANENT,
              describe() + " was loaded, and did not get its name: " + e.getMessage())
          .remedy("Mend what the server says, and run it again.")
          .cause(e)
          .build();
    }
  }

  private BackupException unknown(ThrowAway place, SQLException e) {
    return BackupException.of(
            "restore.load-unknown",
            FailureKind.OUTCOME_UNKNOWN,
            "The connection to "
                + settings.address()
                + " was lost while the database got its name: "
                + e.getMessage())
        .remedy(
            "Look whether there is a database "
                + Sql.name(name)
                + ": if so it is whole; else "
                + Sql.name(place.database())
                + " is, and the next restore-table into this server drops it.")
        .cause(e)
        .build();
  }
}
