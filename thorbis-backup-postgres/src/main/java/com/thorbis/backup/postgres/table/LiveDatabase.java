package com.thorbis.backup.postgres.table;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.TableName;
import com.thorbis.backup.api.TableRestoreRequest;
import com.thorbis.backup.api.TableRestoreRequest.Into;
import com.thorbis.backup.postgres.restore.Stages;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
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
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyOut;

/**
 * The database of a running server that tables are brought into. All of it is one transaction:
 * nobody sees anything of it before it is whole, and nothing is left of one that failed. Used by
 * one thread.
 */
final class LiveDatabase {
  private static final long LOOK_BYTES = 1 << 20;

  private final PostgresSettings settings;
  private long copied;

  private LiveDatabase(PostgresSettings settings) {
    this.settings = settings;
  }

  /** As a request names it; contacts nobody. */
  static LiveDatabase of(PostgresSettings source, Into into) {
    return new LiveDatabase(target(source, into));
  }

  /** How the server that a request names is reached; contacts nobody. */
  static PostgresSettings target(PostgresSettings source, Into into) {
    Optional<String> user =
        into.user().isEmpty() && !into.url().matches(".*[?&]user=.*")
            ? Optional.of(source.user())
            : into.user();
    PostgresSettings target = source.into(into.url(), user, into.password());
    boolean same = target.address().equals(source.address()) && target.user().equals(source.user());
    return into.password().isEmpty() && source.password().isPresent() && same
        ? source.into(
            into.url(), user, Optional.of(source.password().get().useBytes(SecretValue::copyOf)))
        : target;
  }

  /** Where it is, for people. */
  String describe() {
    return settings.address() + "/" + settings.database().orElse("postgres");
  }

