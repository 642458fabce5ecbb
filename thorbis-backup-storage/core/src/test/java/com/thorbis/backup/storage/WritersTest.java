package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RewrapRequest;
import com.thorbis.backup.api.RotateRequest;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.catalog.CommitLog;
import com.thorbis.backup.storage.internal.catalog.ForeignObjects;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.catalog.SlotRef;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where a repository names who may write, nobody else does, whatever keys they have. */
class WritersTest {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final SigningKey ADMINISTRATOR = SigningKey.generate(RANDOM);
  private static final SigningKey WRITER = SigningKey.generate(RANDOM);
  private static final SigningKey OTHER = SigningKey.generate(RANDOM);

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private int states;

  private Site open(ObjectStore at, String state, Optional<Signer> signer, int checkpointEvery)
      throws IOException {
    RepositorySetup.Builder setup =
        TestRepository.setup(at, folder.resolve(state)).parallelism(1).clock(clock);
    signer.ifPresent(setup::signer);
    return Site.open(setup.build(), checkpointEvery, 1000);
  }

  private Site open(Signer signer) throws IOException {
    return open(store, "of-" + signer, Optional.of(signer), 1000);
  }

  /** A machine that knows nothing but a recipient. */
  private Site blank(ObjectStore at) throws IOException {
    return open(at, "blank-" + states++, Optional.empty(), 1000);
  }

  /** Two writers, of whom one is the administrator, and a backup that was made before. */
  private BackupId named() throws IOException {
    BackupId before;
    try (Site site = Site.create(store, folder.resolve("creator"), clock)) {
      before = site.backUp(1);
    }
    try (Site site = open(ADMINISTRATOR)) {
      site.repository.changeWriters(add("admin", ADMINISTRATOR, true));
      site.repository.changeWriters(add("host", WRITER, false));
    }
    return before;
  }

  private static WritersRequest add(String name, SigningKey key, boolean administrator) {
    return new WritersRequest.Add(name, key.verifier().text(), administrator);
  }

  private static Operation.Writers takeOver(Site site, SigningKey key) {
    SlotRef marker =
        site.services.log().catalog().plainObjects().stream()
            .filter(ref -> ref.key().equals(ObjectNames.SIGNED))
            .findFirst()
            .orElseThrow();
    return new Operation.Writers(
        marker, List.of(new Operation.Writers.Writer("me", key.verifier(), true)));
  }

  private static Operation hold(BackupId id) {
    return new Operation.Hold(id, "foreign", Instant.EPOCH, Optional.empty());
  }

  /** Everybody reads past it, names it, and goes on; nothing that it says is so. */
  private void assertPassedOver(long sequence, BackupId held, String reason) throws IOException {
    BackupId made;
    try (Site site = open(WRITER)) {
      made = site.backUp(sequence);
      assertThat(site.services.log().sequence()).isEqualTo(sequence + 1);
    }
    try (Site site = blank(store)) {
      WritersReport report = site.repository.writers();
      assertThat(report.passedOver())
          .singleElement()
          .satisfies(
              one -> {
                assertThat(one.sequence()).isEqualTo(sequence);
                assertThat(one.reason()).contains(reason);
              });
      assertThat(report.writers())
          .extracting(WritersReport.Writer::name)
          .containsExactly("admin", "host");
      assertThat(site.repository.checkWriters())
          .filteredOn(item -> item.outcome() == CheckItem.Outcome.FAIL)
          .singleElement()
          .satisfies(
              item ->
                  assertThat(item.message())
                      .contains(ObjectNames.commit(sequence).value(), reason));
      assertThat(site.services.log().catalog().kept(held).orElseThrow().fate().holds()).isEmpty();
      TestRepository.assertReads(site.repository, made, TestRepository.fewFiles(sequence));
      TestRepository.assertReads(site.repository, held, TestRepository.fewFiles(1));
      assertThat(site.verify().damaged())
          .singleElement()
          .satisfies(
              damage -> {
                assertThat(damage.object()).isEqualTo(ObjectNames.commit(sequence).value());
                assertThat(damage.kind()).isEqualTo("foreign-commit");
                assertThat(damage.referenced()).isFalse();
              });
    }
  }

  @Test
  void aRotationAnswersAForeignCommit() throws IOException {
    BackupId before = named();
    try (Site site = open(ADMINISTRATOR)) {
      long next = site.services.log().sequence() + 1;
      plant(next, new ForeignObjects(site.services).next(List.of(hold(before)), Optional.empty()));
      site.repository.refresh();
      assertThat(site.repository.writers().passedOver()).hasSize(1);
      site.repository.rotateKeys(new RotateRequest(Set.of("orders"), Optional.empty()));
      assertThat(site.repository.writers().passedOver()).as("its key is as it was").hasSize(1);
      site.repository.rotateKeys(RotateRequest.all());
      assertThat(site.repository.writers().passedOver()).isEmpty();
      assertThat(site.verify().damaged()).isEmpty();
      site.requireAllWhole();
    }
  }

