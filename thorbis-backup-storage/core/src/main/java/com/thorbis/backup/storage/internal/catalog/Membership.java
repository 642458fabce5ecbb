package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RepositoryException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How a backup keeps others that it is nothing without: by a hold on each, whose reason names it.
 * So whoever decides about those needs to know of nothing but holds.
 */
public final class Membership {
  private static final String REASON = "member of ";

  private Membership() {}

  /** Whether a hold of this reason is not a person's to place. */
  public static boolean reserves(String reason) {
    return reason.startsWith(REASON);
  }

  /** Why a member of this backup is held. */
  public static String reason(BackupId whole) {
    return REASON + whole.value();
  }

  /**
   * The holds of a backup that comes.
   *
   * @throws RepositoryException code {@code backup.member-gone} if a member does not count any more
   */
  public static List<Operation> holds(
      BackupId whole, List<BackupId> members, Catalog catalog, Instant now)
      throws RepositoryException {
    List<Operation> holds = new ArrayList<>();
    for (BackupId member : members) {
      if (catalog.kept(member).filter(kept -> kept.fate().live()).isEmpty()) {
        throw new RepositoryException(
            "backup.member-gone",
            FailureKind.REFUSED,
            "Backup " + member + " was given up, so " + whole + " cannot refer to it",
            Map.of("backup", member.value()),
            "Run it again.",
            null);
      }
      holds.add(new Operation.Hold(member, reason(whole), now, Optional.empty()));
    }
    return holds;
  }

  /** What makes the members of one backup those of another that takes its place. */
  public static List<Operation> moved(BackupId from, BackupId to, Catalog catalog) {
    List<Operation> operations = new ArrayList<>();
    for (Catalog.Kept kept : catalog.kept()) {
      BackupId member = kept.entry().backup().id();
      for (Operation.Hold hold : kept.fate().holds()) {
        if (hold.reason().equals(reason(from))) {
          operations.add(new Operation.Hold(member, reason(to), hold.at(), hold.until()));
          operations.add(new Operation.Release(member, hold.reason()));
        }
      }
    }
    return operations;
  }

  /** The members of a backup that are there still, whatever they are called now. */
  public static List<StoredBackup> of(BackupId whole, Catalog catalog) {
    return catalog.kept().stream()
        .filter(kept -> kept.fate().live())
        .filter(
            kept -> kept.fate().holds().stream().anyMatch(it -> it.reason().equals(reason(whole))))
        .map(kept -> kept.entry().backup())
        .toList();
  }

  /** What ends the holds of backups that go. */
  public static List<Operation> releases(Collection<BackupId> going, Catalog catalog) {
    List<Operation> releases = new ArrayList<>();
    for (Catalog.Kept kept : catalog.kept()) {
      for (Operation.Hold hold : kept.fate().holds()) {
        if (going.stream().anyMatch(whole -> reason(whole).equals(hold.reason()))) {
          releases.add(new Operation.Release(kept.entry().backup().id(), hold.reason()));
        }
      }
    }
    return releases;
  }
}
