package com.thorbis.backup.spi.storage;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * Bytes under keys. Safe for several threads. An object appears whole or not at all, and is never
 * overwritten. A write that returned is durable as far as the store can promise. Every failure is a
 * {@link StorageException}; "not there" and "could not look" never mix.
 */
public interface ObjectStore extends AutoCloseable {
  /** A name for messages, without secrets. */
  String describe();

  /**
   * Who answers: the address and what speaks to it, with its version; no secrets. What was found of
   * a store is found out anew where this is another. Asks nobody, once it is open.
   */
  default String service() throws IOException {
    return describe();
  }

  /** What it offers beyond reading and writing. Asks nobody, once it is open. */
  default Set<StoreCapability> capabilities() throws IOException {
    return Set.of();
  }

  /**
   * Makes the place itself, such as a folder, if it is missing and this store can. Only creating a
   * repository calls it: a write to a place that is missing fails, because it may have been there
   * before.
   */
  default void createPlace() throws IOException {}

  /**
   * Writes an object if its key is free.
   *
   * @return its facts; where a store does not say at once when it took the object, the time is that
   *     of its answer
   * @throws StorageException.AlreadyExists if the key is taken, whatever lies there
   * @throws StorageException.OutcomeUnknown if it may have been written
   */
  ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException;

  /**
   * Writes an object if its key is free, to be kept as asked for from its first moment.
   *
   * @throws StorageException as without options; {@code storage.unsupported} if the store cannot
   *     keep it so
   */
  default ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
      throws IOException {
    if (!options.equals(WriteOptions.plain())) {
      throw StorageException.unsupported(this, "keep an object " + options, key.value());
    }
    return put(key, content);
  }

  /** Starts a write of unknown length to a free key; a taken key is reported here or at commit. */
  ObjectUpload startUpload(ObjectKey key) throws IOException;

  /** Starts a write of unknown length of an object that is to be kept as asked for. */
  default ObjectUpload startUpload(ObjectKey key, WriteOptions options) throws IOException {
    if (!options.equals(WriteOptions.plain())) {
      throw StorageException.unsupported(this, "keep an object " + options, key.value());
    }
    return startUpload(key);
  }

  /**
   * Reads a whole object.
   *
   * @throws StorageException.NotFound if the store positively has no such object
   */
  ObjectRead get(ObjectKey key) throws IOException;

  /**
   * Reads a part. A range that reaches beyond the end delivers what there is; one that starts
   * there, nothing.
   *
   * @throws StorageException.NotFound if the store positively has no such object
   */
  ObjectRead get(ObjectKey key, ByteRange range) throws IOException;

  /** The object's facts; empty only if the store positively has no such object. */
  Optional<ObjectInfo> head(ObjectKey key) throws IOException;

  /**
   * Lists keys that start with {@code prefix}, in key order, a page at a time.
   *
   * @param prefix may be empty, need not end at a slash
   * @param after empty for the first page, then {@link ListPage#next}; any key is allowed and need
   *     not exist
   */
  ListPage list(String prefix, Optional<String> after) throws IOException;

  /**
   * Removes an object. One that is not there is no error.
   *
   * @throws StorageException {@code storage.locked} if its lock has not ended
   */
  void delete(ObjectKey key) throws IOException;

  /**
   * Removes objects with as few requests as the store allows.
   *
   * @return those that were not removed, or may not have been, each with the reason
   */
  default Map<ObjectKey, StorageException> deleteAll(Collection<ObjectKey> keys)
      throws IOException {
    Map<ObjectKey, StorageException> failed = new LinkedHashMap<>();
    for (ObjectKey key : keys) {
      try {
        delete(key);
      } catch (StorageException e) {
        failed.put(key, e);
      }
    }
    return failed;
  }

  /**
   * Locks an object for longer, never for shorter: a time before the end of its lock changes
   * nothing. {@link StoreCapability#LOCK}.
   *
   * @param until by the store's clock
   */
  default void extendLock(ObjectKey key, Instant until) throws IOException {
    throw StorageException.unsupported(this, "lock an object", key.value());
  }

  /**
   * For how long the store charges an object at least that lies in a tier, by what the vendor says:
   * whoever removes or moves it earlier pays for the rest. Zero where that is not so.
   */
  default Duration minimumStay(StorageTier tier) throws IOException {
    return Duration.ZERO;
  }

  /**
   * Moves an object to another tier, with its content and its lock; it can be read all the time. To
   * the tier where it lies: no change. {@link StoreCapability#TIERS}.
   *
   * @throws StorageException {@code storage.offline} if it must be brought back first; {@code
   *     storage.locked} if the store would have to keep what is locked beside it; nothing was
   *     changed then
   */
  default void move(ObjectKey key, StorageTier tier) throws IOException {
    throw StorageException.unsupported(this, "move an object to tier " + tier, key.value());
  }

  /**
   * Asks for an object that cannot be read at once, and does not wait; {@link ObjectInfo#readable}
   * tells when it can. Asking again changes nothing. {@link StoreCapability#TIERS}.
   *
   * @param keepFor how long it shall stay readable, at least, in whole days
   */
  default void requestReadable(ObjectKey key, Duration keepFor) throws IOException {
    throw StorageException.unsupported(this, "bring back an object", key.value());
  }

  /**
   * Lists keys, in key order, of objects that were deleted and can be brought back, with the facts
   * they had. {@link StoreCapability#UNDELETE}.
   */
  default ListPage listDeleted(String prefix, Optional<String> after) throws IOException {
    throw StorageException.unsupported(this, "list what was deleted", prefix);
  }

  /**
   * Brings back what was deleted last under a key that is free. {@link StoreCapability#UNDELETE}.
   *
   * @throws StorageException.NotFound if nothing can be brought back
   * @throws StorageException.AlreadyExists if the key is taken
   */
  default void undelete(ObjectKey key) throws IOException {
    throw StorageException.unsupported(this, "bring back what was deleted", key.value());
  }

  /**
   * Discards uploads below {@code prefix} that began before a time by the store's clock and were
   * not ended. {@link StoreCapability#STALE_UPLOADS}.
   *
   * @return how many
   */
  default int discardStaleUploads(String prefix, Instant before) throws IOException {
    throw StorageException.unsupported(this, "find uploads that nobody ended", prefix);
  }

  /**
   * The time by the clock that {@link ObjectInfo#modifiedAt} comes from. Without another way, a
   * small object below {@code probe/} is written and removed.
   */
  default Instant now() throws IOException {
    ObjectKey probe = new ObjectKey("probe/" + UUID.randomUUID());
    Instant now = put(probe, ObjectSource.of(new byte[1])).modifiedAt();
    delete(probe);
    return now;
  }

  @Override
  void close() throws IOException;
}
