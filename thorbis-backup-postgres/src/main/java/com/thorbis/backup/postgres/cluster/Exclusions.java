package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.postgres.cluster.ClusterFiles.Entry;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Kind;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a server's own base backup leaves out (basebackup.c of each version): what is of this run of
 * the server only, what it makes again when it starts, and what is of an earlier backup.
 */
public final class Exclusions {
  private static final int FIRST_WITH_SUMMARIES = 17;

  /** Folders that are kept without what is in them, wherever they lie. */
  private static final Set<String> EMPTIED =
      Set.of(
          "pg_dynshmem",
          "pg_notify",
          "pg_replslot",
          "pg_serial",
          "pg_snapshots",
          "pg_stat_tmp",
          "pg_subtrans");

  /** Left out wherever they lie. */
  private static final Set<String> LEFT_OUT =
      Set.of(
          ".DS_Store",
          "backup_label",
          "backup_manifest",
          "current_logfiles.tmp",
          "postgresql.auto.conf.tmp",
          "postmaster.opts",
          "postmaster.pid",
          "tablespace_map");

  private static final Pattern DATABASE =
      Pattern.compile("base/[0-9]+|pg_tblspc/[0-9]+/PG_[0-9]+_[0-9]+/[0-9]+");
  private static final Pattern TEMPORARY =
      Pattern.compile("t[0-9]+_[0-9]+(?:_(?:fsm|vm|init))?(?:\\.[0-9]+)?");
  private static final Pattern RELATION = Pattern.compile("([0-9]+)(?:_(?:fsm|vm))?(?:\\.[0-9]+)?");
  private static final Pattern INIT_FORK = Pattern.compile("([0-9]+)_init");

  private final int majorVersion;
  private final String temporaryStatistics;

  /**
   * For one server.
   *
   * @param temporaryStatistics {@code stats_temp_directory} of version 14, relative to the data
   *     directory; empty where there is none
   */
  public Exclusions(int majorVersion, String temporaryStatistics) {
    this.majorVersion = majorVersion;
    this.temporaryStatistics = temporaryStatistics;
  }

  /** What becomes of an entry. */
  public enum Fate {
    /** It is in the backup, with all that it holds. */
    TAKEN,
    /** It is in the backup, without what it holds. */
    EMPTIED,
    /** It is not in the backup. */
    LEFT_OUT
  }

  /** Folders that every backup has below {@code pg_wal}. */
  List<String> logFolders() {
    return majorVersion >= FIRST_WITH_SUMMARIES
        ? List.of("pg_wal/archive_status", "pg_wal/summaries")
        : List.of("pg_wal/archive_status");
  }

  /** Whether a folder holds relations, of which some may be unlogged. */
  static boolean holdsRelations(String folder) {
    return DATABASE.matcher(folder).matches();
  }

  /** The number of the relation whose initial state this file is; empty for another file. */
  static String initFork(String name) {
    Matcher form = INIT_FORK.matcher(name);
    return form.matches() ? form.group(1) : "";
  }

  /**
   * Decides.
   *
   * @param folder where it lies; empty for the data directory
   * @param unlogged numbers of the folder's relations that are not logged
   */
  public Fate of(String folder, Entry entry, Set<String> unlogged) {
    String name = entry.name();
    if (LEFT_OUT.contains(name)
        || name.startsWith("pgsql_tmp")
        || name.startsWith("pg_internal.init")) {
      return Fate.LEFT_OUT;
    }
    String path = folder.isEmpty() ? name : folder + "/" + name;
    if (path.equals(ControlData.PATH)) {
      return Fate.LEFT_OUT; // it is read last
    }
    if (EMPTIED.contains(name) && entry.kind() != Kind.FILE
        || path.equals("pg_wal")
        || path.equals(temporaryStatistics)) {
      return Fate.EMPTIED;
    }
    if (holdsRelations(folder)) {
      if (TEMPORARY.matcher(name).matches()) {
        return Fate.LEFT_OUT;
      }
      Matcher relation = RELATION.matcher(name);
      if (!unlogged.isEmpty() && relation.matches() && unlogged.contains(relation.group(1))) {
        return Fate.LEFT_OUT;
      }
    }
    return Fate.TAKEN;
  }
}
