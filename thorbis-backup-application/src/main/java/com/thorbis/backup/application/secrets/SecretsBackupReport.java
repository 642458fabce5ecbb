package com.thorbis.backup.application.secrets;

import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * What a backup of secrets holds, and what not. Holds no value.
 *
 * @param origin which set it is; to be remembered, to notice when an older one takes its place
 * @param status whether something is missing
 * @param startedAt when it began
 * @param stoppedAt when the set was written
 * @param secretsCount how many values are in the set
 * @param sources what came of each place, in the order they were given
 * @param gaps what a restore from this set alone will not bring back
 */
public record SecretsBackupReport(
    SetOrigin origin,
    SecretsStatus status,
    Instant startedAt,
    Instant stoppedAt,
    int secretsCount,
    List<SourceOutcome> sources,
    List<Gap> gaps) {
  /** Copies the lists. */
  public SecretsBackupReport {
    sources = List.copyOf(sources);
    gaps = List.copyOf(gaps);
  }

  /**
   * What came of a place.
   *
   * @param type the kind of place
   * @param instance which of its kind
   * @param listed how many secrets it has of each class; empty if it could not be looked at
   * @param sealed how many values are in the set
   * @param limits what it does not give back, whatever it holds
   */
  public record SourceOutcome(
      String type,
      String instance,
      Map<Readability, Integer> listed,
      int sealed,
      List<Limit> limits) {
    /** Copies the collections. */
    public SourceOutcome {
      listed = Map.copyOf(listed);
      limits = List.copyOf(limits);
    }
  }

  /**
   * Something that is not in the set.
   *
   * @param source the kind and the place
   * @param name the secret; empty for a place that could not be looked at
   * @param code why: of the failure, or {@code secrets.} and the class
   * @param message for people
   * @param remedy what can be done about it
   */
  public record Gap(String source, String name, String code, String message, String remedy) {}
}
