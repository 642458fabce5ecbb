package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import java.nio.charset.StandardCharsets;

/**
 * Tells in which part of a file table, or whether at all, a path stands: twelve bytes for each file
 * at a load of at most one half, so that a million files need some 24 MiB. Of two paths with one
 * hash it knows the first; whoever looks reads the entry and sees.
 */
final class PathIndex {
  private static final int LEAST_CAPACITY = 1 << 10;

  private final Fingerprint.Function hash;
  private long[] keys = new long[LEAST_CAPACITY];
  private int[] parts = new int[LEAST_CAPACITY];
  private int count;

  PathIndex(Fingerprint.Function hash) {
    this.hash = hash;
  }

  void add(StoredFile.Area area, String path, int part) {
    if (count * 2 >= keys.length) {
      grow();
    }
    long key = key(area, path);
    int slot = slot(key);
    if (keys[slot] == 0) {
      keys[slot] = key;
      parts[slot] = part;
      count++;
    }
  }

  /** The number of the part, or -1. */
  int find(StoredFile.Area area, String path) {
    int slot = slot(key(area, path));
    return keys[slot] == 0 ? -1 : parts[slot];
  }

  private long key(StoredFile.Area area, String path) {
    byte[] name = (area.label() + ":" + path).getBytes(StandardCharsets.UTF_8);
    long key = hash.of(name, 0, name.length).high();
    return key == 0 ? 1 : key;
  }

  private int slot(long key) {
    int mask = keys.length - 1;
    int slot = (int) key & mask;
    while (keys[slot] != 0 && keys[slot] != key) {
      slot = slot + 1 & mask;
    }
    return slot;
  }

  private void grow() {
    long[] oldKeys = keys;
    int[] oldParts = parts;
    keys = new long[oldKeys.length * 2];
    parts = new int[keys.length];
    for (int i = 0; i < oldKeys.length; i++) {
      if (oldKeys[i] != 0) {
        int slot = slot(oldKeys[i]);
        keys[slot] = oldKeys[i];
        parts[slot] = oldParts[i];
      }
    }
  }
}
