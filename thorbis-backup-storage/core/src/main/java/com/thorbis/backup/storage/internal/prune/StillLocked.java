package com.thorbis.backup.storage.internal.prune;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.storage.StorageException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;

/** Counts what is given up and cannot be removed before its lock ends. Safe for several threads. */
final class StillLocked {
  private final Map<String, Long> objects = new ConcurrentSkipListMap<>();

  /** Whether that is why an object could not be removed. */
  boolean counts(Copy copy, StorageException failure) {
    if (!failure.code().equals("storage.locked")) {
      return false;
    }
    objects.merge(copy.name(), 1L, Long::sum);
    return true;
  }

  /** One for each copy. */
  List<String> problems() {
    return objects.entrySet().stream()
        .map(
            entry ->
                "prune.objects-locked: "
                    + entry.getValue()
                    + " objects stay on "
                    + entry.getKey()
                    + " until their locks end; prune removes them then")
        .toList();
  }
}
