package com.thorbis.backup.crypto;

import com.thorbis.backup.spi.crypto.DataKey;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;

/**
 * The key material of one epoch of a key tree: the epoch's key, which seals, and the tree's id key,
 * which all epochs share so that equal pieces keep equal addresses. Erased on {@link #close}. Safe
 * for several threads.
 */
public final class EpochKey implements AutoCloseable {
  /** The length of the material that recipients wrap. */
  public static final int LENGTH = 64;

  private static final int PART = 32;

  private final KeySlot slot;
  private final DataKey material;

  private EpochKey(KeySlot slot, DataKey material) {
    this.slot = slot;
    this.material = material;
  }

  /** Draws the first key of a new tree. */
  public static EpochKey generate(KeySlot slot, SecureRandom random) {
    return new EpochKey(slot, DataKey.generate(random, LENGTH));
  }

  /**
   * The key of a slot from its material; the caller closes its own.
   *
   * @throws IllegalArgumentException if it is not 64 bytes long
   */
  public static EpochKey of(KeySlot slot, DataKey material) {
    if (material.length() != LENGTH) {
      throw new IllegalArgumentException("An epoch key has 64 bytes, not " + material.length());
    }
    return new EpochKey(slot, material.use(DataKey::copyOf));
  }

  /** Where the key belongs. */
  public KeySlot slot() {
    return slot;
  }

  /** A copy of the material, for recipients to wrap; the caller closes it. */
  public DataKey material() {
    return material.use(DataKey::copyOf);
  }

  /** The following epoch: a new sealing key beside the same id key. */
  public EpochKey next(SecureRandom random) {
    return material.use(
        current -> {
          byte[] fresh = new byte[PART];
          random.nextBytes(fresh);
          System.arraycopy(fresh, 0, current, 0, PART);
          Arrays.fill(fresh, (byte) 0);
          return new EpochKey(slot.next(), DataKey.copyOf(current));
        });
  }

  /** Whether both are of one tree: they share its id key. */
  public boolean isOfSameTree(EpochKey other) {
    return slot.repository().equals(other.slot.repository())
        && slot.tree().equals(other.slot.tree())
        && same(other, PART, LENGTH);
  }

  /** Whether both are the same key of the same place. */
  public boolean isSame(EpochKey other) {
    return slot.equals(other.slot) && same(other, 0, LENGTH);
  }

  private boolean same(EpochKey other, int from, int to) {
    return material.use(
        mine ->
            other.material.use(
                theirs -> {
                  byte[] one = Arrays.copyOfRange(mine, from, to);
                  byte[] two = Arrays.copyOfRange(theirs, from, to);
                  try {
                    return MessageDigest.isEqual(one, two);
                  } finally {
                    Arrays.fill(one, (byte) 0);
                    Arrays.fill(two, (byte) 0);
                  }
                }));
  }

  /** The key of piece addresses, 32 bytes; the same in all epochs. The caller erases it. */
  public byte[] addressKey() {
    return derive(PART, "thorbis/v1/address", PART);
  }

  /** The secret seed of fingerprints; the same in all epochs. */
  public long fingerprintSeed() {
    return ByteBuffer.wrap(derive(PART, "thorbis/v1/fingerprint", Long.BYTES)).getLong();
  }

  /**
   * 256 secret words that say where content is cut; the same in all epochs. The caller erases it.
   */
  public byte[] cutTable() {
    return derive(PART, "thorbis/v1/cut", 256 * Long.BYTES);
  }

  /** The secret seed of padding; the same in all epochs. */
  public long padSeed() {
    return ByteBuffer.wrap(derive(PART, "thorbis/v1/pad", Long.BYTES)).getLong();
  }

  @Override
  public void close() {
    material.close();
  }

  /** Says only which key it is. */
  @Override
  public String toString() {
    return slot.toString();
  }

  /** The key that objects of a type are sealed with. The caller erases it. */
  byte[] sealKey(ObjectType type) {
    return derive(0, "thorbis/v1/enc/" + type.label(), PART);
  }

  private byte[] derive(int from, String label, int length) {
    return material.use(
        bytes -> {
          byte[] part = Arrays.copyOfRange(bytes, from, from + PART);
          try {
            return Hkdf.SHA512.expand(part, label.getBytes(StandardCharsets.US_ASCII), length);
          } finally {
            Arrays.fill(part, (byte) 0);
          }
        });
  }
}
