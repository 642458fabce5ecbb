package com.thorbis.backup.postgres.table;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.TableRestoreRequest;
import com.thorbis.backup.api.TableRestoreRequest.Into;
import com.thorbis.backup.postgres.restore.Stages;
import com.thorbis.backup.postgres.server.ThrowAway;
import com.thorbis.backup.postgres.server.ThrowAway.Dropped;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.tools.ToolConnection;
import com.thorbis.backup.postgres.tools.ToolRun;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * A new database of a running server that a whole one is brought into. Until all of it is there and
 * compared it has a name of the run, and where a superuser loads nobody else may connect to it;
 * what fails before drops it. Used by one thread.
 */
final class NewDatabase {
  private static final List<String> MAINTENANCE = List.of("postgres", "template1");
  private static final String IN_USE = "55006";
  private static final String TAKEN = "42P04";
  private static final String NOT_ALLOWED = "42501";
  private static final String NO_DATABASE = "3D000";
  private static final int INTERRUPTED_DROP = -2;
  private static final int TRANSACTION_TIMEOUT_SINCE = 17;
  private static final int MOST_NAME_BYTES = 63;
  private static final int MOST_TRIES = 12; // the server waits for others for five seconds itself
  private static final int BUFFER_BYTES = 1 << 16;

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
            .filter(one -> one.getBytes(StandardCharsets.UTF_8).length <= MOST_NAME_BYTES)
            .orElseThrow(
                () ->
                    BackupException.of(
                            "restore.no-database-name",
                            FailureKind.CONFIGURATION,
                            "The URL that the database goes to names none, or has a name of more"
                                + " than "
                                + MOST_NAME_BYTES
                                + " bytes")
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

  /** A session in what every server has. */
  private static Connection maintain(PostgresSettings settings) throws SQLException {
    try {
      return SqlConnections.open(settings, MAINTENANCE.get(0));
    } catch (SQLException e) {
      if (!NO_DATABASE.equals(e.getSQLState())) {
        throw e;
      }
      return SqlConnections.open(settings, MAINTENANCE.get(1));
    }
  }

  /** Lets a session wait for its answers as long as it takes. */
  private static Connection patient(Connection session) throws SQLException {
    boolean set = false;
    try {
      session.setNetworkTimeout(Runnable::run, 0);
      Sql.execute(session, "SET statement_timeout = 0");
      Sql.execute(session, "SET lock_timeout = 0");
      set = true;
      return session;
    } finally {
      if (!set) {
        session.close();
      }
    }
  }

  /** Refuses, before anything is fetched, what would be refused at the end. */
  void check() {
    try (Connection session = maintain(settings)) {
      if (flag(session, "SELECT pg_is_in_recovery()")) {
        throw LiveDatabase.standby(settings.address().toString());
      }
      boolean taken =
          !Sql.rows(
                  session,
                  row -> row.getLong(1),
                  "SELECT oid FROM pg_database WHERE datname = ?",
                  name)
              .isEmpty();
      if (taken) {
        throw taken();
      }
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

  /** Refuses a server that is older than the one that the backup is of, or than programs take. */
  void requireVersion(int major, ClientTools tools) {
    try (Connection session = maintain(settings)) {
      int there = session.getMetaData().getDatabaseMajorVersion();
      if (there < major) {
        throw BackupException.of(
                "restore.older-server",
                FailureKind.REFUSED,
                address() + " is PostgreSQL " + there + ", and the backup is of " + major)
            .remedy("Name a server that is not older, or restore into a file.")
            .build();
      }
      if (tools.major() >= TRANSACTION_TIMEOUT_SINCE && there < TRANSACTION_TIMEOUT_SINCE) {
        throw BackupException.of(
                "restore.newer-programs",
                FailureKind.REFUSED,
                "What pg_restore "
                    + tools.version()
                    + " says PostgreSQL "
                    + there
                    + " on "
                    + address()
                    + " does not understand")
            .remedy(
                "Install the client programs of PostgreSQL "
                    + there
                    + ", or name them with client-tools-directory.")
            .build();
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
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
    try (Connection session = maintain(settings)) {
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
    Cancellation cancellation = stages.control().cancellation();
    int limit = past.limitConnections(superuser());
    boolean tablespaces = tablespaces(past);
    place.databaseBegun();
    try {
      stages.begin("load", -1);
      copy(request, definitions, tablespaces, place.database(), stages);
      stages.begin("compare", -1);
      Comparison compared = compare(past, place.database(), cancellation);
      stages.begin("analyze", -1);
      analyze(place.database(), stages.control());
      publish(place, limit, cancellation);
      Map<Long, Long> rows = new LinkedHashMap<>();
      past.all().forEach(one -> rows.put(one.oid(), compared.rows(one)));
      return rows;
    } catch (BackupException e) {
      if (e.kind() != FailureKind.OUTCOME_UNKNOWN) {
        undo(place, stages.control());
      }
      throw e;
    } catch (IOException | RuntimeException e) {
      undo(place, stages.control());
      throw e;
    }
  }

  /** What was made is dropped, or it is said that it is left. */
  private void undo(ThrowAway place, RunControl control) {
    Dropped dropped = drop(settings, place.database());
    if (dropped.settled()) {
      place.databaseSettled();
    } else {
      control
          .progress()
          .warning(
              "The unfinished database "
                  + Sql.name(place.database())
                  + " is left on "
                  + address()
                  + ", until the next restore-table into this server drops it: "
                  + dropped.why());
    }
  }

  /** Drops one that a run made. */
  static Dropped drop(PostgresSettings settings, String made) {
    try (Connection session = maintain(settings)) {
      boolean comes =
          !Sql.rows(
                  session,
                  row -> row.getInt(1),
                  "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <>"
                      + " pg_backend_pid() AND query LIKE 'CREATE DATABASE%' AND strpos(query, ?) >"
                      + " 0",
                  made)
              .isEmpty();
      if (comes) {
        return Dropped.unknown("it is being made at this moment");
      }
      // Of one whose DROP was interrupted the server takes no other statement.
      List<Boolean> template =
          Sql.rows(
              session,
              row -> row.getBoolean(1) && row.getInt(2) != INTERRUPTED_DROP,
              "SELECT datistemplate, datconnlimit FROM pg_database WHERE datname = ?",
              made);
      if (template.contains(true)) {
        Sql.execute(session, "ALTER DATABASE " + Sql.name(made) + " IS_TEMPLATE false");
      }
      if (template.isEmpty()) {
        return Dropped.ABSENT;
      }
      patient(session);
      Sql.execute(session, "SET synchronous_commit = local"); // nobody waits for a drop
      sendAway(session, made);
      Sql.execute(session, "DROP DATABASE IF EXISTS " + Sql.name(made));
      return Dropped.GONE;
    } catch (SQLException e) {
      return Dropped.unknown(String.valueOf(e.getMessage()));
    }
  }

  /** Ends the sessions in a database that may be ended: an owner may not end a superuser's. */
  private static void sendAway(Connection session, String database) throws SQLException {
    for (int pid :
        Sql.rows(
            session,
            row -> row.getInt(1),
            "SELECT pid FROM pg_stat_activity WHERE datname = ? AND backend_type = 'client"
                + " backend'",
            database)) {
      try {
        Sql.execute(session, "SELECT pg_terminate_backend(" + pid + ")");
      } catch (SQLException e) {
        if (!NOT_ALLOWED.equals(e.getSQLState())) {
          throw e;
        }
      }
    }
  }

  /** From one server to the other, through two programs and no file. */
  private void copy(
      TableRestoreRequest request,
      Definitions definitions,
      boolean tablespaces,
      String made,
      Stages stages)
      throws IOException {
    ToolConnection connection = ToolConnection.of(settings, maintenance());
    List<String> words =
        new ArrayList<>(
            List.of("--create", "--exit-on-error", "--dbname=" + connection.databaseArgument()));
    if (!request.owners()) {
      words.add("--no-owner");
      words.add("--no-privileges");
    }
    if (!tablespaces) {
      words.add("--no-tablespaces"); // the tables'; pg_dump has said that of the database
    }
    Cancellation cancellation = stages.control().cancellation();
    try (ToolRun dump = definitions.archive(tablespaces);
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
      boolean dumping = Tool.PG_DUMP.label().equals(e.details().get("program"));
      throw e.code().equals("tools.failed") && !dumping ? refused(e, made) : e;
    }
  }

  private String maintenance() {
    try (Connection session = maintain(settings)) {
      return session.getCatalog();
    } catch (SQLException e) {
      throw Failures.of(settings, e);
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
    try (Connection session = maintain(settings)) {
      missing.removeAll(
          Sql.rows(
              session,
              row -> row.getString(1),
              "SELECT spcname FROM pg_tablespace WHERE has_tablespace_privilege(oid, 'CREATE')"));
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
    if (!missing.isEmpty()) {
      past.next()
          .add(
              "All of it lies where the server's databases do: there is no tablespace "
                  + String.join(", ", missing)
                  + " that the role may use");
    }
    return missing.isEmpty();
  }

  private BackupException refused(BackupException e, String made) {
    String said = String.valueOf(e.getMessage()).replace(made, name);
    return BackupException.of(
            "restore.load-failed", FailureKind.PERMANENT, describe() + " was not made: " + said)
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

  private Comparison compare(Past past, String made, Cancellation cancellation) throws IOException {
    try {
      Comparison compared =
          Comparison.of(past, () -> SqlConnections.open(settings, made), cancellation);
      past.next().addAll(compared.requireSame());
      return compared;
    } catch (SQLException e) {
      cancellation.check();
      throw Failures.of(settings, e);
    }
  }

  /** What the planner knows of tables does not come with them. */
  private void analyze(String made, RunControl control) {
    try (Connection session = patient(SqlConnections.open(settings, made))) {
      Cancellation.Registration stop =
          control.cancellation().onCancel(() -> LiveDatabase.cancel(session));
      try {
        Sql.execute(session, "ANALYZE");
      } finally {
        stop.close();
      }
    } catch (SQLException e) {
      control.cancellation().check();
      control.progress().warning("It is not analyzed, which ANALYZE mends: " + e.getMessage());
    }
  }

  /** It gets its name, and lets those in who could connect to it then, in one transaction. */
  private void publish(ThrowAway place, int limit, Cancellation cancellation) {
    for (int tries = 1; ; tries++) {
      cancellation.check();
      boolean asked = false;
      boolean named = false;
      try (Connection session = patient(maintain(settings))) {
        Cancellation.Registration stop = cancellation.onCancel(() -> LiveDatabase.cancel(session));
        session.setAutoCommit(false);
        asked = true;
        try {
          String made = "ALTER DATABASE " + Sql.name(place.database());
          Sql.execute(session, made + " CONNECTION LIMIT " + limit);
          Sql.execute(session, made + " RENAME TO " + Sql.name(name));
          session.commit();
          named = true;
          place.databaseSettled();
          return;
        } finally {
          stop.close();
        }
      } catch (SQLException e) {
        if (named) {
          return; // its session was not closed well, and that is all
        }
        String state = Objects.requireNonNullElse(e.getSQLState(), "");
        boolean lost = state.startsWith("08") || state.startsWith("57P");
        if (lost && asked) {
          throw unknown(place, e);
        }
        cancellation.check();
        if (state.equals(TAKEN)) {
          throw taken();
        }
        if (tries == MOST_TRIES || !lost && !state.equals(IN_USE)) {
          throw unnamed(e);
        }
        emptied(place.database());
      }
    }
  }

  /** Whoever looks into every database, as monitoring does, is sent away before the next try. */
  private void emptied(String made) {
    try (Connection session = maintain(settings)) {
      sendAway(session, made);
      TimeUnit.MILLISECONDS.sleep(200);
    } catch (SQLException e) {
      throw unnamed(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw BackupException.of(
              "restore.interrupted",
              FailureKind.CANCELLED,
              "Interrupted before the database got its name")
          .build();
    }
  }

  private BackupException unnamed(SQLException e) {
    return BackupException.of(
            "restore.load-failed",
            FailureKind.PERMANENT,
            describe() + " was loaded, and did not get its name: " + e.getMessage())
        .remedy("Mend what the server says, and run it again.")
        .cause(e)
        .build();
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
