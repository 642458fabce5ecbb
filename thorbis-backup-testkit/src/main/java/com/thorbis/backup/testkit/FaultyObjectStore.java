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
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A store that fails when it is told to, and remembers what it was asked. Calls are counted from 1,
 * in the order in which they arrive; {@code put}, {@code commit} and {@code delete} are counted as
 * changes too. Safe for several threads, deterministic for one.
 */
public final class FaultyObjectStore implements ObjectStore {
  /** How a call fails. */
  public enum Fault {
    /** Nothing was done, and the store says that it could not be asked. */
    UNAVAILABLE,
    /** Nothing was done, and the store cannot tell. A read is unavailable. */
    REQUEST_LOST,
    /** It was done, and the store cannot tell. The content of a read breaks off half way. */
    ANSWER_LOST,
    /** The caller dies, before anything was done: no later call does anything. */
    DEATH_BEFORE,
    /** The caller dies after it was done: no later call does anything. */
    DEATH_AFTER
  }

  /** The caller is dead. Whatever it still tries has no effect. */
  public static final class Died extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Died(String call) {
      super("Died at " + call);
    }
  }

  private final ObjectStore store;
  private final Map<Integer, Fault> atCall = new HashMap<>();
  private final Map<Integer, Fault> atChange = new HashMap<>();
  private final List<String> calls = new ArrayList<>();
  private int changes;
  private boolean unavailable;
  private boolean dead;

  private FaultyObjectStore(ObjectStore store) {
    this.store = store;
  }

  /** Works like {@code store} until told otherwise. Closing it closes that one. */
  public static FaultyObjectStore over(ObjectStore store) {
    return new FaultyObjectStore(store);
  }

  /** Makes one call fail. */
  public synchronized FaultyObjectStore failAtCall(int number, Fault fault) {
    atCall.put(number, fault);
    return this;
  }

  /** Makes one change fail. */
  public synchronized FaultyObjectStore failAtChange(int number, Fault fault) {
    atChange.put(number, fault);
    return this;
  }

  /** Makes every call fail as {@link Fault#UNAVAILABLE}, or ends that. */
  public synchronized FaultyObjectStore unavailable(boolean now) {
    unavailable = now;
    return this;
  }

  /** What was asked, such as {@code put packs/1}, in order. */
  public synchronized List<String> calls() {
    return List.copyOf(calls);
  }

  /** How many changes were asked for. */
  public synchronized int changes() {
    return changes;
  }

  /** Whether a fault has killed the caller. */
  public synchronized boolean dead() {
    return dead;
  }

  private synchronized @Nullable Fault next(String call, boolean change) {
    if (dead) {
      throw new Died(call);
    }
    calls.add(call);
    changes += change ? 1 : 0;
    Fault fault = atCall.remove(calls.size());
    if (fault == null && change) {
      fault = atChange.remove(changes);
    }
    if (fault == null && unavailable) {
      fault = Fault.UNAVAILABLE;
    }
    dead = fault == Fault.DEATH_BEFORE || fault == Fault.DEATH_AFTER;
    return fault;
  }

  @FunctionalInterface
  private interface Step<T> {
    T run() throws IOException;
  }

  private static <T> T change(ObjectKey key, String call, @Nullable Fault fault, Step<T> step)
      throws IOException {
    if (fault == null) {
      return step.run();
    }
    switch (fault) {
      case UNAVAILABLE -> throw new StorageException.Unavailable(call, key.value(), null);
      case REQUEST_LOST -> throw new StorageException.OutcomeUnknown(key, null);
      case ANSWER_LOST -> {
        step.run();
        throw new StorageException.OutcomeUnknown(key, null);
      }
      case DEATH_BEFORE -> throw new Died(call);
      case DEATH_AFTER -> {
        step.run();
        throw new Died(call);
      }
    }
    throw new AssertionError(fault);
  }

  private static <T> T look(String call, @Nullable Fault fault, Step<T> step) throws IOException {
    if (fault == null) {
      return step.run();
    }
    if (fault == Fault.DEATH_BEFORE || fault == Fault.DEATH_AFTER) {
      throw new Died(call);
    }
    throw new StorageException.Unavailable("Answer", call, null);
  }

  @Override
  public String describe() {
    return store.describe();
  }

  @Override
  public void createPlace() throws IOException {
    Fault fault = next("create place", false);
    look(
        "create place",
        fault,
        () -> {
          store.createPlace();
          return "";
        });
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    Fault fault = next("put " + key, true);
    return change(key, "put", fault, () -> store.put(key, content));
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    Fault fault = next("start " + key, false);
    return look("start " + key, fault, () -> new Upload(key, store.startUpload(key)));
  }

  private final class Upload implements ObjectUpload {
    private final ObjectKey key;
    private final ObjectUpload upload;

    Upload(ObjectKey key, ObjectUpload upload) {
      this.key = key;
      this.upload = upload;
    }

    @Override
    public OutputStream body() {
      return upload.body();
    }

    @Override
    public ObjectInfo commit() throws IOException {
      Fault fault = next("commit " + key, true);
      return change(key, "commit", fault, upload::commit);
    }

    @Override
    public void close() throws IOException {
      upload.close();
    }
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    Fault fault = next("get " + key, false);
    return read(key, fault, () -> store.get(key));
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    Fault fault = next("get " + key + " " + range.offset() + "+" + range.length(), false);
    return read(key, fault, () -> store.get(key, range));
  }

  private static ObjectRead read(ObjectKey key, @Nullable Fault fault, Step<ObjectRead> step)
      throws IOException {
    return fault == Fault.ANSWER_LOST
        ? new BrokenRead(step.run())
        : look("get " + key, fault, step);
  }

  /** Delivers half of what was stored, then fails. */
  private static final class BrokenRead implements ObjectRead {
    private final ObjectRead read;
    private final InputStream body;

    BrokenRead(ObjectRead read) throws IOException {
      this.read = read;
      this.body = new BrokenStream(read.body(), read.info());
    }

    @Override
    public ObjectInfo info() {
      return read.info();
    }

    @Override
    public InputStream body() {
      return body;
    }

    @Override
    public void close() throws IOException {
      read.close();
    }
  }

  private static final class BrokenStream extends FilterInputStream {
    private final ObjectInfo info;
    private int left;

    BrokenStream(InputStream in, ObjectInfo info) throws IOException {
      super(in);
      this.info = info;
      this.left = in.available() / 2;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      if (left == 0 && length > 0) {
        throw new StorageException.Unavailable("Read", info.key().value(), null);
      }
      int count = super.read(buffer, offset, Math.min(length, left));
      left -= Math.max(count, 0);
      return count;
    }

    @Override
    public long skip(long count) throws IOException {
      long skipped = super.skip(Math.min(count, left));
      left -= (int) skipped;
      return skipped;
    }
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    Fault fault = next("head " + key, false);
    return look("head " + key, fault, () -> store.head(key));
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    Fault fault = next("list " + prefix, false);
    return look("list " + prefix, fault, () -> store.list(prefix, after));
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    Fault fault = next("delete " + key, true);
    change(
        key,
        "delete",
        fault,
        () -> {
          store.delete(key);
          return key;
        });
  }

  @Override
  public Instant now() throws IOException {
    Fault fault = next("now", false);
    return look("now", fault, store::now);
  }

  @Override
  public void close() throws IOException {
    store.close();
  }
}
