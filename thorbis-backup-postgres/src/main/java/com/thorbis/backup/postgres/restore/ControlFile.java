package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What {@code global/pg_control} says of the cluster, on machines that store the lowest byte first.
 * The fields read lie at the same place in PostgreSQL 14 to 18.
 *
 * @param systemId the system identifier
 * @param limits the settings that a server in recovery must have at least, by name
 */
record ControlFile(long systemId, Map<String, Integer> limits) {
  static final String PATH = "global/pg_control";

  private static final int LEAST_BYTES = 296;
  private static final int MAX_CONNECTIONS = 180;

  /** Reads it. */
  static ControlFile parse(byte[] content) {
    if (content.length < LEAST_BYTES) {
      throw BackupException.of(
              "restore.control-file",
              FailureKind.DAMAGED,
              "The backup's " + PATH + " has only " + content.length + " bytes")
          .remedy("Restore another backup.")
          .build();
    }
    ByteBuffer bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    Map<String, Integer> limits = new LinkedHashMap<>();
    int at = MAX_CONNECTIONS;
    for (String name :
        new String[] {
          "max_connections",
          "max_worker_processes",
          "max_wal_senders",
          "max_prepared_transactions",
          "max_locks_per_transaction"
        }) {
      int value = bytes.getInt(at);
      if (value >= 0 && value <= 0x3FFFF) { // PostgreSQL's own bound of max_connections
        limits.put(name, value);
      }
      at += Integer.BYTES;
    }
    return new ControlFile(bytes.getLong(0), limits);
  }
}
