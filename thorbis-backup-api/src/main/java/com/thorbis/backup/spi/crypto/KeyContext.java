package com.thorbis.backup.spi.crypto;

import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a wrap is bound to; it opens only under the same facts.
 *
 * @param facts such as {@code repository}, {@code tree}, {@code epoch}; no secrets, as services log
 *     them
 */
public record KeyContext(SortedMap<String, String> facts) {
  /** Copies the facts. */
  public KeyContext {
    facts = Collections.unmodifiableSortedMap(new TreeMap<>(facts));
  }

  /** From any map. */
  public static KeyContext of(Map<String, String> facts) {
    return new KeyContext(new TreeMap<>(facts));
  }
}
