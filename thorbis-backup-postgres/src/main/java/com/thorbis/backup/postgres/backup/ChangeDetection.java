package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.page.ListedBlocksJudge;
import com.thorbis.backup.postgres.page.PageLsnJudge;
import com.thorbis.backup.postgres.page.RelationFiles;
import com.thorbis.backup.postgres.wal.ChangedBlocks;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * How a backup with a base finds what changed.
 *
 * @param label the name under which a backup records it
 * @param crossCheck what the base's content is compared with, under the name that is recorded
 * @param incremental whether the server sends changes only
 * @param judgedFrom the position that tells a changed page, where pages tell
 * @param checksums whether pages carry checksums
 * @param listed what the log changed, where that is known
 */
record ChangeDetection(
    String label,
    String crossCheck,
    boolean incremental,
    Optional<Lsn> judgedFrom,
    boolean checksums,
    Optional<Listed> listed) {
  /**
   * What the log changed between two starts of backups.
   *
   * @param blocks what changed
   * @param baseStart where the base began
   * @param start where this backup began
   * @param contradicted told of pages that it lacks
   */
  record Listed(ChangedBlocks blocks, Lsn baseStart, Lsn start, Consumer<String> contradicted) {}

  /** Stores everything. */
  static final ChangeDetection NONE = of("none", "none", false);

  /** From the server's summaries of its WAL; the unchanged pages are not seen. */
  static final ChangeDetection SUMMARIES = of("wal-summaries", "unavailable", true);

  /** Compares everything. */
  static final ChangeDetection COMPARISON = of("comparison", "whole", false);

  /** From the log position in each page; all that is not such a page is compared. */
  static ChangeDetection pageLsn(Lsn baseStart, boolean checksums) {
    return new ChangeDetection(
        "page-lsn", "sample", false, Optional.of(baseStart), checksums, Optional.empty());
  }

  /** From the log itself; all that is not a relation's main fork is compared. */
  static ChangeDetection walMap(Listed listed, boolean checksums) {
    return listed("wal-map", listed, checksums);
  }

  /** From the server's summaries of its WAL, by a reader of files. */
  static ChangeDetection summaries(Listed listed, boolean checksums) {
    return listed(SUMMARIES.label(), listed, checksums);
  }

  private static ChangeDetection listed(String label, Listed listed, boolean checksums) {
    return new ChangeDetection(
        label, "sample", false, Optional.empty(), checksums, Optional.of(listed));
  }

  private static ChangeDetection of(String label, String crossCheck, boolean incremental) {
    return new ChangeDetection(
        label, crossCheck, incremental, Optional.empty(), false, Optional.empty());
  }

  /**
   * Why a page's log position does not prove that it is unchanged; empty if it does. Without
   * checksums and {@code wal_log_hints} a page's all-visible flag changes and its position does
   * not; both can only be switched while the server is down.
   *
   * @param now what is recorded of the server now
   * @param postmaster when the server was started, by its clock
   */
  static Optional<String> doubt(
      BackupDescriptor base,
      BackupFacts facts,
      Map<String, String> now,
      Optional<Instant> postmaster,
      Timeline timeline) {
    Map<String, String> then = facts.attributes();
    if (!on("postgres.data-checksums", then, now) && !on("postgres.wal-log-hints", then, now)) {
      return Optional.of("neither data checksums nor wal_log_hints are and were on");
    }
    String standby = then.get("postgres.in-recovery");
    if (postmaster.isEmpty() || standby == null) {
      return Optional.of("it is not known, without SQL, whether the server was restarted");
    }
    if (!standby.equals(now.get("postgres.in-recovery")) || !base.timeline().equals(timeline)) {
      return Optional.of("the server was promoted or is another one");
    }
    return postmaster.get().isBefore(base.startedAt())
        ? Optional.empty()
        : Optional.of("the server was restarted since backup " + base.id());
  }

  /** How a file's content arrives. */
  Arrival arrival(String path) {
    if (equals(NONE)) {
      return new Arrival.Whole();
    }
    if (listed.isPresent()) {
      Listed known = listed.get();
      Optional<RelationFiles.MainFork> file = RelationFiles.mainFork(path);
      return file.isEmpty()
          ? new Arrival.Compared()
          : new Arrival.Judged(
              new ListedBlocksJudge(
                  path,
                  known.blocks().file(file.get().relation(), file.get().segment()),
                  known.baseStart(),
                  known.start(),
                  checksums,
                  known.contradicted()));
    }
    return judgedFrom.isPresent() && RelationFiles.isMainFork(path)
        ? new Arrival.Judged(
            new PageLsnJudge(judgedFrom.get(), checksums, RelationFiles.firstBlock(path).orElse(0)))
        : new Arrival.Compared();
  }

  /** How a file's content arrives that is read page by page. */
  Arrival selective(String path, long length) {
    Arrival arrival = arrival(path);
    if (arrival instanceof Arrival.Judged judged
        && judged.judge() instanceof ListedBlocksJudge map) {
      return new Arrival.Listed(map.pages(length), map);
    }
    return arrival;
  }

  private static boolean on(String name, Map<String, String> then, Map<String, String> now) {
    return "on".equals(then.get(name)) && "on".equals(now.get(name));
  }
}
