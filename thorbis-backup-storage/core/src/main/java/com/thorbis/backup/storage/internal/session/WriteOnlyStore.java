package com.thorbis.backup.storage.internal.session;

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
import com.thorbis.backup.storage.internal.format.ObjectNames;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A place that is only ever written to, for one process alone: what that needs to see again, it is
 * shown from memory. Nothing is stored before there is something worth it; then what was put so far
 * comes first, in its order.
 */
final class WriteOnlyStore implements ObjectStore {
  /** How much of the log that was stored last can be seen again. */
  private static final long MOST_LOG_BYTES = 48L << 20;

  private static final Logger LOG = LoggerFactory.getLogger(WriteOnlyStore.class);
  private static final int PAGE = 1000;

  private final ObjectStore store;
  private final Clock clock;
  private final TreeMap<String, Stored> known = new TreeMap<>();
  private final Map<String, Stored> unclear = new ConcurrentHashMap<>();
  private final Deque<ObjectKey> recent = new ArrayDeque<>();
  private final List<ObjectKey> waiting = new ArrayList<>();
  private String prefix = "";
  private Begin begin = () -> {};
  private boolean begun;
  private long logBytes;

  /** What lies there. */
  private record Stored(ObjectInfo info, byte @Nullable [] content) {}

  /** Called once, when what was put so far is stored. */
  @FunctionalInterface
  interface Begin {
    void run() throws IOException;
  }

  WriteOnlyStore(ObjectStore store, Clock clock) {
    this.store = store;
    this.clock = clock;
  }

  /** From now on, all that is worth storing is stored below a prefix. */
  synchronized void place(String below, Begin whenBegun) {
    this.prefix = below;
    this.begin = whenBegun;
  }

  /** Whether anything was stored. */
  synchronized boolean begun() {
    return begun;
  }

  @Override
  public String describe() {
    return store.describe();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    byte[] kept = null;
    if (!isContent(key) || key.value().startsWith(ObjectNames.WAL)) {
      try (InputStream in = content.open()) {
        kept = in.readAllBytes();
      }
    }
    ObjectInfo info = ObjectInfo.of(key, content.length(), clock.instant());
    synchronized (this) {
      requireFree(key);
      if (isStored(key)) {
        if (!begun && !isContent(key)) {
          waiting.add(key);
        } else {
          begin();
        }
      }
      if (!isStored(key) || !begun) {
        remember(info, kept);
        return info;
      }
      if (!isContent(key)) {
        store(info, kept, content); // one commit after another
        remember(info, kept);
        return info;
      }
    }
    store(info, kept, content);
    synchronized (this) {
      remember(info, kept);
    }
    return info;
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    synchronized (this) {
      requireFree(key);
      if (!isContent(key)) {
        return new Kept(key);
      }
      begin();
    }
    return new Forwarded(key, store.startUpload(below(key)));
  }

  private void begin() throws IOException {
    if (begun) {
      return;
    }
    while (!waiting.isEmpty()) {
      ObjectKey key = waiting.get(0);
      Stored first = known.get(key.value());
      if (first != null && first.content() != null) {
        try {
          send(key, ObjectSource.of(first.content()));
        } catch (StorageException.AlreadyExists e) {
          LOG.debug("{} was stored when an earlier attempt got no answer", key);
        }
      }
      waiting.remove(0);
    }
    begun = true;
    begin.run();
  }

  /**
   * Stores an object. Where it stayed unclear whether an earlier one is there under this key, that
   * one is sent again and nothing else, so that it is known which it is: then the key is taken, and
   * whoever wanted it finds there what it has to compare with.
   */
  private void store(ObjectInfo info, byte @Nullable [] kept, ObjectSource content)
      throws IOException {
    ObjectKey key = info.key();
    Stored earlier = unclear.get(key.value());
    byte[] sent = earlier == null ? null : earlier.content();
    if (earlier == null || sent == null) {
      try {
        send(key, content);
      } catch (StorageException.OutcomeUnknown e) {
        if (kept != null) {
          unclear.put(key.value(), new Stored(info, kept));
        }
        throw e;
      }
      return;
    }
    try {
      send(key, ObjectSource.of(sent));
    } catch (StorageException.AlreadyExists e) {
      LOG.debug("{} was stored when an earlier attempt got no answer", key);
    }
    synchronized (this) {
      remember(earlier.info(), sent);
    }
    unclear.remove(key.value());
    throw new StorageException.AlreadyExists(key, null);
  }

  /**
   * Nobody else has such a key: where it is taken although the answer before was unclear, this very
   * object took it.
   */
  private void send(ObjectKey key, ObjectSource content) throws IOException {
    try {
      store.put(below(key), content);
    } catch (StorageException.OutcomeUnknown e) {
      try {
        store.put(below(key), content);
      } catch (StorageException.AlreadyExists taken) {
        return;
      } catch (IOException again) {
        e.addSuppressed(again);
        throw e;
      }
    }
  }

  private ObjectKey below(ObjectKey key) {
    return new ObjectKey(prefix + key);
  }

