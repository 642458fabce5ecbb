package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.copies.CopySet;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Removes objects from every copy that has the commit which says so. A copy that lags keeps them
 * until it has it: by itself it is a repository as of its last commit, and all that this commit
 * knows of must be there. Safe for several threads.
 */
final class Removal {
  private final Copy primary;
  private final List<Copy> copies = new CopyOnWriteArrayList<>();
  private final List<String> behind = new ArrayList<>();
  private final Set<String> problems = new ConcurrentSkipListSet<>();
  private final StillLocked locked = new StillLocked();
  private volatile boolean unreached;

  /** Of what commit {@code sequence} says is removed. */
  Removal(ObjectStore store, long sequence) throws IOException {
    List<Copy> all = CopySet.places(store);
    primary = all.get(0);
    for (Copy copy : all.subList(1, all.size())) {
      try {
        if (copy.store().head(ObjectNames.commit(sequence)).isPresent()) {
          copies.add(copy);
        } else {
          behind.add(copy.name());
        }
      } catch (StorageException e) {
        unreached(copy, e);
      }
    }
    copies.add(primary);
  }

  /** Whether no copy has any of it: none waits, and none could not be asked. */
  boolean complete() {
    return behind.isEmpty() && !unreached;
  }

  /** The copies that lack the commit. */
  List<String> behind() {
    return List.copyOf(behind);
  }

  /** What somebody must look at. */
  List<String> problems() {
    List<String> all = new ArrayList<>(problems);
    all.addAll(locked.problems());
    return all;
  }

  /**
   * Removes an object.
   *
   * @param listed its length, if it is known to be somewhere
   * @return its length, if any copy had it and lost it
   */
  OptionalLong remove(ObjectKey key, Optional<Long> listed) throws IOException {
    OptionalLong removed = OptionalLong.empty();
    for (Copy copy : List.copyOf(copies)) {
      try {
        Optional<Long> length =
            listed.isPresent() ? listed : copy.store().head(key).map(ObjectInfo::length);
        if (length.isPresent() && delete(key, copy)) {
          removed = OptionalLong.of(length.get());
        }
      } catch (StorageException e) {
        if (copy == primary) {
          throw e;
        }
        copies.remove(copy);
        unreached(copy, e);
      }
    }
    return removed;
  }

  private boolean delete(ObjectKey key, Copy copy) throws IOException {
    try {
      copy.store().delete(key);
      return true;
    } catch (StorageException e) {
      if (e.kind() != FailureKind.REFUSED && e.kind() != FailureKind.PERMANENT) {
        throw e;
      }
      // It stays as what no commit names, and is found by its age again.
      if (locked.counts(copy, e)) {
        return false;
      }
      problems.add("prune.object-stays: " + key + ": " + e.getMessage());
      return false;
    }
  }

  private void unreached(Copy copy, StorageException e) {
    unreached = true;
    problems.add(
        "prune.copy-unreachable: "
            + copy.name()
            + " keeps what is removed until it can be asked and prune runs again: "
            + e.getMessage());
  }
}
