package com.thorbis.backup.storage.internal.copies;

import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.ObjectStoreContract;
import java.util.ArrayList;
import java.util.List;

/** Several copies are a store like any other. */
abstract class CopySetContract extends ObjectStoreContract {
  abstract int copies();

  @Override
  protected ObjectStore openStore() {
    return open(false);
  }

  @Override
  protected ObjectStore openUnreachableStore() {
    return open(true);
  }

  private ObjectStore open(boolean unreachable) {
    List<Copy> copies = new ArrayList<>();
    for (int i = 0; i < copies(); i++) {
      copies.add(
          Copy.of(FaultyObjectStore.over(MemoryObjectStore.create()).unavailable(unreachable)));
    }
    return new CopySet(copies, WritePolicy.ALL);
  }
}
