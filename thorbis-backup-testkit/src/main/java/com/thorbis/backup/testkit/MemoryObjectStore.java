package com.thorbis.backup.testkit;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.UnaryOperator;

/**
 * A store in memory that keeps the whole contract, lets tests see and damage what it holds, and can
 * be copied at any moment. Safe for several threads.
 */
public final class MemoryObjectStore implements ObjectStore {
  private static final class Stored {
    final byte[] content;
    final Instant modifiedAt;

    Stored(byte[] content, Instant modifiedAt) {
      this.content = content;
      this.modifiedAt = modifiedAt;
    }
  }

  private final ConcurrentSkipListMap<String, Stored> objects = new ConcurrentSkipListMap<>();
  private final Clock clock;
  private final int pageSize;

  private MemoryObjectStore(Clock clock, int pageSize) {
    this.clock = clock;
    this.pageSize = pageSize;
  }

  /** An empty store with the system's time and pages of 1000. */
  public static MemoryObjectStore create() {
    return create(Clock.systemUTC(), 1000);
  }

  /** An empty store. */
  public static MemoryObjectStore create(Clock clock, int pageSize) {
    return new MemoryObjectStore(clock, pageSize);
  }

  /** A store that holds what this one holds now, and goes its own way from here. */
  public MemoryObjectStore copy() {
    return copy(clock);
  }

  /** The same with a clock of its own. */
  public MemoryObjectStore copy(Clock clock) {
    MemoryObjectStore copy = new MemoryObjectStore(clock, pageSize);
    copy.objects.putAll(objects);
    return copy;
  }

  /** Every object, in key order. */
  public SortedMap<String, byte[]> contents() {
    TreeMap<String, byte[]> contents = new TreeMap<>();
    objects.forEach((key, stored) -> contents.put(key, stored.content.clone()));
    return contents;
  }

  /** The bytes of an object. */
  public byte[] content(ObjectKey key) {
    Stored stored = objects.get(key.value());
    if (stored == null) {
      throw new IllegalArgumentException("No such object: " + key);
    }
    return stored.content.clone();
  }

  /** Plants other bytes, as damage does: past the contract, leaving the time as it was. */
  public void replace(ObjectKey key, byte[] content) {
    plant(key, before -> content.clone());
  }

  /** Flips one bit of an object. */
  public void flipBit(ObjectKey key, long bit) {
    plant(
        key,
        before -> {
          byte[] after = before.clone();
          after[Math.toIntExact(bit / 8)] ^= (byte) (1 << (int) (bit % 8));
          return after;
        });
  }

  private void plant(ObjectKey key, UnaryOperator<byte[]> change) {
    Stored planted =
        objects.computeIfPresent(
            key.value(),
            (k, stored) -> new Stored(change.apply(stored.content), stored.modifiedAt));
    if (planted == null) {
      throw new IllegalArgumentException("No such object: " + key);
    }
  }

  @Override
  public String describe() {
    return "memory";
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    if (objects.containsKey(key.value())) {
      throw new StorageException.AlreadyExists(key, null);
    }
    try (InputStream in = content.open()) {
      byte[] bytes = in.readNBytes((int) Math.min(content.length(), Integer.MAX_VALUE - 8));
      if (bytes.length != content.length() || in.read() >= 0) {
        throw new StorageException(
            "storage.source-length",
            FailureKind.PERMANENT,
            key + ": the content is not of the length it was announced with, " + content.length(),
            key.value(),
            "Let the content stay as it is while it is written.",
            null);
      }
      return publish(key, bytes);
    } catch (StorageException e) {
      throw e;
    } catch (IOException e) {
      throw sourceFailed(key, e);
    }
  }

  static StorageException sourceFailed(ObjectKey key, IOException e) {
    return new StorageException(
        "storage.source-failed",
        FailureKind.PERMANENT,
        key + ": the content could not be read: " + e,
        key.value(),
        "See the cause; nothing was written.",
        e);
  }

  private ObjectInfo publish(ObjectKey key, byte[] bytes) throws IOException {
    Stored stored = new Stored(bytes, clock.instant());
    if (objects.putIfAbsent(key.value(), stored) != null) {
      throw new StorageException.AlreadyExists(key, null);
    }
    return info(key, stored);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    if (objects.containsKey(key.value())) {
      throw new StorageException.AlreadyExists(key, null);
    }
    return new Upload(key);
  }

  private final class Upload implements ObjectUpload {
    private final ObjectKey key;
    private final ByteArrayOutputStream body = new ByteArrayOutputStream();
    private boolean ended;

    Upload(ObjectKey key) {
      this.key = key;
    }

    @Override
    public OutputStream body() {
      return body;
    }

    @Override
    public ObjectInfo commit() throws IOException {
      if (ended) {
        throw new IllegalStateException("The upload has ended: " + key);
      }
      ended = true;
      return publish(key, body.toByteArray());
    }

    @Override
    public void close() {
      ended = true;
    }
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    Stored stored = find(key);
    return new Read(info(key, stored), new ByteArrayInputStream(stored.content));
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    Stored stored = find(key);
    int from = (int) Math.min(range.offset(), stored.content.length);
    int length = (int) Math.min(range.length(), stored.content.length - from);
    return new Read(info(key, stored), new ByteArrayInputStream(stored.content, from, length));
  }

  private record Read(ObjectInfo info, InputStream body) implements ObjectRead {
    @Override
    public void close() {}
  }

  private Stored find(ObjectKey key) throws StorageException.NotFound {
    Stored stored = objects.get(key.value());
    if (stored == null) {
      throw new StorageException.NotFound(key, null);
    }
    return stored;
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) {
    return Optional.ofNullable(objects.get(key.value())).map(stored -> info(key, stored));
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) {
    List<ObjectInfo> page = new ArrayList<>();
    boolean pastPrefix = after.isPresent() && after.get().compareTo(prefix) >= 0;
    SortedMap<String, Stored> tail =
        pastPrefix ? objects.tailMap(after.get(), false) : objects.tailMap(prefix, true);
    for (Map.Entry<String, Stored> entry : tail.entrySet()) {
      if (!entry.getKey().startsWith(prefix)) {
        break;
      }
      if (page.size() == pageSize) {
        return new ListPage(page, Optional.of(page.get(pageSize - 1).key().value()));
      }
      page.add(info(new ObjectKey(entry.getKey()), entry.getValue()));
    }
    return new ListPage(page, Optional.empty());
  }

  @Override
  public void delete(ObjectKey key) {
    objects.remove(key.value());
  }

  @Override
  public Instant now() {
    return clock.instant();
  }

  @Override
  public void close() {}

  private static ObjectInfo info(ObjectKey key, Stored stored) {
    return ObjectInfo.of(key, stored.content.length, stored.modifiedAt);
  }
}
