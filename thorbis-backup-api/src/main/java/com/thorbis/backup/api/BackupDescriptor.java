package com.thorbis.backup.api;

import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** What the catalogue says of a backup. Methods may be added; the SDK implements it. */
public interface BackupDescriptor {
  /** Its name for ever. */
  BackupId id();

  /** The source's name. */
  String source();

  /** The life of the source it was taken of. */
  String incarnation();

  /** Which cluster it was taken of; empty if its source has no server. */
  default Optional<ClusterIdentity> server() {
    return Optional.of(cluster());
  }

  /** Whether it holds the files of a cluster, which log can be replayed on. */
  default boolean physical() {
    return type().physical() && server().isPresent();
  }

  /**
   * Which cluster it was taken of.
   *
   * @throws BackupException code {@code source.no-server} if {@link #server} is empty
   */
  ClusterIdentity cluster();

  /** What it read and referenced. */
  BackupType type();

  /** The backup it was compared with; empty for a full one or a dump. */
  Optional<BackupId> base();

  /** How far it has come. */
  BackupStatus status();

  /** The operator's words for it. */
  Optional<String> label();

  /** When it began, by the server's clock where there is one. */
  Instant startedAt();

  /** When it ended, by the server's clock where there is one. */
  Instant stoppedAt();

  /**
   * Where replay begins.
   *
   * @throws BackupException code {@code source.no-server} if {@link #server} is empty
   */
  Lsn startLsn();

  /**
   * Where the cluster is consistent.
   *
   * @throws BackupException code {@code source.no-server} if {@link #server} is empty
   */
  Lsn stopLsn();

  /**
   * The timeline of both.
   *
   * @throws BackupException code {@code source.no-server} if {@link #server} is empty
   */
  Timeline timeline();

  /** How many files. */
  long files();

  /** Plain bytes of all files, read or referenced. */
  default long bytes() {
    return bytesRead();
  }

  /** Plain bytes read from the source. */
  long bytesRead();

  /** Plain bytes that are stored by this backup and not referenced. */
  long bytesChanged();

  /** Sealed bytes that this backup added to the repository. */
  long bytesStored();

  /** How long it took, in milliseconds. */
  long durationMillis();

  /** Where it is stored, described. */
  List<String> copies();

  /**
   * The copies that let go of it by a retention of their own. No other backup builds on one that
   * any copy let go of: it would lack content there.
   */
  default List<String> letGoBy() {
    return List.of();
  }

  /** The backup that this one replaced, of the same content, when it was sealed anew. */
  default Optional<BackupId> rekeyedFrom() {
    return Optional.empty();
  }

  /**
   * Whether it leaves out what other backups of the source hold: it was asked to, or could not read
   * a place of secrets. Retention never lets go of a whole one for its sake.
   */
  default boolean partial() {
    return false;
  }

  /** What needs a look. */
  List<String> warnings();
}
