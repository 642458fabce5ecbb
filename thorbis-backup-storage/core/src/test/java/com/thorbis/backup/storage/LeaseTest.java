package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Claim;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.lease.Lease;
import com.thorbis.backup.storage.internal.lease.LeaseFacts;
import com.thorbis.backup.storage.internal.lease.Leases;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LeaseTest {
  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);

  @Test
  void aBackupHasOneFromItsBeginUntilAfterItsCommit() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupWriter writer = TestRepository.begin(site.repository);
      Leases.Held held = Leases.all(store).get(0);
      assertThat(held.key().value()).isEqualTo("leases/" + writer.id() + "/0000000000000001");
      assertThat(held.facts().orElseThrow().purpose()).isEqualTo(LeaseFacts.BACKUP);
      assertThat(held.startedAt()).isEqualTo(TestRepository.NOW);
      clock.advance(Duration.ofMinutes(10));
      site.beats.beat();
      Leases.Held renewed = Leases.all(store).get(0);
      assertThat(Leases.all(store)).hasSize(1);
      assertThat(renewed.number()).isEqualTo(2);
      assertThat(renewed.startedAt()).isEqualTo(TestRepository.NOW);
      assertThat(renewed.takenAt()).isEqualTo(clock.instant());
      assertThat(renewed.alive(clock.instant().plus(Duration.ofMinutes(30)))).isTrue();
      assertThat(renewed.alive(clock.instant().plus(Duration.ofMinutes(31)))).isFalse();
      TestRepository.write(writer, "PG_VERSION", new byte[] {1});
      writer.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      assertThat(Leases.all(store)).hasSize(1);
      writer.close();
      writer.close();
      assertThat(Leases.all(store)).isEmpty();
      site.beats.beat();
      assertThat(Leases.all(store)).isEmpty();
    }
  }

  @Test
  void aRenewalThatComesTooLateIsNone() throws IOException {
    try (Site site = Site.create(store, state, clock);
        Lease lease = Lease.take(site.services, "run", "test", List.of())) {
      clock.advance(Duration.ofMinutes(30));
      assertThat(lease.renew()).isEqualTo(clock.instant());
      clock.advance(Duration.ofMinutes(31));
      PruneTest.assertRefused(lease::renew, "lease.lost", FailureKind.REFUSED);
      PruneTest.assertRefused(lease::renew, "lease.lost", FailureKind.REFUSED);
    }
  }

  @Test
  void aRenewalThatFailedIsTriedAgainWhileThereIsTime() throws IOException {
    FaultyObjectStore faulty = FaultyObjectStore.over(store);
    Site.create(store, state, clock).close();
    try (Site site = Site.open(faulty, state, clock);
        Lease lease = Lease.take(site.services, "run", "test", List.of())) {
      for (Fault fault : List.of(Fault.UNAVAILABLE, Fault.REQUEST_LOST, Fault.ANSWER_LOST)) {
        clock.advance(Duration.ofMinutes(10));
        faulty.failAtCall(faulty.calls().size() + 1, fault);
        site.beats.beat();
        clock.advance(Duration.ofMinutes(10));
        site.beats.beat();
        assertThat(Leases.all(store)).hasSize(1);
        assertThat(Leases.all(store).get(0).alive(clock.instant())).isTrue();
      }
      assertThat(lease.renew()).isEqualTo(clock.instant());
    }
  }

  @Test
  void whoeverTookOverIsNotPushedOutByTheOneThatSlept() throws IOException {
    try (Site first = Site.create(store, state, clock);
        Site second = Site.open(store, state.resolve("second"), clock)) {
      Lease slept = Lease.takeExclusive(first.services, "a", LeaseFacts.PRUNE);
      PruneTest.assertRefused(
          () -> Lease.takeExclusive(second.services, "b", LeaseFacts.PRUNE),
          "prune.busy",
          FailureKind.REFUSED);
      clock.advance(Duration.ofMinutes(31));
      Lease taken = Lease.takeExclusive(second.services, "b", LeaseFacts.PRUNE);
      PruneTest.assertRefused(slept::renew, "lease.lost", FailureKind.REFUSED);
      assertThat(taken.renew()).isEqualTo(clock.instant());
      slept.close();
      assertThat(taken.renew()).isEqualTo(clock.instant());
      taken.close();
      assertThat(Leases.all(store)).isEmpty();
    }
  }

  /** The second delivery is told that it is there, and what it then reads has a flipped bit. */
  @Test
  void aRunIsNotKeptOutByItsOwnLease() throws IOException {
    Site.create(store, state, clock).close();
    FaultyObjectStore faulty = FaultyObjectStore.over(store);
    try (Site site = Site.open(faulty, state, clock)) {
      int before = faulty.calls().size();
      Lease.takeExclusive(site.services, "a", LeaseFacts.PRUNE).close();
      List<String> calls = faulty.calls().subList(before, faulty.calls().size());
      int put = 1;
      while (!calls.get(put - 1).startsWith("put ")) {
        put++;
      }
      before = faulty.calls().size();
      faulty.failAtCall(before + put, Fault.DELIVERED_TWICE);
      faulty.failAtCall(before + put + 1, Fault.BIT_FLIP);
      try (Lease lease = Lease.takeExclusive(site.services, "b", LeaseFacts.PRUNE)) {
        assertThat(faulty.struck()).isEqualTo(2);
        assertThat(lease.renew()).isEqualTo(clock.instant());
      }
    }
  }

  @Test
  void whatCannotBeReadCountsForADay() throws IOException {
    store.put(
        new ObjectKey("leases/some/0000000000000001"), ObjectSource.of(new byte[] {'{', '}'}));
    Leases.Held held = Leases.all(store).get(0);
    assertThat(held.facts()).isEmpty();
    assertThat(held.startedAt()).isEqualTo(Instant.EPOCH);
    assertThat(held.alive(clock.instant().plus(Duration.ofHours(23)))).isTrue();
    assertThat(held.alive(clock.instant().plus(Duration.ofHours(25)))).isFalse();
  }

  @Test
  void aRunThatWritesItsNextLeaseMeanwhileIsNotTakenOver() throws IOException {
    try (Site site = Site.create(store, state, clock);
        BackupWriter running = TestRepository.begin(site.repository)) {
      Leases.Held held = Leases.all(store).get(0);
      ObjectStore late =
          new ForwardingStore(store) {
            @Override
            public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
              site.beats.beat(); // the run's next lease is there
              try {
                return super.put(key, content);
              } catch (StorageException.AlreadyExists e) {
                site.beats.beat(); // and the one after it, which removes that one
                throw e;
              }
            }
          };
      assertThat(Lease.takeOver(late, held, "another")).isFalse();
      assertThat(Leases.all(store)).hasSize(1);
      assertThat(Leases.all(store).get(0).facts().orElseThrow().by()).isEmpty();
      running.commit(TestRepository.facts(), BackupStatus.COMPLETE);
      assertThat(site.listed()).hasSize(1);
    }
  }

  @Test
  void whatARunPinsIsNotSwept() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId base = site.backUp(1);
      site.backUp(2);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      try (Lease lease =
          Lease.take(site.services, "incremental", LeaseFacts.BACKUP, List.of(base))) {
        assertThat(site.prune(1, Duration.ZERO).swept()).isEmpty();
        TestRepository.assertReads(
            site.repository,
            site.repository.undelete(base).backup().id(),
            TestRepository.fewFiles(1));
        assertThat(lease.startedAt()).isEqualTo(clock.instant());
      }
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      assertThat(site.prune(1, Duration.ZERO).swept()).containsExactly(base);
    }
  }

  @Test
  void ofSeveralProcessesOneHasAClaimUntilItGivesItBack() throws IOException {
    Duration lasts = Duration.ofMinutes(5);
    Site.create(store, state, clock).close();
    try (Site one = Site.open(store, state, clock);
        Site other = Site.open(store, state, clock)) {
      Claim held = one.repository.claim("source orders", lasts).orElseThrow();
      assertThat(other.repository.claim("source orders", lasts)).isEmpty();
      assertThat(one.repository.claim("source orders", lasts)).isEmpty();
      other.repository.claim("source billing", lasts).orElseThrow().close();
      clock.advance(Duration.ofMinutes(4));
      one.beats.beat();
      clock.advance(Duration.ofMinutes(4));
      assertThat(other.repository.claim("source orders", lasts)).isEmpty();
      held.close();
      held.close();
      try (Claim next = other.repository.claim("source orders", lasts).orElseThrow()) {
        assertThat(next).isNotNull();
        assertThat(Leases.all(store)).hasSize(1);
      }
      assertThat(Leases.all(store)).isEmpty();
    }
  }

  @Test
  void theClaimOfAProcessThatDiedLapsesAndOneOfTheOthersGetsIt() throws IOException {
    Duration lasts = Duration.ofMinutes(5);
    Site.create(store, state, clock).close();
    try (Site died = Site.open(store, state, clock);
        Site other = Site.open(store, state, clock);
        Site third = Site.open(store, state, clock)) {
      Claim lost = died.repository.claim("prune", lasts).orElseThrow();
      clock.advance(lasts);
      assertThat(other.repository.claim("prune", lasts)).isEmpty();
      clock.advance(Duration.ofSeconds(1));
      try (Claim next = other.repository.claim("prune", lasts).orElseThrow()) {
        assertThat(third.repository.claim("prune", lasts)).isEmpty();
        died.beats.beat(); // it was only asleep: too late
        lost.close();
        assertThat(third.repository.claim("prune", lasts)).isEmpty();
        assertThat(next).isNotNull();
      }
    }
  }

  @Test
  void aClaimKeepsNothingFromBeingSwept() throws IOException {
    try (Site site = Site.create(store, state, clock);
        Claim claim = site.repository.claim("prune", Duration.ofMinutes(5)).orElseThrow()) {
      assertThat(claim).isNotNull();
      assertThat(Leases.all(store)).singleElement().matches(held -> !held.mayRefer());
      BackupId old = site.backUp(1);
      site.backUp(2);
      site.prune(1, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      assertThat(site.prune(1, Duration.ZERO).swept()).containsExactly(old);
    }
  }
}
