package com.thorbis.backup.storage.internal.session;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.Optional;

/** What lies below a prefix, as if it were a place of its own. Only for reading. */
final class StoreBelow implements ObjectStore {
  private final ObjectStore store;
  private final String prefix;

  StoreBelow(ObjectStore store, String prefix) {
    this.store = store;
    this.prefix = prefix;
  }

  @Override
  public String describe() {
    return store.describe() + " " + prefix;
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    throw StorageException.unsupported(this, "store " + key, key.value());
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    throw StorageException.unsupported(this, "store " + key, key.value());
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    try {
      return read(key, store.get(below(key)));
    } catch (StorageException.NotFound e) {
      throw new StorageException.NotFound(key, e);
    }
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    try {
      return read(key, store.get(below(key), range));
    } catch (StorageException.NotFound e) {
      throw new StorageException.NotFound(key, e);
    }
  }

  private static ObjectRead read(ObjectKey key, ObjectRead read) {
    ObjectInfo info = ObjectInfo.of(key, read.info().length(), read.info().modifiedAt());
    return new ObjectRead() {
      @Override
      public ObjectInfo info() {
        return info;
      }

      @Override
      public InputStream body() {
        return read.body();
      }

      @Override
      public void close() throws IOException {
        read.close();
      }
    };
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    return store.head(below(key)).map(info -> ObjectInfo.of(key, info.length(), info.modifiedAt()));
  }

  @Override
  public ListPage list(String from, Optional<String> after) throws IOException {
    ListPage page = store.list(prefix + from, after.map(key -> prefix + key));
    return new ListPage(
        page.objects().stream()
            .map(
                info ->
                    ObjectInfo.of(
                        new ObjectKey(info.key().value().substring(prefix.length())),
                        info.length(),
                        info.modifiedAt()))
            .toList(),
        page.next().map(next -> next.startsWith(prefix) ? next.substring(prefix.length()) : next));
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    throw StorageException.unsupported(this, "remove " + key, key.value());
  }

  @Override
  public Instant now() throws IOException {
    return store.now();
  }

  /** The store stays open. */
  @Override
  public void close() {}

  private ObjectKey below(ObjectKey key) {
    return new ObjectKey(prefix + key);
  }
}
