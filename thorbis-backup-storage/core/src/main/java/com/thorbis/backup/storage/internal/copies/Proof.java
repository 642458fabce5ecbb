package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.spi.storage.ObjectKey;
import java.io.IOException;
import java.io.InputStream;

/** Tells whole objects from damaged ones, whichever copy they come from. */
public interface Proof {
  /** Whether objects of this name can be judged at all. */
  boolean covers(ObjectKey key);

  /**
   * Reads an object to its end and returns if it is what was stored.
   *
   * @throws com.thorbis.backup.spi.repository.RepositoryException of kind DAMAGED if it is not
   */
  void require(ObjectKey key, InputStream sealed) throws IOException;
}
