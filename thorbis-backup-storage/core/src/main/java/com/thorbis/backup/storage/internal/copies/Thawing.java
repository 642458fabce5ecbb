package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Thaw;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.Frozen;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.spi.storage.StoreCapability;
import com.thorbis.backup.storage.internal.Parallel;
import com.thorbis.backup.storage.internal.Pause;
import com.thorbis.backup.storage.internal.Services;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What lies on no copy where it can be read at once: asked for on the copy that has it back first,
 * and waited for. What somebody asked for is not asked for again; the store remembers.
 */
public final class Thawing implements Frozen {
  private static final Logger LOG = LoggerFactory.getLogger(Thawing.class);

  /** For how long what was brought back stays readable: a large restore takes its time. */
  public static final Duration KEEP = Duration.ofDays(7);

  /** How often it is looked whether something can be read. */
  private static final Duration LOOK = Duration.ofSeconds(30);

  /** How long a copy may be away before whoever waits for what it brings back gives up. */
  private static final Duration AWAY = Duration.ofHours(1);

  /** How often somebody who watches is told how far it is. */
  private static final Duration TELL = Duration.ofMinutes(10);

  /** More objects than these are looked for by listing what lies beside them. */
  private static final int FEW = 16;

  private static final int AT_ONCE = 8;

  private final ObjectStore store;
  private final Pause pause;
  private final java.time.Clock clock;
  private final Map<ObjectKey, Item> items = new ConcurrentHashMap<>();
  private final List<Item> inOrder;
  private int back;
  private long bytesBack;
  private @Nullable Instant told;
  private final Map<Copy, Instant> away = new ConcurrentHashMap<>();

  /** An object, and the copy that has it back first. */
  private record Item(Copy copy, ObjectInfo info) {
    ObjectKey key() {
      return info.key();
    }
  }

  private Thawing(Services services, Collection<Item> frozen) {
    this.store = services.store();
    this.pause = services.tuning().pause();
    this.clock = services.clock();
    this.inOrder = frozen.stream().sorted(Comparator.comparing(item -> item.info().key())).toList();
    inOrder.forEach(item -> items.put(item.key(), item));
  }

  /**
   * Looks for objects on all copies, where stores have tiers.
   *
   * @param keys those that are nowhere are nobody's matter here
   * @throws RepositoryException code {@code thaw.copy-unavailable} if a copy cannot be asked that
   *     may have what must be brought back from another
   */
  public static Thawing look(Services services, Collection<ObjectKey> keys) throws IOException {
    return new Thawing(services, frozen(services.store(), keys).values());
  }

  private static Map<ObjectKey, Item> frozen(ObjectStore store, Collection<ObjectKey> keys)
      throws IOException {
    List<Copy> nearest = new ArrayList<>(CopySet.places(store));
    nearest.sort(Comparator.comparing(Copy::tier));
    NavigableSet<ObjectKey> left = new TreeSet<>(keys);
    Map<ObjectKey, Item> frozen = new TreeMap<>();
    Map<Copy, IOException> unclear = new HashMap<>();
    if (!anyTiers(nearest, unclear)) {
      return Map.of();
    }
    for (Copy copy : nearest) {
      if (left.isEmpty()) {
        break;
      }
      try {
        look(copy, left, frozen);
      } catch (StorageException e) {
        unclear.put(copy, e);
      }
    }
    if (frozen.isEmpty() || unclear.isEmpty()) {
      return frozen;
    }
    Map.Entry<Copy, IOException> one = unclear.entrySet().iterator().next();
    throw new RepositoryException(
        "thaw.copy-unavailable",
        FailureKind.TRANSIENT,
        frozen.size()
            + " objects would have to be brought back, which costs time and money, but "
            + one.getKey().name()
            + ", which may have them at hand, cannot be asked: "
            + one.getValue().getMessage(),
        Map.of("copy", one.getKey().name()),
        "Bring that copy back, or take it out of the configuration if it is lost.",
        one.getValue());
  }

