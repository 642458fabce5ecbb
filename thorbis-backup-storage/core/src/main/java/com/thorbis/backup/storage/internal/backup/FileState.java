package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.Reading;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * A file between the caller who writes it and the thread that maps it. The caller sets length,
 * checksum and fingerprint before it submits the mark of the end.
 */
final class FileState implements OfFile {
  final StoredFile file;
  long length;
  OptionalInt crc = OptionalInt.empty();

  /** The last stretch's fingerprint, where the slices that come do not tell; may be zero. */
  @Nullable Fingerprint known;

  /** Who reads its content; null where the caller writes it. */
  @Nullable Reading reading;

  // Of the caller: a run of unchanged bytes that was not handed on yet.
  long runFrom;
  long runTo;

  /** Of the caller: whether what is stored is byte for byte what came. */
  boolean exact = true;

  // Of the caller: what was read of a file that has a base.
  boolean readWhole = true;
  int crcRead;

  // Of the mapping thread.
  final List<Extent> extents = new ArrayList<>();
  final List<MapRef> maps = new ArrayList<>();
  Fingerprint fingerprint = Fingerprint.ZERO;
  @Nullable Extent pending;
  long mapped;
  long inBlocks;
  MapBlock.Builder map = MapBlock.Builder.map();
  long inBlock;
  int crcSoFar;

  FileState(StoredFile file) {
    this.file = file;
  }

  @Override
  public FileState state() {
    return this;
  }

  /** Whether it turned out to be gone. */
  boolean gone() {
    return reading != null && reading.gone();
  }

  /** The file as it was, whatever was expected. */
  StoredFile seen() {
    return new StoredFile(
        file.area(),
        file.path(),
        file.kind(),
        length,
        file.mode(),
        file.modifiedAt(),
        file.target(),
        file.node());
  }
}
