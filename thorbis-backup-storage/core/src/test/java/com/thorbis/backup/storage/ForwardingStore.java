package com.thorbis.backup.storage;

import com.thorbis.backup.spi.storage.ForwardingObjectStore;
import com.thorbis.backup.spi.storage.ObjectStore;

/** A store that does what another one does, for those that differ in one thing. */
class ForwardingStore extends ForwardingObjectStore {
  private final ObjectStore store;

  ForwardingStore(ObjectStore store) {
    this.store = store;
  }

  @Override
  public String describe() {
    return store.describe();
  }

  @Override
  protected final ObjectStore delegate() {
    return store;
  }
}
