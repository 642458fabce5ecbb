package com.thorbis.backup.storage.internal.wal;

import com.thorbis.backup.spi.repository.RepositoryException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** The parts of one segment as far as they are known; parts are only ever added. */
final class PartChain {
  /**
   * A part.
   *
   * @param header what it says
   * @param sha256 of the object as stored; empty where only its header was read
   */
  record Part(WalHeader header, String sha256) {}

  private final List<Part> parts = new CopyOnWriteArrayList<>();

  /** The offset after the last known part. */
  int end() {
    return parts.isEmpty() ? 0 : parts.get(parts.size() - 1).header().end();
  }

  @Nullable Part last() {
    return parts.isEmpty() ? null : parts.get(parts.size() - 1);
  }

  List<Part> parts() {
    return parts;
  }

  /** The part that holds the byte at {@code offset}. */
  @Nullable Part covering(int offset) {
    for (Part part : parts) {
      if (part.header().start() <= offset && offset < part.header().end()) {
        return part;
      }
    }
    return null;
  }

  void add(Part part, String object) throws RepositoryException {
    if (part.header().start() != end()) {
      throw RepositoryException.damaged(object, "starts where no part ends", null);
    }
    Part before = last();
    String expected = before == null ? "" : before.sha256();
    if ((before == null || !expected.isEmpty()) && !part.header().predecessor().equals(expected)) {
      throw RepositoryException.damaged(object, "follows another part than is stored", null);
    }
    parts.add(part);
  }
}
