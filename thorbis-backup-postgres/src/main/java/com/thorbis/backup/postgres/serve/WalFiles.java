package com.thorbis.backup.postgres.serve;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.plan.FenceMark;
import com.thorbis.backup.postgres.settings.OwnerOnly;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wal.WalReader;
import com.thorbis.backup.spi.engine.SourceEngine.RepositoryAccess;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Segments and history files under the names that servers use, out of and into the archive. */
public final class WalFiles {
  private static final Pattern ARCHIVED =
      Pattern.compile("[0-9A-F]{24}(?:\\.[0-9A-F]{8}\\.backup|\\.partial)?|[0-9A-F]{8}\\.history");

  /** The runtime keeps memory outside the heap for as much as is read or written in one call. */
  private static final int MOST_AT_ONCE = 1 << 18;

  private static final int MOST_HISTORY = 1 << 20;
  private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);

  private final PostgresSettings settings;

  /** For the configured source. */
  public WalFiles(PostgresSettings settings) {
    this.settings = settings;
  }

  /**
   * What a file of the archive holds.
   *
   * @param bytes as far as stored
   * @param length how long the file is; what {@code bytes} lacks is zeros
   * @param lasting whether it can never become more
   */
  record Content(ByteBuffer bytes, long length, boolean lasting) {}

  /**
   * Lays a file down whole under {@code destination}.
   *
   * @return false only if it is positively absent
   */
  public boolean get(String name, Path destination, Repository repository) throws IOException {
    Optional<String> incarnation = Exchange.incarnationBeside(destination);
    Optional<Path> log =
        Optional.ofNullable(destination.toAbsolutePath().getParent())
            .filter(folder -> folder.endsWith("pg_wal"));
    Optional<Content> content =
        fetch(name, incarnation, () -> repository, settings.getDeadline(), log);
    if (content.isEmpty()) {
      return false;
    }
    Path absolute = destination.toAbsolutePath();
    Path temporary =
        absolute.resolveSibling(
            "." + absolute.getFileName() + "." + ProcessHandle.current().pid() + ".thorbis");
    try {
      try (FileChannel channel =
          FileChannel.open(
              temporary,
              Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
              OwnerOnly.FILE)) {
        write(channel, content.get().bytes());
        if (channel.size() < content.get().length()) {
          channel.write(ByteBuffer.allocate(1), content.get().length() - 1);
        }
        channel.force(true);
      }
      Files.move(temporary, absolute, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(temporary);
    }
    return true;
  }

  /**
   * Reads a file from the archive; repeats what may pass until the deadline.
   *
   * @param log the {@code pg_wal} of whoever asks, where it is known: what the server has of an
   *     unfinished segment itself counts, if that is not less
   * @return empty only if it is positively absent
   */
  Optional<Content> fetch(
      String name,
      Optional<String> incarnation,
      RepositoryAccess repository,
      Duration deadline,
      Optional<Path> log)
      throws IOException {
    checkName(name);
    long give = System.nanoTime() + deadline.toNanos();
    Duration pause = FIRST_PAUSE;
    while (true) {
      try {
        Repository open = repository.open();
        WalArchive archive =
            incarnation.isPresent()
                ? open.wal(settings.source(), incarnation.get())
                : open.wal(settings.source());
        if (!archive.shared()) {
          throw unknowable(name);
        }
        Optional<Content> found = read(name, archive);
        if (found.isPresent() && !found.get().lasting() && log.isPresent()) {
          WalSegment segment = WalSegment.parse(name, archive.cluster().segmentSize());
          if (hasAsMuch(log.get().resolve(name), segment, archive, found.get())) {
            return Optional.empty();
          }
        }
        return found;
      } catch (IOException | BackupException e) {
        long left = give - System.nanoTime();
        if (!mayPass(e) || left <= 0) {
          throw e;
        }
        rest(Math.min(left, pause.toNanos()));
        Duration longer = pause.multipliedBy(2);
        pause = longer.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : longer;
      }
    }
  }

  /**
   * Whether a server has at least as much of a segment itself. One that streams is ahead of what is
   * stored, prefers what its command gives it, and panics where that lacks what it has replayed.
   */
  private static boolean hasAsMuch(Path own, WalSegment segment, WalArchive archive, Content stored)
      throws IOException {
    WalReader mine = new WalReader(archive.cluster(), segment.timeline(), segment.start());
    try (FileChannel channel = openPlain(own)) {
      ByteBuffer step = ByteBuffer.allocate(MOST_AT_ONCE);
      long left = segment.size().bytes();
      while (left > 0 && mine.stop().isEmpty()) {
        step.clear().limit((int) Math.min(left, step.capacity()));
        int count = channel.read(step);
        if (count < 0) {
          break;
        }
        mine.feed(step.array(), 0, count);
        left -= count;
      }
    } catch (NoSuchFileException e) {
      return false;
    }
    WalReader theirs = new WalReader(archive.cluster(), segment.timeline(), segment.start());
    theirs.feed(stored.bytes().duplicate());
    Optional<Lsn> end = mine.lastRecordEnd();
    return end.isPresent()
        && theirs.lastRecordEnd().filter(other -> other.compareTo(end.get()) > 0).isEmpty();
  }

  private static void rest(long nanos) throws IOException {
    try {
      Thread.sleep(
          Math.max(1, ThreadLocalRandom.current().nextLong(nanos / 2, nanos + 1) / 1_000_000));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.io.InterruptedIOException("Interrupted while waiting for the repository");
    }
  }

  private static boolean mayPass(Exception e) {
    return e instanceof ClassifiedFailure failure
        ? failure.kind() == FailureKind.TRANSIENT
        : e instanceof IOException && !(e instanceof java.io.InterruptedIOException);
  }

  private static Optional<Content> read(String name, WalArchive archive) throws IOException {
    if (TimelineHistory.isFileName(name)) {
      return archive
          .history(TimelineHistory.timelineOf(name))
          .map(bytes -> new Content(ByteBuffer.wrap(bytes), bytes.length, true));
    }
    WalSegmentSize size = archive.cluster().segmentSize();
    WalSegment segment;
    try {
      segment = WalSegment.parse(name, size);
    } catch (IllegalArgumentException e) {
      throw wrongName(name);
    }
    Optional<WalArchive.WalContent> found = archive.open(segment);
    if (found.isEmpty()) {
      return Optional.empty();
    }
    ByteBuffer bytes = found.get().bytes();
    boolean complete = found.get().complete();
    if (bytes.remaining() > size.bytes() || (complete && bytes.remaining() != size.bytes())) {
      throw BackupException.of(
              "wal.wrong-length",
              FailureKind.DAMAGED,
              name + " has " + bytes.remaining() + " bytes instead of " + size.bytes())
          .remedy("Run verify to see what else is damaged.")
          .build();
    }
    return Optional.of(new Content(bytes, size.bytes(), complete));
  }

  static void checkName(String name) {
    if (!WalSegment.isName(name) && !TimelineHistory.isFileName(name)) {
      throw wrongName(name);
    }
  }

  /** A server that recovers would take it for the end of the log. */
  private static BackupException unknowable(String name) {
    return BackupException.of(
            "repository.sealed",
            FailureKind.REFUSED,
            "This host is a sealed writer of the repository: it cannot tell whether "
                + name
                + " is stored")
        .remedy("Restore on a host that opens the repository.")
        .build();
  }

  private static BackupException wrongName(String name) {
    return BackupException.of(
            "wal.wrong-name",
            FailureKind.CONFIGURATION,
            "\""
                + name.replaceAll("\\p{Cntrl}", "?")
                + "\" is no segment or history file of this cluster")
        .remedy("Name a file as the server does, such as 000000010000000000000001.")
        .build();
  }

  /** Writes all that remains, in steps that need little memory outside the heap. */
  static void write(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
    int end = bytes.limit();
    while (bytes.position() < end) {
      bytes.limit(Math.min(end, bytes.position() + MOST_AT_ONCE));
      channel.write(bytes);
    }
    bytes.limit(end);
  }

  /** Whether servers archive files of this name. */
  static boolean isArchived(String name) {
    return ARCHIVED.matcher(name).matches();
  }

  /** Stores one segment or history file; other files that servers archive need no storing. */
  public WalArchive.Stored push(Path file, Repository repository) throws IOException {
    String name = file.getFileName().toString();
    if (name.endsWith(".backup")
        && WalSegment.isName(name.substring(0, Math.min(24, name.length())))) {
      // A note for people about where a backup began; every backup stores that itself.
      return WalArchive.Stored.ALREADY_PRESENT;
    }
    if (name.endsWith(".partial")
        && WalSegment.isName(name.substring(0, Math.min(24, name.length())))) {
      // The unfinished segment of the timeline that a promotion left: the first segment of the new
      // timeline begins with the same bytes, and nothing after them was ever replayed.
      return WalArchive.Stored.ALREADY_PRESENT;
    }
    checkName(name);
    requireNoFence(file);
    WalArchive archive = repository.wal(settings.source());
    if (TimelineHistory.isFileName(name)) {
      Timeline timeline = TimelineHistory.timelineOf(name);
      byte[] bytes = new byte[MOST_HISTORY];
      byte[] content = Arrays.copyOf(bytes, read(file, bytes, MOST_HISTORY));
      TimelineHistory.parse(timeline, content);
      return archive.storeHistory(timeline, content);
    }
    WalSegmentSize size = archive.cluster().segmentSize();
    WalSegment segment;
    try {
      segment = WalSegment.parse(name, size);
    } catch (IllegalArgumentException e) {
      throw wrongName(name);
    }
    byte[] content = SegmentMemory.take(size.bytes());
    try {
      int length = read(file, content, size.bytes());
      if (length != size.bytes()) {
        throw BackupException.of(
                "wal.wrong-length",
                FailureKind.REFUSED,
                file + " has " + length + " bytes instead of " + size.bytes())
            .remedy("A server archives whole segments only; check what made this file.")
            .build();
      }
      return archive.storeSegment(
          segment, ByteBuffer.wrap(content, 0, length), marks(archive, segment, content, length));
    } finally {
      SegmentMemory.give(content);
    }
  }

  private void requireNoFence(Path file) throws IOException {
    Path log = file.toAbsolutePath().getParent();
    Path data = log == null ? null : log.getParent();
    if (data == null) {
      return;
    }
    Optional<String> mark = FenceMark.in(data).filter(FenceMark::ownLife);
    if (mark.isPresent()) {
      throw FenceMark.refusal("The cluster in " + data, settings.source(), mark.get());
    }
  }

  private static WalMarks marks(
      WalArchive archive, WalSegment segment, byte[] content, int length) {
    WalReader reader = new WalReader(archive.cluster(), segment.timeline(), segment.start());
    reader.feed(content, 0, length);
    reader
        .stop()
        .filter(stop -> stop.position().equals(segment.start()))
        .ifPresent(
            stop -> {
              throw BackupException.of(
                      "wal.invalid",
                      FailureKind.REFUSED,
                      segment + " does not hold the log it is named after: " + stop.reason())
                  .remedy("Check what made this file.")
                  .build();
            });
    return reader.takeMarks(Optional.empty());
  }

  private static FileChannel openPlain(Path file) throws IOException {
    // Opening anything else, such as a pipe, might block for ever.
    if (!Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
        .isRegularFile()) {
      throw BackupException.of("wal.no-file", FailureKind.REFUSED, file + " is no plain file")
          .remedy("Check what put this in a segment's place.")
          .build();
    }
    return FileChannel.open(file, Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS));
  }

  /** Reads a whole file; returns its length. */
  private static int read(Path file, byte[] into, int most) throws IOException {
    try (FileChannel channel = openPlain(file)) {
      long length = channel.size();
      if (length > most) {
        throw BackupException.of(
                "wal.wrong-length",
                FailureKind.REFUSED,
                file + " has " + length + " bytes, more than the " + most + " it can have")
            .remedy("Check what made this file.")
            .build();
      }
      int end = 0;
      while (end < length) {
        ByteBuffer step = ByteBuffer.wrap(into, end, Math.min((int) length - end, MOST_AT_ONCE));
        int count = channel.read(step);
        if (count < 0) {
          break;
        }
        end += count;
      }
      return end;
    }
  }

  static @Nullable String message(Throwable e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }
}
