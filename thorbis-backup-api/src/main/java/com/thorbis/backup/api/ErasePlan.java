package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What erasing a source would do next.
 *
 * @param source its name
 * @param step what would be done now
 * @param notBefore when its keys may be destroyed, by the store's clock; empty if that was not
 *     asked for yet
 * @param epochs how many keys it has
 * @param slots how many slots would go, on each copy
 * @param backups those that could never be read again
 * @param bytes how much they stored
 * @param obstacles what would keep its keys from being destroyed if it still stood then, each with
 *     until when
 */
public record ErasePlan(
    String source,
    Step step,
    Optional<Instant> notBefore,
    int epochs,
    int slots,
    List<BackupId> backups,
    long bytes,
    List<String> obstacles) {
  /** Copies the lists. */
  public ErasePlan {
    backups = List.copyOf(backups);
    obstacles = List.copyOf(obstacles);
  }

  /** One run of an erasure. Constants may be added. */
  public enum Step {
    /** Write down that it is wanted. */
    REQUEST("request"),
    /** Nothing: it is too early. */
    WAIT("wait"),
    /** Destroy the keys. */
    DESTROY("destroy"),
    /** Remove the slots that an earlier run could not. */
    FINISH("finish"),
    /** Nothing: it was erased. */
    NONE("none");

    private final String label;

    Step(String label) {
      this.label = label;
    }

    /** The name on the command line; never changes. */
    public String label() {
      return label;
    }
  }
}
