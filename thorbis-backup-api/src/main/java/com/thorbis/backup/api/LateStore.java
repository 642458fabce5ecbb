package com.thorbis.backup.api;

import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A copy whose store could not be opened: tried again whenever it is asked, so that the other
 * copies serve meanwhile.
 */
final class LateStore extends ForwardingObjectStore {
  private final String name;
  private final Opening opening;
  private @Nullable ObjectStore store;
  private boolean closed;

  /** Opens the store. */
  @FunctionalInterface
  interface Opening {
    ObjectStore open() throws IOException;
  }

  LateStore(String name, Opening opening) {
    this.name = name;
    this.opening = opening;
  }

  @Override
  public String describe() {
    return name;
  }

  @Override
  public synchronized void close() throws IOException {
    closed = true;
    ObjectStore opened = store;
    if (opened != null) {
      opened.close();
    }
  }

  @Override
  protected synchronized ObjectStore delegate() throws IOException {
    ObjectStore opened = store;
    if (opened == null) {
      if (closed) {
        throw new IllegalStateException(name + " is closed");
      }
      opened = opening.open();
      store = opened;
    }
    return opened;
  }
}
