package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The publication of exactly those tables whose rows can be told apart: an update of any other
 * table that is published fails at the source.
 */
public final class Publication {
  private static final String INSUFFICIENT_PRIVILEGE = "42501";
  private static final int SCHEMAS_SINCE = 15;
  private static final String MARK = "Thorbis Backup";
  private static final String FACTS =
      """
      SELECT p.puballtables,
             p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND NOT p.pubviaroot
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication_rel r
                                WHERE r.prpubid = p.oid
                                  AND (pg_catalog.to_jsonb(r) ->> 'prqual' IS NOT NULL
                                       OR pg_catalog.to_jsonb(r) ->> 'prattrs' IS NOT NULL)),
             pg_catalog.concat_ws(' ', p.oid, p.xmin,
               (SELECT pg_catalog.string_agg(
                         pg_catalog.concat_ws('.', r.oid, r.prrelid, r.xmin), ' ' ORDER BY r.oid)
                  FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid)),
             pg_catalog.obj_description(p.oid, 'pg_publication')
        FROM pg_catalog.pg_publication p WHERE p.pubname = ?
      """;

  private final String name;

  /** One of this name. */
  public Publication(String name) {
    this.name = name;
  }

  private record Facts(
      boolean allTables, boolean everything, String state, boolean marked, Set<Table> tables) {}

  /** A digest of what it is, which also another publication of the same tables does not have. */
  public Optional<String> state(Connection sql) throws SQLException {
    return find(sql).map(facts -> TableStates.digest(facts.state()));
  }

  /** Whether it is of exactly these tables, and of all of their changes. */
  public boolean covers(Connection sql, List<Table> tables) throws SQLException {
    return find(sql).filter(facts -> right(facts, tables)).isPresent();
  }

  /** What an owner of the tables runs so that it is; nothing if it is already. */
  public List<String> statements(Connection sql, List<Table> tables) throws SQLException {
    Optional<Facts> facts = find(sql);
    if (facts.isPresent() && right(facts.get(), tables)) {
      return List.of();
    }
    String all =
        tables.stream().map(Publication::named).collect(Collectors.joining(", ONLY ", "ONLY ", ""));
    List<String> statements = new ArrayList<>();
    if (facts.isPresent() && !facts.get().allTables()) {
      statements.add(
          "ALTER PUBLICATION "
              + name
              + " SET (publish = 'insert, update, delete, truncate', publish_via_partition_root ="
              + " false)");
      statements.add("ALTER PUBLICATION " + name + " SET TABLE " + all);
    } else {
      if (facts.isPresent()) {
        statements.add("DROP PUBLICATION " + name);
      }
      statements.add("CREATE PUBLICATION " + name + " FOR TABLE " + all);
    }
    statements.add(mark());
    return List.copyOf(statements);
  }

  /** Says whose it is. */
  private String mark() {
    return "COMMENT ON PUBLICATION " + name + " IS '" + MARK + "'";
  }

  /** Whoever made it for something else would miss what it was for. */
  private void requireOwn(Connection sql, List<Table> tables) throws SQLException {
    Optional<Facts> facts = find(sql);
    if (facts.isPresent() && !facts.get().marked() && !right(facts.get(), tables)) {
      throw BackupException.of(
              "changes.publication-of-others",
              FailureKind.CONFIGURATION,
              "Publication "
                  + name
                  + " is of other tables than those that can be followed, and nothing says that it"
                  + " was made for this")
          .remedy(
              "Set changes.publication to a name that nobody uses; or, if it is for this alone, run"
                  + " "
                  + mark()
                  + ".")
          .build();
    }
  }

  /**
   * Makes it so, in a session that commits each statement.
   *
   * @throws BackupException code {@code changes.publication-refused} if the role may not, {@code
   *     changes.publication-of-others} if it is somebody else's
   */
  public void ensure(Connection sql, List<Table> tables) throws SQLException {
    requireOwn(sql, tables);
    try (Statement statement = sql.createStatement()) {
      for (String each : statements(sql, tables)) {
        statement.execute(each);
      }
    } catch (SQLException e) {
      if (!INSUFFICIENT_PRIVILEGE.equals(e.getSQLState())) {
        throw e;
      }
      throw BackupException.of(
              "changes.publication-refused",
              FailureKind.CONFIGURATION,
              "Publication "
                  + name
                  + " is not of exactly the "
                  + tables.size()
                  + " tables that can be followed, and the role may not make it so: "
                  + e.getMessage())
          .remedy(
              "Let a role that owns the tables, or a superuser, run what check --grants prints.")
          .cause(e)
          .build();
    }
  }

  private static boolean right(Facts facts, List<Table> tables) {
    return !facts.allTables() && facts.everything() && facts.tables().equals(new HashSet<>(tables));
  }

  private Optional<Facts> find(Connection sql) throws SQLException {
    try (PreparedStatement statement = sql.prepareStatement(FACTS)) {
      statement.setString(1, name);
      try (ResultSet row = statement.executeQuery()) {
        return row.next()
            ? Optional.of(
                new Facts(
                    row.getBoolean(1),
                    row.getBoolean(2) && !ofSchemas(sql),
                    row.getString(3),
                    MARK.equals(row.getString(4)),
                    tables(sql)))
            : Optional.empty();
      }
    }
  }

  /** Whether it is of every table in a schema, those too that are to come. */
  private boolean ofSchemas(Connection sql) throws SQLException {
    if (sql.getMetaData().getDatabaseMajorVersion() < SCHEMAS_SINCE) {
      return false;
    }
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT FROM pg_catalog.pg_publication_namespace s JOIN pg_catalog.pg_publication p ON"
                + " p.oid = s.pnpubid WHERE p.pubname = ?")) {
      statement.setString(1, name);
      try (ResultSet row = statement.executeQuery()) {
        return row.next();
      }
    }
  }

  /** Which tables it is of; none if there is no such publication. */
  public Set<Table> tables(Connection sql) throws SQLException {
    Set<Table> found = new HashSet<>();
    try (PreparedStatement statement =
        sql.prepareStatement(
            "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname ="
                + " ?")) {
      statement.setString(1, name);
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          found.add(new Table(row.getString(1), row.getString(2)));
        }
      }
    }
    return found;
  }

  static String named(Table table) {
    return quoted(table.schema()) + "." + quoted(table.name());
  }

  static String quoted(String identifier) {
    return '"' + identifier.replace("\"", "\"\"") + '"';
  }
}
