package com.thorbis.backup.storage.internal.format;

import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.util.Optional;

/** Settles writes that the store gave no clear answer to. */
public final class Outcomes {
  private Outcomes() {}

  /** A write that may be unclear. */
  @FunctionalInterface
  public interface Write {
    /** Writes. */
    ObjectInfo run() throws IOException;
  }

  /** Looks whether what lies under a key is what this writer wrote. */
  @FunctionalInterface
  public interface Look {
    /** True if it is ours, false if it is somebody else's; empty if nothing lies there. */
    Optional<Boolean> ours() throws IOException;
  }

  /** A store that is several. */
  public interface Spread {
    /** Makes what was found at one of them count as written, or fails. */
    void ensure(ObjectKey key) throws IOException;
  }

  /**
   * Runs a write once. An unclear answer, or a taken key that may be taken by this very write, is
   * settled by looking. An answer that says "done" counts when the store shows the object: stores
   * have said so and stored nothing.
   *
   * @throws StorageException.AlreadyExists if another's object lies there
   * @throws StorageException.OutcomeUnknown if looking did not settle it
   */
  public static void settle(ObjectStore store, ObjectKey key, long length, Write write, Look look)
      throws IOException {
    try {
      write.run();
    } catch (StorageException.AlreadyExists e) {
      Optional<Boolean> ours = looked(store, key, look, e);
      if (ours.isEmpty()) {
        // Taken, and yet not there: whatever is true, nobody can build on it now.
        throw new StorageException.OutcomeUnknown(key, e);
      }
      if (!ours.get()) {
        throw e;
      }
      return;
    } catch (StorageException.OutcomeUnknown e) {
      Optional<Boolean> ours = looked(store, key, look, e);
      if (ours.isEmpty()) {
        // Not there now, but the write may still be on its way.
        throw e;
      }
      if (!ours.get()) {
        throw new StorageException.AlreadyExists(key, e);
      }
      return;
    }
    requireShown(store, key, length);
  }

  /**
   * Proves that a store shows what it said it took.
   *
   * @throws StorageException.OutcomeUnknown if it does not, or does not say
   */
  public static void requireShown(ObjectStore store, ObjectKey key, long length)
      throws IOException {
    Optional<ObjectInfo> shown;
    try {
      shown = store.head(key);
    } catch (StorageException e) {
      throw new StorageException.OutcomeUnknown(key, e);
    }
    if (shown.isEmpty()) {
      throw new StorageException.OutcomeUnknown(key, new StorageException.NotFound(key, null));
    }
    if (shown.get().length() != length) {
      throw RepositoryException.damaged(
          key.value(), "has " + shown.get().length() + " of " + length + " bytes", null);
    }
  }

  /**
   * Runs a write to a key that nobody else can have drawn: whatever whole object lies there is this
   * one.
   */
  public static void settle(ObjectStore store, ObjectKey key, long length, Write write)
      throws IOException {
    settle(store, key, length, write, () -> store.head(key).map(info -> info.length() == length));
  }

  private static Optional<Boolean> looked(
      ObjectStore store, ObjectKey key, Look look, StorageException unclear) throws IOException {
    try {
      Optional<Boolean> ours = look.ours();
      if (!ours.orElse(true)) {
        // In a plain object nothing tells a bit that was flipped on its way from another's content.
        ours = look.ours();
      }
      if (ours.orElse(false) && store instanceof Spread spread) {
        spread.ensure(key); // one of them has it; the policy may ask for more
      }
      return ours;
    } catch (StorageException e) {
      unclear.addSuppressed(e);
      // Taken, maybe by this very write: whoever could not look must not say that it is another's.
      throw unclear instanceof StorageException.AlreadyExists
          ? new StorageException.OutcomeUnknown(key, unclear)
          : unclear;
    } catch (IOException e) {
      unclear.addSuppressed(e);
      throw unclear;
    }
  }
}
