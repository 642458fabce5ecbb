package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.WritersReport;
import com.thorbis.backup.api.WritersRequest;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.storage.internal.catalog.ForeignObjects;
import com.thorbis.backup.storage.internal.catalog.Operation;
import com.thorbis.backup.storage.internal.format.ObjectNames;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A host that is told who the administrators are believes no list of writers but theirs. */
class PinnedAdministratorsTest {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final SigningKey ADMINISTRATOR = SigningKey.generate(RANDOM);
  private static final SigningKey SECOND = SigningKey.generate(RANDOM);
  private static final SigningKey WRITER = SigningKey.generate(RANDOM);
  private static final SigningKey OTHER = SigningKey.generate(RANDOM);
  private static final String REFUSED = "repository.administrator-unknown";

  @TempDir Path folder;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 1000);
  private int states;

  private RepositorySetup.Builder setup(
      ObjectStore at, String state, Optional<Signer> signer, SigningKey... pinned) {
    RepositorySetup.Builder setup =
        TestRepository.setup(at, folder.resolve(state)).parallelism(1).clock(clock);
    signer.ifPresent(setup::signer);
    for (SigningKey key : pinned) {
      setup.administrator(key.verifier().text());
    }
    return setup;
  }

  private Site open(Optional<Signer> signer, SigningKey... pinned) throws IOException {
    return open("state-" + states++, signer, pinned);
  }

  private Site open(String state, Optional<Signer> signer, SigningKey... pinned)
      throws IOException {
    return Site.open(setup(store, state, signer, pinned).build(), 1000, 1000);
  }

  private WritersReport change(WritersRequest request, SigningKey signer, SigningKey... pinned)
      throws IOException {
    return TestRepository.FACTORY.changeWriters(
        setup(store, "state-" + states++, Optional.of(signer), pinned).build(), request);
  }

  private static WritersRequest add(String name, SigningKey key, boolean administrator) {
    return new WritersRequest.Add(name, key.verifier().text(), administrator);
  }

  /** One backup, while nobody is named. */
  private BackupId unnamed() throws IOException {
    try (Site site = Site.create(store, folder.resolve("creator"), clock)) {
      return site.backUp(1);
    }
  }

  private long commits() {
    return store.contents().keySet().stream().filter(key -> key.startsWith("commits/")).count();
  }

  private static void refused(ThrowingCallable action, String code) {
    assertThatThrownBy(action)
        .isInstanceOfSatisfying(
            ClassifiedFailure.class, failure -> assertThat(failure.code()).isEqualTo(code));
  }

  @Test
  void whoseListBeganWithOneOfThemIsBelieved() throws IOException {
    BackupId before = unnamed();
    change(add("admin", ADMINISTRATOR, true), ADMINISTRATOR);
    change(add("host", WRITER, false), ADMINISTRATOR);
    try (Site site = open(Optional.of(WRITER), SECOND, ADMINISTRATOR)) {
      TestRepository.assertReads(site.repository, before, TestRepository.fewFiles(1));
      BackupId made = site.backUp(2);
      assertThat(site.listed()).containsExactly(before, made);
      assertThat(site.repository.writers().pinned())
          .containsExactly(SECOND.verifier().text(), ADMINISTRATOR.verifier().text());
      assertThat(site.repository.checkWriters())
          .singleElement()
          .satisfies(
              item -> {
                assertThat(item.outcome()).isEqualTo(CheckItem.Outcome.OK);
                assertThat(item.message()).contains("one of the 2 administrators");
              });
      site.requireAllWhole();
    }
    try (Site site = open(Optional.of(WRITER))) {
      assertThat(site.repository.writers().pinned()).isEmpty();
      assertThat(site.repository.checkWriters())
          .singleElement()
          .satisfies(item -> assertThat(item.message()).contains("is not configured here"));
    }
  }

  @Test
  void whoWasNamedByOneOfThemNamesOthers() throws IOException {
    unnamed();
    change(add("admin", ADMINISTRATOR, true), ADMINISTRATOR);
    change(add("second", SECOND, true), ADMINISTRATOR, ADMINISTRATOR);
    change(new WritersRequest.Remove("admin"), SECOND, ADMINISTRATOR);
    try (Site site = open(Optional.of(SECOND), ADMINISTRATOR)) {
      site.backUp(2);
      assertThat(site.listed()).hasSize(2);
    }
    refused(() -> open(Optional.of(SECOND), SECOND), REFUSED);
  }

  @Test
  void anotherHistoryIsRefusedAndNotRemembered() throws IOException {
    BackupId before = unnamed();
    MemoryObjectStore right = store.copy();
    change(add("me", OTHER, true), OTHER);
    assertThatThrownBy(() -> open("reader", Optional.empty(), ADMINISTRATOR))
        .isInstanceOfSatisfying(
            ClassifiedFailure.class,
            failure -> {
              assertThat(failure.code()).isEqualTo(REFUSED);
              assertThat(failure.kind()).isEqualTo(FailureKind.REFUSED);
              assertThat(failure.remedy()).contains("keys writers add", "replaced it");
            })
        .hasMessageContaining(
            " names the first writers, and " + OTHER.verifier() + ", who has signed it, is none");
    try (Site site = open(Optional.empty())) {
      assertThat(site.repository.writers().writers())
          .as("whoever knows nothing takes it for the right one")
          .extracting(WritersReport.Writer::name)
          .containsExactly("me");
    }
    TestRepository.FACTORY.changeWriters(
        setup(right, "admin", Optional.of(ADMINISTRATOR)).build(),
        add("admin", ADMINISTRATOR, true));
    try (Site site =
        Site.open(setup(right, "reader", Optional.empty(), ADMINISTRATOR).build(), 1000, 1000)) {
      TestRepository.assertReads(site.repository, before, TestRepository.fewFiles(1));
    }
  }

  @Test
  void whereNobodyIsNamedOneOfThemNamesTheFirstAndNobodyElseDoesAnything() throws IOException {
    BackupId before = unnamed();
    refused(() -> open(Optional.empty(), ADMINISTRATOR), REFUSED);
    refused(() -> open(Optional.of(ADMINISTRATOR), ADMINISTRATOR), REFUSED);
    refused(
        () ->
            TestRepository.FACTORY.init(
                setup(store, "again", Optional.of(ADMINISTRATOR), ADMINISTRATOR).build()),
        REFUSED);
    long commits = commits();
    refused(() -> change(add("me", OTHER, true), OTHER, ADMINISTRATOR), "keys.not-administrator");
    assertThat(commits()).isEqualTo(commits);
    WritersReport report = change(add("admin", ADMINISTRATOR, true), ADMINISTRATOR, ADMINISTRATOR);
    assertThat(report.writers())
        .containsExactly(new WritersReport.Writer("admin", ADMINISTRATOR.verifier().text(), true));
    try (Site site = open(Optional.of(ADMINISTRATOR), ADMINISTRATOR)) {
      TestRepository.assertReads(site.repository, before, TestRepository.fewFiles(1));
    }
  }

  @Test
  void whatOthersGoByIsNotPassedOver() throws IOException {
    unnamed();
    change(add("me", OTHER, true), OTHER);
    // Were it passed over, hosts that are told nothing would count other commits than this one.
    refused(() -> change(add("admin", ADMINISTRATOR, true), ADMINISTRATOR, ADMINISTRATOR), REFUSED);
    try (Site site = open(Optional.of(OTHER))) {
      assertThat(site.repository.writers().writers())
          .extracting(WritersReport.Writer::name)
          .containsExactly("me");
    }
  }

  @Test
  void whereNobodyIsNamedAnyMoreNothingIsBelieved() throws IOException {
    unnamed();
    change(add("admin", ADMINISTRATOR, true), ADMINISTRATOR);
    change(add("second", SECOND, true), ADMINISTRATOR);
    refused(() -> change(new WritersRequest.NameNobody(), SECOND, ADMINISTRATOR), "keys.pinned");
    try (Site running = open(Optional.of(ADMINISTRATOR), ADMINISTRATOR)) {
      change(new WritersRequest.NameNobody(), SECOND);
      refused(running.repository::refresh, REFUSED);
      refused(() -> running.backUp(3), REFUSED);
    }
    change(add("second", SECOND, true), SECOND);
    refused(() -> open(Optional.empty(), ADMINISTRATOR), REFUSED);
    refused(() -> open(Optional.empty(), SECOND), REFUSED);
    try (Site site = open(Optional.empty(), SECOND, ADMINISTRATOR)) {
      assertThat(site.listed()).as("each of them began a list").hasSize(1);
    }
  }

  @Test
  void aForgedCheckpointNamesNobody() throws IOException {
    BackupId before = unnamed();
    MemoryObjectStore named = store.copy();
    TestRepository.FACTORY.changeWriters(
        setup(named, "named", Optional.of(ADMINISTRATOR)).build(),
        add("admin", ADMINISTRATOR, true));
    try (Site site = open(Optional.empty());
        Site other =
            Site.open(setup(named, "named", Optional.of(ADMINISTRATOR)).build(), 1000, 1000)) {
      // Signed by nobody, and "signed" is not there: so far a checkpoint is believed.
      long last = site.services.log().sequence();
      Operation.Writers list =
          new Operation.Writers(
              other.services.log().catalog().plainObjects().stream()
                  .filter(ref -> ref.key().equals(ObjectNames.SIGNED))
                  .findFirst()
                  .orElseThrow(),
              other.services.log().catalog().writers());
      store.put(
          ObjectNames.checkpoint(last),
          ObjectSource.of(new ForeignObjects(site.services).checkpoint(list)));
      assertThat(site.repository.backup(before)).isPresent();
    }
    try (Site site = open(Optional.empty())) {
      assertThat(site.repository.writers().writers())
          .as("whoever knows nothing is fooled")
          .hasSize(1);
    }
    refused(() -> open(Optional.empty(), ADMINISTRATOR), REFUSED);
  }

  @Test
  void aCheckpointThatWasProvenForOthersProvesNothing() throws IOException {
    BackupId before = unnamed();
    change(add("me", OTHER, true), OTHER);
    try (Site site = Site.open(setup(store, "machine", Optional.of(OTHER)).build(), 3, 1000)) {
      for (int i = 0; i < 9; i++) {
        site.repository.hold(before, "reason " + i, Optional.empty());
      }
    }
    try (Site site = open("machine", Optional.empty())) {
      assertThat(site.services.log().hash(1)).as("it begins with the checkpoint").isEmpty();
    }
    refused(() -> open("machine", Optional.empty(), ADMINISTRATOR), REFUSED);
    try (Site site = open("machine", Optional.empty(), OTHER)) {
      assertThat(site.services.log().hash(1)).as("it reads every commit, once").isPresent();
    }
    try (Site site = open("machine", Optional.empty(), OTHER)) {
      assertThat(site.services.log().hash(1)).isEmpty();
    }
  }

  @Test
  void initNamesThemInTheFirstCommit() throws IOException {
    MemoryObjectStore second = MemoryObjectStore.create(clock, 1000);
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .copy(Copy.builder(store).name("first").build())
            .copy(Copy.builder(second).name("second").build())
            .recipient(TestRepository.RECIPIENT)
            .acceptSingleKeyRisk(true)
            .parallelism(1)
            .stateDirectory(folder.resolve("two"))
            .writePolicy(WritePolicy.PRIMARY)
            .administrator(ADMINISTRATOR.verifier().text())
            .administrator(SECOND.verifier().text())
            .clock(clock);
    refused(() -> TestRepository.FACTORY.init(setup.build()), "keys.not-administrator");
    setup.signer(OTHER);
    refused(() -> TestRepository.FACTORY.init(setup.build()), "keys.not-administrator");
    assertThat(store.contents()).isEmpty();
    setup.signer(SECOND);
    assertThat(TestRepository.FACTORY.init(setup.build()).notes()).isEmpty();
    assertThat(TestRepository.FACTORY.init(setup.build()).created()).isFalse();
    try (Site site = open(Optional.of(SECOND), ADMINISTRATOR, SECOND)) {
      assertThat(site.repository.writers().writers())
          .containsExactly(
              new WritersReport.Writer("administrator", ADMINISTRATOR.verifier().text(), true),
              new WritersReport.Writer("administrator-2", SECOND.verifier().text(), true));
    }
    try (Site site =
        Site.open(setup(second, "of-second", Optional.empty(), SECOND).build(), 1, 1)) {
      assertThat(site.repository.writers().writers()).as("the copy has it too").hasSize(2);
    }
    refused(() -> open(Optional.empty(), OTHER), REFUSED);
  }

  @Test
  void whatIsNoKeyIsNamed() {
    refused(
        () ->
            TestRepository.FACTORY.open(
                TestRepository.setup(store, folder).administrator("no key").build()),
        "configuration.administrators");
  }
}
