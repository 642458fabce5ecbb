package com.thorbis.backup.spi.repository;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What can be said of a repository object without a key.
 *
 * @param kind such as {@code pack} or {@code commit}
 * @param fields names and values in the order to show them
 */
public record ObjectDescription(String kind, Map<String, String> fields) {
  /** Copies the fields. */
  public ObjectDescription {
    fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }
}
