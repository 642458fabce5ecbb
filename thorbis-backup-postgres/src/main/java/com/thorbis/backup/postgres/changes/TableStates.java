package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.PgOutput.Column;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;

/** Which tables can be followed, and what their columns are. */
public final class TableStates {
  private static final String QUESTION =
      """
      SELECT c.oid, n.nspname, c.relname, c.relpersistence, c.relreplident,
             x.indexrelid IS NOT NULL, a.attnum, a.attname, a.atttypid, a.atttypmod,
             a.attgenerated <> '' OR a.attisdropped, a.xmin::text,
             c.relreplident = 'f' OR coalesce(a.attnum = ANY (x.indkey), false)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_index x ON x.indrelid = c.oid AND x.indisvalid AND x.indimmediate
             AND (c.relreplident = 'd' AND x.indisprimary
                  OR c.relreplident = 'i' AND x.indisreplident)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
       WHERE c.oid = ANY (?)
       ORDER BY n.nspname, c.relname, c.oid, a.attnum
      """;

  private TableStates() {}

  /**
   * A table.
   *
   * @param why why its changes cannot be followed; empty if they can
   * @param shape a digest of its columns, and of when each was altered last
   * @param columns those that changes have
   */
  public record State(Table table, long oid, String why, String shape, List<Column> columns) {
    /** Copies the list. */
    public State {
      columns = List.copyOf(columns);
    }

    /** Whether its changes can be followed without a statement failing at the source for it. */
    public boolean followable() {
      return why.isEmpty();
    }
  }

  /** Those of these that are there, ordered by schema and name. */
  public static List<State> read(Connection sql, Collection<Long> oids) throws SQLException {
    List<State> states = new ArrayList<>();
    try (PreparedStatement statement = sql.prepareStatement(QUESTION)) {
      statement.setArray(1, sql.createArrayOf("oid", oids.toArray()));
      try (ResultSet row = statement.executeQuery()) {
        Building building = null;
        while (row.next()) {
          if (building == null || building.oid != row.getLong(1)) {
            if (building != null) {
              states.add(building.state());
            }
            building = new Building(row);
          }
          building.add(row);
        }
        if (building != null) {
          states.add(building.state());
        }
      }
    }
    return states;
  }

  private static final class Building {
    private final long oid;
    private final Table table;
    private final String why;
    private final StringBuilder shape = new StringBuilder();
    private final List<Column> columns = new ArrayList<>();

    Building(ResultSet row) throws SQLException {
      oid = row.getLong(1);
      table = new Table(row.getString(2), row.getString(3));
      String identity = row.getString(5);
      boolean told = identity.equals("f") || row.getBoolean(6);
      why =
          !row.getString(4).equals("p")
              ? "unlogged"
              : told ? "" : identity.equals("n") ? "replica identity nothing" : "no primary key";
      shape.append(identity);
    }

    void add(ResultSet row) throws SQLException {
      String name = row.getString(8);
      if (name == null) {
        return; // a table without columns
      }
      boolean key = row.getBoolean(13);
      for (int i = 7; i <= 13; i++) {
        shape.append('\u0000').append(row.getString(i));
      }
      if (!row.getBoolean(11)) {
        columns.add(new Column(key, name, row.getLong(9), row.getInt(10)));
      }
    }

    State state() {
      return new State(table, oid, why, digest(shape.toString()), columns);
    }
  }

  static String digest(String text) {
    try {
      return HexFormat.of()
          .formatHex(
              MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("The Java runtime has no SHA-256", e);
    }
  }
}
