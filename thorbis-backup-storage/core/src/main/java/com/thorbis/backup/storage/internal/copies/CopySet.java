package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.copies.Tee.Failed;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.Outcomes;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Several copies as one store. The first copy, the primary, decides every write: what it took is
 * written, and only then do the others follow, so that two writers cannot each win somewhere. Reads
 * go to the first copy that answers.
 */
public final class CopySet implements ObjectStore, Outcomes.Spread {
  private static final Logger LOG = LoggerFactory.getLogger(CopySet.class);

  /** Longer content is passed on in portions. Nothing that is put today is longer. */
  private static final int MOST_IN_MEMORY = 40 << 20;

  private static final int MOST_MISSED = 1000;
  private static final Duration PATIENCE = Duration.ofSeconds(3);

  private static final Proof UNPROVEN =
      new Proof() {
        @Override
        public boolean covers(ObjectKey key) {
          return true;
        }

        @Override
        public void require(ObjectKey key, InputStream sealed) throws IOException {
          sealed.transferTo(OutputStream.nullOutputStream());
        }
      };

  private final List<Copy> copies;
  private final WritePolicy policy;
  private final int mostInMemory;
  private final ExecutorService threads;
  private final Race.Timer timer;
  private final Map<Copy, Set<ObjectKey>> missed = new HashMap<>();
  private final Set<String> healing = ConcurrentHashMap.newKeySet();
  private final List<Damage> unhealed = new ArrayList<>();
  private @Nullable Proof proof;
  private volatile Waivers waivers = Waivers.NONE;
  private volatile boolean primaryIncomplete;

  /** An object that is damaged on a copy, or on several. */
  private record Damage(ObjectKey key, List<Copy> bad, Copy good) {}

  /** Over these copies; the first is the primary. */
  public CopySet(List<Copy> copies, WritePolicy policy) {
    this(copies, policy, null, MOST_IN_MEMORY);
  }

  /** With a timer and a bound of its own, for tests. */
  CopySet(List<Copy> copies, WritePolicy policy, Race.@Nullable Timer timer, int mostInMemory) {
    if (copies.isEmpty()) {
      throw new IllegalArgumentException("No copy");
    }
    this.copies = List.copyOf(copies);
    this.policy = policy;
    this.mostInMemory = mostInMemory;
    ThreadFactory daemons =
        task -> {
          Thread thread = new Thread(task, "thorbis-copies");
          thread.setDaemon(true);
          return thread;
        };
    this.threads = Executors.newCachedThreadPool(daemons);
    this.timer =
        timer != null
            ? timer
            : CompletableFuture.delayedExecutor(PATIENCE.toMillis(), TimeUnit.MILLISECONDS, threads)
                ::execute;
  }

  /** All copies, the primary first. */
  public List<Copy> copies() {
    return copies;
  }

  /** The store that decides. */
  public ObjectStore primary() {
    return copies.get(0).store();
  }

  /** What the places are called that hold whatever counts as written in a store. */
  public static List<String> holders(ObjectStore store) {
    if (!(store instanceof CopySet set)) {
      return List.of(store.describe());
    }
    int sure = set.policy == WritePolicy.ALL ? set.copies.size() : 1;
    return set.copies.subList(0, sure).stream().map(Copy::name).toList();
  }

  /** The places whose objects make up a store, the deciding one first. */
  public static List<Copy> places(ObjectStore store) {
    return store instanceof CopySet set ? set.copies : List.of(Copy.of(store));
  }

  /** The store that decides who writes: the first copy, or the only one. */
  public static ObjectStore deciding(ObjectStore store) {
    return store instanceof CopySet set ? set.primary() : store;
  }

  /** Makes what was found in a store count as written there. */
  public static void ensure(ObjectStore store, ObjectKey key) throws IOException {
    if (store instanceof CopySet set) {
      set.ensure(key);
    }
  }

  /** A primary that is still being filled cannot prove that something is absent. */
  public void primaryIncomplete(boolean incomplete) {
    this.primaryIncomplete = incomplete;
  }

