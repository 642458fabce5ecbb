package com.thorbis.backup.storage.internal.format;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.EpochKey;
import com.thorbis.backup.crypto.MalformedObjectException;
import com.thorbis.backup.crypto.ObjectHeader;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.ObjectType;
import com.thorbis.backup.crypto.SealedReader;
import com.thorbis.backup.crypto.SealedWriter;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.SecureRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Objects that are sealed, opened and fetched whole in memory. */
public final class SealedObjects {
  /** No object that is held whole in memory is longer. */
  public static final long MOST_BYTES = 192L << 20;

  private static final Logger LOG = LoggerFactory.getLogger(SealedObjects.class);

  private SealedObjects() {}

  /** Where keys come from. */
  @FunctionalInterface
  public interface Keys {
    /** The key of an epoch of a tree; stays the ring's. */
    EpochKey key(ObjectId tree, int epoch) throws IOException;
  }

  /** Reads something, and finds out whether it is whole. */
  @FunctionalInterface
  public interface Reading<T> {
    /** Reads from the beginning. */
    T run() throws IOException;
  }

  /** What was damaged on its way is whole the second time; what lies there damaged is not. */
  public static <T> T again(ObjectKey key, Reading<T> reading) throws IOException {
    try {
      return reading.run();
    } catch (RepositoryException first) {
      if (first.kind() != FailureKind.DAMAGED && first.kind() != FailureKind.PERMANENT) {
        throw first;
      }
      T whole = reading.run();
      LOG.warn("Read {} again after a damaged answer: {}", key, first.getMessage());
      return whole;
    }
  }

  /** Seals bytes as the object that will lie under {@code key}. */
  public static byte[] seal(
      ObjectType type, ObjectKey key, byte[] plain, EpochKey with, SecureRandom random)
      throws IOException {
    ByteArrayOutputStream sealed =
        new ByteArrayOutputStream(plain.length + plain.length / 512 + 256);
    ObjectHeader header = ObjectHeader.of(type, with.slot(), ObjectId.random(random));
    try (SealedWriter out = new SealedWriter(sealed, with, header, key.value(), random)) {
      out.write(plain, 0, plain.length);
    }
    return sealed.toByteArray();
  }

  /** The whole object as stored. */
  public static byte[] fetch(ObjectStore store, ObjectKey key, long most) throws IOException {
    try (ObjectRead read = store.get(key)) {
      return readAll(read, most);
    }
  }

  /** All bytes of a read. */
  public static byte[] readAll(ObjectRead read, long most) throws IOException {
    long length = read.info().length();
    String name = read.info().key().value();
    if (length > most) {
      throw RepositoryException.damaged(
          name, "is " + length + " bytes long; at most " + most + " are allowed", null);
    }
    byte[] bytes = read.body().readNBytes((int) Math.min(most + 1, Integer.MAX_VALUE - 8));
    if (bytes.length != length) {
      throw RepositoryException.damaged(
          name, "has " + bytes.length + " bytes where the store says " + length, null);
    }
    return bytes;
  }

  /**
   * Opens a whole object.
   *
   * @param tree must have sealed it
   */
  public static InputStream open(
      InputStream sealed,
      ObjectType type,
      ObjectKey key,
      ObjectId repository,
      ObjectId tree,
      Keys keys)
      throws IOException {
    try {
      ObjectHeader header = ObjectHeader.read(sealed);
      if (header.type() != type
          || !header.repository().equals(repository)
          || !header.tree().equals(tree)) {
        throw RepositoryException.damaged(
            key.value(), "is another object than its name says", null);
      }
      return new SealedReader(sealed, keys.key(tree, header.epoch()), header, key.value());
    } catch (MalformedObjectException e) {
      throw damaged(key, e);
    }
  }

  /** Opens bytes that were fetched whole. */
  public static byte[] open(
      byte[] sealed, ObjectType type, ObjectKey key, ObjectId repository, ObjectId tree, Keys keys)
      throws IOException {
    try (InputStream plain =
        open(new ByteArrayInputStream(sealed), type, key, repository, tree, keys)) {
      return plain.readAllBytes();
    } catch (MalformedObjectException e) {
      throw damaged(key, e);
    }
  }

  /** What a malformed object means to whoever asked for it. */
  public static RepositoryException damaged(ObjectKey key, MalformedObjectException e) {
    String message = String.valueOf(e.getMessage());
    String prefix = key.value() + ": ";
    return RepositoryException.damaged(
        key.value(), message.startsWith(prefix) ? message.substring(prefix.length()) : message, e);
  }
}
