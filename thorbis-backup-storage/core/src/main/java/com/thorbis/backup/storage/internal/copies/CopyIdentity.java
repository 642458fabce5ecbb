package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.format.Json;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.format.SealedObjects;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;

/**
 * The id by which a place is known again, whatever its address is on this machine. It stays where
 * it is: no sync carries it from copy to copy.
 */
public final class CopyIdentity {
  private static final String FORMAT = "thorbis-copy";
  private static final int VERSION = 1;
  private static final int MOST_BYTES = 4096;

  private CopyIdentity() {}

  /** The id of a place; empty if it positively has none. */
  public static Optional<ObjectId> read(ObjectStore store, ObjectId repository) throws IOException {
    try {
      return SealedObjects.again(
          ObjectNames.COPY, () -> Optional.of(decode(fetchTwice(store), store, repository)));
    } catch (StorageException.NotFound e) {
      return Optional.empty();
    }
  }

  /** It is plain: that a bit was flipped on its way shows by comparing alone. */
  private static byte[] fetchTwice(ObjectStore store) throws IOException {
    byte[] bytes = SealedObjects.fetch(store, ObjectNames.COPY, MOST_BYTES);
    if (!Arrays.equals(bytes, SealedObjects.fetch(store, ObjectNames.COPY, MOST_BYTES))) {
      throw RepositoryException.damaged(
          ObjectNames.COPY.value(),
          "on " + store.describe() + " reads differently each time",
          null);
    }
    return bytes;
  }

  private static ObjectId decode(byte[] bytes, ObjectStore store, ObjectId repository)
      throws RepositoryException {
    ObjectKey key = ObjectNames.COPY;
    Json.Node node = Json.read(bytes, key.value());
    if (!node.text("format").equals(FORMAT) || node.number("version") != VERSION) {
      throw node.wrong("format", "not " + FORMAT + " of version " + VERSION);
    }
    if (!node.parse("repository", ObjectId::parse).equals(repository)) {
      throw RepositoryException.damaged(
          key.value(), "on " + store.describe() + " belongs to another repository", null);
    }
    return node.parse("id", ObjectId::parse);
  }

  /** The id of a place, which gets one if it has none. */
  public static ObjectId ensure(ObjectStore store, ObjectId repository, SecureRandom random)
      throws IOException {
    Optional<ObjectId> known = read(store, repository);
    if (known.isPresent()) {
      return known.get();
    }
    Map<String, Object> document = Json.object();
    document.put("format", FORMAT);
    document.put("version", VERSION);
    document.put("repository", repository);
    document.put("id", ObjectId.random(random));
    try {
      store.put(ObjectNames.COPY, ObjectSource.of(Json.write(document)));
    } catch (StorageException.AlreadyExists e) {
      // Another process was faster: its id counts.
    } catch (StorageException.OutcomeUnknown e) {
      // Told by what lies there.
    }
    return read(store, repository)
        .orElseThrow(() -> new StorageException.OutcomeUnknown(ObjectNames.COPY, null));
  }
}
