package com.thorbis.backup.postgres.page;

import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Tells the files of a data directory that consist of checked pages from all others. */
public final class RelationFiles {
  /** A relation's file is cut into segments of this many pages, 1 GiB. */
  private static final long SEGMENT_PAGES = 131_072;

  private static final Pattern RELATION =
      Pattern.compile(
          "(?:global|base/[0-9]{1,10}|pg_tblspc/[0-9]{1,10}/PG_[0-9]+_[0-9]+/[0-9]{1,10})"
              + "/(?:t[0-9]{1,10}_)?[0-9]{1,10}(?:_(?:fsm|vm|init))?(?:\\.([0-9]{1,6}))?");

  /** Segments of a relation's main fork, but none of a session's own relations. */
  private static final Pattern MAIN_FORK =
      Pattern.compile(
          "(?:global|base/[0-9]{1,10}|pg_tblspc/[0-9]{1,10}/PG_[0-9]+_[0-9]+/[0-9]{1,10})"
              + "/[0-9]{1,10}(?:\\.[0-9]{1,6})?");

  private RelationFiles() {}

  /**
   * Whether a file holds pages that every change marks with its log position: not so those of
   * free-space and visibility maps.
   *
   * @param path relative to the data directory, with forward slashes
   */
  public static boolean isMainFork(String path) {
    return MAIN_FORK.matcher(path).matches();
  }

  /**
   * The number that the first page of a file has in its relation; empty if the file is not a part
   * of a relation.
   *
   * @param path relative to the data directory, with forward slashes
   */
  public static OptionalLong firstBlock(String path) {
    Matcher form = RELATION.matcher(path);
    if (!form.matches()) {
      return OptionalLong.empty();
    }
    String segment = form.group(1);
    return OptionalLong.of(segment == null ? 0 : Long.parseLong(segment) * SEGMENT_PAGES);
  }
}
