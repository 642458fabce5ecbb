package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.util.ArrayList;
import java.util.List;

/**
 * A file between the caller who writes it and the thread that maps it. The caller sets length and
 * checksum before it submits the mark of the end.
 */
final class FileState {
  final StoredFile file;
  long length;
  int crc;

  // Of the mapping thread.
  final List<Extent> extents = new ArrayList<>();
  final List<PieceRef> maps = new ArrayList<>();
  Fingerprint fingerprint = Fingerprint.ZERO;
  int slices;
  MapBlock.Builder map = MapBlock.Builder.map();

  FileState(StoredFile file) {
    this.file = file;
  }

  /** The file as it was, whatever was expected. */
  StoredFile seen() {
    return new StoredFile(
        file.area(), file.path(), file.kind(), length, file.mode(), file.modifiedAt());
  }
}
