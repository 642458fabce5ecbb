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
import java.io.OutputStream;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/** Counts what is asked, by kind, and remembers nothing else. */
final class CountingStore extends ForwardingStore {
  private final Map<Kind, AtomicLong> calls = new EnumMap<>(Kind.class);

  /** What providers charge for separately. An upload counts when it is committed. */
  enum Kind {
    WRITE,
    GET,
    HEAD,
    LIST,
    DELETE
  }

  CountingStore(ObjectStore store) {
    super(store);
    for (Kind kind : Kind.values()) {
      calls.put(kind, new AtomicLong());
    }
  }

  long calls(Kind kind) {
    return calls.get(kind).get();
  }

  private void count(Kind kind) {
    calls.get(kind).incrementAndGet();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    count(Kind.WRITE);
    return super.put(key, content);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    ObjectUpload upload = super.startUpload(key);
    return new ObjectUpload() {
      @Override
      public OutputStream body() {
        return upload.body();
      }

      @Override
      public ObjectInfo commit() throws IOException {
        count(Kind.WRITE);
        return upload.commit();
      }

      @Override
      public void close() throws IOException {
        upload.close();
      }
    };
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    count(Kind.GET);
    return super.get(key);
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    count(Kind.GET);
    return super.get(key, range);
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    count(Kind.HEAD);
    return super.head(key);
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    count(Kind.LIST);
    return super.list(prefix, after);
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    count(Kind.DELETE);
    super.delete(key);
  }
}
