package com.thorbis.backup.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.StorageException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ActorScheduleTest {
  private static final ObjectKey KEY = new ObjectKey("k");

  @Test
  void oneSeedIsOneOrderAndAllOrdersComeUp() throws Exception {
    Set<List<String>> orders = new HashSet<>();
    for (long seed = 0; seed < 60; seed++) {
      List<String> once = run(seed);
      assertThat(run(seed)).isEqualTo(once);
      orders.add(once);
    }
    assertThat(orders).hasSize(6); // two calls among two: four over two
  }

  private static List<String> run(long seed) throws Exception {
    ActorSchedule schedule = new ActorSchedule(MemoryObjectStore.create(), seed);
    for (String name : List.of("a", "b")) {
      schedule.actor(
          name,
          view -> {
            view.head(KEY);
            view.head(KEY);
          });
    }
    schedule.run();
    return schedule.events();
  }

  @Test
  void oneOfTwoWritersOfAKeyLoses() {
    ActorSchedule schedule = new ActorSchedule(MemoryObjectStore.create(), 1);
    for (String name : List.of("a", "b")) {
      schedule.actor(name, view -> view.put(KEY, ObjectSource.of(new byte[1])));
    }
    assertThatThrownBy(schedule::run).isInstanceOf(StorageException.AlreadyExists.class);
  }
}
