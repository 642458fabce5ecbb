package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.storage.internal.lease.Leases;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What chooses one of several, over every state that a few of them can be in. */
class SelectionTest {
  private static final int MOST = 8;

  @TempDir Path state;

  @Test
  void r20TheLastCommitOfAStoreIsOneWithNoneBehindIt() throws IOException {
    for (int held = 0; held < 1 << MOST; held++) {
      MemoryObjectStore store = MemoryObjectStore.create();
      for (int number = 1; number <= MOST; number++) {
        if (has(held, number)) {
          store.put(ObjectNames.commit(number), ObjectSource.of(new byte[] {1}));
        }
      }
      for (int most = 0; most <= MOST; most++) {
        long last = CommitLog.lastOn(store, most);
        assertThat(last).isBetween(0L, (long) most);
        assertThat(last == 0 || has(held, (int) last)).as("%d of %x", last, held).isTrue();
        assertThat(last < most && has(held, (int) last + 1)).as("%d of %x", last, held).isFalse();
      }
    }
  }

  private static boolean has(int set, int number) {
    return (set >> (number - 1) & 1) != 0;
  }

  @Test
  void r20TheNewestLeaseOfARunIsTheOneOfTheHighestNumberHoweverTheyAreListed() {
    List<Leases.Held> all = new ArrayList<>();
    for (int i = 0; i < MOST; i++) {
      String run = List.of("a", "b", "c").get(i % 3);
      // The store's times contradict the numbers.
      Instant at = TestRepository.NOW.minusSeconds(i);
      all.add(new Leases.Held(ObjectNames.lease(run, i + 1), i + 1, at, Optional.empty()));
    }
    assertThat(arrange(all, new ArrayList<>(), 0)).isEqualTo(109_601);
  }

  /** Every arrangement of every selection; says how many there were. */
  private static int arrange(List<Leases.Held> all, List<Leases.Held> listed, int taken) {
    Map<String, Long> expected = new HashMap<>();
    listed.forEach(one -> expected.merge(one.folder(), one.number(), Math::max));
    Map<String, Long> found = new HashMap<>();
    for (Leases.Held one : Leases.newest(listed)) {
      assertThat(found.put(one.folder(), one.number())).isNull();
    }
    assertThat(found).isEqualTo(expected);
    int count = 1;
    for (int i = 0; i < all.size(); i++) {
      if ((taken >> i & 1) == 0) {
        listed.add(all.get(i));
        count += arrange(all, listed, taken | 1 << i);
        listed.remove(listed.size() - 1);
      }
    }
    return count;
  }

  // Checkpoints

