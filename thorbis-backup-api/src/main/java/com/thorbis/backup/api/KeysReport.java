package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * The keys of a repository, and who opens them, by what is stored.
 *
 * @param trees the repository's own first, then one for each source
 */
public record KeysReport(List<Tree> trees) {
  /** Copies the list. */
  public KeysReport {
    trees = List.copyOf(trees);
  }

  /**
   * A line of keys, of which the last seals what is new.
   *
   * @param id 32 hexadecimal digits
   * @param source whose backups and log it seals; empty: it seals the catalogue
   * @param epochs oldest first
   */
  public record Tree(String id, Optional<String> source, List<Epoch> epochs) {
    /** Copies the list. */
    public Tree {
      epochs = List.copyOf(epochs);
    }
  }

  /**
   * One key of a tree. Older ones stay as long as anything that was sealed under them.
   *
   * @param number 1 for the first
   * @param since from when on it sealed what was new, by the store's time; in repositories of early
   *     builds that of the first key is when the repository was made, by its maker's clock
   * @param recipients each of which alone opens it
   * @param problems what of its slots is missing or damaged
   */
  public record Epoch(
      int number, Instant since, List<Recipient> recipients, List<String> problems) {
    /** Copies the lists. */
    public Epoch {
      recipients = List.copyOf(recipients);
      problems = List.copyOf(problems);
    }
  }

  /**
   * Somebody or something that opens a key.
   *
   * @param scheme what kind
   * @param keyId which of that kind, without secrets
   * @param configured whether it is configured here
   */
  public record Recipient(String scheme, String keyId, boolean configured) {}
}
