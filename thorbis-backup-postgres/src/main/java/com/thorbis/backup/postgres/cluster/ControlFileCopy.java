package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.Optional;

/** A copy of a running server's {@code global/pg_control} that is whole. */
public final class ControlFileCopy {
  private static final int ATTEMPTS = 20;
  private static final long PAUSE_MILLIS = 20;

  private final byte[] content;
  private final ControlData data;

  private ControlFileCopy(byte[] content, ControlData data) {
    this.content = content;
    this.data = data;
  }

  /**
   * Reads it, again and again for a moment where it is caught while it is written.
   *
   * @throws BackupException code {@code postgres.control-file} if it is not there or never whole
   */
  public static ControlFileCopy of(ClusterFiles files) throws IOException {
    for (int attempt = 1; ; attempt++) {
      Optional<byte[]> content = files.read(ControlData.PATH, ControlData.MOST_BYTES);
      if (content.isEmpty()) {
        throw unusable("is not there");
      }
      Optional<ControlData> data = ControlData.parse(content.get());
      if (data.isPresent()) {
        return new ControlFileCopy(content.get(), data.get());
      }
      if (attempt == ATTEMPTS) {
        throw unusable("has a wrong checksum, or is of a version that is not known");
      }
      try {
        Thread.sleep(PAUSE_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        InterruptedIOException interrupted = new InterruptedIOException("Interrupted");
        interrupted.initCause(e);
        throw interrupted;
      }
    }
  }

  /** Its bytes, which are the caller's. */
  public byte[] content() {
    return content.clone();
  }

  /** What it says. */
  public ControlData data() {
    return data;
  }

  private static BackupException unusable(String problem) {
    return BackupException.of(
            "postgres.control-file",
            FailureKind.DAMAGED,
            "The server's " + ControlData.PATH + " " + problem)
        .remedy("Look at it with pg_controldata; without it the server will not start again.")
        .build();
  }
}
