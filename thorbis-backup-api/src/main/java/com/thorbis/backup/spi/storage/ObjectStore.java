package com.thorbis.backup.spi.storage;

import java.io.IOException;
import java.time.Instant;
import java.util.Optional;
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
   * Makes the place itself, such as a folder, if it is missing and this store can. Only creating a
   * repository calls it: a write to a place that is missing fails, because it may have been there
   * before.
   */
  default void createPlace() throws IOException {}

  /**
   * Writes an object if its key is free.
   *
   * @throws StorageException.AlreadyExists if the key is taken, whatever lies there
   * @throws StorageException.OutcomeUnknown if it may have been written
   */
  ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException;

  /** Starts a write of unknown length to a free key; a taken key is reported here or at commit. */
  ObjectUpload startUpload(ObjectKey key) throws IOException;

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

  /** Removes an object. One that is not there is no error. */
  void delete(ObjectKey key) throws IOException;

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
