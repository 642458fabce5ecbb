package com.thorbis.backup.spi.secret;

import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What could be listed of a place, and what could not be looked at.
 *
 * @param secrets without their values, each name once
 * @param unseen names of parts, such as a folder with its slash, or of secrets, and what kept them
 *     from being looked at. Whether something stands there is not known
 */
public record Listing(List<SecretInfo> secrets, SortedMap<String, SecretException> unseen) {
  /** Copies the collections. */
  public Listing {
    secrets = List.copyOf(secrets);
    unseen = Collections.unmodifiableSortedMap(new TreeMap<>(unseen));
  }

  /** A place of which all could be looked at. */
  public static Listing whole(List<SecretInfo> secrets) {
    return new Listing(secrets, Collections.emptySortedMap());
  }

  /** The secrets, if all could be looked at. */
  public List<SecretInfo> requireWhole() throws SecretException {
    if (!unseen.isEmpty()) {
      throw unseen.values().iterator().next();
    }
    return secrets;
  }
}
