package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Replaces a damaged object by a whole one. The damaged one is removed only when it was found
 * damaged twice and another copy was just read whole, so that nothing good is ever removed.
 */
public final class Healing {
  private static final Logger LOG = LoggerFactory.getLogger(Healing.class);

  private final Proof proof;
  private final Transfer transfer;

  /** Judges with {@code proof}. */
  public Healing(Proof proof) {
    this.proof = proof;
    this.transfer = new Transfer(proof);
  }

  /**
   * What came of it.
   *
   * @param healed whether the copy has it whole now
   * @param from where it was taken from, if something was written
   * @param problem why it is not healed
   */
  public record Result(boolean healed, Optional<String> from, String problem) {
    private static Result failed(String problem) {
      return new Result(false, Optional.empty(), problem);
    }
  }

  /** The first of {@code others} that has an object whole. */
  public Optional<Copy> whole(ObjectKey key, List<Copy> others) throws IOException {
    if (!proof.covers(key)) {
      return Optional.empty();
    }
    for (Copy other : others) {
      try {
        if (transfer.isWhole(key, other.store())) {
          return Optional.of(other);
        }
      } catch (StorageException | RepositoryException e) {
        LOG.debug("{} is no help for {}: {}", other.name(), key, e.getMessage());
      }
    }
    return Optional.empty();
  }

  /** A copy that has it where it must be brought back first. */
  private static Optional<String> frozen(ObjectKey key, List<Copy> others) {
    for (Copy other : others) {
      try {
        if (other.store().head(key).filter(info -> !info.readable()).isPresent()) {
          return Optional.of(other.name());
        }
      } catch (IOException e) {
        LOG.debug("{} is no help for {}: {}", other.name(), key, e.getMessage());
      }
    }
    return Optional.empty();
  }

  /** Heals one object on one copy. */
  public Result heal(ObjectKey key, Copy on, List<Copy> others) throws IOException {
    Optional<Copy> good = whole(key, others);
    if (good.isEmpty()) {
      Optional<String> frozen = frozen(key, others);
      return Result.failed(
          frozen.isPresent()
              ? frozen.get() + " has it in an archive tier: run verify --thaw, and heal again"
              : "no other copy that can be read has it whole");
    }
    try {
      if (transfer.isWhole(key, on.store())) {
        return new Result(true, Optional.empty(), "");
      }
      try {
        on.store().delete(key);
      } catch (StorageException e) {
        return Result.failed("the damaged object cannot be removed there: " + e.getMessage());
      }
    } catch (StorageException.NotFound e) {
      // Lost: there is nothing to remove.
    } catch (StorageException e) {
      if (!StorageException.isOffline(e)) {
        throw e;
      }
      return Result.failed(
          "it lies in an archive tier there: run verify --thaw to know what it is, and heal again");
    } catch (RepositoryException e) {
      return Result.failed(String.valueOf(e.getMessage())); // whole, and something else
    }
    try {
      transfer.copy(key, good.get().store(), on.store());
    } catch (RepositoryException e) {
      return Result.failed(String.valueOf(e.getMessage())); // it was removed, and is there
    }
    return new Result(true, Optional.of(good.get().name()), "");
  }
}
