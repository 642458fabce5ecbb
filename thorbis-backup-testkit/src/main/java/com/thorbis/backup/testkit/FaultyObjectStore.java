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
import java.io.FilterInputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.SequenceInputStream;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A store that fails when it is told to, and remembers what it was asked. Calls are counted from 1,
 * in the order in which they arrive; {@code put}, {@code commit} and {@code delete} are counted as
 * changes too. Safe for several threads, deterministic for one: what happens follows from the
 * number of the call and the fault alone.
 */
public final class FaultyObjectStore implements ObjectStore {
  private static final int BURST = 5;
  private static final int UNSEEN_CALLS = 8;
  private static final int LATE_CALLS = 3;
  private static final int BREAKS_AFTER = 700;

  /** Which calls a fault makes sense for. */
  private enum Calls {
    ANY,
    CHANGE,
    WRITE,
    DELETE,
    READ,
    LIST;

    boolean contains(String call) {
      boolean write = call.startsWith("put ") || call.startsWith("commit ");
      boolean delete = call.startsWith("delete ");
      return switch (this) {
        case ANY -> true;
        case CHANGE -> write || delete;
        case WRITE -> write;
        case DELETE -> delete;
        case READ -> call.startsWith("get ");
        case LIST -> call.startsWith("list ");
      };
    }
  }

  /** How a call fails. */
  public enum Fault {
    /** Nothing was done, and the store says that it could not be asked. */
    UNAVAILABLE("unavailable", Calls.ANY),
    /** Nothing was done, and the store cannot tell. A read is unavailable. */
    REQUEST_LOST("request-lost", Calls.CHANGE),
    /** It was done, and the store cannot tell. The content of a read breaks off half way. */
    ANSWER_LOST("answer-lost", Calls.ANY),
    /** The store cannot tell, and it is done some calls later. */
    LATE_EFFECT("late-effect", Calls.CHANGE),
    /** It is done twice, and the second answer is the one that arrives. */
    DELIVERED_TWICE("delivered-twice", Calls.CHANGE),
    /** Content breaks off on its way in: nothing is stored. */
    BODY_BREAKS("body-breaks", Calls.ANY) {
      @Override
      public boolean appliesTo(String call) {
        return call.startsWith("put ") || call.startsWith("start ");
      }
    },
    /** This call and the next ones are turned away. */
    THROTTLED("throttled", Calls.ANY),
    /** From this call on the store refuses everything, as it does when a credential has expired. */
    REFUSED("refused", Calls.ANY),
    /** The page lacks its second half and says that it is the last. */
    SHORT_LISTING("short-listing", Calls.LIST),
    /** The page is in another order. */
    REORDERED_LISTING("reordered-listing", Calls.LIST),
    /** From this call on listings lack what is written. */
    LAGGING_LISTING("lagging-listing", Calls.ANY),
    /** What this call writes is not seen by the next ones, though its key is taken. */
    UNSEEN("unseen", Calls.WRITE),
    /** What this call deletes is gone for the next calls, and there again after them. */
    REAPPEARS("reappears", Calls.DELETE),
    /** One bit of the content is flipped on its way out. */
    BIT_FLIP("bit-flip", Calls.READ),
    /** One bit of what this object holds is flipped from this call on. */
    BIT_FLIP_STAYS("bit-flip-stays", Calls.READ),
    /** The content ends too early, as if that were all. */
    CUT("cut", Calls.READ),
    /** There is more content than was stored. */
    EXTENDED("extended", Calls.READ),
    /** An object that is there is overwritten. */
    OVERWRITES("overwrites", Calls.WRITE),
    /** The store says that it was done, and did nothing. */
    NOTHING_STORED("nothing-stored", Calls.CHANGE),
    /** The object is locked: it cannot be deleted. */
    LOCKED("locked", Calls.DELETE),
    /** From this call on there is no room. */
    FULL("full", Calls.CHANGE),
    /** The caller dies, before anything was done: no later call does anything. */
    DEATH_BEFORE("death-before", Calls.ANY),
    /** The caller dies after it was done: no later call does anything. */
    DEATH_AFTER("death-after", Calls.ANY),
    /** The caller stands still before the call, while others go on; see {@link #duringPause}. */
    PAUSED("paused", Calls.ANY),
    /** The calling thread is interrupted; the call is done. */
    INTERRUPTED("interrupted", Calls.ANY);

    private final String label;
    private final Calls calls;

    Fault(String label, Calls calls) {
      this.label = label;
      this.calls = calls;
    }

    /** Its name in reports and replayable texts. */
    public String label() {
      return label;
    }

    /** The fault of this name. */
    public static Fault of(String label) {
      for (Fault fault : values()) {
        if (fault.label.equals(label)) {
          return fault;
        }
      }
      throw new IllegalArgumentException("No such fault: " + label);
    }

