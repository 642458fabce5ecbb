package com.thorbis.backup.spi.storage;

import java.util.List;
import java.util.Optional;

/**
 * One page of a listing.
 *
 * @param objects in key order
 * @param next where the next page starts; empty on the last page
 */
public record ListPage(List<ObjectInfo> objects, Optional<String> next) {
  /** Copies the list. */
  public ListPage {
    objects = List.copyOf(objects);
  }
}
