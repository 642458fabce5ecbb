package com.thorbis.backup.application.files;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReadAheadTest {
  private static final int STRETCH = ReadAhead.STRETCH_BYTES;

  @TempDir Path folder;

  private final ReadAhead reader = new ReadAhead();

  @ParameterizedTest
  @ValueSource(ints = {1, STRETCH - 1, STRETCH, STRETCH + 1, 3 * STRETCH, 5 * STRETCH + 17})
  void theBytesOfAFileComeInOrder(int length) throws Exception {
    Path file = random(length);
    try (FileChannel channel = FileChannel.open(file)) {
      assertArrayEquals(Files.readAllBytes(file), all(reader.of(channel, length), length));
    }
  }

  @Test
  void whatWasAddedSinceIsNotRead() throws Exception {
    Path file = random(3 * STRETCH);
    try (FileChannel channel = FileChannel.open(file)) {
      int first = STRETCH + 5;
      assertArrayEquals(
          Arrays.copyOf(Files.readAllBytes(file), first), all(reader.of(channel, first), first));
    }
  }

  @Test
  void aFileThatBecameShorterEndsWithNothing() throws Exception {
    Path file = random(2 * STRETCH + 3);
    try (FileChannel channel = FileChannel.open(file)) {
      ReadAhead.Stretches stretches = reader.of(channel, 9L * STRETCH);
      assertEquals(2 * STRETCH + 3, all(stretches, 2 * STRETCH + 3).length);
      assertFalse(stretches.next().hasRemaining());
    }
  }

  @Test
  void aFileThatWasLeftInTheMiddleDoesNotGetIntoTheNext() throws Exception {
    Path left = random(4 * STRETCH);
    Path file = random(4 * STRETCH);
    try (FileChannel channel = FileChannel.open(left)) {
      reader.of(channel, 4L * STRETCH).next();
    }
    try (FileChannel channel = FileChannel.open(file)) {
      assertArrayEquals(
          Files.readAllBytes(file), all(reader.of(channel, 4L * STRETCH), 4 * STRETCH));
    }
  }

  @Test
  void aReadThatIsLeftBehindDoesNotWriteOverWhatTheNextFileGave() throws Exception {
    CountDownLatch disk = new CountDownLatch(1);
    Path file = random(4 * STRETCH);
    Thread slow =
        new Thread(
            () -> {
              try {
                Thread.sleep(100); // for as long as nobody waits for it, were it not waited for
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              disk.countDown();
            });
    try (SeekableByteChannel left =
            new Troubled(
                FileChannel.open(random(4 * STRETCH)),
                1,
                () -> {
                  disk.await();
                  return Optional.empty();
                });
        FileChannel other = FileChannel.open(random(4 * STRETCH));
        FileChannel channel = FileChannel.open(file)) {
      reader.of(left, 4L * STRETCH).next();
      slow.start();
      reader.of(other, 4L * STRETCH).next();
      ByteBuffer first = reader.of(channel, STRETCH).next();
      slow.join();
      Thread.sleep(100); // for what was left behind to be read, were it not read before
      byte[] had = new byte[first.remaining()];
      first.get(had);
      assertArrayEquals(Arrays.copyOf(Files.readAllBytes(file), STRETCH), had);
    }
  }

  @Test
  void whatTheDiskSaysOfAStretchReadAheadIsSaidWhenItsTurnComes() throws Exception {
    IOException broken = new IOException("sector");
    try (SeekableByteChannel channel =
        new Troubled(FileChannel.open(random(4 * STRETCH)), 2, () -> Optional.of(broken))) {
      ReadAhead.Stretches stretches = reader.of(channel, 4L * STRETCH);
      stretches.next();
      stretches.next();
      assertEquals(broken, assertThrows(IOException.class, stretches::next));
    }
  }

  @Test
  void whoeverIsInterruptedDoesNotWait() throws Exception {
    CountDownLatch disk = new CountDownLatch(1);
    try (SeekableByteChannel channel =
        new Troubled(
            FileChannel.open(random(4 * STRETCH)),
            1,
            () -> {
              disk.await();
              return Optional.of(new IOException("nobody waits for it any more"));
            })) {
      ReadAhead.Stretches stretches = reader.of(channel, 4L * STRETCH);
      stretches.next();
      Thread.currentThread().interrupt();
      assertThrows(InterruptedIOException.class, stretches::next);
      assertEquals(true, Thread.interrupted());
      disk.countDown();
    }
  }

  private static byte[] all(ReadAhead.Stretches stretches, int length) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    while (all.size() < length) {
      ByteBuffer now = stretches.next();
      all.write(now.array(), 0, now.remaining());
    }
    return all.toByteArray();
  }

  private Path random(int length) throws IOException {
    byte[] bytes = new byte[length];
    new Random(length).nextBytes(bytes);
    return Files.write(Files.createTempFile(folder, "file", ""), bytes);
  }

  /** A disk that cannot read what comes after some stretches. */
  private static final class Troubled implements SeekableByteChannel {
    private final SeekableByteChannel channel;
    private final int whole;
    private final Callable<Optional<IOException>> trouble;

    Troubled(SeekableByteChannel channel, int whole, Callable<Optional<IOException>> trouble) {
      this.channel = channel;
      this.whole = whole;
      this.trouble = trouble;
    }

    @Override
    public int read(ByteBuffer into) throws IOException {
      if (channel.position() >= (long) whole * STRETCH) {
        meet();
      }
      return channel.read(into);
    }

    private void meet() throws IOException {
      Optional<IOException> met;
      try {
        met = trouble.call();
      } catch (Exception e) {
        throw new IOException(e);
      }
      if (met.isPresent()) {
        throw met.get();
      }
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
      return channel.write(from);
    }

    @Override
    public long position() throws IOException {
      return channel.position();
    }

    @Override
    public SeekableByteChannel position(long position) throws IOException {
      channel.position(position);
      return this;
    }

    @Override
    public long size() throws IOException {
      return channel.size();
    }

    @Override
    public SeekableByteChannel truncate(long size) throws IOException {
      channel.truncate(size);
      return this;
    }

    @Override
    public boolean isOpen() {
      return channel.isOpen();
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }
}
