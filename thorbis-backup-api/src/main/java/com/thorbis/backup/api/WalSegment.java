package com.thorbis.backup.api;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One segment file of a timeline's log. Its name is {@code TTTTTTTTLLLLLLLLSSSSSSSS}, all
 * hexadecimal.
 *
 * @param timeline the branch it belongs to
 * @param number the position of its first byte divided by the segment size
 * @param size the cluster's segment size
 */
public record WalSegment(Timeline timeline, long number, WalSegmentSize size) {
  private static final Pattern NAME = Pattern.compile("([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})");

  /** The segment that holds the byte at {@code position}. */
  public static WalSegment containing(Timeline timeline, Lsn position, WalSegmentSize size) {
    return new WalSegment(timeline, Long.divideUnsigned(position.value(), size.bytes()), size);
  }

  /**
   * Parses a segment file name.
   *
   * @throws IllegalArgumentException if it is not one for this segment size
   */
  public static WalSegment parse(String name, WalSegmentSize size) {
    Matcher form = NAME.matcher(name);
    if (!form.matches()) {
      throw new IllegalArgumentException("Not a WAL segment name: \"" + name + "\"");
    }
    long low = Long.parseLong(form.group(3), 16);
    if (low >= size.segmentsPerLogId()) {
      throw new IllegalArgumentException(
          "Not a WAL segment name for segments of " + size.bytes() + " bytes: \"" + name + "\"");
    }
    return new WalSegment(
        Timeline.parseHex(form.group(1)),
        Long.parseLong(form.group(2), 16) * size.segmentsPerLogId() + low,
        size);
  }

  /** Whether a file name has the form of a segment's. */
  public static boolean isName(String name) {
    return NAME.matcher(name).matches();
  }

  /** The file name. */
  public String fileName() {
    long perId = size.segmentsPerLogId();
    return timeline.hex() + "%08X%08X".formatted(number / perId, number % perId);
  }

  /** The position of its first byte. */
  public Lsn start() {
    return new Lsn(number * size.bytes());
  }

  /** The position after its last byte. */
  public Lsn end() {
    return new Lsn((number + 1) * size.bytes());
  }

  /** The one after it on the same timeline. */
  public WalSegment next() {
    return new WalSegment(timeline, number + 1, size);
  }

  @Override
  public String toString() {
    return fileName();
  }
}
