package com.thorbis.backup.postgres.dump;

/**
 * The names of the files that hold one database of a dump. Where there are several, they are
 * numbered from 1, and none is called as it would be alone: nothing takes the first one for all.
 *
 * @param contents what is said of it
 * @param archive the database itself
 * @param rowsPrefix how the files begin that have the rows of tables which were split
 */
record ArchiveFiles(String contents, String archive, String rowsPrefix) {
  /** Of the only database. */
  static final ArchiveFiles ALONE = new ArchiveFiles("dump.json", "database.dump", "rows-");

  /** Of one of several databases. */
  static ArchiveFiles numbered(int number) {
    return new ArchiveFiles(
        "dump-" + number + ".json", "database-" + number + ".dump", "rows-" + number + "-");
  }

  /** The rows of one table. */
  String rows(int table) {
    return rowsPrefix + table + ".copy";
  }
}