  private static boolean anyTiers(List<Copy> copies, Map<Copy, IOException> unclear) {
    boolean any = false;
    for (Copy copy : copies) {
      try {
        any |= copy.store().capabilities().contains(StoreCapability.TIERS);
      } catch (IOException e) {
        unclear.put(copy, e);
      }
    }
    return any;
  }

  /** Takes out of {@code left} what a copy has at hand, and notes what it has elsewhere. */
  private static void look(Copy copy, NavigableSet<ObjectKey> left, Map<ObjectKey, Item> frozen)
      throws IOException {
    List<ObjectKey> asked = new ArrayList<>();
    if (left.size() <= FEW) {
      asked.addAll(left);
    } else {
      for (NavigableSet<ObjectKey> together : folders(left)) {
        for (ObjectInfo info : listed(copy.store(), together)) {
          if (info.readable()) {
            left.remove(info.key());
            frozen.remove(info.key());
          } else {
            asked.add(info.key());
          }
        }
      }
    }
    for (ObjectInfo info : heads(copy.store(), asked)) {
      if (info.readable()) {
        left.remove(info.key());
        frozen.remove(info.key());
      } else {
        frozen.merge(info.key(), new Item(copy, info), Thawing::sooner);
      }
    }
  }

  private static Item sooner(Item one, Item other) {
    if (one.info().requested() != other.info().requested()) {
      return one.info().requested() ? one : other;
    }
    return other.info().thaw().compareTo(one.info().thaw()) < 0 ? other : one;
  }

  private static List<NavigableSet<ObjectKey>> folders(NavigableSet<ObjectKey> keys) {
    Map<String, NavigableSet<ObjectKey>> folders = new TreeMap<>();
    for (ObjectKey key : keys) {
      folders.computeIfAbsent(folder(key), name -> new TreeSet<>()).add(key);
    }
    return List.copyOf(folders.values());
  }

  private static String folder(ObjectKey key) {
    return key.value().substring(0, key.value().lastIndexOf('/') + 1);
  }

  private static List<ObjectInfo> listed(ObjectStore store, NavigableSet<ObjectKey> keys)
      throws IOException {
    List<ObjectInfo> found = new ArrayList<>();
    String first = keys.first().value();
    // Its beginning sorts before the key itself.
    Optional<String> after = Optional.of(first.substring(0, first.length() - 1));
    boolean beyond = false;
    do {
      ListPage page = store.list(folder(keys.first()), after);
      after = page.next();
      for (ObjectInfo info : page.objects()) {
        if (keys.contains(info.key())) {
          found.add(info);
        }
        beyond = info.key().compareTo(keys.last()) >= 0;
      }
    } while (after.isPresent() && !beyond);
    return found;
  }

  private static List<ObjectInfo> heads(ObjectStore store, List<ObjectKey> keys)
      throws IOException {
    List<ObjectInfo> found = new ArrayList<>();
    each(
        keys,
        key -> {
          Optional<ObjectInfo> info = store.head(key);
          synchronized (found) {
            info.ifPresent(found::add);
          }
        });
    return found;
  }

  @FunctionalInterface
  private interface Work<T> {
    void on(T item) throws IOException;
  }

  private static <T> void each(List<T> all, Work<T> work) throws IOException {
    Parallel.forEach(
        all, AT_ONCE, () -> (Parallel.Worker) () -> {}, (worker, item) -> work.on(item));
  }

  @Override
  public Thaw thaw() {
    long bytes = inOrder.stream().mapToLong(item -> item.info().length()).sum();
    return new Thaw(
        inOrder.size(),
        bytes,
        inOrder.stream().filter(item -> item.info().requested()).count(),
        inOrder.stream()
            .map(item -> item.info().thaw())
            .max(Comparator.naturalOrder())
            .orElse(Duration.ZERO),
        inOrder.stream().map(item -> item.copy().name()).distinct().sorted().toList());
  }

