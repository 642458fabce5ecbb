package com.thorbis.backup.postgres.page;

import com.thorbis.backup.postgres.wal.ChangedBlocks;
import java.util.Optional;
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
          "(?:global|base/([0-9]{1,10})|pg_tblspc/([0-9]{1,10})/PG_[0-9]+_[0-9]+/([0-9]{1,10}))"
              + "/([0-9]{1,10})(?:\\.([0-9]{1,6}))?");

  /** The numbers of the tablespaces that every cluster has. */
  private static final int DEFAULT_TABLESPACE = 1663;

  private static final int GLOBAL_TABLESPACE = 1664;

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
   * A file of a relation's main fork.
   *
   * @param relation which relation
   * @param segment which of its files, from 0
   */
  public record MainFork(ChangedBlocks.Relation relation, int segment) {}

  /**
   * Which relation's file this is; empty if it is not one of a main fork.
   *
   * @param path relative to the data directory, with forward slashes
   */
  public static Optional<MainFork> mainFork(String path) {
    Matcher form = MAIN_FORK.matcher(path);
    if (!form.matches()) {
      return Optional.empty();
    }
    int tablespace = GLOBAL_TABLESPACE;
    int database = 0;
    if (form.group(1) != null) {
      tablespace = DEFAULT_TABLESPACE;
      database = number(form.group(1));
    } else if (form.group(2) != null) {
      tablespace = number(form.group(2));
      database = number(form.group(3));
    }
    String segment = form.group(5);
    return Optional.of(
        new MainFork(
            new ChangedBlocks.Relation(tablespace, database, number(form.group(4))),
            segment == null ? 0 : Integer.parseInt(segment)));
  }

  private static int number(String digits) {
    return (int) Long.parseLong(digits); // ten digits may say more; no server has such a file
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
