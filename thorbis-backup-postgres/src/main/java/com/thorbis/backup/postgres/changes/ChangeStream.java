package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.changes.PgOutput.Begin;
import com.thorbis.backup.postgres.changes.PgOutput.Commit;
import com.thorbis.backup.postgres.changes.PgOutput.Message;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.ProtocolException;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.WalStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;

/** Reads what a slot keeps. Nothing is confirmed to the server but what was stored before. */
public final class ChangeStream {
  private static final Duration SIGN_OF_LIFE = Duration.ofSeconds(5);
  private static final Duration END = Duration.ofSeconds(10);

  private final PostgresSettings settings;
  private final String database;
  private final String slot;
  private final String publication;
  private final Cancellation cancellation;

  /** Of one slot of one database. */
  public ChangeStream(
      PostgresSettings settings,
      String database,
      String slot,
      String publication,
      Cancellation cancellation) {
    this.settings = settings;
    this.database = database;
    this.slot = slot;
    this.publication = publication;
    this.cancellation = cancellation;
  }

  /** What takes changes. */
  @FunctionalInterface
  public interface Target {
    /**
     * One message.
     *
     * @param message what it says
     * @param bytes what it is; readable until this returns
     */
    void message(Message message, ByteBuffer bytes) throws IOException;
  }

  /**
   * Hands out every transaction that was committed from {@code from} on, whole and in order, until
   * all before {@code to} are out.
   *
   * @param from what was committed before is stored, which the server hears
   * @return what was committed before this position is out now; not before {@code to}
   */
  public Lsn read(Lsn from, Lsn to, Target target) throws IOException {
    try (ReplicationConnection connection =
        ReplicationConnection.open(settings, database, cancellation)) {
      WalStream stream =
          connection.startChanges(slot, from, publication, ChangeFrames.LONGEST + 64);
      Lsn reached = from;
      boolean open = false;
      boolean known = false;
      long told = System.nanoTime();
      while (open || reached.compareTo(to) < 0) {
        WalStream.Event event = stream.poll();
        boolean asked = false;
        switch (event) {
          case DATA -> {
            ByteBuffer bytes =
                ByteBuffer.wrap(stream.data(), stream.dataOffset(), stream.dataLength()).slice();
            Message message = PgOutput.read(bytes.duplicate());
            if (message instanceof Begin begin) {
              if (open) {
                throw new ProtocolException("a transaction within another");
              }
              open = true;
              known = begin.commit().compareTo(from) < 0;
            } else if (!open) {
              throw new ProtocolException("a change outside of a transaction");
            }
            if (!known) {
              target.message(message, bytes);
            }
            if (message instanceof Commit commit) {
              open = false;
              reached = later(reached, commit.end());
            }
          }
          case KEEPALIVE -> {
            asked = stream.replyRequested();
            if (!open) {
              reached = later(reached, stream.serverEnd());
            }
          }
          case NOTHING -> {
            stream.report(reached, from, true);
            told = System.nanoTime();
          }
          case END_OF_TIMELINE -> throw new EOFException("The server ended the stream of changes");
        }
        if (asked || System.nanoTime() - told > SIGN_OF_LIFE.toNanos()) {
          stream.report(reached, from, false);
          told = System.nanoTime();
        }
      }
      stream.stopChanges(END);
      return reached;
    }
  }

  /** Tells the server that everything before a position is stored: it may let go of it. */
  public void confirm(Lsn stored) throws IOException {
    try (ReplicationConnection connection =
        ReplicationConnection.open(settings, database, cancellation)) {
      WalStream stream =
          connection.startChanges(slot, stored, publication, ChangeFrames.LONGEST + 64);
      stream.report(stored, stored, false);
      stream.stopChanges(END);
    }
  }

  private static Lsn later(Lsn one, Lsn other) {
    return one.compareTo(other) < 0 ? other : one;
  }
}