  @Override
  public void request(RunControl control) throws IOException {
    List<Item> open = inOrder.stream().filter(item -> !item.info().requested()).toList();
    each(
        open,
        item -> {
          control.cancellation().check();
          ask(item);
        });
  }

  private static void ask(Item item) throws IOException {
    try {
      item.copy().store().requestReadable(item.key(), KEEP);
    } catch (StorageException.NotFound e) {
      return; // removed meanwhile: whoever reads it says so
    }
  }

  @Override
  public void await(RunControl control) throws IOException {
    for (Item item : inOrder) {
      await(item, control);
    }
  }

  /**
   * Waits until an object can be read that could not be: also one that can be read elsewhere, but
   * is not whole there.
   *
   * @param again whether it could not be read although it seemed so
   * @return whether there is anything to wait for
   */
  public boolean await(ObjectKey key, boolean again, RunControl control) throws IOException {
    Item item = items.get(key);
    if (item == null || (again && isBack(item))) {
      // Nobody looked for it, or what came back is not whole: another copy may have it.
      Item other = anywhere(key);
      if (other != null) {
        item = other;
        items.put(key, item);
        if (!item.info().requested()) {
          ask(item);
        }
      } else if (item == null) {
        return false;
      }
    }
    if (again) {
      pause(control);
    }
    await(item, control);
    return true;
  }

  private @Nullable Item anywhere(ObjectKey key) throws IOException {
    Item found = null;
    for (Copy copy : CopySet.places(store)) {
      Optional<ObjectInfo> info = copy.store().head(key);
      if (info.isPresent() && !info.get().readable()) {
        Item item = new Item(copy, info.get());
        found = found == null ? item : sooner(found, item);
      }
    }
    return found;
  }

  private void await(Item item, RunControl control) throws IOException {
    while (!isBack(item)) {
      control.cancellation().check();
      tell(control);
      pause(control);
    }
  }

  private boolean isBack(Item item) throws IOException {
    Optional<ObjectInfo> now;
    try {
      now = item.copy().store().head(item.key());
    } catch (StorageException e) {
      requireShort(item.copy(), e);
      return false;
    }
    away.remove(item.copy());
    if (now.isEmpty() || now.get().readable()) {
      return true;
    }
    if (!now.get().requested()) {
      ask(item);
    }
    return false;
  }

  /** Whoever waits for hours is not sent back to the start by a short outage. */
  private void requireShort(Copy copy, StorageException e) throws StorageException {
    Instant now = clock.instant();
    Instant since = away.computeIfAbsent(copy, first -> now);
    if (e.kind() != FailureKind.TRANSIENT || now.isAfter(since.plus(AWAY))) {
      throw e;
    }
    LOG.warn("{} cannot be asked now, and is asked again: {}", copy.name(), e.getMessage());
  }

  private void pause(RunControl control) throws IOException {
    try {
      pause.last(LOOK, control.cancellation());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while objects were being brought back");
    }
  }

  /** Says now and then how many can be read: stores bring them back in about the order asked. */
  private synchronized void tell(RunControl control) throws IOException {
    Instant now = clock.instant();
    if (told != null && now.isBefore(told.plus(TELL))) {
      return;
    }
    told = now;
    while (back < inOrder.size() && isBack(inOrder.get(back))) {
      bytesBack += inOrder.get(back).info().length();
      back++;
    }
    Thaw all = thaw();
    control
        .progress()
        .note(
            "Waiting until objects can be read that lie in an archive tier: "
                + back
                + " of "
                + all.objects()
                + " can ("
                + (bytesBack >> 20)
                + " of "
                + (all.bytes() >> 20)
                + " MiB); it takes up to "
                + all.time().toMinutes()
                + " minutes from the request on. What can be read is used meanwhile; a run after an"
                + " interruption asks for nothing twice");
  }
}
