package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * How far the erasure of a source has come, and what was destroyed: the facts of a certificate. All
 * times are of the store that decides.
 *
 * @param repository the repository's id
 * @param source its name
 * @param tree the tree of its keys
 * @param requested who asked for it, and when
 * @param reason why
 * @param notBefore until when it could be taken back
 * @param erased who carried it out, and when; empty as long as everything can be read
 * @param commit the number and SHA-256 of the commit that says so
 * @param slots what was destroyed; empty as long as nothing was
 * @param unread slots of which nothing but the name is known
 * @param recipients whom the slots were for; their own keys are at their services, and still there
 * @param backups those that can never be read again
 * @param ended when no copy had a slot any more; empty as long as one may have
 * @param copies those that have none
 * @param open why it has not ended; empty if it has
 */
public record Erasure(
    String repository,
    String source,
    String tree,
    Act requested,
    String reason,
    Instant notBefore,
    Optional<Act> erased,
    Optional<Commit> commit,
    List<Slot> slots,
    List<String> unread,
    List<String> recipients,
    List<BackupId> backups,
    Optional<Instant> ended,
    List<CopyWithout> copies,
    List<String> open) {
  /** Copies the lists. */
  public Erasure {
    slots = List.copyOf(slots);
    unread = List.copyOf(unread);
    recipients = List.copyOf(recipients);
    backups = List.copyOf(backups);
    copies = List.copyOf(copies);
    open = List.copyOf(open);
  }

  /** What somebody did. */
  public record Act(String by, Instant at) {}

  /** A commit, as it is stored. */
  public record Commit(long number, String sha256) {}

  /**
   * A wrap of a key.
   *
   * @param object where it lay
   * @param sha256 of its bytes
   * @param length of its bytes
   */
  public record Slot(String object, String sha256, long length) {}

  /**
   * A copy that has none of the slots.
   *
   * @param name its name
   * @param id by which the repository knows it; empty in the only one if that has none
   * @param at when it said so
   * @param recoverable how many of them its store keeps and can bring back
   */
  public record CopyWithout(String name, Optional<String> id, Instant at, long recoverable) {}

  /** How far it is. */
  public Stage stage() {
    return erased.isEmpty() ? Stage.REQUESTED : ended.isEmpty() ? Stage.ERASING : Stage.ERASED;
  }

  /** How far an erasure is. Constants may be added. */
  public enum Stage {
    /** Everything can be read, and it can be taken back. */
    REQUESTED("requested"),
    /** It cannot be taken back, and a copy may still have slots. */
    ERASING("erasing"),
    /** No copy has a slot. */
    ERASED("erased");

    private final String label;

    Stage(String label) {
      this.label = label;
    }

    /** The name on the command line; never changes. */
    public String label() {
      return label;
    }
  }
}
