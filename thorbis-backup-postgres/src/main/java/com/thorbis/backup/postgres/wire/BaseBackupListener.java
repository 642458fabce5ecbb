package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import java.io.IOException;
import java.util.List;

/**
 * Takes a base backup as it comes, on the connection's thread. Arrays are not kept after return.
 */
public interface BaseBackupListener {
  /**
   * It begins.
   *
   * @param start where its WAL begins
   * @param archives what will come
   * @param expectedBytes the server's estimate
   */
  void begin(WalPosition start, List<Archive> archives, long expectedBytes) throws IOException;

  /** An archive in tar format begins. */
  void archive(Archive archive) throws IOException;

  /** The archive's next bytes. */
  void data(byte[] bytes, int offset, int length) throws IOException;

  /** The archive is over. */
  void endArchive() throws IOException;

  /** The next bytes of the server's manifest, which comes last. */
  void manifest(byte[] bytes, int offset, int length) throws IOException;

  /** The manifest is over. */
  void endManifest() throws IOException;

  /**
   * The data directory or a tablespace.
   *
   * @param oid the tablespace's object id; 0 for the data directory
   * @param location where the server has it; empty for the data directory
   */
  record Archive(long oid, String location) {}
}
