package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * An upload to the first copy and, by one thread each, to those that follow. Nothing is published
 * before enough copies have all bytes; then the first decides, and the others publish after it.
 */
final class Tee implements ObjectUpload {
  private static final int CHUNK = 64 << 10;
  private static final int CHUNKS_AHEAD = 8;

  private final CopySet copies;
  private final ObjectKey key;
  private final ObjectUpload first;
  private final List<Follower> followers = new ArrayList<>();
  private final List<Failed> unready;
  private final Body body;
  private final CRC32C crc = new CRC32C();
  private long length;
  private boolean ended;

  /**
   * Starts uploads to {@code followers}.
   *
   * @param unready copies that do not take part, and why
   */
  Tee(
      CopySet copies,
      ObjectKey key,
      ObjectUpload first,
      List<Copy> followers,
      List<Failed> unready,
      Executor threads) {
    this.copies = copies;
    this.unready = List.copyOf(unready);
    this.key = key;
    this.first = first;
    this.body = new Body();
    for (Copy copy : followers) {
      Follower follower = new Follower(copy);
      this.followers.add(follower);
      threads.execute(follower);
    }
  }

  @Override
  public OutputStream body() {
    return body;
  }

  @Override
  public ObjectInfo commit() throws IOException {
    if (ended) {
      throw new IllegalStateException("The upload has ended: " + key);
    }
    ended = true;
    boolean published = false;
    try {
      body.finish();
      List<Failed> failed = new ArrayList<>(unready);
      for (Follower follower : followers) {
        follower.end();
      }
      for (Follower follower : followers) {
        follower.written(failed);
      }
      copies.requireEnough(key, failed, false);
      ObjectInfo info = copies.decide(key, first::commit, this::isOurs);
      published = true;
      for (Follower follower : followers) {
        follower.go.complete(true);
      }
      for (Follower follower : followers) {
        follower.published(failed);
      }
      copies.requireEnough(key, failed, true);
      return info;
    } finally {
      if (!published) {
        discard();
      }
    }
  }

  @Override
  public void close() throws IOException {
    if (!ended) {
      ended = true;
      discard();
    }
    first.close();
  }

  private void discard() {
    for (Follower follower : followers) {
      follower.go.complete(false);
      follower.end();
    }
    for (Follower follower : followers) {
      follower.done.join();
    }
  }

  private Optional<Boolean> isOurs() throws IOException {
    return CopySet.looksLike(copies.primary(), key, length, crc.getValue());
  }

  /** What a follower failed with. */
  record Failed(Copy copy, Throwable cause) {}

  private final class Body extends OutputStream {
    private byte[] chunk = new byte[CHUNK];
    private int filled;

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int count) throws IOException {
      first.body().write(bytes, offset, count);
      crc.update(bytes, offset, count);
      length += count;
      for (int at = offset; at < offset + count; ) {
        int take = Math.min(offset + count - at, CHUNK - filled);
        System.arraycopy(bytes, at, chunk, filled, take);
        filled += take;
        at += take;
        if (filled == CHUNK) {
          pass();
        }
      }
    }

    @Override
    public void flush() throws IOException {
      first.body().flush();
    }

    @Override
    public void close() throws IOException {
      first.body().close();
    }

    void finish() throws IOException {
      if (filled > 0) {
        pass();
      }
    }

    private void pass() throws IOException {
      Chunk full = new Chunk(chunk, filled);
      for (Follower follower : followers) {
        follower.put(full);
      }
      chunk = new byte[CHUNK];
      filled = 0;
    }
  }

  /** Bytes that several threads read and none changes. */
  private record Chunk(byte[] bytes, int length) {
    boolean isEnd() {
      return length == 0;
    }
  }

  private static final Chunk END = new Chunk(new byte[0], 0);

  private final class Follower implements Runnable {
    private final Copy copy;
    private final BlockingQueue<Chunk> queue = new ArrayBlockingQueue<>(CHUNKS_AHEAD);
    private final CompletableFuture<Boolean> written = new CompletableFuture<>();
    final CompletableFuture<Boolean> go = new CompletableFuture<>();
    final CompletableFuture<Boolean> done = new CompletableFuture<>();
    private @Nullable Throwable failure;
    private boolean ending;
    private boolean atEnd;

    Follower(Copy copy) {
      this.copy = copy;
    }

    void put(Chunk chunk) throws InterruptedIOException {
      try {
        queue.put(chunk);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Write " + key + ": interrupted");
      }
    }

    /** No more bytes come. */
    void end() {
      if (ending) {
        return;
      }
      ending = true;
      boolean interrupted = false;
      while (true) {
        try {
          queue.put(END); // taken soon: this thread reads its queue to the end whatever happens
          break;
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }

    void written(List<Failed> failed) {
      written.join();
      note(failed);
    }

    void published(List<Failed> failed) {
      done.join();
      if (failed.stream().noneMatch(one -> one.copy() == copy)) {
        note(failed);
      }
    }

    private void note(List<Failed> failed) {
      Throwable found = failure;
      if (found != null) {
        failed.add(new Failed(copy, found));
      }
    }

    @Override
    public void run() {
      try {
        write();
      } catch (StorageException.AlreadyExists e) {
        failure = settled(e);
      } catch (Throwable e) {
        failure = e;
      } finally {
        written.complete(false);
        readToEnd();
        done.complete(true);
      }
    }

    private void write() throws IOException {
      try (ObjectUpload upload = copy.store().startUpload(key)) {
        for (Chunk chunk = take(); !chunk.isEnd(); chunk = take()) {
          upload.body().write(chunk.bytes(), 0, chunk.length());
        }
        written.complete(true);
        if (go.join()) {
          CopySet.settle(copy.store(), key, upload::commit, length, crc.getValue());
        }
      }
    }

    /** Whether the key is taken by this very object shows when the first copy has decided. */
    private @Nullable Throwable settled(StorageException.AlreadyExists taken) {
      readToEnd();
      written.complete(true);
      try {
        return !go.join()
                || CopySet.looksLike(copy.store(), key, length, crc.getValue()).orElse(false)
            ? null
            : taken;
      } catch (IOException e) {
        return e;
      }
    }

    /** Whoever writes must not wait for one that has failed. */
    private void readToEnd() {
      while (!atEnd) {
        take();
      }
    }

    private Chunk take() {
      boolean interrupted = false;
      try {
        while (true) {
          try {
            Chunk chunk = queue.take();
            atEnd |= chunk.isEnd();
            return chunk;
          } catch (InterruptedException e) {
            interrupted = true;
          }
        }
      } finally {
        if (interrupted) {
          Thread.currentThread().interrupt();
        }
      }
    }
  }
}
