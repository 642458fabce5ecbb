package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.CopiesReport;
import com.thorbis.backup.api.HealReport;
import com.thorbis.backup.api.SyncReport;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * Backups and WAL of any number of sources. Safe for several threads; several processes may write
 * to one repository. Failures are {@link RepositoryException}s, {@code StorageException}s and
 * {@code KeyException}s.
 */
public interface Repository extends AutoCloseable {
  /** Its id, 32 hexadecimal digits. */
  String id();

  /** Reads commits that other processes added since. */
  void refresh() throws IOException;

  /** Every registered source. */
  List<SourceInfo> sources();

  /** The source of this name. */
  Optional<SourceInfo> source(String name);

  /**
   * Registers a source with its own key tree and first incarnation; again with the same cluster: no
   * change.
   *
   * @throws RepositoryException code {@code source.identity-mismatch} if the name belongs to
   *     another cluster
   */
  SourceInfo register(String name, String type, ClusterIdentity cluster) throws IOException;

  /** Starts a new incarnation of a source at a fork from an earlier one. */
  SourceInfo adopt(String name, ClusterIdentity cluster, SourceInfo.Fork fork) throws IOException;

  /** All committed backups, oldest first by commit; of one source if given. */
  List<BackupDescriptor> backups(Optional<String> source);

  /** A committed backup. */
  Optional<BackupDescriptor> backup(BackupId id);

  /**
   * Starts a backup of the source's current incarnation. Nothing of it is visible before its
   * commit.
   */
  BackupWriter begin(BackupStart start) throws IOException;

  /** Opens a committed backup for reading. */
  BackupReader open(BackupId id) throws IOException;

  /** Records that the WAL which a backup awaited is stored. */
  BackupDescriptor complete(BackupId id) throws IOException;

  /** The WAL of a source's current incarnation, reaching back through its ancestors. */
  WalArchive wal(String source) throws IOException;

  /** The WAL of one incarnation, reaching back through its ancestors. */
  WalArchive wal(String source, String incarnation) throws IOException;

  /** Checks stored objects; damage is in the report, not an exception. */
  VerifyReport verify(VerifyRequest request, RunControl control) throws IOException;

  /** What each copy holds, and how all of them stand against 3-2-1-1-0. Changes nothing. */
  default CopiesReport copies(RunControl control) throws IOException {
    throw new UnsupportedOperationException("copies");
  }

  /** Looks whether each copy can be asked and is what it should be. Changes nothing. */
  default List<CheckItem> checkCopies() throws IOException {
    return List.of();
  }

  /** Gives every copy what it lacks of what the others hold; what failed is in the report. */
  default SyncReport syncCopies(RunControl control) throws IOException {
    throw new UnsupportedOperationException("syncCopies");
  }

  /** Verifies every copy and repairs what is damaged from one that has it whole. */
  default HealReport healCopies(RunControl control) throws IOException {
    throw new UnsupportedOperationException("healCopies");
  }

  @Override
  void close() throws IOException;
}
