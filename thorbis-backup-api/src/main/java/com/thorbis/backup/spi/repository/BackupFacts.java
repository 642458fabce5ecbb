package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What an engine says of a backup when it is whole.
 *
 * @param startLsn where replay must begin
 * @param stopLsn where it becomes consistent; of a dump the same, the log's position when its
 *     snapshot was taken
 * @param timeline the timeline of both
 * @param startedAt when the server began it, by the server's clock
 * @param stoppedAt when the server ended it, by the server's clock
 * @param tablespaces every tablespace besides the two built in
 * @param attributes further facts under stable dotted names, such as {@code
 *     postgres.max-connections}
 * @param warnings what needs a look
 */
public record BackupFacts(
    Lsn startLsn,
    Lsn stopLsn,
    Timeline timeline,
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

  /**
   * A tablespace.
   *
   * @param oid its object id
   * @param name its name
   * @param location where the source has it; a relative one lies inside the data directory
   */
  public record Tablespace(long oid, String name, String location) {}
}
