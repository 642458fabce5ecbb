package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.util.Map;
import java.util.Optional;

/**
 * A source that was erased.
 *
 * @param sequence the commit from which on it is not there any more
 * @param what was erased, and by whom
 * @param end how its slots went; empty as long as a copy may have one
 */
public record ErasedSource(
    long sequence, Operation.Erased what, Optional<Operation.EraseEnded> end) {
  /** The tree of its keys. */
  public ObjectId tree() {
    return what.tree();
  }

  /** Whether an object is a slot of its keys, or lies where they sealed things. */
  public boolean owns(ObjectKey object) {
    return ObjectNames.isOf(object, tree());
  }

  /** What anybody fails with that wants something of it. */
  public RepositoryException refusal() {
    return refusal(what);
  }

  static RepositoryException refusal(Operation.Erased what) {
    return new RepositoryException(
        "source.erased",
        FailureKind.NOT_FOUND,
        "Source " + what.source() + said(what) + ": nothing of it opens any more",
        Map.of("source", what.source()),
        "Nothing brings it back. The next backup of a source of this name begins anew.",
        null);
  }

  /** What anybody fails with that wants a backup of it. */
  public RepositoryException refusal(BackupId backup) {
    return new RepositoryException(
        "backup.erased",
        FailureKind.NOT_FOUND,
        "Backup " + backup + " is of source " + what.source() + ", which" + said(what),
        Map.of("backup", backup.value(), "source", what.source()),
        "Nothing brings it back.",
        null);
  }

  private static String said(Operation.Erased what) {
    return " was erased at "
        + what.at()
        + " by "
        + what.by()
        + " ("
        + what.request().reason()
        + ")";
  }
}
