package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.dump.Contents.Apart;
import com.thorbis.backup.postgres.dump.DatabaseSession.Relation;
import com.thorbis.backup.postgres.dump.DatabaseSession.Sum;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Large tables, each read by several sessions under one snapshot, some blocks at a time. Their rows
 * come in whatever order the sessions are fast. A table is locked from the beginning to the end.
 */
final class ParallelExport implements AutoCloseable {
  private static final long BLOCKS_AT_ONCE = 2048;
  private static final int CHUNK = 1 << 18;
  private static final byte[] END = {};

  /** The most that waits to be written, but for a row that is larger. */
  private static final int MOST_WAITING = 8 << 20;

  private final PostgresSettings settings;
  private final String database;
  private final String snapshot;
  private final List<Large> tables;
  private final Cancellation cancellation;
  private final List<DatabaseSession> sessions = new ArrayList<>();
  private final ExecutorService threads =
      Executors.newCachedThreadPool(
          work -> {
            Thread thread = new Thread(work, "thorbis-dump-rows");
            thread.setDaemon(true);
            return thread;
          });

  /** A table to read so. */
  record Large(Relation relation, Apart apart, long blocks) {}

  /** Takes whole rows, of one thread. */
  interface Target {
    void rows(byte[] rows, int length) throws IOException;
  }

  /**
   * One export, which has yet to {@linkplain #lock begin}.
   *
   * @param snapshot of a session that lasts longer
   */
  ParallelExport(
      PostgresSettings settings,
      String database,
      String snapshot,
      List<Large> tables,
      Cancellation cancellation) {
    this.settings = settings;
    this.database = database;
    this.snapshot = snapshot;
    this.tables = List.copyOf(tables);
    this.cancellation = cancellation;
  }

  /**
   * Connects and locks the tables.
   *
   * @throws BackupException code {@code dump.table-locked} if somebody else keeps one of them
   *     locked, or waits to
   */
  void lock() throws SQLException {
    boolean locked = true;
    for (int i = 0; locked && i < settings.parallelism() && !tables.isEmpty(); i++) {
      DatabaseSession session = DatabaseSession.open(settings, database, snapshot, cancellation);
      sessions.add(session);
      locked = session.lockAll(tables.stream().map(one -> one.relation().table()).toList());
    }
    if (!locked) {
      // Somebody waits for one of them since the session before had them; that one is enough.
      sessions.remove(sessions.size() - 1).close();
    }
    if (sessions.isEmpty() && !tables.isEmpty()) {
      throw BackupException.of(
              "dump.table-locked",
              FailureKind.TRANSIENT,
              "One of the tables that are above split-tables-above is locked by another session")
          .remedy("Try again when it is not, or leave split-tables-above out.")
          .build();
    }
  }

  /** Reads one table to its end, and says what its rows are. */
  Sum read(Large table, Target target) throws IOException, SQLException {
    if (sessions.isEmpty()) {
      throw new IllegalStateException("Nobody is there to read " + table.relation().table());
    }
    Waiting chunks = new Waiting();
    AtomicLong next = new AtomicLong();
    List<Future<Sum>> readers = new ArrayList<>();
    for (DatabaseSession session : sessions) {
      readers.add(
          threads.submit(
              () -> {
                try {
                  return read(session, table, next, chunks);
                } finally {
                  chunks.end();
                }
              }));
    }
    try {
      for (int reading = readers.size(); reading > 0; ) {
        byte[] chunk = chunks.take();
        if (chunk == END) {
          reading--;
        } else {
          target.rows(chunk, chunk.length);
          chunks.written(chunk);
        }
      }
      Sum sum = Sum.NONE;
      for (Future<Sum> reader : readers) {
        sum = sum.plus(reader.get());
      }
      return sum;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while a table was read");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof SQLException failure) {
        throw failure;
      }
      throw new IOException("Table " + table.relation().table() + " cannot be read", e.getCause());
    }
  }

  private static Sum read(DatabaseSession session, Large table, AtomicLong next, Waiting chunks)
      throws SQLException, IOException, InterruptedException {
    boolean whole = false;
    try {
      Sum sum = Sum.NONE;
      // At least once: a table whose rows all lie out of reach of the blocks has to be empty.
      for (long from = next.getAndAdd(BLOCKS_AT_ONCE);
          from == 0 || from < table.blocks();
          from = next.getAndAdd(BLOCKS_AT_ONCE)) {
        String where = where(from, from + BLOCKS_AT_ONCE, table.blocks());
        Chunk chunk = new Chunk(chunks);
        session.copy(table.relation().table(), table.apart().columns(), where, chunk);
        chunk.flush();
        sum = sum.plus(session.sum(table.relation().table(), where));
      }
      whole = true;
      return sum;
    } finally {
      if (!whole) {
        next.set(Long.MAX_VALUE / 2); // nobody needs the rest
      }
    }
  }

  /** The last range has no end: what lies behind it was written since, and is not seen. */
  private static String where(long from, long to, long blocks) {
    String begin = " WHERE t.ctid >= '(" + from + ",0)'";
    return to >= blocks ? begin : begin + " AND t.ctid < '(" + to + ",0)'";
  }

  @Override
  public void close() throws SQLException {
    threads.shutdownNow();
    SQLException failure = null;
    for (DatabaseSession session : sessions) {
      session.abort();
      try {
        session.close();
      } catch (SQLException e) {
        failure = e;
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** What was read and is not written yet. */
  private static final class Waiting {
    private final BlockingQueue<byte[]> chunks = new LinkedBlockingQueue<>();
    private final Semaphore room = new Semaphore(MOST_WAITING);

    void put(byte[] chunk) throws InterruptedException {
      room.acquire(size(chunk));
      chunks.add(chunk);
    }

    /** Waits for nobody: who was interrupted says it too. */
    void end() {
      chunks.add(END);
    }

    byte[] take() throws InterruptedException {
      return chunks.take();
    }

    void written(byte[] chunk) {
      room.release(size(chunk));
    }

    private static int size(byte[] chunk) {
      return Math.min(chunk.length, MOST_WAITING);
    }
  }

  /** Whole rows, several at once. */
  private static final class Chunk implements DatabaseSession.RowTarget {
    private final Waiting chunks;
    private final byte[] buffer = new byte[CHUNK];
    private int length;

    Chunk(Waiting chunks) {
      this.chunks = chunks;
    }

    @Override
    public void row(byte[] row) throws InterruptedException {
      if (row.length > CHUNK - length) {
        flush();
      }
      if (row.length > CHUNK) {
        chunks.put(row);
      } else {
        System.arraycopy(row, 0, buffer, length, row.length);
        length += row.length;
      }
    }

    void flush() throws InterruptedException {
      if (length > 0) {
        chunks.put(Arrays.copyOf(buffer, length));
        length = 0;
      }
    }
  }
}
