package com.thorbis.backup.storage.internal.backup;

import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.storage.internal.pack.Fingerprint;
import java.util.List;
import java.util.OptionalInt;

/**
 * One line of the file table.
 *
 * @param file what it is
 * @param crc CRC-32C of the whole content; none where only changed parts of it were read
 * @param fingerprint of the last stretch of the content, that from the last multiple of 1 MiB on;
 *     zero where it is not known
 * @param extents the content, where the map is short
 * @param maps the pieces that hold the extents, where it is long
 */
record FileEntry(
    StoredFile file,
    OptionalInt crc,
    Fingerprint fingerprint,
    List<Extent> extents,
    List<MapRef> maps) {}
