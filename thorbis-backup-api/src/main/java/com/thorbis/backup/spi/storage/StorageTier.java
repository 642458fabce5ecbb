package com.thorbis.backup.spi.storage;

/**
 * How near a store keeps an object, by what a read costs and how long it takes; each adapter says
 * which of its vendor's classes that is.
 */
public enum StorageTier {
  /** Read at once, often: the default. */
  HOT("hot"),
  /** Read at once, seldom; the store charges for reading and for a stay of less than a month. */
  WARM("warm"),
  /**
   * Read at once, hardly ever; the store charges more for reading and for a stay of some months.
   */
  COLD("cold"),
  /**
   * The cheapest to keep. Most vendors must be asked for it hours before it can be read, which
   * {@link ObjectInfo#readable} tells.
   */
  ARCHIVE("archive");

  private final String label;

  StorageTier(String label) {
    this.label = label;
  }

  /** The name in settings; never changes. */
  public String label() {
    return label;
  }
}
