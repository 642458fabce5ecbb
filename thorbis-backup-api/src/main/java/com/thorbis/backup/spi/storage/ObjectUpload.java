package com.thorbis.backup.spi.storage;

import java.io.IOException;
import java.io.OutputStream;

/** A write of unknown length, used by one thread. Nothing is visible before {@link #commit}. */
public interface ObjectUpload extends AutoCloseable {
  /** Where the content goes. Closing this stream ends the content and publishes nothing. */
  OutputStream body();

  /**
   * Publishes the object durably, or leaves nothing visible.
   *
   * @throws StorageException.AlreadyExists if the key is taken
   * @throws StorageException.OutcomeUnknown if it may have been published
   */
  ObjectInfo commit() throws IOException;

  /** Discards what was not committed. May be called twice. */
  @Override
  void close() throws IOException;
}