  /** Whether the primary is still being filled. */
  public boolean isPrimaryIncomplete() {
    return primaryIncomplete;
  }

  /** From now on, what is damaged can be told and healed; so is what was noticed before. */
  public void proof(Proof means) {
    List<Damage> waiting;
    synchronized (unhealed) {
      proof = means;
      waiting = List.copyOf(unhealed);
      unhealed.clear();
    }
    waiting.forEach(damage -> heal(means, damage));
  }

  /** From now on, it is known what copies lack on purpose. */
  public void waivers(Waivers knowing) {
    waivers = knowing;
  }

  @Override
  public String describe() {
    return copies.get(0).name();
  }

  @Override
  public void createPlace() throws IOException {
    for (Copy copy : copies) {
      copy.store().createPlace();
    }
  }

  /** Leases come with the clock that decides, and say nothing anywhere else. */
  private static boolean isOfPrimary(String key) {
    return key.startsWith(ObjectNames.LEASES);
  }

  @Override
  public Instant now() throws IOException {
    return primary().now();
  }

  // Writing

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    if (isOfPrimary(key.value())) {
      return primary().put(key, content);
    }
    List<Failed> failed = new ArrayList<>();
    List<Copy> followers = followers(key, failed);
    if (followers.isEmpty()) {
      return primary().put(key, content);
    }
    if (content.length() > mostInMemory) {
      return stream(key, content);
    }
    byte[] bytes = read(key, content);
    ObjectInfo info =
        decide(
            key,
            () -> primary().put(key, ObjectSource.of(bytes)),
            () -> Transfer.same(primary(), key, bytes));
    failed.addAll(
        onEach(followers, copy -> settle(copy.store(), key, ObjectSource.of(bytes), bytes)));
    requireEnough(key, failed, true);
    return info;
  }

  private ObjectInfo stream(ObjectKey key, ObjectSource content) throws IOException {
    try (ObjectUpload upload = startUpload(key)) {
      byte[] buffer = new byte[64 << 10];
      long copied = 0;
      try (InputStream in = content.open()) {
        for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
          copied += count;
          if (copied > content.length()) {
            break;
          }
          upload.body().write(buffer, 0, count);
        }
      }
      if (copied != content.length()) {
        throw StorageException.sourceLength(key, content.length());
      }
      return upload.commit();
    }
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    List<Failed> unready = new ArrayList<>();
    List<Copy> followers = followers(key, unready);
    ObjectUpload first;
    try {
      first = primary().startUpload(key);
    } catch (StorageException.AlreadyExists e) {
      ensure(key);
      throw e;
    }
    return followers.isEmpty() && unready.isEmpty()
        ? first
        : new Tee(this, key, first, followers, unready, threads);
  }

  /**
   * Makes as many copies hold an object that the primary has as the policy asks: whoever finds an
   * object there may not count it as written before.
   */
  @Override
  public void ensure(ObjectKey key) throws IOException {
    if (policy == WritePolicy.PRIMARY || copies.size() == 1 || isOfPrimary(key.value())) {
      return;
    }
    Copy from = copies.get(0);
    Optional<ObjectInfo> there = from.store().head(key);
    for (int i = 1; i < copies.size() && there.isEmpty() && waivers.waives(from, key); i++) {
      from = copies.get(i);
      there = from.store().head(key);
    }
    if (there.isEmpty()) {
      throw new StorageException.Unavailable("Find on " + from.name(), key.value(), null);
    }
    Copy good = from;
    ObjectInfo found = there.get();
    List<Failed> failed =
        onEach(
            copies.subList(1, copies.size()).stream()
                .filter(copy -> copy != good && !waivers.waives(copy, key))
                .toList(),
            copy -> bring(key, found, good, copy));
    requireEnough(key, failed, true);
  }

  private void bring(ObjectKey key, ObjectInfo there, Copy from, Copy to) throws IOException {
    Optional<ObjectInfo> has = to.store().head(key);
    if (has.isEmpty()) {
      Proof means;
      synchronized (unhealed) {
        means = proof;
      }
      requirePredecessor(key, to);
      // What nothing vouches for yet was written a moment ago: the primary's bytes are all there
      // is.
      boolean known = means != null && means.covers(key);
      new Transfer(known && means != null ? means : UNPROVEN).copy(key, from.store(), to.store());
    } else if (has.get().length() != there.length()) {
      throw RepositoryException.damaged(
          key.value(), "has another length on " + to.name() + " than elsewhere", null);
    }
    forget(key, to);
  }

  private void forget(ObjectKey key, Copy copy) {
    synchronized (missed) {
      Set<ObjectKey> keys = missed.get(copy);
      if (keys != null) {
        keys.remove(key);
      }
    }
  }

  /** Runs the write that decides; what is unclear is settled on the primary alone. */
  ObjectInfo decide(ObjectKey key, Outcomes.Write write, Outcomes.Look look) throws IOException {
    try {
      ObjectInfo info = write.run();
      // Asked by itself: once the others have the object, the whole set shows it.
      Outcomes.requireShown(primary(), key, info.length());
      return info;
    } catch (StorageException.AlreadyExists e) {
      ensure(key);
      throw e;
    } catch (StorageException.OutcomeUnknown e) {
      Optional<Boolean> ours;
      Optional<ObjectInfo> info;
      try {
        ours = look.ours();
        info = primary().head(key);
      } catch (IOException unreadable) {
        e.addSuppressed(unreadable);
        throw e;
      }
      if (ours.isEmpty() || info.isEmpty()) {
        throw e; // it may still be on its way
      }
      if (!ours.get()) {
        ensure(key);
        throw new StorageException.AlreadyExists(key, e);
      }
      return info.get();
    }
  }

  private static void settle(ObjectStore store, ObjectKey key, ObjectSource content, byte[] bytes)
      throws IOException {
    Outcomes.settle(
        store,
        key,
        bytes.length,
        () -> store.put(key, content),
        () -> Transfer.same(store, key, bytes));
  }

  static void settle(ObjectStore store, ObjectKey key, Outcomes.Write write, long length, long crc)
      throws IOException {
    Outcomes.settle(store, key, length, write, () -> looksLike(store, key, length, crc));
  }

  /** Whether what lies there has this length and checksum. Enough to know one's own again. */
  static Optional<Boolean> looksLike(ObjectStore store, ObjectKey key, long length, long crc)
      throws IOException {
    try (ObjectRead read = store.get(key)) {
      if (read.info().length() != length) {
        return Optional.of(false);
      }
      CRC32C found = new CRC32C();
      byte[] buffer = new byte[64 << 10];
      InputStream body = read.body();
      for (int count = body.read(buffer); count >= 0; count = body.read(buffer)) {
        found.update(buffer, 0, count);
      }
      return Optional.of(found.getValue() == crc);
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  /**
   * The copies that take an object after the primary. A manifest, commit or checkpoint goes only to
   * one that has all that came before: so each copy's commits are the beginning of the log, and
   * what they refer to lies beside them.
   *
   * @param unready gets those that cannot take it, and why
   */
  private List<Copy> followers(ObjectKey key, List<Failed> unready) throws IOException {
    requirePredecessor(key, copies.get(0));
    if (policy == WritePolicy.PRIMARY || copies.size() == 1) {
      return List.of();
    }
    List<Copy> all = copies.subList(1, copies.size());
    boolean last =
        key.value().startsWith(ObjectNames.COMMITS)
            || key.value().startsWith(ObjectNames.CHECKPOINTS)
            || key.value().startsWith(ObjectNames.MANIFESTS);
    if (!last) {
      return all;
    }
    unready.addAll(onEach(all, copy -> requireReady(key, copy)));
    requireEnough(key, unready, false);
    return all.stream()
        .filter(copy -> unready.stream().noneMatch(one -> one.copy() == copy))
        .toList();
  }

  private void requireReady(ObjectKey key, Copy copy) throws IOException {
    List<ObjectKey> lacking;
    synchronized (missed) {
      lacking = List.copyOf(missed.getOrDefault(copy, Set.of()));
    }
    if (lacking.size() > MOST_MISSED) {
      throw behind(copy, key);
    }
    for (ObjectKey one : lacking) {
      Optional<ObjectInfo> there = primary().head(one);
      if (there.isPresent()) {
        bring(one, there.get(), copies.get(0), copy);
      } else {
        forget(one, copy); // removed meanwhile
      }
    }
    requirePredecessor(key, copy);
  }

  private static void requirePredecessor(ObjectKey key, Copy copy) throws IOException {
    long before = ObjectNames.sequence(key).orElse(0) - 1;
    before = Math.max(before, ObjectNames.checkpointed(key).orElse(0));
    if (before > 0 && copy.store().head(ObjectNames.commit(before)).isEmpty()) {
      throw behind(copy, key);
    }
  }

  private static StorageException behind(Copy copy, ObjectKey key) {
    return new StorageException(
        "storage.copy-behind",
        FailureKind.REFUSED,
        copy.name() + " lacks what comes before " + key,
        key.value(),
        "Run copies sync.",
        null);
  }

  /**
   * Throws unless enough copies have an object.
   *
   * @param written whether the primary has it: then it is written, and repeating it finds it
   */
  void requireEnough(ObjectKey key, List<Failed> failed, boolean written) throws IOException {
    for (Failed one : failed) {
      if (one.cause() instanceof RuntimeException e) {
        throw e;
      }
      if (one.cause() instanceof Error e) {
        throw e;
      }
      if (written) {
        synchronized (missed) {
          missed.computeIfAbsent(one.copy(), copy -> new LinkedHashSet<>()).add(key);
        }
      }
    }
    int have = copies.size() - failed.size();
    int need = policy.required(copies.size());
    if (have >= need) {
      failed.forEach(
          one -> LOG.warn("{} lacks {}: {}", one.copy().name(), key, one.cause().toString()));
      return;
    }
    FailureKind kind = FailureKind.OUTCOME_UNKNOWN;
    if (!written) {
      kind =
          failed.get(0).cause() instanceof ClassifiedFailure known
              ? known.kind()
              : FailureKind.TRANSIENT;
    }
    StorageException failure =
        new StorageException(
            written ? "storage.copies-behind" : "storage.copies-unavailable",
            kind,
            (written ? "Only " + have : "At most " + have)
                + " of the "
                + need
                + " copies that repository.write-policy: "
                + policy.label()
                + " asks for "
                + (written ? "have " : "can take ")
                + key
                + "; "
                + failed.get(0).copy().name()
                + ": "
                + failed.get(0).cause().getMessage()
                + (written ? "; the primary has it, so it exists" : ""),
            key.value(),
            "Bring the copy back and run copies sync.",
            failed.get(0).cause());
    failed.subList(1, failed.size()).forEach(one -> failure.addSuppressed(one.cause()));
    throw failure;
  }

  private byte[] read(ObjectKey key, ObjectSource content) throws IOException {
    byte[] bytes = new byte[(int) content.length()];
    try (InputStream in = content.open()) {
      if (in.readNBytes(bytes, 0, bytes.length) == bytes.length && in.read() < 0) {
        return bytes;
      }
    } catch (StorageException e) {
      throw e;
    } catch (IOException e) {
      throw StorageException.sourceFailed(key, e);
    }
    throw StorageException.sourceLength(key, content.length());
  }

  // Reading

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    if (isOfPrimary(key.value())) {
      return primary().get(key);
    }
    return find("Read", key, store -> store.get(key), ObjectRead::close)
        .orElseThrow(() -> new StorageException.NotFound(key, null));
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    return find("Read", key, store -> store.get(key, range), ObjectRead::close)
        .orElseThrow(() -> new StorageException.NotFound(key, null));
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    if (isOfPrimary(key.value())) {
      return primary().head(key);
    }
    return find("Look at", key, store -> store.head(key).orElse(null), late -> {});
  }

  /** Whether a copy that can be asked says that there is no such object, and none has it. */
  public boolean isUnknownToSome(ObjectKey key) throws IOException {
    Race<ObjectInfo> race =
        new Race<>(copies, store -> store.head(key).orElse(null), late -> {}, threads, timer);
    return race.run("Look at", key.value()) == null && !race.refusals().isEmpty();
  }

  private <T> Optional<T> find(
      String action, ObjectKey key, Race.Question<T> question, Race.Discard<T> discard)
      throws IOException {
    Race<T> race = new Race<>(copies, order(key), question, discard, threads, timer);
    T found = race.run(action, key.value());
    if (found == null) {
      // Where it must be brought back first, it is.
      boolean there = race.failures().values().stream().anyMatch(StorageException::isOffline);
      if (there || !provesAbsence(key, race.refusals())) {
        throw unanswered(action, key.value(), race.failures());
      }
    }
    return Optional.ofNullable(found);
  }

  /** Bulk is read where that costs least and takes no time, if it can be. */
  private List<Integer> order(ObjectKey key) {
    Comparator<Integer> nearest =
        Comparator.comparing(number -> ObjectNames.deepest(key, copies.get(number).tier()));
    return IntStream.range(0, copies.size()).boxed().sorted(nearest).toList();
  }

  /** Whether it follows from the copies which say so that nothing was ever written there. */
  private boolean provesAbsence(ObjectKey key, Set<Integer> refusals) {
    if (refusals.size() == copies.size()) {
      return true;
    }
    if (ObjectNames.sequence(key).isPresent()) {
      // Who only reads takes the log as far as it is known; who writes must ask the primary.
      return !refusals.isEmpty();
    }
    if (!refusals.contains(0) || primaryIncomplete || key.equals(ObjectNames.HEADER)) {
      return false;
    }
    // Whoever lets go of it on purpose knows nothing of the others.
    long telling = refusals.stream().filter(one -> !waivers.waives(copies.get(one), key)).count();
    return telling >= policy.required(copies.size()) && !waivers.waives(copies.get(0), key);
  }

  private IOException unanswered(String action, String object, Map<Integer, Throwable> failures) {
    IOException first = null;
    // A copy that could not be asked may have it where it can be read at once.
    List<Map.Entry<Integer, Throwable>> unclearFirst = new ArrayList<>(failures.entrySet());
    unclearFirst.sort(
        Comparator.comparing(failure -> StorageException.isOffline(failure.getValue())));
    for (Map.Entry<Integer, Throwable> failure : unclearFirst) {
      if (first == null) {
        first =
            failure.getValue() instanceof StorageException e
                ? e
                : new StorageException.Unavailable(
                    action + " on " + copies.get(failure.getKey()).name(),
                    object,
                    failure.getValue());
      } else {
        first.addSuppressed(failure.getValue());
      }
    }
    return first == null ? new StorageException.Unavailable(action, object, null) : first;
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    if (isOfPrimary(prefix)) {
      return primary().list(prefix, after);
    }
    Map<Copy, ListPage> pages = new ConcurrentHashMap<>();
    List<Failed> failed =
        onEach(copies, copy -> pages.put(copy, UnionListing.page(copy.store(), prefix, after)));
    Map<Integer, Throwable> failures = new HashMap<>();
    for (Failed one : failed) {
      if (one.cause() instanceof RuntimeException e) {
        throw e;
      }
      failures.put(copies.indexOf(one.copy()), one.cause());
    }
    if (pages.isEmpty()) {
      throw unanswered("List", prefix, failures);
    }
    // In the order of the copies, because the first that lists an object is believed.
    return UnionListing.merge(
        copies.stream().filter(pages::containsKey).map(copy -> pages.get(copy)).toList());
  }

  /** Removes it from the others first: as long as the primary has it, it is not gone. */
  @Override
  public void delete(ObjectKey key) throws IOException {
    if (isOfPrimary(key.value())) {
      primary().delete(key);
      return;
    }
    for (int i = copies.size() - 1; i >= 0; i--) {
      copies.get(i).store().delete(key);
    }
  }

  // Damage

  /**
   * Reads from one copy after the other until {@code attempt} finds what it read sound; what was
   * damaged on a copy is healed from the one that was not.
   *
   * @param first what reading from all failed with
   */
  <T> T readElsewhere(ObjectKey key, SoundReads.Attempt<T> attempt, IOException first)
      throws IOException {
    List<Copy> bad = new ArrayList<>();
    IOException offline = null;
    for (Copy copy : copies) {
      T result;
      try {
        result = attempt.from(copy.store());
      } catch (IOException e) {
        boolean absent = e.getCause() instanceof StorageException.NotFound;
        if (SoundReads.isDamage(e) && !(absent && waivers.waives(copy, key))) {
          bad.add(copy);
        }
        if (StorageException.isOffline(e)) {
          offline = e;
        }
        if (e != first) {
          first.addSuppressed(e);
        }
        continue;
      }
      LOG.warn("Read {} from {} after: {}", key, copy.name(), first.getMessage());
      if (!bad.isEmpty()) {
        noticed(new Damage(key, bad, copy));
      }
      return result;
    }
    if (offline != null && SoundReads.isDamage(first)) {
      // Nobody knows yet that it is lost.
      throw StorageException.offline(key, first);
    }
    throw first;
  }

  private void noticed(Damage damage) {
    Proof means;
    synchronized (unhealed) {
      means = proof;
      if (means == null) {
        unhealed.add(damage);
        return;
      }
    }
    heal(means, damage);
  }

  private void heal(Proof means, Damage damage) {
    for (Copy copy : damage.bad()) {
      if (!healing.add(copies.indexOf(copy) + " " + damage.key())) {
        continue; // tried already, or somebody is at it
      }
      try {
        Healing.Result result = new Healing(means).heal(damage.key(), copy, List.of(damage.good()));
        if (result.healed()) {
          LOG.warn("Healed {} on {} from {}", damage.key(), copy.name(), damage.good().name());
        } else {
          LOG.warn("Could not heal {} on {}: {}", damage.key(), copy.name(), result.problem());
        }
      } catch (IOException e) {
        // What was asked for was read; the damage stays known to verify.
        LOG.warn("Could not heal {} on {}", damage.key(), copy.name(), e);
      }
    }
  }

  /** Ends its threads. The stores stay their owner's. */
  @Override
  public void close() {
    threads.shutdown();
  }

  // Threads

  private interface Work {
    void on(Copy copy) throws IOException;
  }

  /** Works on several copies at once and returns when all have ended, with what failed. */
  private List<Failed> onEach(List<Copy> on, Work work) throws IOException {
    if (on.size() == 1) {
      List<Failed> failed = new ArrayList<>();
      try {
        work.on(on.get(0));
      } catch (IOException | RuntimeException e) {
        failed.add(new Failed(on.get(0), e));
      }
      return failed;
    }
    Map<Copy, Future<?>> running = new LinkedHashMap<>();
    for (Copy copy : on) {
      running.put(
          copy,
          threads.submit(
              () -> {
                work.on(copy);
                return copy;
              }));
    }
    List<Failed> failed = new ArrayList<>();
    boolean interrupted = false;
    for (Map.Entry<Copy, Future<?>> one : running.entrySet()) {
      while (true) {
        try {
          one.getValue().get();
          break;
        } catch (ExecutionException e) {
          failed.add(new Failed(one.getKey(), e.getCause() == null ? e : e.getCause()));
          break;
        } catch (InterruptedException e) {
          interrupted = true; // nobody may work on when this has returned
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
      if (failed.isEmpty()) {
        return failed;
      }
      failed.get(0).cause().addSuppressed(new InterruptedIOException("Interrupted meanwhile"));
    }
    return failed;
  }
}
