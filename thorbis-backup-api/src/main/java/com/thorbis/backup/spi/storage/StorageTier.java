package com.thorbis.backup.spi.storage;

/**
 * How near a store keeps an object, by what a read costs and how long it takes; each adapter says
 * which of its vendor's classes that is.
 */
public enum StorageTier {
  /** Read at once, often: the default. */
  HOT,
  /** Read at once, seldom; the store charges for reading and for a stay of less than a month. */
  WARM,
  /**
   * Read at once, hardly ever; the store charges more for reading and for a stay of some months.
   */
  COLD,
  /** Must be asked for hours before it can be read. */
  ARCHIVE
}
