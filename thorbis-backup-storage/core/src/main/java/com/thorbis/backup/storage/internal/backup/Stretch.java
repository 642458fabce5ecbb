package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.pack.Reading;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Up to 1 MiB of a file on its way into an incremental backup; or more, of which no byte came; or
 * the mark of a file's end. Belongs to one thread at a time.
 */
final class Stretch {
  static final int LENGTH = PieceCodec.MAX_PIECE;

  final FileState state;
  final Arrival arrival;
  final PieceCheck check;
  final Optional<Base.BaseFile> base;

  /** Where it begins in its file. */
  final long offset;

  /** The bytes, where there are any; those of unchanged parts mean nothing. */
  final byte @Nullable [] bytes;

  /** Whether its unchanged pages are compared with the base whatever the judge says. */
  boolean sampled;

  boolean endsFile;

  /** Whether all its bytes were read; what came of them may be other parts. */
  boolean whole;

  /** Whether the base's bytes stand for the same ones only, where they stand for what came. */
  boolean exact = true;

  /** Who reads it; null where its bytes were written. */
  @Nullable Reading reading;

  /** What it consists of; a file that is not sparse gets them when it was compared. */
  List<Part> parts = new ArrayList<>();

  /** Of all its bytes, where they came and are the file's last. */
  Fingerprint fingerprint = Fingerprint.ZERO;

  private final CRC32C crc = new CRC32C();
  private long length;

  /** What a part is. */
  enum Kind {
    CHANGED,
    UNCHANGED,
    /** Read and compared, then unchanged. */
    SAMPLED,
    ZEROS
  }

  /**
   * A part of a stretch.
   *
   * @param from where it begins in the stretch
   */
  record Part(Kind kind, long from, long length) {
    long to() {
      return from + length;
    }
  }

  Stretch(
      FileState state,
      Arrival arrival,
      PieceCheck check,
      Optional<Base.BaseFile> base,
      long offset,
      byte @Nullable [] bytes) {
    this.state = state;
    this.arrival = arrival;
    this.check = check;
    this.base = base;
    this.offset = offset;
    this.bytes = bytes;
  }

  long length() {
    return length;
  }

  int room() {
    return (int) (LENGTH - length);
  }

  /** The bytes, which must have come. */
  byte[] bytes() {
    if (bytes == null) {
      throw new IllegalStateException("A stretch without bytes");
    }
    return bytes;
  }

  void append(byte[] from, int at, int count) {
    System.arraycopy(from, at, bytes(), (int) length, count);
    crc.update(from, at, count); // taken from the caller's bytes: it also guards the copy
    extend(Kind.CHANGED, count);
  }

  /** Adds bytes that did not come. */
  void extend(Kind kind, long count) {
    add(kind, length, count);
    length += count;
  }

  /** Adds a part behind the last one. */
  void add(Kind kind, long from, long count) {
    Part last = parts.isEmpty() ? null : parts.get(parts.size() - 1);
    if (last != null && last.kind() == kind) {
      parts.set(parts.size() - 1, new Part(kind, last.from(), last.length() + count));
    } else {
      parts.add(new Part(kind, from, count));
    }
  }

  /** Whether any of it is to be read. */
  boolean reads() {
    return parts.stream()
        .anyMatch(part -> part.kind() == Kind.CHANGED || part.kind() == Kind.SAMPLED);
  }

  /** Reads what is to be read; false if the file is gone. */
  boolean fetch(Reading from) throws IOException {
    int[] ranges =
        parts.stream()
            .filter(part -> part.kind() == Kind.CHANGED || part.kind() == Kind.SAMPLED)
            .flatMapToInt(part -> IntStream.of((int) part.from(), (int) part.to()))
            .toArray();
    if (!from.read(offset, bytes(), ranges)) {
      return false;
    }
    if (whole()) {
      crc.update(bytes(), 0, (int) length);
    }
    return true;
  }

  /** Whether all its bytes came. */
  boolean whole() {
    return parts.stream().allMatch(part -> part.kind() == Kind.CHANGED);
  }

  /** CRC-32C of the bytes that came. */
  int crc() {
    return (int) crc.getValue();
  }

  /** Whether the bytes that came are still those. */
  boolean intact() {
    CRC32C again = new CRC32C();
    for (Part part : parts) {
      if (part.kind() == Kind.CHANGED) {
        again.update(bytes(), (int) part.from(), (int) part.length());
      }
    }
    return again.getValue() == crc.getValue();
  }
}
