package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Goes through the listings of all copies side by side, in key order, with bounded memory. */
final class Holdings {
  private final Map<Copy, Cursor> cursors = new LinkedHashMap<>();
  private final Map<Copy, StorageException> failures = new LinkedHashMap<>();

  /**
   * An object.
   *
   * @param key its name
   * @param lengths how long it is on each copy that lists it
   */
  record Row(ObjectKey key, Map<Copy, Long> lengths) {
    /** Its length on the first copy that lists it. */
    long length() {
      return lengths.values().iterator().next();
    }
  }

  Holdings(List<Copy> copies, String prefix) {
    copies.forEach(copy -> cursors.put(copy, new Cursor(copy, prefix)));
  }

  /** The next object; null after the last. */
  @Nullable Row next() throws IOException {
    ObjectKey least = null;
    for (Map.Entry<Copy, Cursor> one : cursors.entrySet()) {
      if (failures.containsKey(one.getKey())) {
        continue;
      }
      try {
        ObjectInfo info = one.getValue().peek();
        if (info != null && (least == null || info.key().compareTo(least) < 0)) {
          least = info.key();
        }
      } catch (StorageException e) {
        failures.put(one.getKey(), e);
      }
    }
    if (least == null) {
      return null;
    }
    Map<Copy, Long> lengths = new LinkedHashMap<>();
    for (Map.Entry<Copy, Cursor> one : cursors.entrySet()) {
      ObjectInfo info = one.getValue().current;
      if (info != null && info.key().equals(least)) {
        lengths.put(one.getKey(), info.length());
        one.getValue().current = null;
      }
    }
    return new Row(least, lengths);
  }

  /** The copies whose listing broke off: what they lack is not known. */
  Map<Copy, StorageException> failures() {
    return failures;
  }

  private static final class Cursor {
    private final Copy copy;
    private final String prefix;
    private Iterator<ObjectInfo> page = List.<ObjectInfo>of().iterator();
    private Optional<String> after = Optional.empty();
    private boolean last;
    private @Nullable ObjectInfo current;

    Cursor(Copy copy, String prefix) {
      this.copy = copy;
      this.prefix = prefix;
    }

    @Nullable ObjectInfo peek() throws IOException {
      while (current == null && (page.hasNext() || !last)) {
        if (page.hasNext()) {
          current = page.next();
        } else {
          ListPage fetched = copy.store().list(prefix, after);
          page = fetched.objects().iterator();
          after = fetched.next();
          last = after.isEmpty();
        }
      }
      return current;
    }
  }
}
