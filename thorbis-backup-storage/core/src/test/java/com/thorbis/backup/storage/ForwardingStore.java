package com.thorbis.backup.storage;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import java.io.IOException;
import java.time.Instant;
import java.util.Optional;

/** A store that does what another one does, for those that differ in one thing. */
class ForwardingStore implements ObjectStore {
  private final ObjectStore store;

  ForwardingStore(ObjectStore store) {
    this.store = store;
  }

  @Override
  public String describe() {
    return store.describe();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    return store.put(key, content);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return store.startUpload(key);
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    return store.get(key);
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    return store.get(key, range);
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    return store.head(key);
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    return store.list(prefix, after);
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    store.delete(key);
  }

  @Override
  public Instant now() throws IOException {
    return store.now();
  }

  @Override
  public void close() throws IOException {
    store.close();
  }
}