    /**
     * Whether it makes a difference to such a call, as {@link FaultyObjectStore#calls} names it.
     */
    public boolean appliesTo(String call) {
      return calls.contains(call);
    }

    /** Whether the process ends by it. */
    public boolean kills() {
      return this == DEATH_BEFORE || this == DEATH_AFTER;
    }
  }

  /** The caller is dead. Whatever it still tries has no effect. */
  public static final class Died extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Died(String call) {
      super("Died at " + call);
    }
  }

  /** What others do while the caller stands still. */
  @FunctionalInterface
  public interface Meanwhile {
    /** Does it. */
    void run() throws IOException;
  }

  private record Late(int call, Step<?> step) {}

  private final ObjectStore store;
  private final Map<Integer, Fault> atCall = new HashMap<>();
  private final Map<Integer, Fault> atChange = new HashMap<>();
  private final List<String> calls = new ArrayList<>();
  private final Deque<Late> late = new ArrayDeque<>();
  private final Map<ObjectKey, Integer> unseen = new HashMap<>();
  private final Map<ObjectKey, Integer> ghosts = new HashMap<>();
  private final Set<ObjectKey> flipped = new HashSet<>();
  private final Set<ObjectKey> unlisted = new HashSet<>();
  private Meanwhile meanwhile = () -> {};
  private int changes;
  private int struck;
  private int throttled;
  private boolean unavailable;
  private boolean refused;
  private boolean full;
  private boolean lagging;
  private AtomicBoolean dead = new AtomicBoolean();

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

  /** The caller is the same as that of another store: it dies at both. */
  public synchronized FaultyObjectStore diesWith(FaultyObjectStore other) {
    dead = other.fate();
    return this;
  }

  private synchronized AtomicBoolean fate() {
    return dead;
  }

  /** What happens while the caller is {@link Fault#PAUSED}; it must not come through here. */
  public synchronized FaultyObjectStore duringPause(Meanwhile action) {
    meanwhile = action;
    return this;
  }

  /** Ends every fault that lasts, and does what is still to be done late. */
  public void recover() throws IOException {
    List<Late> rest;
    synchronized (this) {
      atCall.clear();
      atChange.clear();
      unseen.clear();
      ghosts.clear();
      flipped.clear();
      unlisted.clear();
      throttled = 0;
      unavailable = false;
      refused = false;
      full = false;
      lagging = false;
      rest = new ArrayList<>(late);
      late.clear();
    }
    deliver(rest);
  }

  /** What was asked, such as {@code put packs/1}, in order. */
  public synchronized List<String> calls() {
    return List.copyOf(calls);
  }

  /** How many changes were asked for. */
  public synchronized int changes() {
    return changes;
  }

  /**
   * How many of the faults that were asked for have struck: the call was made, the fault makes a
   * difference to it, and none that lasts came first.
   */
  public synchronized int struck() {
    return struck;
  }

  /** Whether a fault has killed the caller. */
  public synchronized boolean dead() {
    return dead.get();
  }

  /** Counts a call, and says what is to go wrong with it. */
  private @Nullable Fault next(String call, boolean change) throws IOException {
    List<Late> due = new ArrayList<>();
    Fault fault;
    Fault planned; // before what lasts takes its place
    Meanwhile others = null;
    synchronized (this) {
      if (dead.get()) {
        throw new Died(call);
      }
      calls.add(call);
      changes += change ? 1 : 0;
      while (!late.isEmpty() && late.getFirst().call() <= calls.size()) {
        due.add(late.removeFirst());
      }
      fault = atCall.remove(calls.size());
      if (fault == null && change) {
        fault = atChange.remove(changes);
      }
      planned = fault;
      if (fault == Fault.LOCKED && !fault.appliesTo(call)) {
        fault = null;
      }
      if (fault == Fault.THROTTLED) {
        throttled = BURST;
      }
      refused |= fault == Fault.REFUSED;
      full |= fault == Fault.FULL;
      lagging |= fault == Fault.LAGGING_LISTING;
      if (unavailable || throttled > 0) {
        throttled = Math.max(0, throttled - 1);
        fault = fault == null || !fault.kills() ? Fault.UNAVAILABLE : fault;
      } else if (fault == null && refused) {
        fault = Fault.REFUSED;
      } else if (fault == null && full && change && !call.startsWith("delete ")) {
        fault = Fault.FULL;
      }
      if (fault != null && fault.kills()) {
        dead.set(true);
      }
      boolean strikes = planned == fault || planned == Fault.THROTTLED; // a burst is unavailable
      struck += planned != null && strikes && planned.appliesTo(call) ? 1 : 0;
      others = fault == Fault.PAUSED ? meanwhile : null;
    }
    deliver(due);
    if (others != null) {
      others.run();
    }
    if (fault == Fault.INTERRUPTED) {
      Thread.currentThread().interrupt();
    }
    if (fault == Fault.REFUSED) {
      throw new StorageException(
          "storage.refused",
          FailureKind.PERMANENT,
          call + ": the credential has expired",
          call,
          "Renew it.",
          null);
    }
    if (fault == Fault.FULL) {
      throw new StorageException(
          "storage.full", FailureKind.PERMANENT, call + ": no space is left", call, "", null);
    }
    return fault;
  }

  private static void deliver(List<Late> due) {
    due.forEach(FaultyObjectStore::deliver);
  }

  private static void deliver(Late one) {
    try {
      one.step().run();
    } catch (IOException e) {
      return; // nobody waits for this answer any more
    }
  }

  private synchronized int number() {
    return calls.size();
  }

  @FunctionalInterface
  private interface Step<T> {
    T run() throws IOException;
  }

  /** A write or a delete, which {@code again} makes a second time. */
  private <T> T change(
      ObjectKey key, String call, @Nullable Fault fault, Step<T> step, Step<T> again)
      throws IOException {
    if (fault == null) {
      T done = step.run();
      lag(key);
      return done;
    }
    switch (fault) {
      case UNAVAILABLE -> throw new StorageException.Unavailable(call, key.value(), null);
      case REQUEST_LOST -> throw new StorageException.OutcomeUnknown(key, null);
      case ANSWER_LOST -> {
        step.run();
        throw new StorageException.OutcomeUnknown(key, null);
      }
      case LATE_EFFECT -> {
        synchronized (this) {
          late.add(new Late(calls.size() + LATE_CALLS, step));
        }
        throw new StorageException.OutcomeUnknown(key, null);
      }
      case DELIVERED_TWICE -> {
        step.run();
        return again.run();
      }
      case UNSEEN -> {
        T done = step.run();
        synchronized (this) {
          unseen.put(key, calls.size() + UNSEEN_CALLS);
        }
        return done;
      }
      case OVERWRITES -> {
        store.delete(key);
        return step.run();
      }
      case LOCKED ->
          throw new StorageException(
              "storage.locked", FailureKind.PERMANENT, key + " is locked", key.value(), "", null);
      case DEATH_BEFORE -> throw new Died(call);
      case DEATH_AFTER -> {
        step.run();
        throw new Died(call);
      }
      default -> {
        T done = step.run();
        lag(key);
        return done;
      }
    }
  }

  private synchronized void lag(ObjectKey key) {
    if (lagging) {
      unlisted.add(key);
    }
  }

  /** What the store would say had it stored this. */
  private ObjectInfo pretend(ObjectKey key, long length) throws IOException {
    if (store.head(key).isPresent()) {
      throw new StorageException.AlreadyExists(key, null);
    }
    return ObjectInfo.of(key, length, Instant.EPOCH);
  }

  private static <T> T look(String call, @Nullable Fault fault, Step<T> step) throws IOException {
    if (fault == null) {
      return step.run();
    }
    return switch (fault) {
      case DEATH_BEFORE, DEATH_AFTER -> throw new Died(call);
      case UNAVAILABLE, REQUEST_LOST, ANSWER_LOST, LATE_EFFECT ->
          throw new StorageException.Unavailable("Answer", call, null);
      default -> step.run();
    };
  }

  @Override
  public String describe() {
    return store.describe();
  }

  @Override
  public String service() throws IOException {
    return store.service();
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
    if (fault == Fault.BODY_BREAKS) {
      throw new StorageException.Unavailable("Write", key.value(), null);
    }
    if (fault == Fault.NOTHING_STORED) {
      return pretend(key, content.length());
    }
    Step<ObjectInfo> step = () -> store.put(key, content);
    return change(key, "put", fault, step, step);
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    Fault fault = next("start " + key, false);
    return look(
        "start " + key,
        fault,
        () -> new Upload(key, store.startUpload(key), fault == Fault.BODY_BREAKS));
  }

  private final class Upload implements ObjectUpload {
    private final ObjectKey key;
    private final ObjectUpload upload;
    private final Body body;
    private boolean held;

    Upload(ObjectKey key, ObjectUpload upload, boolean breaks) {
      this.key = key;
      this.upload = upload;
      this.body = new Body(key, upload.body(), breaks);
    }

    @Override
    public OutputStream body() {
      return body;
    }

    @Override
    public ObjectInfo commit() throws IOException {
      Fault fault = next("commit " + key, true);
      body.requireWhole();
      if (fault == Fault.NOTHING_STORED) {
        return pretend(key, body.length);
      }
      held = fault == Fault.LATE_EFFECT;
      return change(
          key,
          "commit",
          fault,
          () -> {
            try {
              return upload.commit();
            } finally {
              upload.close();
            }
          },
          () -> {
            throw new StorageException.AlreadyExists(key, null);
          });
    }

    @Override
    public void close() throws IOException {
      if (!held) {
        upload.close();
      }
    }
  }

  /** Counts what is written; may break. */
  private static final class Body extends FilterOutputStream {
    private final ObjectKey key;
    private final boolean breaks;
    private boolean broken;
    private long length;

    Body(ObjectKey key, OutputStream out, boolean breaks) {
      super(out);
      this.key = key;
      this.breaks = breaks;
    }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int count) throws IOException {
      broken |= breaks && length + count > BREAKS_AFTER;
      requireWhole();
      out.write(bytes, offset, count);
      length += count;
    }

    void requireWhole() throws StorageException {
      if (broken) {
        throw new StorageException.Unavailable("Write", key.value(), null);
      }
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

  private ObjectRead read(ObjectKey key, @Nullable Fault fault, Step<ObjectRead> step)
      throws IOException {
    if (isUnseen(key)) {
      throw new StorageException.NotFound(key, null);
    }
    boolean flip;
    synchronized (this) {
      if (fault == Fault.BIT_FLIP_STAYS) {
        flipped.add(key);
      }
      flip = fault == Fault.BIT_FLIP || flipped.contains(key);
    }
    if (fault == Fault.ANSWER_LOST) {
      ObjectRead read = step.run();
      return new OtherRead(read, new BrokenStream(read.body(), read.info()));
    }
    ObjectRead read = look("get " + key, fault, step);
    if (flip) {
      return new OtherRead(read, new FlippingStream(read.body()));
    }
    if (fault == Fault.CUT) {
      return new OtherRead(read, new CutStream(read.body()));
    }
    if (fault == Fault.EXTENDED) {
      InputStream more = new ByteArrayInputStream(new byte[] {0});
      return new OtherRead(read, new SequenceInputStream(read.body(), more));
    }
    return read;
  }

  private synchronized boolean isUnseen(ObjectKey key) {
    return unseen.getOrDefault(key, 0) > number() || ghosts.getOrDefault(key, 0) > number();
  }

  /** Delivers something else than what was stored. */
  private record OtherRead(ObjectRead read, InputStream body) implements ObjectRead {
    @Override
    public ObjectInfo info() {
      return read.info();
    }

    @Override
    public void close() throws IOException {
      read.close();
    }
  }

  /** Delivers half, then fails. */
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

  /** Delivers all but the last byte. */
  private static final class CutStream extends FilterInputStream {
    private int left;

    CutStream(InputStream in) throws IOException {
      super(in);
      this.left = Math.max(0, in.available() - 1);
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      if (length == 0) {
        return 0;
      }
      if (left == 0) {
        return -1;
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

    @Override
    public int available() {
      return left;
    }
  }

  /** Flips a bit half way. */
  private static final class FlippingStream extends FilterInputStream {
    private final long flippedAt;
    private long position;

    FlippingStream(InputStream in) throws IOException {
      super(in);
      this.flippedAt = in.available() / 2;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] buffer, int offset, int length) throws IOException {
      int count = super.read(buffer, offset, length);
      if (count > 0 && position <= flippedAt && flippedAt < position + count) {
        buffer[offset + (int) (flippedAt - position)] ^= 0x10;
      }
      position += Math.max(0, count);
      return count;
    }

    @Override
    public long skip(long count) throws IOException {
      long skipped = super.skip(count);
      position += skipped;
      return skipped;
    }
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    Fault fault = next("head " + key, false);
    return look("head " + key, fault, () -> isUnseen(key) ? Optional.empty() : store.head(key));
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    Fault fault = next("list " + prefix, false);
    ListPage page = look("list " + prefix, fault, () -> store.list(prefix, after));
    List<ObjectInfo> seen = new ArrayList<>(page.objects());
    synchronized (this) {
      seen.removeIf(info -> isUnseen(info.key()) || unlisted.contains(info.key()));
    }
    if (fault == Fault.SHORT_LISTING) {
      return new ListPage(seen.subList(0, seen.size() / 2), Optional.empty());
    }
    if (fault == Fault.REORDERED_LISTING) {
      Collections.reverse(seen);
    }
    return new ListPage(seen, page.next());
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    Fault fault = next("delete " + key, true);
    if (fault == Fault.NOTHING_STORED) {
      return;
    }
    if (fault == Fault.REAPPEARS) {
      synchronized (this) {
        ghosts.put(key, calls.size() + UNSEEN_CALLS);
      }
      return;
    }
    Step<ObjectKey> step =
        () -> {
          store.delete(key);
          return key;
        };
    change(key, "delete", fault, step, step);
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
