package com.thorbis.backup.spi.storage;

import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Who may do what with a store. Nobody who runs this software needs to overwrite, to remove an
 * older version of an object, or to shorten or go around a lock.
 */
public enum StoreRole {
  /**
   * Takes backups and ships log: lists, reads and creates. Removes nothing but its own leases and
   * what it tried out.
   */
  WRITER(true, "leases/ probe/"),
  /** Restores and verifies: lists and reads. */
  READER(false, null),
  /** Takes backups and removes what retention gave up. */
  PRUNER(true, ""),
  /** Sets the store up: lifecycle, versions, locks. A person's, never this software's. */
  ADMIN(false, null);

  private final boolean creates;
  private final @Nullable String removes;

  StoreRole(boolean creates, @Nullable String removes) {
    this.creates = creates;
    this.removes = removes;
  }

  /** Whether it may create objects; never whether it may replace one. */
  public boolean creates() {
    return creates;
  }

  /** What the keys of objects begin with that it may remove. */
  public List<String> removes() {
    return removes == null ? List.of() : List.of(removes.split(" ", -1));
  }

  /** The name on the command line; never changes. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
