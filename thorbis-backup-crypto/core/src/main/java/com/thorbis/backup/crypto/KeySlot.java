package com.thorbis.backup.crypto;

import com.thorbis.backup.spi.crypto.KeyContext;
import java.util.Map;
import java.util.Objects;

/**
 * One epoch of one key tree of one repository: the place of a key, and what its wraps are bound to.
 *
 * @param repository the repository's id
 * @param tree the key tree's id
 * @param epoch 1 or more
 */
public record KeySlot(ObjectId repository, ObjectId tree, int epoch) {
  /** Checks the parts. */
  public KeySlot {
    Objects.requireNonNull(repository, "repository");
    Objects.requireNonNull(tree, "tree");
    if (epoch < 1) {
      throw new IllegalArgumentException("Not an epoch: " + epoch);
    }
  }

  /** The slot of the tree's following epoch. */
  public KeySlot next() {
    return new KeySlot(repository, tree, Math.incrementExact(epoch));
  }

  /** What every wrap of the slot's key is bound to. */
  public KeyContext context() {
    return KeyContext.of(
        Map.of(
            "format", "thorbis/v1",
            "purpose", "tree-key",
            "repository", repository.toString(),
            "tree", tree.toString(),
            "epoch", Integer.toString(epoch)));
  }

  @Override
  public String toString() {
    return "key tree " + tree + " epoch " + epoch;
  }
}
