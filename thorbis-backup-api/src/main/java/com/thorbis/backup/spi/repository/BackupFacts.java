package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What an engine says of a backup when it is whole.
 *
 * @param log from where replay must begin to where it becomes consistent; of a dump both are the
 *     log's position when its snapshot was taken. Empty if the source has no server
 * @param startedAt when it began, by the server's clock where there is one
 * @param stoppedAt when it ended, by the server's clock where there is one
 * @param tablespaces every tablespace besides the two built in
 * @param attributes further facts under stable dotted names, such as {@code
 *     postgres.max-connections}
 * @param warnings what needs a look
 */
public record BackupFacts(
    Optional<WalRange> log,
    Instant startedAt,
    Instant stoppedAt,
    List<Tablespace> tablespaces,
    Map<String, String> attributes,
    List<String> warnings) {
  /** Copies the collections. */
  public BackupFacts {
    tablespaces = List.copyOf(tablespaces);
    attributes = Collections.unmodifiableMap(new LinkedHashMap<>(attributes));
    warnings = List.copyOf(warnings);
  }

  /** Of a server's. */
  public BackupFacts(
      Lsn startLsn,
      Lsn stopLsn,
      Timeline timeline,
      Instant startedAt,
      Instant stoppedAt,
      List<Tablespace> tablespaces,
      Map<String, String> attributes,
      List<String> warnings) {
    this(
        Optional.of(new WalRange(timeline, startLsn, stopLsn)),
        startedAt,
        stoppedAt,
        tablespaces,
        attributes,
        warnings);
  }

  /** Of a source that has no server. */
  public static BackupFacts withoutServer(
      Instant startedAt, Instant stoppedAt, Map<String, String> attributes, List<String> warnings) {
    return new BackupFacts(Optional.empty(), startedAt, stoppedAt, List.of(), attributes, warnings);
  }

  /** Where replay must begin. */
  public Lsn startLsn() {
    return requireLog().start();
  }

  /** Where it becomes consistent. */
  public Lsn stopLsn() {
    return requireLog().end();
  }

  /** The timeline of both. */
  public Timeline timeline() {
    return requireLog().timeline();
  }

  private WalRange requireLog() {
    return log.orElseThrow(
        () -> BackupException.from(RepositoryException.noServer("The source of this backup")));
  }

  /**
   * A tablespace.
   *
   * @param oid its object id
   * @param name its name
   * @param location where the source has it; a relative one lies inside the data directory
   */
  public record Tablespace(long oid, String name, String location) {}
}
