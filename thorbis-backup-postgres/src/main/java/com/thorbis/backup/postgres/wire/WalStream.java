package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.wire.ReplicationConnection.Patience;
import com.thorbis.backup.postgres.wire.ReplicationConnection.WalPosition;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;

/**
 * WAL as it is written. One thread reads; any may report. Until it has ended the connection is of
 * no other use.
 */
public final class WalStream {
  private static final Instant EPOCH = Instant.parse("2000-01-01T00:00:00Z");

  private final ReplicationConnection connection;
  private final MessageReader in;
  private final boolean over;
  private Lsn dataStart = new Lsn(0);
  private Lsn serverEnd = new Lsn(0);
  private Instant serverTime = Instant.EPOCH;
  private boolean replyRequested;

  WalStream(ReplicationConnection connection, boolean over) {
    this.connection = connection;
    this.in = connection.reader();
    this.over = over;
  }

  /** What came. */
  public enum Event {
    /** WAL: see {@link WalStream#dataStart}. */
    DATA,
    /** A sign of life. */
    KEEPALIVE,
    /** The timeline ends here: see {@link WalStream#nextTimeline}. */
    END_OF_TIMELINE,
    /** Nothing for a moment. */
    NOTHING
  }

  /** Waits a moment for what comes next. */
  public Event poll() throws IOException {
    if (over) {
      return Event.END_OF_TIMELINE;
    }
    int type = connection.next(Patience.NONE);
    if (type == 0) {
      return Event.NOTHING;
    }
    if (type == 'c') {
      return Event.END_OF_TIMELINE;
    }
    if (type == 'C') {
      // Its last word before it exits, with nothing of the end of a copy before it (WalSndDone).
      throw new EOFException("The server ended the stream, as it does when it is shut down");
    }
    if (type != 'd') {
      throw new ProtocolException("message '" + MessageReader.printable(type) + "' in a stream");
    }
    int tag = in.readByte();
    switch (tag) {
      case 'w' -> {
        dataStart = new Lsn(in.readLong());
        serverEnd = new Lsn(in.readLong());
        serverTime = time(in.readLong());
        return Event.DATA;
      }
      case 'k' -> {
        serverEnd = new Lsn(in.readLong());
        serverTime = time(in.readLong());
        replyRequested = in.readByte() == 1;
        return Event.KEEPALIVE;
      }
      default -> throw new ProtocolException("a stream message of kind " + tag);
    }
  }

  /** Whether more has come already. */
  public boolean holdsMore() {
    return in.holdsMore();
  }

  /** When bytes came last, by {@link System#nanoTime}. */
  public long lastReceived() {
    return in.lastReceived();
  }

  /** Where the data that came last starts. */
  public Lsn dataStart() {
    return dataStart;
  }

  /** The array that holds it; valid until the next poll. */
  public byte[] data() {
    return in.array();
  }

  /** Where it begins in {@link #data}. */
  public int dataOffset() {
    return in.position();
  }

  /** How much it is. */
  public int dataLength() {
    return in.remaining();
  }

  /** How far the server's log reached when it said so last. */
  public Lsn serverEnd() {
    return serverEnd;
  }

  /** When it said so, by its clock. */
  public Instant serverTime() {
    return serverTime;
  }

  /** Whether the last sign of life asks for one. */
  public boolean replyRequested() {
    return replyRequested;
  }

  /**
   * Tells the server how far we are. Safe for several threads.
   *
   * @param written what has reached us
   * @param durable what will survive us; the server may remove it
   * @param answer whether it shall say at once that it lives
   */
  public void report(Lsn written, Lsn durable, boolean answer) throws IOException {
    long micros = ChronoUnit.MICROS.between(EPOCH, Instant.now());
    connection
        .writer()
        .send(
            'd',
            ByteBuffer.allocate(34)
                .put((byte) 'r')
                .putLong(written.value())
                .putLong(durable.value())
                .putLong(0)
                .putLong(micros)
                .put((byte) (answer ? 1 : 0))
                .array());
  }

  /** After the end of the timeline: where the next one begins; empty if there is none. */
  public Optional<WalPosition> nextTimeline() throws IOException {
    if (!over) {
      connection.writer().send('c', new byte[0]);
    }
    return connection.timelineEnd(over);
  }

  /** Ends the stream from our side, within {@code patience}. What still comes is dropped. */
  public void stop(Duration patience) throws IOException {
    if (over) {
      return;
    }
    connection.writer().send('c', new byte[0]);
    long deadline = System.nanoTime() + patience.toNanos();
    while (poll() != Event.END_OF_TIMELINE) {
      if (System.nanoTime() > deadline) {
        return;
      }
    }
    connection.timelineEnd(false);
  }

  /**
   * Ends a stream of changes from our side, within {@code patience}: the server has heard then what
   * was reported. What still comes is dropped.
   */
  public void stopChanges(Duration patience) throws IOException {
    connection.writer().send('c', new byte[0]);
    if (!connection.endOfChanges(patience)) {
      throw new SocketTimeoutException(
          "The server did not end its stream within " + patience.toSeconds() + " s");
    }
  }

  private static Instant time(long micros) throws ProtocolException {
    try {
      return EPOCH.plus(micros, ChronoUnit.MICROS);
    } catch (java.time.DateTimeException | ArithmeticException e) {
      throw new ProtocolException("a time of " + micros);
    }
  }
}