  private static final int FIRST = 3;
  private static final int GONE = 0;
  private static final int DAMAGED = 1;
  private static final int WHOLE = 2;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 3);
  private final Map<Integer, Catalog> after = new HashMap<>();
  private final Map<Integer, byte[]> checkpoints = new HashMap<>();

  /** So many commits, each from the third on with a checkpoint. */
  private void history(int commits) throws IOException {
    Site.create(store, state.resolve("writer"), clock).close();
    try (Site site = Site.open(store, state.resolve("writer"), clock, 1, 2)) {
      BackupId held = site.backUp(1);
      for (int number = FIRST + 1; number <= commits; number++) {
        site.repository.hold(held, "reason " + number, Optional.empty());
      }
      for (int number = FIRST; number <= commits; number++) {
        checkpoints.put(number, store.content(ObjectNames.checkpoint(number)));
      }
      checkpoints.keySet().forEach(number -> store.lose(ObjectNames.checkpoint(number)));
      for (int number = 1; number <= commits; number++) {
        after.put(number, site.services.log().upTo(number).catalog());
      }
    }
  }

  /** Lays the checkpoints out as the digits of a state say. */
  private int[] lay(int of, int base, int count) throws IOException {
    for (int number : checkpoints.keySet()) {
      store.delete(ObjectNames.checkpoint(number));
    }
    int[] states = new int[FIRST + count];
    int rest = of;
    for (int number = FIRST; number < FIRST + count; number++) {
      states[number] = rest % base == 0 ? GONE : base == 2 ? WHOLE : rest % base;
      rest /= base;
      if (states[number] != GONE) {
        byte[] content = checkpoints.get(number).clone();
        content[content.length / 2] ^= (byte) (states[number] == DAMAGED ? 1 : 0);
        store.put(ObjectNames.checkpoint(number), ObjectSource.of(content));
      }
    }
    return states;
  }

  /** The newest that can be used and does not lie behind so many commits; 0 for none. */
  private static int usable(int[] states, int most) {
    return IntStream.rangeClosed(FIRST, Math.min(most, states.length - 1))
        .filter(number -> states[number] == WHOLE)
        .max()
        .orElse(0);
  }

  /** Which checkpoint a log was opened with: what it stands for was not read. */
  private static int opened(CommitLog log) {
    for (int number = 1; number <= log.sequence(); number++) {
      if (log.hash(number).isPresent()) {
        return number == 1 ? 0 : number;
      }
    }
    return Math.toIntExact(log.sequence());
  }

  @Test
  void r20ALogIsReadFromTheNewestWholeCheckpointThatDoesNotLieBehindItsEnd() throws IOException {
    int count = MOST;
    history(FIRST + count - 1);
    int[] bases = FaultSuite.RELEASE ? new int[] {2, 3} : new int[] {2};
    for (int base : bases) {
      everyStateOfCheckpoints(base, count);
    }
    everyStateOfCheckpoints(3, 4);
  }

  private void everyStateOfCheckpoints(int base, int count) throws IOException {
    try (Site site = Site.open(store, state.resolve("reader"), clock)) {
      for (int of = 0; of < Math.pow(base, count); of++) {
        int[] states = lay(of, base, count);
        for (int last = 1; last < FIRST + MOST - 1; last++) {
          CommitLog log = site.services.log().upTo(last);
          assertThat(log.sequence()).isEqualTo(last);
          assertThat(opened(log)).as("%d up to %d", of, last).isEqualTo(usable(states, last));
          CheckpointTest.assertSame(log.catalog(), after.get(last));
        }
      }
    }
  }

  /** What a machine remembers is read, unless no checkpoint is left from before. */
  @Test
  void r20AMachineThatRemembersOpensTheNewestFromBeforeOrTheNewestOfAll() throws IOException {
    int count = FaultSuite.RELEASE ? MOST : 3;
    int commits = FIRST + count - 1;
    history(commits);
    for (int seen = 1; seen <= commits; seen++) {
      MemoryObjectStore earlier = store.copy();
      for (int number = seen + 1; number <= commits; number++) {
        earlier.delete(ObjectNames.commit(number));
      }
      Site.open(earlier, state.resolve("seen" + seen), clock).close();
    }
    int machines = 0;
    for (int of = 0; of < Math.pow(3, count); of++) {
      int[] states = lay(of, 3, count);
      for (int seen = 0; seen <= commits; seen++) {
        Path machine = state.resolve("machine" + machines++);
        if (seen > 0) {
          remember(state.resolve("seen" + seen), machine);
        }
        int before = usable(states, seen == 0 ? commits : seen);
        try (Site site = Site.open(store, machine, clock)) {
          assertThat(opened(site.services.log()))
              .as("%d having seen %d", of, seen)
              .isEqualTo(before > 0 ? before : usable(states, commits));
          CheckpointTest.assertSame(site.services.log().catalog(), after.get(commits));
        }
      }
    }
  }

  private static void remember(Path from, Path machine) throws IOException {
    Files.createDirectories(machine.resolve("heads"));
    try (Stream<Path> heads = Files.list(from.resolve("heads"))) {
      for (Path head : heads.toList()) {
        Files.copy(head, machine.resolve("heads").resolve(head.getFileName()));
      }
    }
  }
}