  /** Leases and trials concern a process that is alone here, and nobody else. */
  private static boolean isStored(ObjectKey key) {
    return !key.value().startsWith(ObjectNames.LEASES)
        && !key.value().startsWith(ObjectNames.PROBE);
  }

  /** What a session is there for. */
  private static boolean isContent(ObjectKey key) {
    return key.value().startsWith(ObjectNames.PACKS)
        || key.value().startsWith(ObjectNames.MANIFESTS)
        || key.value().startsWith(ObjectNames.WAL);
  }

  private void requireFree(ObjectKey key) throws StorageException {
    if (known.containsKey(key.value())) {
      throw new StorageException.AlreadyExists(key, null);
    }
  }

  private void remember(ObjectInfo info, byte @Nullable [] content) {
    known.put(info.key().value(), new Stored(info, content));
    if (content == null || !isContent(info.key())) {
      return;
    }
    recent.add(info.key());
    logBytes += content.length;
    while (logBytes > MOST_LOG_BYTES) {
      ObjectKey oldest = recent.remove();
      Stored old = known.get(oldest.value());
      if (old != null && old.content() != null) {
        logBytes -= old.content().length;
        known.put(oldest.value(), new Stored(old.info(), null));
      }
    }
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    Stored found = require(key);
    byte[] content = found.content();
    if (content == null) {
      throw refused("read " + key, key.value());
    }
    return read(found.info(), content, 0, content.length);
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    Stored found = require(key);
    byte[] content = found.content();
    if (content == null) {
      throw refused("read " + key, key.value());
    }
    int from = (int) Math.min(range.offset(), content.length);
    return read(found.info(), content, from, (int) Math.min(range.length(), content.length - from));
  }

  private static ObjectRead read(ObjectInfo info, byte[] content, int from, int length) {
    InputStream body = new ByteArrayInputStream(content, from, length);
    return new ObjectRead() {
      @Override
      public ObjectInfo info() {
        return info;
      }

      @Override
      public InputStream body() {
        return body;
      }

      @Override
      public void close() {}
    };
  }

  private synchronized Stored require(ObjectKey key) throws StorageException {
    Stored found = known.get(key.value());
    if (found == null) {
      throw new StorageException.NotFound(key, null);
    }
    return found;
  }

  @Override
  public synchronized Optional<ObjectInfo> head(ObjectKey key) {
    return Optional.ofNullable(known.get(key.value())).map(Stored::info);
  }

  @Override
  public synchronized ListPage list(String from, Optional<String> after) {
    List<ObjectInfo> found = new ArrayList<>();
    String first = after.isPresent() && after.get().compareTo(from) > 0 ? after.get() : from;
    for (Map.Entry<String, Stored> each : known.tailMap(first, true).entrySet()) {
      if (!each.getKey().startsWith(from)) {
        break;
      }
      if (after.isPresent() && each.getKey().equals(after.get())) {
        continue;
      }
      if (found.size() == PAGE) {
        return new ListPage(found, Optional.of(found.get(PAGE - 1).key().value()));
      }
      found.add(each.getValue().info());
    }
    return new ListPage(found, Optional.empty());
  }

  /** Removes what was never stored. */
  @Override
  public synchronized void delete(ObjectKey key) throws IOException {
    if (isStored(key)) {
      throw refused("remove " + key, key.value());
    }
    known.remove(key.value());
  }

  @Override
  public Instant now() {
    return clock.instant();
  }

  /** The place below stays open. */
  @Override
  public void close() {}

  private static StorageException refused(String what, String object) {
    return new StorageException(
        "repository.sealed",
        FailureKind.REFUSED,
        "A sealed writer cannot " + what,
        object,
        "Do it on a host that opens the repository.",
        null);
  }

  /** An upload of something that is kept in memory. */
  private final class Kept implements ObjectUpload {
    private final ObjectKey key;
    private final ByteArrayOutputStream content = new ByteArrayOutputStream();

    Kept(ObjectKey key) {
      this.key = key;
    }

    @Override
    public OutputStream body() {
      return content;
    }

    @Override
    public ObjectInfo commit() throws IOException {
      return put(key, ObjectSource.of(content.toByteArray()));
    }

    @Override
    public void close() {}
  }

  /** An upload that goes to the place. */
  private final class Forwarded implements ObjectUpload {
    private final ObjectKey key;
    private final ObjectUpload upload;
    private final OutputStream body;
    private long length;

    Forwarded(ObjectKey key, ObjectUpload upload) {
      this.key = key;
      this.upload = upload;
      this.body =
          new FilterOutputStream(upload.body()) {
            @Override
            public void write(int b) throws IOException {
              out.write(b);
              length++;
            }

            @Override
            public void write(byte[] bytes, int offset, int count) throws IOException {
              out.write(bytes, offset, count);
              length += count;
            }
          };
    }

    @Override
    public OutputStream body() {
      return body;
    }

    @Override
    public ObjectInfo commit() throws IOException {
      upload.commit();
      ObjectInfo info = ObjectInfo.of(key, length, clock.instant());
      synchronized (WriteOnlyStore.this) {
        remember(info, null);
      }
      return info;
    }

    @Override
    public void close() throws IOException {
      upload.close();
    }
  }
}
