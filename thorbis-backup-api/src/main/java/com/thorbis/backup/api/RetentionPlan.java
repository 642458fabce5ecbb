package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;

/**
 * What retention decided for one source, and why. A plan deletes nothing; whoever carries it out
 * stores it with the digest, so that a deletion can still be explained years later.
 *
 * @param source the source's name
 * @param asOf the moment that stood for "now", the same for the whole plan
 * @param policyDigest {@link RetentionPolicy#digest} of the policy
 * @param decisions one for each backup, in the order of their commits
 * @param wal how much log is needed; a timeline that is not listed was not judged: keep all of it.
 *     Timeline history files are never judged: keep them
 * @param alarms what somebody must look at: a stable dotted word, a colon, and the rest for people
 */
public record RetentionPlan(
    String source,
    Instant asOf,
    String policyDigest,
    List<Decision> decisions,
    List<WalKeep> wal,
    List<String> alarms) {
  /** Copies the lists. */
  public RetentionPlan {
    decisions = List.copyOf(decisions);
    wal = List.copyOf(wal);
    alarms = List.copyOf(alarms);
  }

  /** The backups that stay, in the order of their commits. */
  public List<BackupId> kept() {
    return decisions.stream().filter(Decision::keep).map(Decision::backup).toList();
  }

  /** The backups that may go, in the order of their commits. */
  public List<BackupId> deleted() {
    return decisions.stream().filter(one -> !one.keep()).map(Decision::backup).toList();
  }

  /**
   * What becomes of a backup.
   *
   * @param backup which
   * @param keep whether it stays
   * @param reasons at least one; each begins with a stable word, such as {@code daily 2026-11-25},
   *     {@code pitr base}, {@code minimum}, {@code newest}, {@code hold: legal case 7}; of one that
   *     goes {@code replaced daily 2026-11-25 by ID}, {@code expired daily 2026-09-30}
   */
  public record Decision(BackupId backup, boolean keep, List<String> reasons) {
    /** Copies the list. */
    public Decision {
      reasons = List.copyOf(reasons);
    }
  }

  /**
   * How much log of a timeline is needed.
   *
   * @param incarnation the life of the source; timelines of different lives are different
   * @param timeline the branch
   * @param from log before it is needed by nothing that is kept; {@link #END} if none is needed
   * @param stretches what is needed from there on, in order, apart from each other: what lies
   *     between two of them only ever led from one backup to the next. Who looks at {@code from}
   *     alone keeps too much, never too little
   */
  public record WalKeep(String incarnation, Timeline timeline, Lsn from, List<WalRange> stretches) {
    /** Beyond every position. A stretch that ends here goes on with whatever is yet written. */
    public static final Lsn END = new Lsn(-1L);

    /** Copies the list. */
    public WalKeep {
      stretches = List.copyOf(stretches);
    }

    /** Everything from a position on. */
    public WalKeep(String incarnation, Timeline timeline, Lsn from) {
      this(
          incarnation,
          timeline,
          from,
          from.equals(END) ? List.of() : List.of(new WalRange(timeline, from, END)));
    }

    /** Whether any byte from {@code start} to before {@code end} is needed. */
    public boolean needs(Lsn start, Lsn end) {
      return stretches.stream()
          .anyMatch(one -> one.start().compareTo(end) < 0 && start.compareTo(one.end()) < 0);
    }
  }
}
