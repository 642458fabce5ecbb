package com.thorbis.backup.spi.repository;

/**
 * How new pieces are compressed. Stored pieces carry their own codec, so this may change at any
 * time.
 *
 * @param codec {@code zstd}, {@code lz4} or {@code none}
 * @param level the codec's own scale; ignored where it has none
 */
public record Compression(String codec, int level) {
  /** zstd at level 1: on database pages smaller and faster than 3. */
  public static final Compression DEFAULT = new Compression("zstd", 1);
}
