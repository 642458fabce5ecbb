package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
  private static final int EVERY = 4;

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 3);

  /** Everything that commits can say, twice over; ends with a commit after the last checkpoint. */
  private Catalog history() throws IOException {
    Site.create(store, state.resolve("writer"), clock).close();
    try (Site site = Site.open(store, state.resolve("writer"), clock, EVERY, 2)) {
      BackupId first = site.backUp(1);
      site.repository.hold(first, "a", Optional.empty());
      site.repository.hold(first, "b", Optional.of(clock.instant().plus(Site.DAY)));
      site.repository.release(first, "a");
      site.verify();
      BackupId second = site.backUp(2);
      site.repository.release(first, "b");
      site.repository.rotateKeys(RotateRequest.all());
      site.repository.rewrapKeys(new RewrapRequest(true, Site.DAY), RunControl.unattended());
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      site.backUp(3);
      site.prune(1, Duration.ofHours(2));
      site.repository.undelete(second);
      site.backUp(4);
      site.prune(1, Site.DAY);
      site.repository.hold(second, "c", Optional.empty());
      assertThat(checkpoints()).hasSizeGreaterThan(1);
      return site.services.log().catalog();
    }
  }

  @Test
  void openingWithCheckpointsAndWithoutGivesTheSame() throws IOException {
    Catalog written = history();
    try (Site blank = Site.open(store, state.resolve("blank"), clock)) {
      assertSame(blank.services.log().catalog(), written);
      assertThat(blank.services.log().hash(1)).isEmpty(); // it was not read
    }
    MemoryObjectStore whole = store.copy();
    try (Site verifying = Site.open(whole, state.resolve("verifying"), clock)) {
      assertThat(verifying.verify().damaged()).isEmpty();
    }
    for (String key : checkpoints()) {
      store.delete(new ObjectKey(key));
    }
    try (Site walked = Site.open(store, state.resolve("walked"), clock)) {
      assertSame(walked.services.log().catalog(), written);
      assertThat(walked.services.log().hash(1)).isPresent();
    }
  }

  @Test
  void aThousandCommitsAreOpenedWithFewReads() throws IOException {
    Site.create(store, state.resolve("writer"), clock).close();
    try (Site site = Site.open(store, state.resolve("writer"), clock, 100, 100)) {
      BackupId held = site.backUp(1);
      for (int i = 0; i < 1000; i++) {
        site.repository.hold(held, "reason", Optional.of(clock.instant().plusSeconds(100 + i)));
      }
    }
    for (String machine : List.of("blank", "writer")) {
      FaultyObjectStore counted = FaultyObjectStore.over(store);
      try (Site site = Site.open(counted, state.resolve(machine), clock, 100, 100)) {
        assertThat(site.services.log().sequence()).isEqualTo(1003);
        assertThat(counted.calls().stream().filter(call -> call.startsWith("get commits/")).count())
            .as(machine)
            .isLessThan(110);
        assertThat(counted.calls()).hasSizeLessThan(130);
      }
    }
  }

  @Test
  void aCheckpointThatIsDamagedAnywhereIsPassedOver() throws IOException {
    Catalog written = history();
    ObjectKey newest = new ObjectKey(checkpoints().get(checkpoints().size() - 1));
    int length = store.content(newest).length;
    int bytes = 0;
    for (int at = 0; at < length; at++) {
      MemoryObjectStore damaged = store.copy();
      damaged.flipBit(newest, at * 8L + at % 8);
      try (Site site = Site.open(damaged, state.resolve("blank-" + at % 50), clock)) {
        assertSame(site.services.log().catalog(), written);
      }
      forget(state.resolve("blank-" + at % 50));
      bytes++;
    }
    System.out.println("checkpoint: damaged bytes: " + bytes);
    for (int cut : new int[] {0, 1, 71, 127, 128, length / 2, length - 1}) {
      MemoryObjectStore damaged = store.copy();
      byte[] part = new byte[cut];
      System.arraycopy(store.content(newest), 0, part, 0, cut);
      damaged.replace(newest, part);
      try (Site site = Site.open(damaged, state.resolve("cut-" + cut), clock)) {
        assertSame(site.services.log().catalog(), written);
        assertThat(site.verify().damaged())
            .singleElement()
            .satisfies(
                damage -> {
                  assertThat(damage.object()).isEqualTo(newest.value());
                  assertThat(damage.referenced()).isFalse();
                });
      }
    }
  }

  @Test
  void whenAllAreDamagedEveryCommitIsRead() throws IOException {
    Catalog written = history();
    for (String key : checkpoints()) {
      store.flipBit(new ObjectKey(key), 2000);
    }
    try (Site site = Site.open(store, state.resolve("blank"), clock)) {
      assertSame(site.services.log().catalog(), written);
      assertThat(site.services.log().hash(1)).isPresent();
      assertThat(site.verify().damaged()).hasSameSizeAs(checkpoints());
    }
  }

  @Test
  void oneInThePlaceOfAnotherDoesNotCount() throws IOException {
    Catalog written = history();
    List<String> all = checkpoints();
    byte[] older = store.content(new ObjectKey(all.get(0)));
    store.replace(new ObjectKey(all.get(all.size() - 1)), older);
    store.put(new ObjectKey("checkpoints/0000000000000fff"), ObjectSource.of(older));
    store.put(new ObjectKey("checkpoints/7fffffffffffffff"), ObjectSource.of(new byte[10]));
    try (Site site = Site.open(store, state.resolve("blank"), clock)) {
      assertSame(site.services.log().catalog(), written);
    }
  }

  @Test
  void aLogThatWasCutBehindACheckpointIsNoticedByAnybody() throws IOException {
    history();
    String newest = checkpoints().get(checkpoints().size() - 1);
    long sequence = Long.parseLong(newest.substring(newest.length() - 16), 16);
    for (String key : List.copyOf(store.contents().keySet())) {
      if (key.startsWith("commits/")
          && Long.parseLong(key.substring(key.length() - 16), 16) >= sequence) {
        store.delete(new ObjectKey(key));
      }
    }
    assertDamaged("blank", "commits/%016x".formatted(sequence));
  }

  @Test
  void aCheckpointOfAnotherCommitOfThisNumberIsNoticed() throws IOException {
    history();
    String newest = checkpoints().get(checkpoints().size() - 1);
    long sequence = Long.parseLong(newest.substring(newest.length() - 16), 16);
    ObjectKey commit = new ObjectKey("commits/%016x".formatted(sequence));
    store.flipBit(commit, 1000);
    assertDamaged("blank", commit.value());
  }

  @Test
  void aMachineThatRemembersReadsEveryCommitSince() throws IOException {
    Site.create(store, state.resolve("writer"), clock).close();
    MemoryObjectStore early;
    try (Site site = Site.open(store, state.resolve("writer"), clock, 100, 2)) {
      site.backUp(1);
      early = store.copy();
      Site.open(store, state.resolve("witness"), clock).close(); // remembers commit 3
    }
    // Another history grows from an earlier state, with checkpoints of its own.
    early.delete(new ObjectKey("commits/0000000000000003"));
    try (Site other = Site.open(early, state.resolve("other"), clock, 2, 2)) {
      for (int seed = 5; seed < 10; seed++) {
        other.backUp(seed);
      }
    }
    assertThatThrownBy(() -> Site.open(early, state.resolve("witness"), clock))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> assertThat(e.code()).isEqualTo("repository.rolled-back"));
    // Even with the commit that is remembered put back under what the other history built.
    early.replace(
        new ObjectKey("commits/0000000000000003"),
        store.content(new ObjectKey("commits/0000000000000003")));
    assertThatThrownBy(() -> Site.open(early, state.resolve("witness"), clock))
        .isInstanceOfSatisfying(
            RepositoryException.class, e -> assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED));
  }

  @Test
  void verifyFindsWhatACheckpointHides() throws IOException {
    history();
    store.delete(new ObjectKey("commits/0000000000000002"));
    store.flipBit(new ObjectKey("commits/0000000000000003"), 999);
    try (Site site = Site.open(store, state.resolve("blank"), clock)) {
      assertThat(site.verify().damaged())
          .extracting(damage -> damage.object() + " " + damage.kind())
          .containsExactly("commits/0000000000000002 missing", "commits/0000000000000003 altered");
    }
  }

  @Test
  void aCheckpointThatCannotBeWrittenIsNoReasonToFail() throws IOException {
    Site.create(store, state.resolve("writer"), clock).close();
    Site.Watched refusing =
        new Site.Watched(store) {
          @Override
          void before(String call) throws IOException {
            if (call.startsWith("put checkpoints/")) {
              throw new com.thorbis.backup.spi.storage.StorageException.Unavailable(
                  "put", call, null);
            }
          }
        };
    try (Site site = Site.open(refusing, state.resolve("writer"), clock, 1, 2)) {
      site.backUp(1);
      site.requireAllWhole();
    }
    assertThat(checkpoints()).isEmpty();
    FaultyObjectStore dying = FaultyObjectStore.over(store);
    int calls;
    try (Site site = Site.open(dying, state.resolve("writer"), clock, 1, 2)) {
      calls = dying.calls().size();
      dying.failAtCall(calls + 4, Fault.DEATH_AFTER);
      site.repository.hold(site.listed().get(0), "x", Optional.empty());
    } catch (FaultyObjectStore.Died e) {
      // Whatever it was doing.
    }
    try (Site site = Site.open(store, state.resolve("blank"), clock)) {
      site.requireAllWhole();
    }
  }

  private void assertDamaged(String machine, String object) {
    assertThatThrownBy(() -> Site.open(store, state.resolve(machine), clock))
        .isInstanceOfSatisfying(
            RepositoryException.class,
            e -> {
              assertThat(e.code()).isEqualTo("repository.damaged");
              assertThat(e.details()).containsEntry("object", object);
            });
  }

  static void assertSame(Catalog found, Catalog expected) {
    assertThat(found.kept()).isEqualTo(expected.kept());
    assertThat(found.sources()).isEqualTo(expected.sources());
    assertThat(found.plainObjects()).isEqualTo(expected.plainObjects());
    assertThat(found.walMarks()).isEqualTo(expected.walMarks());
    assertThat(found.walExpiries()).isEqualTo(expected.walExpiries());
    assertThat(found.walGone("orders")).isEqualTo(expected.walGone("orders"));
    assertThat(found.sweeps()).isEqualTo(expected.sweeps());
  }

  private static void forget(Path machine) throws IOException {
    try (var heads = java.nio.file.Files.list(machine.resolve("heads"))) {
      for (Path head : heads.toList()) {
        java.nio.file.Files.delete(head);
      }
    }
  }

  private List<String> checkpoints() {
    return store.contents().keySet().stream()
        .filter(key -> key.startsWith("checkpoints/"))
        .toList();
  }
}
