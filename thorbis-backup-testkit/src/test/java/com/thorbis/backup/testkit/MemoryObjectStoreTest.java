package com.thorbis.backup.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectStoreFactory;
import java.io.IOException;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class MemoryObjectStoreTest extends ObjectStoreContract {
  private static final ObjectKey KEY = new ObjectKey("k");

  @Override
  protected ObjectStore openStore() {
    return MemoryObjectStore.create(SettableClock.at(Instant.EPOCH), 20);
  }

  @Override
  protected ObjectStore openUnreachableStore() {
    return FaultyObjectStore.over(openStore()).unavailable(true);
  }

  @Override
  protected int objectsOfThreePages() {
    return 50;
  }

  @Test
  void copyGoesItsOwnWay() throws IOException {
    MemoryObjectStore first = MemoryObjectStore.create();
    first.put(KEY, ObjectSource.of(new byte[] {1}));
    MemoryObjectStore copy = first.copy();
    first.delete(KEY);
    assertThat(copy.contents()).containsOnlyKeys("k");
    assertThat(first.contents()).isEmpty();
  }

  @Test
  void damageCanBePlanted() throws IOException {
    MemoryObjectStore store = MemoryObjectStore.create();
    store.put(KEY, ObjectSource.of(new byte[] {0, 0}));
    store.flipBit(KEY, 9);
    assertThat(store.content(KEY)).containsExactly(0, 2);
    store.replace(KEY, new byte[] {5});
    assertThat(store.head(KEY).orElseThrow().length()).isEqualTo(1);
  }

  @Test
  void nobodyFindsItByAccident() {
    ProviderLoader loader = ProviderLoader.serviceLoader(getClass().getClassLoader());
    assertThat(loader.load(ObjectStoreFactory.class, problem -> fail(problem))).isEmpty();
  }
}
