package com.thorbis.backup.api;

import java.nio.file.Path;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What a restore did.
 *
 * @param backup what it started from
 * @param targetDirectory the data directory
 * @param files how many files were written
 * @param bytesWritten plain bytes written
 * @param bytesFetched sealed bytes read from the repository
 * @param bytesKept plain bytes that lay there already and were right
 * @param removed how many files and folders did not belong there and were removed
 * @param walSegments how many segments the server fetched; only if it was started
 * @param reached the proven position; only if the server was started
 * @param port where the started server listens
 * @param durationMillis how long it took
 * @param stages how long each stage took, in milliseconds, in order
 * @param next what to do next, a line each
 */
public record RestoreReport(
    BackupId backup,
    Path targetDirectory,
    long files,
    long bytesWritten,
    long bytesFetched,
    long bytesKept,
    long removed,
    OptionalLong walSegments,
    Optional<Reached> reached,
    OptionalInt port,
    long durationMillis,
    Map<String, Long> stages,
    List<String> next) {
  /** Copies the collections. */
  public RestoreReport {
    stages = Collections.unmodifiableMap(new LinkedHashMap<>(stages));
    next = List.copyOf(next);
  }

  /**
   * Where recovery ended, as the server itself says.
   *
   * @param lsn the last replayed position
   * @param time the last replayed commit, if there was one
   * @param timeline the timeline the server is on
   */
  public record Reached(Lsn lsn, Optional<Instant> time, Timeline timeline) {}
}
