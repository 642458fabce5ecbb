package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Parallel;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * Renews the locks of what is still needed, so that nothing which a kept backup refers to can be
 * removed within the time that its copy's owner asked for, however old it is.
 */
public final class Locks {
  private static final int BATCH = 1000;
  private static final int AT_ONCE = 8;

  private Locks() {}

  /** Whether any copy locks what it holds. */
  public static boolean any(ObjectStore store) {
    return !locking(store).isEmpty();
  }

  /**
   * Locks objects as if they were written now, wherever they are and that is asked for.
   *
   * @param warning told of copies that could not do it; the one that decides has to
   * @throws StorageException if the copy that decides could not do it
   */
  public static void renew(ObjectStore store, List<ObjectKey> keys, Consumer<String> warning)
      throws IOException {
    for (Copy copy : locking(store)) {
      try {
        renew(copy, keys);
      } catch (StorageException e) {
        if (copy.store() == CopySet.deciding(store)) {
          throw e;
        }
        warning.accept(notRenewed(copy, e));
      }
    }
  }

  /** Says what a copy is to hold. */
  @FunctionalInterface
  public interface Need {
    /** Which objects are needed there. */
    Predicate<ObjectKey> on(Copy copy) throws IOException;
  }

  /**
   * The same for all that is there and needed.
   *
   * @param warning told of copies that could not do it
   * @return how many locks were renewed
   */
  public static long renew(ObjectStore store, Need need, Consumer<String> warning)
      throws IOException {
    long renewed = 0;
    for (Copy copy : locking(store)) {
      try {
        renewed += renew(copy, need.on(copy));
      } catch (StorageException e) {
        warning.accept(notRenewed(copy, e));
      }
    }
    return renewed;
  }

  private static long renew(Copy copy, Predicate<ObjectKey> needed) throws IOException {
    KeepingStore keeping = (KeepingStore) copy.store();
    Instant young = keeping.now().minus(keeping.renewedAfter());
    long renewed = 0;
    List<ObjectKey> batch = new ArrayList<>();
    Optional<String> after = Optional.empty();
    do {
      ListPage page = keeping.list("", after);
      after = page.next();
      for (ObjectInfo info : page.objects()) {
        if (info.modifiedAt().isBefore(young)
            && KeepingStore.isLocked(info.key())
            && needed.test(info.key())) {
          batch.add(info.key());
        }
      }
      if (batch.size() >= BATCH || after.isEmpty()) {
        renewed += renew(copy, batch);
        batch.clear();
      }
    } while (after.isPresent());
    return renewed;
  }

  private static long renew(Copy copy, List<ObjectKey> keys) throws IOException {
    KeepingStore keeping = (KeepingStore) copy.store();
    AtomicLong renewed = new AtomicLong();
    Parallel.forEach(
        keys,
        AT_ONCE,
        () -> (Parallel.Worker) () -> {},
        (worker, key) -> renewed.addAndGet(keeping.renew(key) ? 1 : 0));
    return renewed.get();
  }

  private static List<Copy> locking(ObjectStore store) {
    return CopySet.places(store).stream()
        .filter(copy -> copy.store() instanceof KeepingStore keeping && keeping.lock().isPresent())
        .toList();
  }

  private static String notRenewed(Copy copy, StorageException e) {
    return "copies.lock-not-renewed: "
        + copy.name()
        + " did not renew the locks of what is kept: "
        + e.getMessage()
        + ". Run prune or copies sync again before they end";
  }
}
