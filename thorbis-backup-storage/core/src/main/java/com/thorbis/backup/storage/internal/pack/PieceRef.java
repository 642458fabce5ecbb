package com.thorbis.backup.storage.internal.pack;

import com.thorbis.backup.crypto.Address;
import com.thorbis.backup.crypto.ObjectId;

/**
 * Where a piece lies and what it is.
 *
 * @param pack the pack's object id
 * @param position its first byte in the pack's plain content
 * @param storedLength how many bytes lie there
 * @param plainLength how many they decompress to
 * @param codec what compressed them
 * @param crc CRC-32C of the plain bytes
 * @param address the keyed name of the stored bytes
 * @param fingerprint the keyed hash of the plain bytes
 */
public record PieceRef(
    ObjectId pack,
    long position,
    int storedLength,
    int plainLength,
    byte codec,
    int crc,
    Address address,
    Fingerprint fingerprint) {
  /** The byte after the last in the pack. */
  public long end() {
    return position + storedLength;
  }
}
