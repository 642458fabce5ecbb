package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.format.Digests;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;

/**
 * Brings one object from a copy to another that lacks it. Only what was proven whole is written,
 * and only what was read back equal counts as written.
 */
public final class Transfer {
  /** Longer objects are read twice instead of being kept in memory. */
  private static final int MOST_IN_MEMORY = 40 << 20;

  private final Proof proof;

  /** Judges with {@code proof}. */
  public Transfer(Proof proof) {
    this.proof = proof;
  }

  /** Whether objects of this name can be proven whole. */
  public boolean covers(ObjectKey key) {
    return proof.covers(key);
  }

  /**
   * Whether the object lies whole on this store; false if it lies there damaged. Asked twice before
   * it is called damaged, because an answer can be damaged on its way.
   *
   * @throws StorageException.NotFound if it is positively absent
   */
  public boolean isWhole(ObjectKey key, ObjectStore on) throws IOException {
    for (int attempt = 1; ; attempt++) {
      try {
        digest(key, on);
        return true;
      } catch (RepositoryException e) {
        if (e.kind() != FailureKind.DAMAGED) {
          throw e;
        }
        if (attempt == 2) {
          return false;
        }
      }
    }
  }

  /**
   * Copies an object that is absent at {@code to}. What lies there already and is the same counts.
   *
   * @return its length
   * @throws RepositoryException of kind DAMAGED if it is not whole at {@code from}; of kind REFUSED
   *     and code {@code copies.differ} if something else lies at {@code to}
   */
  public long copy(ObjectKey key, ObjectStore from, ObjectStore to) throws IOException {
    long length;
    try (ObjectRead read = from.get(key)) {
      length = read.info().length();
      if (length <= MOST_IN_MEMORY) {
        byte[] bytes = SealedObjects.readAll(read, MOST_IN_MEMORY);
        proof.require(key, new ByteArrayInputStream(bytes));
        put(key, bytes, to);
        return length;
      }
    }
    stream(key, length, from, to);
    return length;
  }

  private static void put(ObjectKey key, byte[] bytes, ObjectStore to) throws IOException {
    try {
      to.put(key, ObjectSource.of(bytes));
    } catch (StorageException.AlreadyExists e) {
      // Told below by what lies there.
    } catch (StorageException.OutcomeUnknown e) {
      if (to.head(key).isEmpty()) {
        throw e;
      }
    }
    String expected = Digests.sha256(bytes);
    requireSame(key, bytes.length, expected, to);
  }

  private void stream(ObjectKey key, long length, ObjectStore from, ObjectStore to)
      throws IOException {
    String expected = digest(key, from);
    try (ObjectUpload upload = to.startUpload(key)) {
      MessageDigest digest = Digests.sha256();
      try (ObjectRead read = from.get(key);
          InputStream body = new DigestInputStream(read.body(), digest);
          OutputStream out = upload.body()) {
        body.transferTo(out);
      }
      if (!Digests.text(digest.digest()).equals(expected)) {
        throw RepositoryException.damaged(key.value(), "reads differently each time", null);
      }
      try {
        upload.commit();
      } catch (StorageException.OutcomeUnknown e) {
        if (to.head(key).isEmpty()) {
          throw e;
        }
      }
    } catch (StorageException.AlreadyExists e) {
      // Told below by what lies there.
    }
    requireSame(key, length, expected, to);
  }

  private static void requireSame(ObjectKey key, long length, String sha256, ObjectStore on)
      throws IOException {
    boolean same = isSame(key, length, sha256, on);
    if (!same) {
      same = isSame(key, length, sha256, on); // it may have been damaged on its way to us
    }
    if (!same) {
      throw new RepositoryException(
          "copies.differ",
          FailureKind.REFUSED,
          key + ": something else lies under this name on " + on.describe(),
          Map.of("object", key.value(), "copy", on.describe()),
          "Run copies heal to find out which is whole.",
          null);
    }
  }

  private static boolean isSame(ObjectKey key, long length, String sha256, ObjectStore on)
      throws IOException {
    MessageDigest digest = Digests.sha256();
    try (ObjectRead read = on.get(key);
        InputStream body = new DigestInputStream(read.body(), digest)) {
      body.transferTo(OutputStream.nullOutputStream());
      return read.info().length() == length && Digests.text(digest.digest()).equals(sha256);
    } catch (StorageException e) {
      if (StorageException.isOffline(e)) {
        // It cannot be read back where it is kept, and what the store took it has.
        return on.head(key).filter(info -> info.length() == length).isPresent();
      }
      throw e;
    }
  }

  /** Proves an object, and says what it is in one text. */
  private String digest(ObjectKey key, ObjectStore on) throws IOException {
    MessageDigest digest = Digests.sha256();
    try (ObjectRead read = on.get(key);
        InputStream body = new DigestInputStream(read.body(), digest)) {
      proof.require(key, body);
    }
    return Digests.text(digest.digest());
  }

  /** What lies there, if it is exactly this. */
  static Optional<Boolean> same(ObjectStore store, ObjectKey key, byte[] bytes) throws IOException {
    try {
      return Optional.of(Arrays.equals(SealedObjects.fetch(store, key, bytes.length + 1L), bytes));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    } catch (RepositoryException e) {
      return Optional.of(false); // of another length
    }
  }
}
