package com.thorbis.backup.postgres.backup;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Which earlier backup a new one builds on.
 *
 * @param base the backup; null if none can be built on
 * @param facts what was recorded with it
 * @param refused why the one that was asked for cannot be built on; empty if there was none
 */
record BaseChoice(
    @Nullable BackupDescriptor base, @Nullable BackupFacts facts, Optional<String> refused) {
  /** What must be as it was, or pages do not mean the same. */
  private static final List<String> UNALTERED =
      List.of("postgres.data-checksums", "postgres.block-size");

  /**
   * The newest backup of the source's present life that the server's history leads on from.
   *
   * @param type differential: only full ones count
   * @param server who is there now, and where
   * @param history the line of its timeline
   * @param now what is recorded of the server now
   */
  static BaseChoice of(
      BackupType type,
      Repository repository,
      SourceInfo source,
      ClusterIdentity cluster,
      SystemIdentity server,
      TimelineHistory history,
      Map<String, String> now)
      throws IOException {
    List<BackupDescriptor> backups = repository.backups(Optional.of(source.name()));
    Optional<String> refused = Optional.empty();
    for (int i = backups.size() - 1; i >= 0; i--) {
      BackupDescriptor backup = backups.get(i);
      if (!backup.physical()
          || type == BackupType.DIFFERENTIAL && backup.type() != BackupType.FULL) {
        continue;
      }
      Optional<String> problem = problem(backup, source, cluster, server, history);
      if (problem.isEmpty()) {
        try (BackupReader reader = repository.open(backup.id())) {
          BackupFacts facts = reader.facts();
          problem = altered(facts.attributes(), now);
          if (problem.isEmpty()) {
            return new BaseChoice(backup, facts, Optional.empty());
          }
        } catch (RepositoryException e) {
          if (!e.code().equals("repository.sealed")) {
            throw e;
          }
          problem = Optional.of(String.valueOf(e.getMessage()));
        }
      }
      if (refused.isEmpty()) {
        refused = Optional.of("backup " + backup.id() + " cannot be built on: " + problem.get());
      }
    }
    return new BaseChoice(null, null, refused);
  }

  private static Optional<String> problem(
      BackupDescriptor backup,
      SourceInfo source,
      ClusterIdentity cluster,
      SystemIdentity server,
      TimelineHistory history) {
    if (!backup.status().restorable()) {
      return Optional.of("its WAL is not stored yet");
    }
    if (!backup.letGoBy().isEmpty()) {
      return Optional.of(
          String.join(", ", backup.letGoBy()) + " let go of it by a retention of that copy");
    }
    if (!backup.incarnation().equals(source.current().id())) {
      return Optional.of("it is of another life of the cluster");
    }
    if (!backup.cluster().equals(cluster)) {
      return Optional.of("it is of another cluster or version");
    }
    Optional<TimelineHistory.Piece> piece =
        history.pieces().stream()
            .filter(one -> one.timeline().equals(backup.timeline()))
            .findFirst();
    boolean onTheLine =
        piece.isPresent()
            && piece.get().end().filter(end -> backup.stopLsn().compareTo(end) > 0).isEmpty()
            && backup.stopLsn().compareTo(server.position()) <= 0;
    return onTheLine
        ? Optional.empty()
        : Optional.of(
            "it ends at "
                + backup.stopLsn()
                + " of timeline "
                + backup.timeline()
                + ", which does not lead to where the server is, "
                + server.position()
                + " of timeline "
                + server.timeline());
  }

  private static Optional<String> altered(Map<String, String> then, Map<String, String> now) {
    for (String name : UNALTERED) {
      String before = then.getOrDefault(name, "unknown");
      String after = now.getOrDefault(name, "unknown");
      if (!before.equals(after) || before.equals("unknown")) {
        return Optional.of(
            name.replace("postgres.", "").replace('-', '_')
                + " was "
                + before
                + " and is "
                + after);
      }
    }
    return Optional.empty();
  }
}
