package com.thorbis.backup.application.files;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Reads the next stretch of a long file while its user still has the one before. One file at a
 * time, for one user thread; the thread that reads ends by itself when nothing comes.
 */
final class ReadAhead {
  static final int STRETCH_BYTES = 1 << 20;

  private final ThreadPoolExecutor pool =
      new ThreadPoolExecutor(
          1,
          1,
          1,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          task -> {
            Thread thread = new Thread(task, "read-ahead");
            thread.setDaemon(true);
            return thread;
          });
  private final byte[][] buffers = new byte[2][];
  private int turn;

  /** The last one that was asked for, which the user of a file may have left behind. */
  private @Nullable Future<ByteBuffer> asked;

  ReadAhead() {
    pool.allowCoreThreadTimeOut(true);
  }

  /** The first bytes of a file from where it stands, in stretches. */
  Stretches of(SeekableByteChannel channel, long length) {
    return new Stretches(channel, length);
  }

  /** What is left of a file. */
  final class Stretches {
    private final SeekableByteChannel channel;
    private long left;
    private @Nullable Future<ByteBuffer> coming;

    private Stretches(SeekableByteChannel channel, long length) {
      this.channel = channel;
      this.left = length;
    }

    /** The next one, which is the caller's until the next call; empty if the file has no more. */
    ByteBuffer next() throws IOException {
      ByteBuffer now = coming == null ? first(channel, left) : await(coming);
      left -= now.remaining();
      long next = left;
      coming = next > 0 && now.hasRemaining() ? ask(channel, next) : null;
      return now;
    }
  }

  private Future<ByteBuffer> ask(SeekableByteChannel channel, long most) {
    Future<ByteBuffer> coming = pool.submit(() -> read(channel, most));
    asked = coming;
    return coming;
  }

  /** A read that was left behind would go on in a buffer that is ours now. */
  private ByteBuffer first(SeekableByteChannel channel, long most) throws IOException {
    Future<ByteBuffer> before = asked;
    if (before != null) {
      try {
        before.get();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Interrupted while a file was read");
      } catch (ExecutionException e) {
        // It was of a file that nobody reads any more.
      }
      asked = null;
    }
    return read(channel, most);
  }

  private ByteBuffer read(SeekableByteChannel channel, long most) throws IOException {
    turn = 1 - turn;
    byte[] buffer = buffers[turn];
    if (buffer == null) {
      buffer = new byte[STRETCH_BYTES];
      buffers[turn] = buffer;
    }
    ByteBuffer into = ByteBuffer.wrap(buffer, 0, (int) Math.min(most, buffer.length));
    channel.read(into);
    return into.flip();
  }

  private static ByteBuffer await(Future<ByteBuffer> coming) throws IOException {
    try {
      return coming.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while a file was read");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException met) {
        throw met;
      }
      throw new IllegalStateException("A file could not be read", e.getCause());
    }
  }
}