  private void plant(long sequence, byte[] commit) throws IOException {
    store.put(ObjectNames.commit(sequence), ObjectSource.of(commit));
  }

  @Test
  void aSignedCommitReadsWhereNobodyIsNamed() throws IOException {
    Site.create(store, folder.resolve("creator"), clock).close();
    BackupId signed;
    try (Site site = open(WRITER)) {
      signed = site.backUp(1);
    }
    try (Site site = blank(store)) {
      TestRepository.assertReads(site.repository, signed, TestRepository.fewFiles(1));
      site.backUp(2);
      assertThat(site.repository.writers().writers()).isEmpty();
      assertThat(site.repository.checkWriters()).isEmpty();
      assertThat(store.contents()).doesNotContainKey("signed");
    }
    try (Site site = open(WRITER)) {
      assertThat(site.listed()).hasSize(2);
    }
  }

  @Test
  void whoIsNotNamedReadsAndDoesNotWrite() throws IOException {
    BackupId before = named();
    int objects = store.contents().size();
    for (Optional<Signer> signer :
        List.<Optional<Signer>>of(Optional.empty(), Optional.of(OTHER))) {
      try (Site site = open(store, "stranger-" + states++, signer, 1000)) {
        TestRepository.assertReads(site.repository, before, TestRepository.fewFiles(1));
        refused(() -> site.backUp(2), "repository.writer-not-allowed");
        refused(
            () -> site.repository.hold(before, "a", Optional.empty()),
            "repository.writer-not-allowed");
        refused(
            () ->
                site.repository
                    .wal("orders")
                    .storeSegment(
                        TestRepository.segment(1, 2),
                        ByteBuffer.wrap(TestRepository.wal(TestRepository.segment(1, 2), 1)),
                        WalMarks.NONE),
            "repository.writer-not-allowed");
        assertThat(site.repository.checkWriters())
            .singleElement()
            .satisfies(item -> assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.WARN));
        assertThat(site.verify().damaged())
            .as("it tells what it finds, and records nothing")
            .isEmpty();
      }
    }
    assertThat(store.contents()).as("nothing was written").hasSize(objects);
    try (Site site = open(WRITER)) {
      BackupId made = site.backUp(2);
      site.requireAllWhole();
      assertThat(site.listed()).containsExactly(before, made);
    }
  }

  @Test
  void aCommitThatNobodySignedIsPassedOver() throws IOException {
    BackupId before = named();
    long next;
    try (Site site = blank(store)) {
      next = site.services.log().sequence() + 1;
      plant(next, new ForeignObjects(site.services).next(List.of(hold(before)), Optional.empty()));
    }
    assertPassedOver(next, before, "nobody has signed it");
  }

  @Test
  void aCommitOfAStrangerIsPassedOver() throws IOException {
    BackupId before = named();
    long next;
    try (Site site = blank(store)) {
      next = site.services.log().sequence() + 1;
      plant(
          next, new ForeignObjects(site.services).next(List.of(hold(before)), Optional.of(OTHER)));
    }
    assertPassedOver(
        next, before, OTHER.verifier() + " has signed it, which is no key of a writer");
  }

  @Test
  void aWriterThatIsRemovedWritesNoMore() throws IOException {
    BackupId before = named();
    BackupId kept;
    try (Site removed = open(store, "removed", Optional.of(OTHER), 1000)) {
      try (Site site = open(ADMINISTRATOR)) {
        site.repository.changeWriters(add("old", OTHER, false));
        removed.repository.refresh();
        kept = removed.backUp(5);
        site.repository.changeWriters(new WritersRequest.Remove("old"));
      }
      // It has not read on yet: the number is taken, and then it knows.
      refused(
          () -> removed.repository.hold(before, "a", Optional.empty()),
          "repository.writer-not-allowed");
      long next = removed.services.log().sequence() + 1;
      plant(
          next,
          new ForeignObjects(removed.services).next(List.of(hold(before)), Optional.of(OTHER)));
      assertPassedOver(next, before, "which is no key of a writer");
    }
    try (Site site = blank(store)) {
      assertThat(site.listed()).as("what it committed while it might").contains(kept);
    }
  }

  @Test
  void aKeyThatIsReplacedWritesNoMore() throws IOException {
    BackupId before = named();
    SigningKey fresh = SigningKey.generate(RANDOM);
    try (Site site = open(WRITER)) {
      site.backUp(2);
    }
    try (Site site = open(ADMINISTRATOR)) {
      site.repository.changeWriters(new WritersRequest.Replace("host", fresh.verifier().text()));
      assertThat(site.repository.writers().writers().get(1))
          .isEqualTo(new WritersReport.Writer("host", fresh.verifier().text(), false));
    }
    try (Site site = open(WRITER)) {
      assertThat(site.listed()).hasSize(2);
      refused(() -> site.backUp(3), "repository.writer-not-allowed");
      long next = site.services.log().sequence() + 1;
      plant(
          next, new ForeignObjects(site.services).next(List.of(hold(before)), Optional.of(WRITER)));
    }
    try (Site site = open(fresh)) {
      site.backUp(3);
      assertThat(site.listed()).hasSize(3);
      assertThat(site.repository.writers().passedOver()).hasSize(1);
    }
  }

  @Test
  void aSignedCommitIsNotReplayedUnderAnotherNumber() throws IOException {
    BackupId before = named();
    long signed;
    long next;
    try (Site site = open(WRITER)) {
      site.repository.hold(before, "real", Optional.empty());
      signed = site.services.log().sequence();
      site.repository.release(before, "real");
      next = signed + 2;
      CommitLog log = site.services.log();
      ForeignObjects foreign = new ForeignObjects(site.services);
      String number = "\"sequence\":" + signed;
      plant(next, foreign.again(site.services, signed, next, number, "\"sequence\":" + next));
      assertThat(log.requireHash(signed)).isNotEmpty();
    }
    assertPassedOver(next, before, "its signature is not one of " + WRITER.verifier());
  }

  @Test
  void aSignedCommitIsNotReplayedWordForWordEither() throws IOException {
    BackupId before = named();
    long next;
    try (Site site = open(WRITER)) {
      site.repository.hold(before, "real", Optional.empty());
      long signed = site.services.log().sequence();
      site.repository.release(before, "real");
      next = signed + 2;
      plant(next, new ForeignObjects(site.services).again(site.services, signed, next, "-", "-"));
    }
    assertPassedOver(next, before, "its signature is not one of " + WRITER.verifier());
  }

  @Test
  void aSignedCommitIsNotReplayedInAnotherRepository() throws IOException {
    BackupId before = named();
    MemoryObjectStore elsewhere = MemoryObjectStore.create(clock, 1000);
    Site.create(elsewhere, folder.resolve("elsewhere"), clock).close();
    long next;
    try (Site site = blank(store);
        Site other = open(elsewhere, "elsewhere", Optional.of(WRITER), 1000)) {
      next = site.services.log().sequence() + 1;
      BackupId there = other.backUp(1);
      while (other.services.log().sequence() < next) {
        other.repository.hold(there, "reason " + other.services.log().sequence(), Optional.empty());
      }
      plant(next, new ForeignObjects(site.services).again(other.services, next, next, "-", "-"));
    }
    assertPassedOver(next, before, "its signature is not one of " + WRITER.verifier());
  }

  @Test
  void aSignedCommitOfAnotherBranchIsRefused() throws IOException {
    BackupId before = named();
    MemoryObjectStore branch = store.copy();
    long next;
    try (Site here = open(WRITER);
        Site there = open(branch, "branch", Optional.of(WRITER), 1000)) {
      here.repository.hold(before, "here", Optional.empty());
      there.repository.hold(before, "there", Optional.empty());
      there.repository.hold(before, "there too", Optional.empty());
      next = here.services.log().sequence() + 1;
      plant(next, branch.content(ObjectNames.commit(next)));
    }
    // Both are a writer's: nobody but a person can say which branch is the right one.
    assertThatThrownBy(() -> blank(store))
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            e -> {
              assertThat(e.code()).isEqualTo(CommitLog.OTHER_HISTORY);
              assertThat(e.kind()).isEqualTo(FailureKind.DAMAGED);
            });
  }

  @Test
  void aChangedCommitIsNotItsWriters() throws IOException {
    BackupId before = named();
    long next;
    try (Site site = open(WRITER)) {
      MemoryObjectStore aside = store.copy();
      try (Site other = open(aside, "aside", Optional.of(WRITER), 1000)) {
        other.repository.hold(before, "real", Optional.empty());
        next = other.services.log().sequence();
        plant(
            next,
            new ForeignObjects(site.services)
                .again(other.services, next, next, "\"real\"", "\"false\""));
      }
    }
    assertPassedOver(next, before, "its signature is not one of " + WRITER.verifier());
  }

  @Test
  void onlyAnAdministratorChangesWhoWritesAndWhoOpens() throws IOException {
    BackupId before = named();
    long next;
    try (Site site = open(WRITER)) {
      refused(
          () -> site.repository.changeWriters(add("mine", OTHER, true)), "keys.not-administrator");
      refused(
          () -> site.repository.changeWriters(new WritersRequest.Remove("admin")),
          "keys.last-administrator");
      refused(
          () -> site.repository.changeWriters(new WritersRequest.NameNobody()),
          "keys.not-administrator");
      refused(() -> site.repository.rotateKeys(RotateRequest.all()), "keys.not-administrator");
      refused(
          () ->
              site.repository.rewrapKeys(
                  new RewrapRequest(true, Site.DAY), RunControl.unattended()),
          "keys.not-administrator");
      next = site.services.log().sequence() + 1;
      plant(
          next,
          new ForeignObjects(site.services)
              .next(List.of(hold(before), takeOver(site, WRITER)), Optional.of(WRITER)));
    }
    assertPassedOver(next, before, "host has signed it, and does what only an administrator may");
    try (Site site = open(ADMINISTRATOR)) {
      site.repository.rotateKeys(RotateRequest.all());
      site.repository.rewrapKeys(new RewrapRequest(true, Site.DAY), RunControl.unattended());
    }
    try (Site site = open(WRITER)) {
      site.backUp(9);
    }
  }

  @Test
  void nobodyNamesTheFirstWritersForOthers() throws IOException {
    Site.create(store, folder.resolve("creator"), clock).close();
    try (Site site = blank(store)) {
      refused(
          () -> site.repository.changeWriters(add("admin", ADMINISTRATOR, true)),
          "keys.no-signing-key");
    }
    try (Site site = open(OTHER)) {
      refused(
          () -> site.repository.changeWriters(add("admin", ADMINISTRATOR, true)),
          "keys.not-administrator");
      refused(
          () -> site.repository.changeWriters(add("me", OTHER, false)), "keys.last-administrator");
      refused(
          () -> site.repository.changeWriters(new WritersRequest.Add("me", "no key", true)),
          "keys.writer-invalid");
      refused(
          () -> site.repository.changeWriters(new WritersRequest.Remove("me")),
          "keys.writer-unknown");
      assertThat(site.repository.writers().writers()).isEmpty();
      site.backUp(1);
    }
  }

  @Test
  void namesAndKeysAreTakenOnce() throws IOException {
    named();
    try (Site site = open(ADMINISTRATOR)) {
      long last = site.services.log().sequence();
      site.repository.changeWriters(add("host", WRITER, false));
      assertThat(site.services.log().sequence()).as("it was there").isEqualTo(last);
      refused(() -> site.repository.changeWriters(add("host", OTHER, false)), "keys.writer-known");
      refused(
          () -> site.repository.changeWriters(add("other", WRITER, false)), "keys.writer-known");
      refused(
          () -> site.repository.changeWriters(new WritersRequest.Remove("admin")),
          "keys.last-administrator");
      site.repository.changeWriters(add("second", OTHER, true));
      site.repository.changeWriters(new WritersRequest.Remove("admin"));
      refused(() -> site.backUp(7), "repository.writer-not-allowed");
    }
  }

  @Test
  void whenNobodyIsNamedAnyMoreEverybodyWrites() throws IOException {
    named();
    try (Site site = open(ADMINISTRATOR)) {
      site.repository.changeWriters(new WritersRequest.NameNobody());
    }
    try (Site site = blank(store)) {
      site.backUp(4);
      site.requireAllWhole();
    }
  }

  @Test
  void aForgedCheckpointFoolsNobody() throws IOException {
    BackupId before = named();
    long forged;
    try (Site site = open(store, "proving", Optional.of(WRITER), 1000)) {
      site.backUp(2);
      forged = site.services.log().sequence();
      MemoryObjectStore aside = store.copy();
      aside.delete(ObjectNames.commit(forged));
      try (Site other = open(aside, "forger", Optional.of(WRITER), 1000)) {
        other.repository.hold(before, "forged", Optional.empty());
        store.put(
            ObjectNames.checkpoint(forged),
            ObjectSource.of(
                new ForeignObjects(site.services)
                    .checkpoint(forged, other.services.log().catalog())));
      }
    }
    for (String state : List.of("proving", "knows-nothing", "knows-nothing")) {
      try (Site site = open(store, state, Optional.empty(), 1000)) {
        assertThat(site.listed()).as(state).hasSize(2);
        assertThat(site.services.log().catalog().kept(before).orElseThrow().fate().holds())
            .as(state)
            .isEmpty();
        assertThat(site.services.log().hash(1)).as("%s has read it all", state).isPresent();
        assertThat(site.verify().damaged())
            .extracting(VerifyReport.Damage::object)
            .containsExactly(ObjectNames.checkpoint(forged).value());
      }
    }
  }

  @Test
  void aCheckpointServesWhoeverHasComparedIt() throws IOException {
    BackupId before = named();
    try (Site site = open(store, "writing", Optional.of(WRITER), 20)) {
      for (int i = 0; i < 50; i++) {
        site.repository.hold(before, "reason", Optional.of(clock.instant().plusSeconds(100 + i)));
      }
    }
    assertThat(reads("writing")).as("it has written it").isLessThan(25);
    assertThat(reads("reading")).as("it reads everything once").isGreaterThan(50);
    assertThat(reads("reading")).as("and then knows").isLessThan(25);
    // The marker is what makes it read: without it a checkpoint is believed, as before.
    ObjectKey newest =
        store.contents().keySet().stream()
            .filter(key -> key.startsWith("checkpoints/"))
            .reduce((one, other) -> other)
            .map(ObjectKey::new)
            .orElseThrow();
    store.flipBit(newest, 5000);
    assertThat(reads("reading")).as("another one is worth nothing").isGreaterThan(50);
  }

  private long reads(String state) throws IOException {
    FaultyObjectStore counted = FaultyObjectStore.over(store);
    try (Site site = open(counted, state, Optional.empty(), 1000)) {
      assertThat(site.repository.writers().writers()).hasSize(2);
      return counted.calls().stream().filter(call -> call.startsWith("get commits/")).count();
    }
  }

  @Test
  void aCopyThatAForeignCommitWasWrittenToIsLeftAlone() throws IOException {
    BackupId before = named();
    MemoryObjectStore second = MemoryObjectStore.create(clock, 1000);
    List<Copy> copies =
        List.of(
            Copy.builder(store).name("first").build(), Copy.builder(second).name("second").build());
    RepositorySetup.Builder admin =
        RepositorySetup.builder()
            .recipient(TestRepository.RECIPIENT)
            .acceptSingleKeyRisk(true)
            .parallelism(1)
            .stateDirectory(folder.resolve("two"))
            .writePolicy(WritePolicy.PRIMARY)
            .clock(clock);
    copies.forEach(admin::copy);
    refused(() -> TestRepository.FACTORY.init(admin.build()), "repository.writer-not-allowed");
    RepositorySetup setup = admin.signer(ADMINISTRATOR).build();
    TestRepository.FACTORY.init(setup);
    try (Site site = Site.open(setup, 1000, 1000)) {
      assertThat(site.repository.syncCopies(RunControl.unattended()).copies())
          .allSatisfy(copy -> assertThat(copy.problems()).isEmpty());
      assertThat(second.contents()).containsKey("signed");
      long next = site.services.log().sequence() + 1;
      second.put(
          ObjectNames.commit(next),
          ObjectSource.of(
              new ForeignObjects(site.services).next(List.of(hold(before)), Optional.of(OTHER))));
      site.repository.refresh();
      assertThat(site.repository.writers().passedOver()).isEmpty();
      BackupId made = site.backUp(3);
      assertThat(site.listed()).contains(made);
    }
  }

  @Test
  void aForeignCommitStopsNoRestoreAlsoWhereTheFirstCopyIsGone() throws IOException {
    BackupId before = named();
    long next;
    BackupId after;
    try (Site site = open(WRITER)) {
      next = site.services.log().sequence() + 1;
      plant(next, new ForeignObjects(site.services).next(List.of(hold(before)), Optional.empty()));
      after = site.backUp(3);
    }
    MemoryObjectStore second = store.copy();
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .copy(Copy.builder(new Site.Mortal(store, call -> true)).name("first").build())
            .copy(Copy.builder(second).name("second").build())
            .recipient(TestRepository.RECIPIENT)
            .parallelism(1)
            .stateDirectory(folder.resolve("rescue"))
            .readOnly(true)
            .clock(clock);
    try (Site site = Site.open(setup.build(), 1000, 1000)) {
      assertThat(site.repository.writers().passedOver()).hasSize(1);
      TestRepository.assertReads(site.repository, before, TestRepository.fewFiles(1));
      TestRepository.assertReads(site.repository, after, TestRepository.fewFiles(3));
    }
  }

  private static void refused(ThrowingCallable action, String code) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            ClassifiedFailure.class, failure -> assertThat(failure.code()).isEqualTo(code));
  }
}
