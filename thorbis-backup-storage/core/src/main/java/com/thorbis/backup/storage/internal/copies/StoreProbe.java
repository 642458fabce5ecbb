package com.thorbis.backup.storage.internal.copies;

import static java.nio.charset.StandardCharsets.US_ASCII;

import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.WriteOptions;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a store really does, tried on throw-away objects: several accept a condition, or a lock, and
 * ignore it.
 *
 * @param copy the place
 * @param refusesPut whether it refuses a second object under a key
 * @param refusesCommit whether it refuses an upload to a key that was taken meanwhile
 * @param lists whether a listing shows what was just written
 * @param lock what became of a deletion before its time
 * @param offset how far its clock is ahead of this host's
 */
public record StoreProbe(
    Copy copy,
    boolean refusesPut,
    boolean refusesCommit,
    boolean lists,
    Lock lock,
    Duration offset) {
  private static final Logger LOG = LoggerFactory.getLogger(StoreProbe.class);

  private static final int MOST_BYTES = 4096;
  private static final Duration LOCKED_FOR = Duration.ofMinutes(2);
  private static final Duration OLD = Duration.ofHours(1);
  private static final Duration MOST_OFFSET = Duration.ofMinutes(1);

  /** Whether a lock holds. */
  public enum Lock {
    /** Nobody asks for one there. */
    NOT_ASKED("not-asked"),
    /** A deletion was refused. */
    ENFORCED("enforced"),
    /** The object was gone, or its lock was not shown. */
    IGNORED("ignored"),
    /** This host may not delete, and learns nothing of locks. */
    UNTRIED("untried");

    private final String label;

    Lock(String label) {
      this.label = label;
    }

    /** As it is written down. */
    String label() {
      return label;
    }
  }

  /** Tries a store. Leaves a small object behind where something is locked. */
  public static StoreProbe of(Copy copy, Clock clock, SecureRandom random) throws IOException {
    ObjectStore store = copy.store();
    removeOld(store);
    ObjectKey key = key(random);
    byte[] first = key.value().getBytes(US_ASCII);
    byte[] second = new byte[first.length];
    Outcomes.settle(store, key, first.length, () -> store.put(key, ObjectSource.of(first)));
    Instant here = clock.instant();
    Instant there = store.head(key).map(ObjectInfo::modifiedAt).orElse(here);
    boolean refusesPut = isRefused(() -> store.put(key, ObjectSource.of(second)));
    boolean refusesCommit = refusesPut && isRefused(() -> upload(store, key, second));
    if (refusesCommit) {
      requireKept(store, key, first);
    }
    boolean lists =
        store.list(key.value(), Optional.empty()).objects().stream()
            .anyMatch(info -> info.key().equals(key) && info.length() == first.length);
    remove(store, key);
    return new StoreProbe(
        copy,
        refusesPut,
        refusesCommit,
        lists,
        copy.lock().isEmpty() ? Lock.NOT_ASKED : tryLock(store, random),
        Duration.between(here, there));
  }

  /** Whether a store refuses to delete what is locked. */
  public static Lock lock(ObjectStore store, SecureRandom random) throws IOException {
    removeOld(store);
    return tryLock(store, random);
  }

  private static Lock tryLock(ObjectStore store, SecureRandom random) throws IOException {
    ObjectKey key = key(random);
    Instant until = store.now().plus(LOCKED_FOR);
    store.put(
        key,
        ObjectSource.of(key.value().getBytes(US_ASCII)),
        WriteOptions.plain().lockedUntil(until));
    try {
      store.delete(key);
      return Lock.IGNORED;
    } catch (StorageException e) {
      if (e.code().equals("storage.refused")) {
        return Lock.UNTRIED;
      }
      if (!e.code().equals("storage.locked")) {
        throw e;
      }
    }
    return store.head(key).flatMap(ObjectInfo::lockedUntil).isPresent()
        ? Lock.ENFORCED
        : Lock.IGNORED;
  }

  /** Whether nothing of it is refused. */
  public boolean isGood() {
    return items("").stream().noneMatch(item -> item.outcome() == Outcome.FAIL);
  }

  /** Refuses a store on which two writers would destroy each other's backups. */
  public void require() throws RepositoryException {
    for (CheckItem item : items("")) {
      if (item.outcome() == Outcome.FAIL) {
        throw new RepositoryException(
            refusesPut && refusesCommit ? "storage.lock-ignored" : "storage.not-conditional",
            FailureKind.CONFIGURATION,
            item.message(),
            Map.of("copy", copy.name()),
            item.remedy(),
            null);
      }
    }
  }

  /**
   * For people.
   *
   * @param when said behind what is as it should be
   */
  public List<CheckItem> items(String when) {
    List<CheckItem> items = new ArrayList<>();
    if (!refusesPut || !refusesCommit) {
      items.add(
          item(
              Outcome.FAIL,
              "does not refuse a second object under one key"
                  + (refusesPut ? " when it comes as an upload in parts" : "")
                  + ": two writers would destroy each other's backups",
              "Use a store with conditional writes."));
    }
    if (!lists) {
      items.add(
          item(
              Outcome.WARN,
              "does not list what was just written",
              "Nothing is lost by it; what is left over is found later."));
    }
    if (lock == Lock.IGNORED) {
      items.add(
          item(
              Outcome.FAIL,
              "takes a lock and lets the object be deleted all the same",
              "Turn on object lock for the bucket, or remove lock from this copy."));
    }
    if (lock == Lock.UNTRIED) {
      items.add(
          item(
              Outcome.WARN,
              "lets this host delete nothing, so whether it keeps what is locked was not tried",
              "Run check as whoever prunes."));
    }
    if (offset.abs().compareTo(MOST_OFFSET) > 0) {
      items.add(
          item(
              Outcome.WARN,
              "has a clock that is "
                  + offset.abs().toSeconds()
                  + " seconds "
                  + (offset.isNegative() ? "behind" : "ahead of")
                  + " this host's",
              "Set the clock of this host; what is locked is locked by its time."));
    }
    if (items.isEmpty()) {
      items.add(
          item(
              Outcome.OK,
              "refuses a second object under one key, put or uploaded"
                  + (lock == Lock.ENFORCED ? ", and to delete what is locked" : "")
                  + when,
              ""));
    }
    return items;
  }

  private CheckItem item(Outcome outcome, String message, String remedy) {
    return new CheckItem("repository.store", outcome, copy.name() + " " + message, remedy);
  }

  @FunctionalInterface
  private interface Write {
    ObjectInfo run() throws IOException;
  }

  private static boolean isRefused(Write write) throws IOException {
    try {
      write.run();
      return false;
    } catch (StorageException.AlreadyExists e) {
      return true;
    }
  }

  private static ObjectInfo upload(ObjectStore store, ObjectKey key, byte[] content)
      throws IOException {
    try (ObjectUpload upload = store.startUpload(key)) {
      upload.body().write(content);
      return upload.commit();
    }
  }

  private static void requireKept(ObjectStore store, ObjectKey key, byte[] content)
      throws IOException {
    SealedObjects.again(
        key,
        () -> {
          byte[] kept = SealedObjects.fetch(store, key, MOST_BYTES);
          if (!Arrays.equals(kept, content)) {
            throw RepositoryException.damaged(
                key.value(), "was not stored as it was written", null);
          }
          return kept;
        });
  }

  private static void removeOld(ObjectStore store) throws IOException {
    List<ObjectInfo> left = store.list(ObjectNames.PROBE, Optional.empty()).objects();
    if (!left.isEmpty()) {
      Instant old = store.now().minus(OLD);
      left.stream()
          .filter(info -> info.modifiedAt().isBefore(old))
          .forEach(info -> remove(store, info.key()));
    }
  }

  private static void remove(ObjectStore store, ObjectKey key) {
    try {
      store.delete(key);
    } catch (IOException e) {
      LOG.debug("The probe {} stays: {}", key, e.getMessage());
    }
  }

  private static ObjectKey key(SecureRandom random) {
    return new ObjectKey(ObjectNames.PROBE + ObjectId.random(random));
  }
}
