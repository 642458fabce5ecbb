package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.storage.ObjectKey;

/** Knows what a copy does without on purpose. Safe for several threads. */
@FunctionalInterface
public interface Waivers {
  /** Nothing. */
  Waivers NONE = (copy, key) -> false;

  /**
   * Whether a copy may lack an object by a retention of its own: then that it is not there says
   * nothing of the others, and it is not to be brought back. True where that is not known.
   */
  boolean waives(Copy copy, ObjectKey key);
}
