package com.thorbis.backup.api;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StorageTier;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.spi.storage.WriteOptions;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A copy whose store could not be opened: tried again whenever it is asked, so that the other
 * copies serve meanwhile.
 */
final class LateStore implements ObjectStore {
  private final String name;
  private final Opening opening;
  private @Nullable ObjectStore store;
  private boolean closed;

  /** Opens the store. */
  @FunctionalInterface
  interface Opening {
    ObjectStore open() throws IOException;
  }

  LateStore(String name, Opening opening) {
    this.name = name;
    this.opening = opening;
  }

  @Override
  public String describe() {
    return name;
  }

  @Override
  public void createPlace() throws IOException {
    store().createPlace();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    return store().put(key, content);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return store().startUpload(key);
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    return store().get(key);
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    return store().get(key, range);
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    return store().head(key);
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    return store().list(prefix, after);
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    store().delete(key);
  }

  @Override
  public Set<StoreCapability> capabilities() throws IOException {
    return store().capabilities();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
      throws IOException {
    return store().put(key, content, options);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key, WriteOptions options) throws IOException {
    return store().startUpload(key, options);
  }

  @Override
  public Map<ObjectKey, StorageException> deleteAll(Collection<ObjectKey> keys) throws IOException {
    return store().deleteAll(keys);
  }

  @Override
  public void extendLock(ObjectKey key, Instant until) throws IOException {
    store().extendLock(key, until);
  }

  @Override
  public void move(ObjectKey key, StorageTier tier) throws IOException {
    store().move(key, tier);
  }

  @Override
  public void requestReadable(ObjectKey key, Duration keepFor) throws IOException {
    store().requestReadable(key, keepFor);
  }

  @Override
  public ListPage listDeleted(String prefix, Optional<String> after) throws IOException {
    return store().listDeleted(prefix, after);
  }

  @Override
  public void undelete(ObjectKey key) throws IOException {
    store().undelete(key);
  }

  @Override
  public int discardStaleUploads(String prefix, Instant before) throws IOException {
    return store().discardStaleUploads(prefix, before);
  }

  @Override
  public Instant now() throws IOException {
    return store().now();
  }

  @Override
  public synchronized void close() throws IOException {
    closed = true;
    ObjectStore opened = store;
    if (opened != null) {
      opened.close();
    }
  }

  private synchronized ObjectStore store() throws IOException {
    ObjectStore opened = store;
    if (opened == null) {
      if (closed) {
        throw new IllegalStateException(name + " is closed");
      }
      opened = opening.open();
      store = opened;
    }
    return opened;
  }
}
