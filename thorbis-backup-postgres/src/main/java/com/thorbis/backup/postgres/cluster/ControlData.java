package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * What {@code global/pg_control} of a running server says, on machines that store the lowest byte
 * first (pg_control.h of versions 14 to 18).
 *
 * @param systemId the system identifier
 * @param catalogVersion the version of the catalogue, as in the names of tablespaces' folders
 * @param state what the server does, or did last, by its number
 * @param redo where the last checkpoint began
 * @param timeline the timeline of the last checkpoint
 */
public record ControlData(
    long systemId, int catalogVersion, int state, Lsn redo, Timeline timeline) {
  /** Where it lies. */
  public static final String PATH = "global/pg_control";

  /** How long the file is. */
  public static final int MOST_BYTES = 8192;

  private static final int CATALOG_VERSION = 12;
  private static final int STATE = 16;
  private static final int REDO = 40;
  private static final int TIMELINE = 48;
  private static final int LAST_BEFORE_18 = 288;
  private static final int LAST_SINCE_18 = 292;
  private static final int FIRST_WITH_SIGNEDNESS = 1800;
  private static final int STOPPED_IN_RECOVERY = 2;
  private static final int IN_ARCHIVE_RECOVERY = 5;
  private static final int IN_PRODUCTION = 6;

  /** Reads it; empty if its checksum is wrong, as of a file that is being written. */
  public static Optional<ControlData> parse(byte[] content) {
    if (content.length < LAST_SINCE_18 + Integer.BYTES) {
      return Optional.empty();
    }
    ByteBuffer bytes = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    int covered =
        bytes.getInt(Long.BYTES) >= FIRST_WITH_SIGNEDNESS ? LAST_SINCE_18 : LAST_BEFORE_18;
    CRC32C crc = new CRC32C();
    crc.update(content, 0, covered);
    int timeline = bytes.getInt(TIMELINE);
    if ((int) crc.getValue() != bytes.getInt(covered) || timeline == 0) {
      return Optional.empty();
    }
    return Optional.of(
        new ControlData(
            bytes.getLong(0),
            bytes.getInt(CATALOG_VERSION),
            bytes.getInt(STATE),
            new Lsn(bytes.getLong(REDO)),
            new Timeline(timeline)));
  }

  /** Whether a running server is a standby, or recovers. */
  public boolean inRecovery() {
    return state != IN_PRODUCTION;
  }

  /** Whether it may still ask for log from an archive, running or not. */
  public boolean asksForLog() {
    return state == IN_ARCHIVE_RECOVERY || state == STOPPED_IN_RECOVERY;
  }

  /** What a server of this version calls its folder in a tablespace. */
  public String tablespaceFolder(int majorVersion) {
    return "PG_" + majorVersion + "_" + catalogVersion;
  }
}
