package com.thorbis.backup.spi.storage;

import java.time.Instant;

/** What a store knows about an object. */
public final class ObjectInfo {
  private final ObjectKey key;
  private final long length;
  private final Instant modifiedAt;

  private ObjectInfo(ObjectKey key, long length, Instant modifiedAt) {
    this.key = key;
    this.length = length;
    this.modifiedAt = modifiedAt;
  }

  /** The facts every store has. */
  public static ObjectInfo of(ObjectKey key, long length, Instant modifiedAt) {
    return new ObjectInfo(key, length, modifiedAt);
  }

  /** Its name. */
  public ObjectKey key() {
    return key;
  }

  /** Its length in bytes. */
  public long length() {
    return length;
  }

  /** When the store took it, by the store's clock. */
  public Instant modifiedAt() {
    return modifiedAt;
  }
}
