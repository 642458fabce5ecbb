package com.thorbis.backup.dr.point;

import java.util.List;

/**
 * How the rows of a restored database and the files of the same recovery point agree. Nothing is
 * mended by it.
 *
 * @param rows how many rows the query gave
 * @param withoutPath how many of them name no file
 * @param files how many files there are where rows may point to
 * @param missing how many rows name a file that is not there
 * @param missingPaths the first of those, by what the rows say
 * @param orphans how many files no row names
 * @param orphanPaths the first of those, in the order of the backup
 */
public record Reconciliation(
    long rows,
    long withoutPath,
    long files,
    long missing,
    List<String> missingPaths,
    long orphans,
    List<String> orphanPaths) {
  /** Of how many paths of a kind the text is kept. */
  public static final int MOST_NAMED = 1000;

  /** Copies the lists. */
  public Reconciliation {
    missingPaths = List.copyOf(missingPaths);
    orphanPaths = List.copyOf(orphanPaths);
  }

  /** Whether there is anything, each row has its file, and each file its row. */
  public boolean agrees() {
    return rows + files > 0 && missing == 0 && orphans == 0;
  }
}
