package com.thorbis.backup.crypto;

import org.jspecify.annotations.Nullable;

/** What a sealed object is. Code and label are persisted; the code is part of every header. */
public enum ObjectType {
  /** Compressed pieces, one after another. */
  PACK(1, "pack"),
  /** What a backup consists of. */
  MANIFEST(2, "manifest"),
  /** One link of the commit chain. */
  COMMIT(3, "commit"),
  /** Write-ahead log: a segment or a part of one. */
  WAL(4, "wal"),
  /** A timeline history file. */
  HISTORY(5, "wal-history"),
  /** What all commits up to one add up to. */
  CHECKPOINT(6, "checkpoint"),
  /** What a stretch of write-ahead log changes. */
  WAL_SUMMARY(7, "wal-summary"),
  /** Why log is missing. */
  WAL_GAP(8, "wal-gap"),
  /** One entry of a set of secrets, or the index of one. */
  SECRET(32, "secret");

  private static final ObjectType[] VALUES = values();

  private final int code;
  private final String label;

  ObjectType(int code, String label) {
    this.code = code;
    this.label = label;
  }

  /** The byte in the header. */
  public int code() {
    return code;
  }

  /** The name in key derivation and messages. */
  public String label() {
    return label;
  }

  static @Nullable ObjectType ofCode(int code) {
    for (ObjectType type : VALUES) {
      if (type.code == code) {
        return type;
      }
    }
    return null;
  }
}
