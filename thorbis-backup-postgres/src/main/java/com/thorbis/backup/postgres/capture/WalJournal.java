package com.thorbis.backup.postgres.capture;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.settings.OwnerOnly;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * WAL that a server may have been told is safe and that may not be in the repository yet. One
 * thread appends, one reads; both may do so at once. What {@link #force} returned for survives a
 * crash of the machine.
 *
 * <p><b>Form.</b> A folder (mode 0700) of files (mode 0600) named by ascending numbers, each made
 * at its full length of zeros, so that forcing it writes no metadata. A file is a row of frames:
 * CRC-32C of all that follows and of the file's number, length of the bytes, timeline, position of
 * the first byte, the bytes; integers big-endian. The first frame that does not match its checksum
 * ends the file. A file is removed when all of it is in the repository. The bytes are as clear as
 * in the server's own folder.
 */
final class WalJournal implements Closeable {
  /** How long a file is. */
  static final int FILE_BYTES = 16 << 20;

  private static final int HEADER = 20;
  private static final int MOST_IN_FRAME = 1 << 20;
  private static final int MOST_TIMELINES_AT_ONCE = 100;

  private final Path folder;
  private final FileChannel lockFile;
  private final Deque<Part> parts = new ArrayDeque<>();
  private final List<String> damage = new ArrayList<>();
  private final ByteBuffer frame = ByteBuffer.allocate(HEADER + MOST_IN_FRAME);
  private long nextNumber = 1;
  private boolean unforced;

  /** One file; its end is as far as it is durable. */
  private static final class Part {
    final long number;
    final Path path;
    final FileChannel channel;
    int written;
    volatile int durable;

    /** The end of its last frame; null while there is none. */
    @Nullable Timeline lastTimeline;

    Lsn lastEnd = new Lsn(0);

    Part(long number, Path path, FileChannel channel) {
      this.number = number;
      this.path = path;
      this.channel = channel;
    }
  }

  /**
   * Bytes that follow each other.
   *
   * @param start the position of the first
   * @param bytes nobody else's
   */
  record Frame(Timeline timeline, Lsn start, byte[] bytes) {}

  private WalJournal(Path folder, FileChannel lockFile) {
    this.folder = folder;
    this.lockFile = lockFile;
  }

  /** Whether there is one with something in it. */
  static boolean holdsSomething(Path folder) throws IOException {
    return Files.isDirectory(folder) && !numbers(folder).isEmpty();
  }

  /**
   * Opens a journal, or makes an empty one.
   *
   * @throws BackupException code {@code wal.journal-in-use} if another process has it open
   */
  static WalJournal open(Path folder) throws IOException {
    Files.createDirectories(folder, OwnerOnly.FOLDER);
    FileChannel lockFile =
        FileChannel.open(
            folder.resolve("lock"),
            Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
            OwnerOnly.FILE);
    WalJournal journal = new WalJournal(folder, lockFile);
    try {
      journal.lock();
      List<Long> numbers = numbers(folder);
      for (long number : numbers) {
        journal.recover(number, number == numbers.get(numbers.size() - 1));
        journal.nextNumber = number + 1;
      }
      return journal;
    } catch (IOException | RuntimeException e) {
      journal.close();
      throw e;
    }
  }

  private static List<Long> numbers(Path folder) throws IOException {
    List<Long> numbers = new ArrayList<>();
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.wal")) {
      for (Path file : files) {
        numbers.add(Long.parseLong(file.getFileName().toString().replace(".wal", "")));
      }
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    } catch (NumberFormatException e) {
      throw new IOException(folder + " holds files that are not ours", e);
    }
    Collections.sort(numbers);
    return numbers;
  }

  private void lock() throws IOException {
    FileLock lock = null;
    try {
      lock = lockFile.tryLock();
    } catch (OverlappingFileLockException e) {
      // this process has it
    }
    if (lock == null) {
      throw BackupException.of(
              "wal.journal-in-use", FailureKind.TRANSIENT, "Another receiver uses " + folder)
          .remedy("Stop the other receiver, or give this one a state directory of its own.")
          .build();
    }
  }

  private void recover(long number, boolean last) throws IOException {
    Path path = path(number);
    FileChannel channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
    Part part = new Part(number, path, channel);
    parts.add(part);
    part.durable = (int) Math.min(channel.size(), Integer.MAX_VALUE);
    int at = 0;
    for (Frame next = read(part, at); next != null; next = read(part, at)) {
      at += HEADER + next.bytes().length;
      part.lastTimeline = next.timeline();
      part.lastEnd = next.start().plus(next.bytes().length);
    }
    // What is torn at the end of the last file was never confirmed; behind that there is nothing.
    if (last ? !blank(part, at) && goesOn(part, at) : !blank(part, at)) {
      damage.add(
          "The journal of acknowledged WAL is damaged behind " + part.lastEnd + " (" + path + ")");
    }
    part.written = at;
    part.durable = at;
  }

  /** Whether a whole frame lies somewhere behind what cannot be read. */
  private static boolean goesOn(Part part, int from) throws IOException {
    ByteBuffer file = ByteBuffer.allocate(part.durable);
    readFully(part.channel, file, 0);
    for (int at = from + 1; at + HEADER < part.durable; at++) {
      int length = file.getInt(at + 4);
      int timeline = file.getInt(at + 8);
      if (length >= 1
          && length <= MOST_IN_FRAME
          && length <= part.durable - HEADER - at
          && timeline >= 1
          && (part.lastTimeline == null
              || timeline - part.lastTimeline.number() >= 0
                  && timeline - part.lastTimeline.number() < MOST_TIMELINES_AT_ONCE)
          && file.getInt(at) == crc(part.number, file.slice(at, HEADER + length))) {
        return true;
      }
    }
    return false;
  }

  private static boolean blank(Part part, int at) throws IOException {
    ByteBuffer header = ByteBuffer.allocate(HEADER);
    part.channel.read(header, at);
    header.flip();
    while (header.hasRemaining()) {
      if (header.get() != 0) {
        return false;
      }
    }
    return true;
  }

  private Path path(long number) {
    return folder.resolve(String.format(java.util.Locale.ROOT, "%016d.wal", number));
  }

  /** What could not be read back when it was opened, for people. */
  List<String> damage() {
    return List.copyOf(damage);
  }

  /** Takes bytes; not durable before {@link #force}. */
  synchronized void append(Timeline timeline, Lsn start, byte[] bytes, int offset, int length)
      throws IOException {
    int from = offset;
    int left = length;
    Lsn at = start;
    while (left > 0) {
      int count = Math.min(left, MOST_IN_FRAME);
      Part part = room(HEADER + count);
      frame.clear();
      frame.putInt(0).putInt(count).putInt(timeline.number()).putLong(at.value());
      frame.put(bytes, from, count).flip();
      frame.putInt(0, crc(part.number, frame));
      int to = part.written;
      while (frame.hasRemaining()) {
        to += part.channel.write(frame, to);
      }
      part.written = to;
      part.lastTimeline = timeline;
      at = at.plus(count);
      part.lastEnd = at;
      from += count;
      left -= count;
      unforced = true;
    }
  }

  private Part room(int bytes) throws IOException {
    Part part = parts.peekLast();
    if (part != null && part.written + bytes <= FILE_BYTES) {
      return part;
    }
    force();
    long number = nextNumber++;
    Path path = path(number);
    FileChannel channel =
        FileChannel.open(
            path,
            Set.of(
                StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE),
            OwnerOnly.FILE);
    Part fresh = new Part(number, path, channel);
    parts.add(fresh);
    ByteBuffer zeros = ByteBuffer.allocate(1 << 16);
    for (int at = 0; at < FILE_BYTES; ) {
      at += channel.write(zeros.clear(), at);
    }
    channel.force(true);
    forceFolder();
    return fresh;
  }

  private void forceFolder() throws IOException {
    try (FileChannel directory = FileChannel.open(folder)) {
      directory.force(true);
    }
  }

  /** Makes all that was appended durable. */
  synchronized void force() throws IOException {
    Part part = parts.peekLast();
    if (part == null || !unforced) {
      return;
    }
    part.channel.force(false);
    part.durable = part.written;
    unforced = false;
    notifyAll();
  }

  /** How many bytes of disk it takes. */
  synchronized long held() {
    return (long) parts.size() * FILE_BYTES;
  }

  /** Reads from the oldest frame on; used by one thread. */
  Cursor cursor() {
    return new Cursor();
  }

  /** A place in the journal. */
  final class Cursor {
    private long number;
    private int at;

    private Cursor() {}

    /**
     * The frame that follows, if it is durable.
     *
     * @param millis how long to wait for it
     * @return null if there is none in that time
     */
    @Nullable Frame next(long millis) throws IOException {
      synchronized (WalJournal.this) {
        Frame next = look();
        if (next == null && millis > 0) {
          try {
            WalJournal.this.wait(millis);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("Interrupted while reading the WAL journal");
          }
          next = look();
        }
        return next;
      }
    }

    private @Nullable Frame look() throws IOException {
      for (Part part : parts) {
        if (part.number < number) {
          continue;
        }
        if (part.number > number) {
          number = part.number;
          at = 0;
        }
        Frame next = read(part, at);
        if (next != null) {
          at += HEADER + next.bytes().length;
          return next;
        }
      }
      return null;
    }
  }

  private static @Nullable Frame read(Part part, int at) throws IOException {
    if (at + HEADER > part.durable) {
      return null;
    }
    ByteBuffer header = ByteBuffer.allocate(HEADER);
    readFully(part.channel, header, at);
    int length = header.getInt(4);
    if (length < 1 || length > MOST_IN_FRAME || at + HEADER + length > part.durable) {
      return null;
    }
    ByteBuffer whole = ByteBuffer.allocate(HEADER + length);
    readFully(part.channel, whole, at);
    if (whole.getInt(0) != crc(part.number, whole.duplicate())) {
      return null;
    }
    byte[] bytes = new byte[length];
    whole.get(HEADER, bytes);
    return new Frame(new Timeline(whole.getInt(8)), new Lsn(whole.getLong(12)), bytes);
  }

  private static void readFully(FileChannel channel, ByteBuffer into, long at) throws IOException {
    long from = at;
    while (into.hasRemaining()) {
      int count = channel.read(into, from);
      if (count < 0) {
        break;
      }
      from += count;
    }
    into.flip();
    into.limit(into.capacity()); // what a cut file lacks does not match any checksum
  }

  private static int crc(long number, ByteBuffer frame) {
    CRC32C crc = new CRC32C();
    crc.update(ByteBuffer.allocate(8).putLong(number).flip());
    crc.update(frame.duplicate().position(4));
    return (int) crc.getValue();
  }

  /**
   * Removes the files that hold nothing but what the repository has.
   *
   * @param timeline which timeline's log, and all that was appended before it
   * @param end up to where it is durable there
   */
  synchronized void release(Timeline timeline, Lsn end) throws IOException {
    while (parts.size() > 1) {
      Part oldest = parts.getFirst();
      Timeline last = oldest.lastTimeline;
      if (last != null
          && (last.compareTo(timeline) > 0
              || last.equals(timeline) && oldest.lastEnd.compareTo(end) > 0)) {
        return;
      }
      remove(oldest);
    }
  }

  /** Removes everything, because all of it is in the repository. */
  synchronized void clear() throws IOException {
    while (!parts.isEmpty()) {
      remove(parts.getFirst());
    }
    unforced = false;
    forceFolder();
  }

  /**
   * Begins anew and keeps what there is under other names, for people.
   *
   * @return where it lies
   */
  synchronized Path setAside() throws IOException {
    while (!parts.isEmpty()) {
      Part part = parts.getFirst();
      Files.move(part.path, Path.of(part.path + "." + UUID.randomUUID() + ".kept"));
      parts.remove(part);
      part.channel.close();
    }
    unforced = false;
    forceFolder();
    return folder;
  }

  private void remove(Part part) throws IOException {
    Files.delete(part.path);
    parts.remove(part);
    part.channel.close();
  }

  @Override
  public void close() throws IOException {
    synchronized (this) {
      for (Part part : parts) {
        part.channel.close();
      }
      parts.clear();
    }
    lockFile.close();
  }
}
