package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import com.thorbis.backup.storage.internal.pack.PieceRef;
import java.util.List;

/**
 * One line of the file table.
 *
 * @param file what it is
 * @param crc CRC-32C of the whole content
 * @param fingerprint of the whole content where it is one piece or a part of one; else zero
 * @param extents the content, where the map is short
 * @param maps the pieces that hold the extents, where it is long
 */
record FileEntry(
    StoredFile file, int crc, Fingerprint fingerprint, List<Extent> extents, List<PieceRef> maps) {}
