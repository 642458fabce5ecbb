package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import java.util.List;
import java.util.Optional;

/**
 * A source as the repository knows it.
 *
 * @param name the host's name for it
 * @param type the engine's, such as {@code postgres}
 * @param incarnations its lives, oldest first; never empty
 */
public record SourceInfo(String name, String type, List<Incarnation> incarnations) {
  /** Copies the list. */
  public SourceInfo {
    incarnations = List.copyOf(incarnations);
  }

  /** The life that backups and WAL are taken of now. */
  public Incarnation current() {
    return incarnations.get(incarnations.size() - 1);
  }

  /**
   * One unbroken life of a source.
   *
   * @param id 16 hexadecimal digits, drawn at random
   * @param server which cluster; empty if the source has no server, and so no log and one life
   * @param fork where it left an earlier life; empty for the first, and after {@code pg_upgrade}
   */
  public record Incarnation(String id, Optional<ClusterIdentity> server, Optional<Fork> fork) {
    /** A life of a cluster. */
    public Incarnation(String id, ClusterIdentity cluster, Optional<Fork> fork) {
      this(id, Optional.of(cluster), fork);
    }

    /**
     * Which cluster.
     *
     * @throws BackupException code {@code source.no-server} if the source has none
     */
    public ClusterIdentity cluster() {
      return server.orElseThrow(
          () ->
              BackupException.from(
                  RepositoryException.noServer("The source of incarnation " + id)));
    }
  }

  /**
   * Where a restored cluster that was adopted left the life it was restored from.
   *
   * @param parent the incarnation it left
   * @param timeline the parent's timeline it left
   * @param position the last position they share
   */
  public record Fork(String parent, Timeline timeline, Lsn position) {}
}
