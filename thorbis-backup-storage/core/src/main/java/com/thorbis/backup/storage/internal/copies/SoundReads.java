package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.EOFException;
import java.io.IOException;

/** Reading again from another copy, where what was read first is not what was stored. */
public final class SoundReads {
  private SoundReads() {}

  /** Reads and checks; whatever it changes, it changes again when it runs again. */
  @FunctionalInterface
  public interface Attempt<T> {
    /** Reads from this store. */
    T from(ObjectStore store) throws IOException;
  }

  /**
   * What {@code attempt} makes of an object: the second time if it was damaged on its way, and from
   * whichever copy has it sound. Positively absent and unclear stay what they are.
   */
  public static <T> T read(ObjectStore store, ObjectKey key, Attempt<T> attempt)
      throws IOException {
    try {
      return SealedObjects.again(key, () -> attempt.from(store));
    } catch (StorageException.NotFound e) {
      throw e;
    } catch (IOException e) {
      if (store instanceof CopySet copies && (isDamage(e) || isBroken(e))) {
        return copies.readElsewhere(key, attempt, e);
      }
      throw e;
    }
  }

  /** Whether a failure says that the bytes that came are not those that were stored. */
  public static boolean isDamage(IOException e) {
    return e instanceof EOFException
        || e instanceof ClassifiedFailure failure && failure.kind() == FailureKind.DAMAGED;
  }

  /** Whether a read broke off. */
  private static boolean isBroken(IOException e) {
    return e instanceof ClassifiedFailure failure && failure.kind() == FailureKind.TRANSIENT;
  }
}
