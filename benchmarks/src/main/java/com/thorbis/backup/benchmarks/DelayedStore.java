package com.thorbis.backup.benchmarks;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.WriteOptions;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A store that is far away. What flows within one request is not slowed down; an upload of several
 * parts is two requests, as its parts are sent side by side.
 */
final class DelayedStore extends ForwardingObjectStore {
  private final ObjectStore store;
  private final long nanos;
  private final AtomicLong calls = new AtomicLong();
  private final AtomicInteger inFlight = new AtomicInteger();
  private final AtomicInteger most = new AtomicInteger();

  DelayedStore(ObjectStore store, Duration delay) {
    this.store = store;
    this.nanos = delay.toNanos();
    String counts = System.getProperty(DelayedStoreFactory.COUNTS);
    if (counts != null) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> write(Path.of(counts))));
    }
  }

  private void write(Path counts) {
    try {
      Files.writeString(
          counts,
          "requests=" + calls + ",at-once=" + most + "\n",
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      System.err.println("The requests could not be counted: " + e);
    }
  }

  private interface Request<T> {
    T send() throws IOException;
  }

  private <T> T far(Request<T> request) throws IOException {
    calls.incrementAndGet();
    most.accumulateAndGet(inFlight.incrementAndGet(), Math::max);
    try {
      TimeUnit.NANOSECONDS.sleep(nanos);
      return request.send();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted on its way");
    } finally {
      inFlight.decrementAndGet();
    }
  }

  @Override
  protected ObjectStore delegate() {
    return store;
  }

  @Override
  public String describe() {
    return store.describe();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    return far(() -> store.put(key, content));
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
      throws IOException {
    return far(() -> store.put(key, content, options));
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return new Upload(far(() -> store.startUpload(key)));
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key, WriteOptions options) throws IOException {
    return new Upload(far(() -> store.startUpload(key, options)));
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    return far(() -> store.get(key));
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    return far(() -> store.get(key, range));
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    return far(() -> store.head(key));
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    return far(() -> store.list(prefix, after));
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    far(
        () -> {
          store.delete(key);
          return key;
        });
  }

  @Override
  public Map<ObjectKey, StorageException> deleteAll(Collection<ObjectKey> keys) throws IOException {
    return far(() -> store.deleteAll(keys));
  }

  @Override
  public Instant now() throws IOException {
    return far(store::now);
  }

  private final class Upload implements ObjectUpload {
    private final ObjectUpload upload;

    Upload(ObjectUpload upload) {
      this.upload = upload;
    }

    @Override
    public OutputStream body() {
      return upload.body();
    }

    @Override
    public ObjectInfo commit() throws IOException {
      return far(upload::commit);
    }

    @Override
    public void close() throws IOException {
      upload.close();
    }
  }
}
