package com.thorbis.backup.postgres.table;

/**
 * A table that holds rows, or one whose partitions do.
 *
 * @param oid its object id
 * @param schema its schema
 * @param name its name
 * @param holdsRows whether it holds rows itself
 * @param unlogged whether no log is written for its rows
 * @param owner whose it is
 */
record Relation(
    long oid, String schema, String name, boolean holdsRows, boolean unlogged, String owner) {
  /** Its name in SQL, and in patterns: in quotes those know no wildcard and fold no letter. */
  String sql() {
    return Sql.name(schema, name);
  }

  /** The same in another schema. */
  Relation in(String other) {
    return new Relation(oid, other, name, holdsRows, unlogged, owner);
  }
}
