package com.thorbis.backup.storage.internal.verify;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;

/** Collects what verifying finds. Safe for several threads. */
final class Findings {
  /** There is nothing under the name. */
  static final String MISSING = "missing";

  /** The bytes are not what was stored. */
  static final String ALTERED = "altered";

  /** The object is shorter or longer than it was. */
  static final String TRUNCATED = "truncated";

  /** Something refers to what is not in the object. */
  static final String DANGLING = "dangling";

  /** A slot of keys that were destroyed is there again. */
  static final String ERASED_KEY = "erased-key";

  /** The name is none that a repository uses. */
  static final String UNKNOWN = "unknown-object";

  private final String copy;
  private final AtomicLong checked = new AtomicLong();
  private final Map<Place, Set<BackupId>> found = new LinkedHashMap<>();

  private final Map<ObjectKey, ObjectInfo> frozen = new LinkedHashMap<>();

  private record Place(
      String object,
      String kind,
      boolean referenced,
      Optional<String> file,
      Optional<String> range) {}

  Findings(String copy) {
    this.copy = copy;
  }

  void looked() {
    checked.incrementAndGet();
  }

  void add(
      String object,
      String kind,
      boolean referenced,
      Set<BackupId> backups,
      Optional<String> file,
      Optional<String> range) {
    synchronized (found) {
      found
          .computeIfAbsent(
              new Place(object, kind, referenced, file, range), place -> new LinkedHashSet<>())
          .addAll(backups);
    }
  }

  /** Notes what cannot be opened before it is brought back. */
  void frozen(ObjectInfo info) {
    synchronized (frozen) {
      frozen.put(info.key(), info);
    }
  }

  /** Whether an object could not be opened before it is brought back. */
  boolean isFrozen(ObjectKey key) {
    synchronized (frozen) {
      return frozen.containsKey(key);
    }
  }

  private Thaw thaw() {
    synchronized (frozen) {
      return frozen.values().stream()
          .map(
              info ->
                  new Thaw(1, info.length(), info.requested() ? 1 : 0, info.thaw(), List.of(copy)))
          .reduce(Thaw.NONE, Thaw::plus);
    }
  }

  /** Whether anything was found at all. */
  boolean any() {
    synchronized (found) {
      return !found.isEmpty();
    }
  }

  /** Drops what concerns only backups, or is an object, that are gone on purpose. */
  void leaveOut(Predicate<BackupId> goneBackup, Predicate<String> goneObject) {
    synchronized (found) {
      found
          .entrySet()
          .removeIf(
              place -> {
                boolean concerned = !place.getValue().isEmpty();
                place.getValue().removeIf(goneBackup);
                return concerned && place.getValue().isEmpty()
                    || goneObject.test(place.getKey().object());
              });
    }
  }

  /** Whether anything that was found means this backup. */
  boolean concern(BackupId backup) {
    synchronized (found) {
      return found.values().stream().anyMatch(backups -> backups.contains(backup));
    }
  }

  /** Whether an object whose key begins so was found damaged. */
  boolean name(String prefix) {
    synchronized (found) {
      return found.keySet().stream().anyMatch(place -> place.object().startsWith(prefix));
    }
  }

  VerifyReport report(long durationMillis, Optional<VerifyReport.Coverage> coverage) {
    List<VerifyReport.Damage> damaged = new ArrayList<>();
    synchronized (found) {
      found.forEach(
          (place, backups) ->
              damaged.add(
                  new VerifyReport.Damage(
                      place.object(),
                      copy,
                      place.kind(),
                      place.referenced(),
                      List.copyOf(backups),
                      place.file(),
                      place.range(),
                      false)));
    }
    return new VerifyReport(checked.get(), damaged, durationMillis, coverage, thaw());
  }
}
