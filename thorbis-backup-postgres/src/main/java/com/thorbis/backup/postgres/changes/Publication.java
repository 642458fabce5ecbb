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
                  FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid))
        FROM pg_catalog.pg_publication p WHERE p.pubname = ?
      """;

  private final String name;

  /** One of this name. */
  public Publication(String name) {
    this.name = name;
  }

  private record Facts(boolean allTables, boolean everything, String state, Set<Table> tables) {}

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
    if (facts.isPresent() && !facts.get().allTables()) {
      return List.of(
          "ALTER PUBLICATION "
              + name
              + " SET (publish = 'insert, update, delete, truncate', publish_via_partition_root ="
              + " false)",
          "ALTER PUBLICATION " + name + " SET TABLE " + all);
    }
    List<String> statements = new ArrayList<>();
    if (facts.isPresent()) {
      statements.add("DROP PUBLICATION " + name);
    }
    statements.add("CREATE PUBLICATION " + name + " FOR TABLE " + all);
    return statements;
  }

  /**
   * Makes it so, in a session that commits each statement.
   *
   * @throws BackupException code {@code changes.publication-refused} if the role may not
   */
  public void ensure(Connection sql, List<Table> tables) throws SQLException {
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
                new Facts(row.getBoolean(1), row.getBoolean(2), row.getString(3), tables(sql)))
            : Optional.empty();
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