  /** Refuses, before anything is fetched, what would be refused at the end. */
  void check(TableRestoreRequest request) {
    try (Connection session = SqlConnections.open(settings)) {
      boolean standby =
          Sql.rows(session, row -> row.getBoolean(1), "SELECT pg_is_in_recovery()").get(0);
      if (standby) {
        throw standby(describe());
      }
      if (request.asSchema().isPresent()) {
        requireNoSchema(session, request.asSchema().get());
        requireRight(session, null);
        return;
      }
      Set<String> schemas = new LinkedHashSet<>();
      for (TableName table : request.tables()) {
        requireFree(session, table.schema(), table.table());
        schemas.add(table.schema());
      }
      for (String schema : schemas) {
        requireRight(session, exists(session, schema) ? schema : null);
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  static BackupException standby(String where) {
    return BackupException.of(
            "restore.into-standby",
            FailureKind.REFUSED,
            where + " is a standby, which takes no changes")
        .remedy("Name the primary.")
        .build();
  }

  private void requireFree(Connection session, String schema, String name) throws SQLException {
    boolean taken =
        !Sql.rows(
                session,
                row -> row.getLong(1),
                "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                    + " WHERE n.nspname = ? AND c.relname = ?",
                schema,
                name)
            .isEmpty();
    if (taken) {
      throw BackupException.of(
              "restore.table-exists",
              FailureKind.REFUSED,
              describe() + " has " + Sql.name(schema, name) + " now; nothing was changed")
          .remedy(
              "Bring the old one back beside it with --as-schema NAME, or rename what is there.")
          .detail("schema", schema)
          .detail("table", name)
          .build();
    }
  }

  private void requireNoSchema(Connection session, String schema) throws SQLException {
    if (exists(session, schema)) {
      throw BackupException.of(
              "restore.schema-exists",
              FailureKind.REFUSED,
              describe() + " has a schema " + Sql.name(schema) + " already; nothing was changed")
          .remedy("Name one that does not exist.")
          .detail("schema", schema)
          .build();
    }
  }

  private static boolean exists(Connection session, String schema) throws SQLException {
    return !Sql.rows(
            session,
            row -> row.getString(1),
            "SELECT nspname FROM pg_namespace WHERE nspname = ?",
            schema)
        .isEmpty();
  }

  private void requireRight(Connection session, @Nullable String schema) throws SQLException {
    boolean may =
        schema == null
            ? Sql.rows(
                    session,
                    row -> row.getBoolean(1),
                    "SELECT has_database_privilege(current_database(), 'CREATE')")
                .get(0)
            : Sql.rows(
                    session,
                    row -> row.getBoolean(1),
                    "SELECT has_schema_privilege(?, 'CREATE')",
                    schema)
                .get(0);
    if (!may) {
      throw BackupException.of(
              "restore.may-not-create",
              FailureKind.REFUSED,
              "Role \""
                  + settings.user()
                  + "\" may not create "
                  + (schema == null
                      ? "schemas in "
                      : "tables in schema " + Sql.name(schema) + " of ")
                  + describe())
          .remedy("Name a role that may, with --user and --password-file.")
          .build();
    }
  }

  /**
   * Brings the tables in.
   *
   * @return how many rows each table that holds rows itself got, by object id then
   */
  Map<Long, Long> load(
      Past past, TableRestoreRequest request, Definitions definitions, Stages stages)
      throws IOException {
    Cancellation cancellation = stages.control().cancellation();
    stages.begin("load", -1);
    Connection session = open();
    try {
      boolean tablespaces = tablespaces(session, past);
      String before = definitions.before(tablespaces);
      String after = definitions.after(tablespaces);
      session.setNetworkTimeout(Runnable::run, 0); // an index takes as long as it takes
      session.setAutoCommit(false);
      Cancellation.Registration stop = cancellation.onCancel(() -> cancel(session));
      try {
        Map<Long, Long> rows = load(session, past, request, before, after, stages);
        cancellation.check();
        commit(session);
        analyze(session, past, stages);
        return rows;
      } catch (SQLException e) {
        cancellation.check();
        throw refused(e);
      } finally {
        stop.close();
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    } finally {
      close(session, stages);
    }
  }

  private Connection open() {
    try {
      return SqlConnections.open(settings);
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  /** What it was for has happened, or was undone, before. */
  private static void close(Connection session, Stages stages) {
    try {
      session.close();
    } catch (SQLException e) {
      stages.control().progress().warning("A session could not be closed: " + e.getMessage());
    }
  }

  private static boolean tablespaces(Connection session, Past past) throws SQLException {
    List<String> missing = new ArrayList<>(past.tablespaces());
    missing.removeAll(
        Sql.rows(session, row -> row.getString(1), "SELECT spcname FROM pg_tablespace"));
    if (!missing.isEmpty()) {
      past.next()
          .add(
              "All of it lies where the database does: there is no tablespace "
                  + String.join(", ", missing));
    }
    return missing.isEmpty();
  }

  private void commit(Connection session) throws SQLException {
    try {
      session.commit();
    } catch (SQLException e) {
      String state = Objects.requireNonNullElse(e.getSQLState(), "");
      if (!state.startsWith("08") && !state.startsWith("57P")) {
        throw e;
      }
      throw BackupException.of(
              "restore.load-unknown",
              FailureKind.OUTCOME_UNKNOWN,
              "The connection to "
                  + describe()
                  + " was lost while the tables were committed: "
                  + e.getMessage())
          .remedy("Look whether they are there: either all of them are, whole, or none.")
          .cause(e)
          .build();
    }
  }

  static void cancel(Connection session) {
    try {
      session.unwrap(PGConnection.class).cancelQuery();
    } catch (SQLException e) {
      return; // it ends by itself, at the next look
    }
  }

  private Map<Long, Long> load(
      Connection session,
      Past past,
      TableRestoreRequest request,
      String before,
      String after,
      Stages stages)
      throws SQLException {
    for (Relation one : past.all()) {
      if (request.asSchema().isEmpty()) {
        requireFree(session, one.schema(), one.name());
      }
    }
    schemas(session, past, request);
    Sql.execute(session, before);
    Sql.execute(session, "SET datestyle = 'ISO'; SET intervalstyle = 'postgres'");
    Map<Long, Long> rows = new LinkedHashMap<>();
    for (Relation one : past.all()) {
      if (one.holdsRows()) {
        rows.put(one.oid(), copy(session, past, one, stages));
      }
    }
    for (String statement : past.sequences()) {
      Sql.execute(session, statement);
    }
    stages.begin("index", -1);
    Sql.execute(session, after);
    for (String statement : past.attachments()) {
      Sql.execute(session, statement);
    }
    return rows;
  }

  private void schemas(Connection session, Past past, TableRestoreRequest request)
      throws SQLException {
    Map<String, Set<String>> owners = new LinkedHashMap<>();
    for (Relation one : past.all()) {
      owners.computeIfAbsent(one.schema(), schema -> new LinkedHashSet<>()).add(one.owner());
    }
    for (Map.Entry<String, Set<String>> each : owners.entrySet()) {
      String schema = each.getKey();
      if (request.asSchema().isEmpty() && exists(session, schema)) {
        continue;
      }
      requireNoSchema(session, schema);
      Optional<String> owner =
          request.owners()
              ? past.schemaOwner(schema).filter(role -> known(session, role))
              : Optional.empty();
      Sql.execute(
          session,
          "CREATE SCHEMA "
              + Sql.name(schema)
              + owner.map(role -> " AUTHORIZATION " + Sql.name(role)).orElse(""));
      for (String role : each.getValue()) {
        // Foreign keys are checked as the owner of the table.
        if (owner.isPresent() && !owner.get().equals(role) && known(session, role)) {
          Sql.execute(
              session, "GRANT USAGE ON SCHEMA " + Sql.name(schema) + " TO " + Sql.name(role));
        }
      }
      if (request.asSchema().isEmpty()) {
        past.next()
            .add(
                "Schema "
                    + Sql.name(schema)
                    + " was missing and was made; what was granted on it was not");
      }
    }
  }

  private static boolean known(Connection session, String role) {
    try {
      return !Sql.rows(
              session,
              row -> row.getString(1),
              "SELECT rolname FROM pg_roles WHERE rolname = ?",
              role)
          .isEmpty();
    } catch (SQLException e) {
      return false; // the transaction is over then, which the next statement says
    }
  }

  private long copy(Connection session, Past past, Relation table, Stages stages)
      throws SQLException {
    String columns = past.columns(table);
    String format = " WITH (FORMAT text, ENCODING " + Sql.literal(past.encoding()) + ")";
    CopyOut out = past.rows(table, columns, format);
    CopyIn in =
        session
            .unwrap(PGConnection.class)
            .getCopyAPI()
            .copyIn("COPY " + table.sql() + columns + " FROM STDIN" + format);
    long looked = copied;
    try {
      for (byte[] row = Past.row(out); row != null; row = Past.row(out)) {
        in.writeToCopy(row, 0, row.length);
        copied += row.length;
        if (copied - looked >= LOOK_BYTES) {
          stages.control().cancellation().check();
          stages.control().progress().advance(copied, -1);
          looked = copied;
        }
      }
      long written = in.endCopy();
      long read = out.getHandledRowCount();
      if (read != written) {
        throw BackupException.of(
                "restore.rows-differ",
                FailureKind.PERMANENT,
                table.sql() + " had " + read + " rows then, and got " + written)
            .remedy("Nothing was changed. Restore it into a file, and report this.")
            .build();
      }
      return written;
    } finally {
      abort(in);
    }
  }

  private static void abort(CopyIn in) {
    if (in.isActive()) {
      try {
        in.cancelCopy();
      } catch (SQLException e) {
        return; // the server says that it was aborted
      }
    }
  }

  /** What the planner knows of a table does not come with it. */
  private static void analyze(Connection session, Past past, Stages stages) {
    try {
      session.setAutoCommit(true);
      for (Relation one : past.all()) {
        if (one.holdsRows()) {
          Sql.execute(session, "ANALYZE " + one.sql());
        }
      }
    } catch (SQLException e) {
      stages
          .control()
          .progress()
          .warning("The tables are back, and could not be analyzed: " + e.getMessage());
    }
  }

  private BackupException refused(SQLException e) {
    String state = Objects.requireNonNullElse(e.getSQLState(), "");
    return BackupException.of(
            "restore.load-failed",
            state.startsWith("08") ? FailureKind.TRANSIENT : FailureKind.PERMANENT,
            describe()
                + " did not take the tables, and nothing of them is there: "
                + e.getMessage())
        .remedy(
            state.equals("23503") || state.equals("42830")
                ? "What it points at has changed: leave foreign keys to other tables out with"
                    + " --no-foreign-keys, and add them when the rows are mended."
                : state.equals("42501") || state.equals("42704")
                    ? "Load as a superuser, or without owners and grants with --no-owner."
                    : "Mend what the server says, or restore into a file.")
        .detail("sqlState", state)
        .cause(e)
        .build();
  }
}
