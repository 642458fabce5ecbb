package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.spi.repository.FileContent;
import java.io.IOException;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** A content that several threads read parts of, closed when the last of them was read. */
public final class Reading implements AutoCloseable {
  private final FileContent content;
  private final Set<Reading> open;
  private final AtomicInteger parts = new AtomicInteger(1);
  private final AtomicBoolean closed = new AtomicBoolean();
  private volatile boolean there;
  private volatile boolean gone;

  /**
   * Whoever makes it plans the parts, and says {@link #planned} behind the last one.
   *
   * @param open holds it as long as it is open
   */
  public Reading(FileContent content, Set<Reading> open) {
    this.content = content;
    this.open = open;
    open.add(this);
  }

  /** One more part will be read. */
  public void plan() {
    parts.incrementAndGet();
  }

  /** No more parts come. */
  public void planned() throws IOException {
    done();
  }

  /** Reads the ranges of one part; false if the file is gone. */
  public boolean read(long offset, byte[] into, int... ranges) throws IOException {
    boolean found =
        !gone
            && (ranges.length == 2
                ? content.read(offset + ranges[0], into, ranges[0], ranges[1] - ranges[0])
                : content.readRanges(offset, into, ranges));
    if (found) {
      there = true;
    } else {
      gone = true;
    }
    if (there && gone) {
      throw new IOException("A file that was there is gone while it is read");
    }
    done();
    return found;
  }

  /** Whether there was no such file any more; known when the first part was read. */
  public boolean gone() {
    return gone;
  }

  /** What is read. */
  public FileContent content() {
    return content;
  }

  @Override
  public void close() throws IOException {
    if (closed.compareAndSet(false, true)) {
      open.remove(this);
      content.close();
    }
  }

  private void done() throws IOException {
    if (parts.decrementAndGet() == 0) {
      close();
    }
  }
}
