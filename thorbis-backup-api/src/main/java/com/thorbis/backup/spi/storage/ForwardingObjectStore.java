package com.thorbis.backup.spi.storage;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A store that does what another one does, for those that differ in something. As safe for threads
 * as that one.
 */
public abstract class ForwardingObjectStore implements ObjectStore {
  /** For subclasses. */
  protected ForwardingObjectStore() {}

  /** The store that does the work; asked at each call. */
  protected abstract ObjectStore delegate() throws IOException;

  @Override
  public String service() throws IOException {
    return delegate().service();
  }

  @Override
  public Set<StoreCapability> capabilities() throws IOException {
    return delegate().capabilities();
  }

  @Override
  public void createPlace() throws IOException {
    delegate().createPlace();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    return delegate().put(key, content);
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
      throws IOException {
    return delegate().put(key, content, options);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return delegate().startUpload(key);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key, WriteOptions options) throws IOException {
    return delegate().startUpload(key, options);
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    return delegate().get(key);
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    return delegate().get(key, range);
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    return delegate().head(key);
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    return delegate().list(prefix, after);
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    delegate().delete(key);
  }

  @Override
  public Map<ObjectKey, StorageException> deleteAll(Collection<ObjectKey> keys) throws IOException {
    return delegate().deleteAll(keys);
  }

  @Override
  public void extendLock(ObjectKey key, Instant until) throws IOException {
    delegate().extendLock(key, until);
  }

  @Override
  public Duration minimumStay(StorageTier tier) throws IOException {
    return delegate().minimumStay(tier);
  }

  @Override
  public void move(ObjectKey key, StorageTier tier) throws IOException {
    delegate().move(key, tier);
  }

  @Override
  public void requestReadable(ObjectKey key, Duration keepFor) throws IOException {
    delegate().requestReadable(key, keepFor);
  }

  @Override
  public ListPage listDeleted(String prefix, Optional<String> after) throws IOException {
    return delegate().listDeleted(prefix, after);
  }

  @Override
  public void undelete(ObjectKey key) throws IOException {
    delegate().undelete(key);
  }

  @Override
  public int discardStaleUploads(String prefix, Instant before) throws IOException {
    return delegate().discardStaleUploads(prefix, before);
  }

  @Override
  public Instant now() throws IOException {
    return delegate().now();
  }

  @Override
  public void close() throws IOException {
    delegate().close();
  }
}
