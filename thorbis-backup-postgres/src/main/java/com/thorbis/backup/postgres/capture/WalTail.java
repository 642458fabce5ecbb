package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.WalStream;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.Optional;

/** Reads a stretch of WAL from the server, which is kept nowhere. */
public final class WalTail {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final PostgresSettings settings;
  private final Cancellation cancellation;

  /** Of the configured server. */
  public WalTail(PostgresSettings settings, Cancellation cancellation) {
    this.settings = settings;
    this.cancellation = cancellation;
  }

  /** Takes WAL in order. */
  @FunctionalInterface
  public interface Sink {
    /** The next bytes; the array is valid during the call. */
    void take(byte[] bytes, int offset, int length);
  }

  /**
   * Hands over the bytes of {@code timeline} from {@code from} to {@code to}, which the server must
   * have written.
   *
   * @return false if the timeline ended before
   */
  public boolean read(Timeline timeline, Lsn from, Lsn to, Sink sink) throws IOException {
    // Closing the connection ends the stream.
    try (ReplicationConnection connection = ReplicationConnection.open(settings, cancellation)) {
      WalStream stream = connection.startStreaming(Optional.empty(), from, timeline);
      Lsn at = from;
      while (at.compareTo(to) < 0) {
        cancellation.check();
        switch (stream.poll()) {
          case DATA -> {
            if (!stream.dataStart().equals(at)) {
              throw new IOException("WAL from " + stream.dataStart() + " where " + at + " follows");
            }
            int length = (int) Math.min(stream.dataLength(), to.value() - at.value());
            sink.take(stream.data(), stream.dataOffset(), length);
            at = at.plus(length);
          }
          case END_OF_TIMELINE -> {
            return false;
          }
          case KEEPALIVE -> {
            if (stream.replyRequested()) {
              stream.report(at, new Lsn(0), false);
            }
          }
          case NOTHING -> {
            if (System.nanoTime() - stream.lastReceived() > PATIENCE.toNanos()) {
              throw new SocketTimeoutException("The server sends no WAL from " + at + " on");
            }
          }
        }
      }
      return true;
    }
  }
}
