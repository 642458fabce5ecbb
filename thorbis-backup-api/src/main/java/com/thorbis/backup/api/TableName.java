package com.thorbis.backup.api;

import java.util.ArrayList;
import java.util.List;

/**
 * A table of a cluster, by the names that the catalogue has: no folding of letters, no patterns.
 *
 * @param database the database's name; for a backup that knows none, its object id
 * @param schema the schema's name
 * @param table the table's own name
 */
public record TableName(String database, String schema, String table) {
  private static final int PARTS = 3;

  /** Refuses names that no cluster can have. */
  public TableName {
    for (String each : new String[] {database, schema, table}) {
      if (each.isEmpty() || each.indexOf('\0') >= 0) {
        throw new IllegalArgumentException("A name is empty, or holds a NUL");
      }
    }
  }

  /**
   * Parses {@code orders.public.invoices}. A part that holds a dot or a quote stands in double
   * quotes, with quotes in it doubled; letters count as they stand, in quotes or not.
   *
   * @throws IllegalArgumentException if there are not three parts
   */
  public static TableName parse(String text) {
    List<String> parts = new ArrayList<>();
    StringBuilder part = new StringBuilder();
    boolean quoted = false;
    for (int at = 0; at < text.length(); at++) {
      char each = text.charAt(at);
      if (each == '"') {
        if (quoted && at + 1 < text.length() && text.charAt(at + 1) == '"') {
          part.append('"');
          at++;
        } else {
          quoted = !quoted;
        }
      } else if (each == '.' && !quoted) {
        parts.add(part.toString());
        part.setLength(0);
      } else {
        part.append(each);
      }
    }
    parts.add(part.toString());
    if (quoted || parts.size() != PARTS || parts.contains("")) {
      throw new IllegalArgumentException("Not DATABASE.SCHEMA.TABLE: " + text);
    }
    return new TableName(parts.get(0), parts.get(1), parts.get(2));
  }

  /** What {@link #parse} reads. */
  @Override
  public String toString() {
    return word(database) + "." + word(schema) + "." + word(table);
  }

  private static String word(String name) {
    return name.indexOf('.') < 0 && name.indexOf('"') < 0
        ? name
        : "\"" + name.replace("\"", "\"\"") + "\"";
  }
}
