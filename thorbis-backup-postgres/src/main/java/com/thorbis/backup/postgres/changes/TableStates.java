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
             c.relreplident = 'f' OR coalesce(a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1]), false),
             EXISTS (SELECT FROM pg_catalog.pg_index u
                      WHERE u.indrelid = c.oid AND (u.indisunique OR u.indisexclusion)
                        AND u.indexrelid IS DISTINCT FROM x.indexrelid)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_index x ON x.indrelid = c.oid AND x.indisvalid AND x.indimmediate
             AND (c.relreplident = 'd' AND x.indisprimary
                  OR c.relreplident = 'i' AND x.indisreplident)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
       WHERE c.oid = ANY (?)
       ORDER BY n.nspname, c.relname, c.oid, a.attnum
      """;

  private static final String BY_KEY =
      """
      SELECT c.oid, n.nspname, c.relname, c.relpersistence, m.amname,
             x.indexrelid IS NOT NULL, a.attnum, a.attname, a.atttypid, a.atttypmod,
             a.attgenerated <> '' OR a.attisdropped, a.xmin::text,
             coalesce(a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1]), false),
             EXISTS (SELECT FROM pg_catalog.pg_index u
                      WHERE u.indrelid = c.oid AND (u.indisunique OR u.indisexclusion)
                        AND u.indexrelid IS DISTINCT FROM x.indexrelid)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam
        LEFT JOIN LATERAL
             (SELECT i.indexrelid, i.indkey, i.indnkeyatts FROM pg_catalog.pg_index i
               WHERE i.indrelid = c.oid AND i.indisvalid
                 AND (i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)
               ORDER BY i.indisprimary DESC LIMIT 1) x ON true
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
   * @param uniqueBesides whether anything else than the key has to be unique in it
   */
  public record State(
      Table table,
      long oid,
      String why,
      String shape,
      List<Column> columns,
      boolean uniqueBesides) {
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
    return read(sql, oids, false);
  }

  /**
   * The same for whoever looks at rows: their key is the primary one, or else what the replica
   * identity is; a table without one has no column that is part of a key.
   */
  public static List<State> readByKey(Connection sql, Collection<Long> oids) throws SQLException {
    return read(sql, oids, true);
  }

  private static List<State> read(Connection sql, Collection<Long> oids, boolean byKey)
      throws SQLException {
    List<State> states = new ArrayList<>();
    try (PreparedStatement statement = sql.prepareStatement(byKey ? BY_KEY : QUESTION)) {
      statement.setArray(1, sql.createArrayOf("oid", oids.toArray()));
      try (ResultSet row = statement.executeQuery()) {
        Building building = null;
        while (row.next()) {
          if (building == null || building.oid != row.getLong(1)) {
            if (building != null) {
              states.add(building.state());
            }
            building = new Building(row, byKey);
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
    private final boolean byKey;
    private final boolean uniqueBesides;
    private String why;
    private final StringBuilder shape = new StringBuilder();
    private final List<Column> columns = new ArrayList<>();

    Building(ResultSet row, boolean byKey) throws SQLException {
      this.byKey = byKey;
      oid = row.getLong(1);
      table = new Table(row.getString(2), row.getString(3));
      String identity = String.valueOf(row.getString(5));
      if (byKey) {
        // Nobody else keeps in a row which transaction wrote it.
        why = identity.equals("heap") ? "" : "access method " + identity;
      } else {
        boolean told = identity.equals("f") || row.getBoolean(6);
        why =
            !row.getString(4).equals("p")
                ? "unlogged"
                : told ? "" : identity.equals("n") ? "replica identity nothing" : "no primary key";
      }
      shape.append(identity);
      uniqueBesides = row.getBoolean(14);
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
      if (byKey && key && row.getBoolean(11)) {
        why = "its key has a generated column";
      }
      if (!row.getBoolean(11)) {
        columns.add(new Column(key, name, row.getLong(9), row.getInt(10)));
      }
    }

    State state() {
      return new State(table, oid, why, digest(shape.toString()), columns, uniqueBesides);
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
