package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.postgres.wire.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Remembers length and checksum of each file under a hash of its path: twenty bytes for each, so
 * that a million files need some tens of MiB.
 */
final class ReceivedFiles {
  private static final int LEAST_CAPACITY = 1 << 12;
  private static final int MOST_FILES = 1 << 26;
  private static final long TAKEN = -1;

  private final MessageDigest sha256;
  private long[] paths = new long[LEAST_CAPACITY];
  private long[] lengths = new long[LEAST_CAPACITY];
  private int[] checksums = new int[LEAST_CAPACITY];
  private int count;
  private int taken;

  ReceivedFiles() {
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("The Java runtime has no SHA-256", e);
    }
  }

  /** Adds a file, which must be new. */
  void add(String path, long length, int checksum) throws ProtocolException {
    if (count >= MOST_FILES) {
      throw new ProtocolException("more files than a cluster can have");
    }
    if (count * 2 >= paths.length) {
      grow();
    }
    long key = key(path);
    int slot = slot(key);
    if (paths[slot] != 0) {
      throw new ProtocolException("the file " + path + " twice");
    }
    paths[slot] = key;
    lengths[slot] = length;
    checksums[slot] = checksum;
    count++;
  }

  /** Takes a file out if it was added exactly so. */
  boolean take(String path, long length, int checksum) {
    int slot = slot(key(path));
    if (paths[slot] == 0 || lengths[slot] != length || checksums[slot] != checksum) {
      return false;
    }
    lengths[slot] = TAKEN;
    taken++;
    return true;
  }

  /** How many were added and not taken. */
  int left() {
    return count - taken;
  }

  private long key(String path) {
    long key = ByteBuffer.wrap(sha256.digest(path.getBytes(StandardCharsets.UTF_8))).getLong();
    return key == 0 ? 1 : key;
  }

  /** Where the key is, or belongs. */
  private int slot(long key) {
    int mask = paths.length - 1;
    int slot = (int) key & mask;
    while (paths[slot] != 0 && paths[slot] != key) {
      slot = slot + 1 & mask;
    }
    return slot;
  }

  private void grow() {
    long[] oldPaths = paths;
    long[] oldLengths = lengths;
    int[] oldChecksums = checksums;
    paths = new long[oldPaths.length * 2];
    lengths = new long[paths.length];
    checksums = new int[paths.length];
    for (int i = 0; i < oldPaths.length; i++) {
      if (oldPaths[i] != 0) {
        int slot = slot(oldPaths[i]);
        paths[slot] = oldPaths[i];
        lengths[slot] = oldLengths[i];
        checksums[slot] = oldChecksums[i];
      }
    }
  }
}
