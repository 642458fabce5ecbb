package com.thorbis.backup.testkit;

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
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A store in memory that keeps the whole contract, lets tests see and damage what it holds, and can
 * be copied at any moment. Locks are enforced, what was deleted can be brought back for ever, and
 * what lies in the archive tier is readable {@link #THAW} after it was asked for. A moved object is
 * written anew, so that its time changes. Safe for several threads.
 */
public final class MemoryObjectStore implements ObjectStore {
  /** How long what was asked for takes to become readable. */
  public static final Duration THAW = Duration.ofHours(4);

  private record Stored(
      byte[] content,
      Instant modifiedAt,
      WriteOptions options,
      @Nullable Instant readableFrom,
      @Nullable Instant readableTo) {
    boolean readable(Instant now) {
      return options.tier() != StorageTier.ARCHIVE
          || (readableFrom != null
              && readableTo != null
              && !now.isBefore(readableFrom)
              && now.isBefore(readableTo));
    }

    boolean requested(Instant now) {
      return readableFrom != null && now.isBefore(readableFrom);
    }

    boolean locked(Instant now) {
      return options.lockedUntil().isPresent() && now.isBefore(options.lockedUntil().get());
    }
  }

  private final ConcurrentSkipListMap<String, Stored> objects = new ConcurrentSkipListMap<>();
  private final ConcurrentSkipListMap<String, Stored> deleted = new ConcurrentSkipListMap<>();
  private final Map<String, Integer> requests = new ConcurrentSkipListMap<>();
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
    copy.deleted.putAll(deleted);
    return copy;
  }

  /** Every object, in key order. */
  public SortedMap<String, byte[]> contents() {
    TreeMap<String, byte[]> contents = new TreeMap<>();
    objects.forEach((key, stored) -> contents.put(key, stored.content.clone()));
    return contents;
  }

  /** How often each object was asked for, to be readable, that could not be read. */
  public Map<String, Integer> requests() {
    return new TreeMap<>(requests);
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

  /** Loses an object, past its lock and for good. */
  public void lose(ObjectKey key) {
    objects.remove(key.value());
  }

  private void plant(ObjectKey key, UnaryOperator<byte[]> change) {
    Stored planted =
        objects.computeIfPresent(
            key.value(),
            (k, stored) ->
                new Stored(
                    change.apply(stored.content),
                    stored.modifiedAt,
                    stored.options,
                    stored.readableFrom,
                    stored.readableTo));
    if (planted == null) {
      throw new IllegalArgumentException("No such object: " + key);
    }
  }

  @Override
  public String describe() {
    return "memory";
  }

  @Override
  public Set<StoreCapability> capabilities() {
    return Set.of(StoreCapability.TIERS, StoreCapability.LOCK, StoreCapability.UNDELETE);
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    return put(key, content, WriteOptions.plain());
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content, WriteOptions options)
      throws IOException {
    if (objects.containsKey(key.value())) {
      throw new StorageException.AlreadyExists(key, null);
    }
    try (InputStream in = content.open()) {
      byte[] bytes = in.readNBytes((int) Math.min(content.length(), Integer.MAX_VALUE - 8));
      if (bytes.length != content.length() || in.read() >= 0) {
        throw StorageException.sourceLength(key, content.length());
      }
      return publish(key, bytes, options);
    } catch (StorageException e) {
      throw e;
    } catch (IOException e) {
      throw StorageException.sourceFailed(key, e);
    }
  }

  private ObjectInfo publish(ObjectKey key, byte[] bytes, WriteOptions options) throws IOException {
    Stored stored = new Stored(bytes, clock.instant(), options, null, null);
    if (objects.putIfAbsent(key.value(), stored) != null) {
      throw new StorageException.AlreadyExists(key, null);
    }
    return info(key, stored);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return startUpload(key, WriteOptions.plain());
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key, WriteOptions options) throws IOException {
    if (objects.containsKey(key.value())) {
      throw new StorageException.AlreadyExists(key, null);
    }
    return new Upload(key, options);
  }

  private final class Upload implements ObjectUpload {
    private final ObjectKey key;
    private final WriteOptions options;
    private final ByteArrayOutputStream body = new ByteArrayOutputStream();
    private boolean ended;

    Upload(ObjectKey key, WriteOptions options) {
      this.key = key;
      this.options = options;
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
      return publish(key, body.toByteArray(), options);
    }

    @Override
    public void close() {
      ended = true;
    }
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    Stored stored = readable(key);
    return new Read(info(key, stored), new ByteArrayInputStream(stored.content));
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    Stored stored = readable(key);
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

  private Stored readable(ObjectKey key) throws StorageException {
    Stored stored = find(key);
    if (!stored.readable(clock.instant())) {
      throw StorageException.offline(key, null);
    }
    return stored;
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) {
    return Optional.ofNullable(objects.get(key.value())).map(stored -> info(key, stored));
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) {
    return list(objects, prefix, after);
  }

  private ListPage list(
      ConcurrentSkipListMap<String, Stored> objects, String prefix, Optional<String> after) {
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
  public void delete(ObjectKey key) throws IOException {
    Stored stored = objects.get(key.value());
    if (stored == null) {
      return;
    }
    if (stored.locked(clock.instant())) {
      throw StorageException.locked(key, stored.options.lockedUntil().orElse(null), null);
    }
    if (objects.remove(key.value(), stored)) {
      deleted.put(key.value(), stored);
    }
  }

  @Override
  public void extendLock(ObjectKey key, Instant until) throws IOException {
    change(
        key,
        stored ->
            stored.options.lockedUntil().filter(now -> !now.isBefore(until)).isPresent()
                ? stored
                : new Stored(
                    stored.content,
                    stored.modifiedAt,
                    stored.options.lockedUntil(until),
                    stored.readableFrom,
                    stored.readableTo));
  }

  @Override
  public void move(ObjectKey key, StorageTier tier) throws IOException {
    Stored there = readable(key); // a store reads what it moves
    if (there.options.tier() != tier && there.locked(clock.instant())) {
      throw StorageException.locked(key, there.options.lockedUntil().orElse(null), null);
    }
    change(
        key,
        stored ->
            stored.options.tier() == tier
                ? stored
                : new Stored(stored.content, clock.instant(), stored.options.in(tier), null, null));
  }

  @Override
  public Duration minimumStay(StorageTier tier) {
    return Duration.ofDays(
        switch (tier) {
          case HOT -> 0;
          case WARM -> 30;
          case COLD -> 90;
          case ARCHIVE -> 180;
        });
  }

  @Override
  public void requestReadable(ObjectKey key, Duration keepFor) throws IOException {
    Instant now = clock.instant();
    Instant from = now.plus(THAW);
    change(
        key,
        stored -> {
          if (stored.readable(now)) {
            return stored;
          }
          requests.merge(key.value(), 1, Integer::sum);
          return stored.requested(now)
              ? stored
              : new Stored(
                  stored.content, stored.modifiedAt, stored.options, from, from.plus(keepFor));
        });
  }

  private void change(ObjectKey key, UnaryOperator<Stored> change) throws IOException {
    if (objects.computeIfPresent(key.value(), (k, stored) -> change.apply(stored)) == null) {
      throw new StorageException.NotFound(key, null);
    }
  }

  @Override
  public ListPage listDeleted(String prefix, Optional<String> after) {
    return list(deleted, prefix, after);
  }

  @Override
  public void undelete(ObjectKey key) throws IOException {
    Stored stored = deleted.get(key.value());
    if (objects.containsKey(key.value())) {
      throw new StorageException.AlreadyExists(key, null);
    }
    if (stored == null) {
      throw new StorageException.NotFound(key, null);
    }
    if (objects.putIfAbsent(key.value(), stored) != null) {
      throw new StorageException.AlreadyExists(key, null);
    }
    deleted.remove(key.value(), stored);
  }

  @Override
  public Instant now() {
    return clock.instant();
  }

  @Override
  public void close() {}

  private ObjectInfo info(ObjectKey key, Stored stored) {
    Instant now = clock.instant();
    ObjectInfo facts = ObjectInfo.of(key, stored.content.length, stored.modifiedAt);
    ObjectInfo info =
        stored.readable(now)
            ? facts.in(stored.options.tier(), true)
            : facts.offline(stored.options.tier(), THAW, stored.requested(now));
    return stored.options.lockedUntil().map(info::lockedUntil).orElse(info);
  }
}
