package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.postgres.page.PageChecksums;
import com.thorbis.backup.spi.repository.FileContent;
import java.io.IOException;
import java.util.OptionalInt;
import java.util.function.LongConsumer;

/**
 * A file on its way into a backup: not faster than allowed, its pages checked, and told to whoever
 * keeps the list.
 */
public final class ReadFile implements FileContent {
  private final FileContent from;
  private final RateLimit limit;
  private final PageChecksums.InPlace pages;
  private final LongConsumer passed;
  private final Taken taken;

  /** Told that a file is in the backup. */
  @FunctionalInterface
  public interface Taken {
    /**
     * It is.
     *
     * @param crc as {@link FileContent#taken}
     */
    void file(OptionalInt crc) throws IOException;
  }

  /**
   * A file.
   *
   * @param from becomes this one's
   * @param pages checks what was read and reads again what looks damaged
   * @param passed told how many bytes were read, by several threads
   */
  public ReadFile(
      FileContent from,
      RateLimit limit,
      PageChecksums.InPlace pages,
      LongConsumer passed,
      Taken taken) {
    this.from = from;
    this.limit = limit;
    this.pages = pages;
    this.passed = passed;
    this.taken = taken;
  }

  @Override
  public boolean read(long offset, byte[] into, int at, int length) throws IOException {
    limit.take(length);
    if (!from.read(offset, into, at, length)) {
      return false;
    }
    pages.check(from, offset, into, at, length);
    passed.accept(length);
    return true;
  }

  @Override
  public boolean readRanges(long offset, byte[] into, int[] ranges) throws IOException {
    long sum = 0;
    for (int i = 0; i < ranges.length; i += 2) {
      sum += ranges[i + 1] - ranges[i];
    }
    limit.take(sum);
    if (!from.readRanges(offset, into, ranges)) {
      return false;
    }
    for (int i = 0; i < ranges.length; i += 2) {
      pages.check(from, offset + ranges[i], into, ranges[i], ranges[i + 1] - ranges[i]);
    }
    passed.accept(sum);
    return true;
  }

  @Override
  public void taken(OptionalInt crc) throws IOException {
    taken.file(crc);
  }

  @Override
  public void close() throws IOException {
    from.close();
  }
}
