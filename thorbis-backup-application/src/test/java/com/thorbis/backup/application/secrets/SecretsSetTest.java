package com.thorbis.backup.application.secrets;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.application.secrets.Sets.Made;
import com.thorbis.backup.application.secrets.Sets.Parts;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.crypto.RecoveryKeyProvider;
import com.thorbis.backup.crypto.SigningKey;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.Secret;
import com.thorbis.backup.spi.secret.SecretInfo;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SecretsSetTest {
  private Made made;

  @BeforeEach
  void make() throws IOException {
    made =
        Sets.make(
            new MemorySecrets("web").put("A", "value of a").put("B", "value of b").put("C", ""));
  }

  private static String value(SecretsSet set, String name) throws IOException {
    StoredSecret stored =
        set.secrets().stream()
            .filter(secret -> secret.info().name().equals(name))
            .findFirst()
            .orElseThrow();
    try (Secret secret = set.open(stored)) {
      return secret.value().useBytes(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }
  }

  private SetException refused(byte[] bytes) {
    return catchThrowableOfType(
        SetException.class, () -> Sets.open(bytes, Optional.empty()).close());
  }

  @Test
  void whatWasSealedOpens() throws IOException {
    try (SecretsSet set = made.open()) {
      assertThat(value(set, "A")).isEqualTo("value of a");
      assertThat(value(set, "B")).isEqualTo("value of b");
      assertThat(value(set, "C")).isEmpty();
      assertThat(set.verify()).isEmpty();
      assertThat(set.origin()).isEqualTo(made.report().origin());
      assertThat(set.secrets()).extracting(StoredSecret::source).containsOnly("memory web");
    }
  }

  @Test
  void nothingOfNamesPlacesOrValuesStandsInPlain() {
    String bytes = new String(made.bytes(), StandardCharsets.ISO_8859_1);
    assertThat(bytes)
        .doesNotContain("value of")
        .doesNotContain("memory")
        .doesNotContain("web")
        .doesNotContain("production");
  }

  @Test
  void c11LengthsOfValuesAreHiddenAndNothingIsCompressed() throws IOException {
    Made shorter = Sets.make(new MemorySecrets("web").put("A", "1"));
    Made longer = Sets.make(new MemorySecrets("web").put("A", "1".repeat(252)));
    Made more = Sets.make(new MemorySecrets("web").put("A", "1".repeat(253)));
    int length = Parts.of(shorter.bytes()).entries().get(0).length;
    assertThat(Parts.of(longer.bytes()).entries().get(0)).hasSize(length);
    assertThat(Parts.of(more.bytes()).entries().get(0)).hasSize(length + 256);
    Made like = Sets.make(new MemorySecrets("web").put("A", "1".repeat(9_000)));
    Made unlike = Sets.make(new MemorySecrets("web").put("A", "1z\u00e9Q7".repeat(1_500)));
    assertThat(Parts.of(unlike.bytes()).entries().get(0))
        .hasSameSizeAs(Parts.of(like.bytes()).entries().get(0));
  }

  @Test
  void exchangedEntriesAreDetectedByName() throws IOException {
    Parts parts = Parts.of(made.bytes());
    Collections.swap(parts.entries(), 0, 1);
    SetException refused = refused(parts.join());
    assertThat(refused.code()).isEqualTo(SetException.EXCHANGED);
    assertThat(refused)
        .hasMessageContaining("\"A\" of memory web")
        .hasMessageContaining("the bytes of \"B\" of memory web stand in its place");
  }

  @Test
  void anExchangeThatAlsoExchangesTheIdsIsDetectedByName() throws IOException {
    Parts parts = Parts.of(made.bytes());
    byte[] a = parts.entries().get(0);
    byte[] b = parts.entries().get(1);
    byte[] idOfA = Arrays.copyOfRange(a, 56, 72);
    System.arraycopy(b, 56, a, 56, 16);
    System.arraycopy(idOfA, 0, b, 56, 16);
    Collections.swap(parts.entries(), 0, 1);
    try (SecretsSet set = Sets.open(parts.join(), Optional.empty())) {
      assertThat(set.verify())
          .extracting(SetException::code, Throwable::getMessage)
          .allSatisfy(found -> assertThat(found.toList().get(0)).isEqualTo(SetException.ALTERED))
          .hasSize(2);
      assertThatThrownBy(() -> value(set, "A")).hasMessageContaining("\"A\" of memory web");
      assertThat(value(set, "C")).isEmpty();
    }
  }

  @Test
  void reorderedEntriesAreDetectedByName() throws IOException {
    Parts parts = Parts.of(made.bytes());
    Collections.rotate(parts.entries(), 1);
    SetException refused = refused(parts.join());
    assertThat(refused.code()).isEqualTo(SetException.EXCHANGED);
    assertThat(refused).hasMessageContaining("\"A\" of memory web");
  }

  @Test
  void aDroppedEntryIsDetectedByName() throws IOException {
    for (int gone = 0; gone < 3; gone++) {
      Parts parts = Parts.of(made.bytes());
      parts.entries().remove(gone);
      SetException refused = refused(parts.join());
      assertThat(refused.code()).isEqualTo(SetException.MISSING);
      assertThat(refused).hasMessageContaining("\"" + "ABC".charAt(gone) + "\" of memory web");
    }
  }

  @Test
  void anEntryThatStandsTwiceIsDetectedByName() throws IOException {
    Parts parts = Parts.of(made.bytes());
    parts.entries().add(parts.entries().get(1));
    assertThat(refused(parts.join()))
        .hasMessageContaining("\"B\" of memory web")
        .hasMessageContaining("twice");
  }

  @Test
  void anEntryReplayedFromAnOlderSetIsDetected() throws IOException {
    Parts older =
        Parts.of(
            Sets.make(
                    new MemorySecrets("web").put("A", "old a").put("B", "old b").put("C", "old c"))
                .bytes());
    Parts parts = Parts.of(made.bytes());
    parts.entries().set(1, older.entries().get(1));
    SetException refused = refused(parts.join());
    assertThat(refused.code()).isEqualTo(SetException.FOREIGN);
    assertThat(refused).hasMessageContaining("Entry 2").hasMessageContaining("another set");
  }

  @Test
  void aReplayThatTakesTheIdsOfThisSetIsDetectedByName() throws IOException {
    Parts older = Parts.of(Sets.make(new MemorySecrets("web").put("B", "old b")).bytes());
    Parts parts = Parts.of(made.bytes());
    byte[] forged = older.entries().get(0).clone();
    System.arraycopy(parts.entries().get(1), 0, forged, 0, 72);
    parts.entries().set(1, forged);
    try (SecretsSet set = Sets.open(parts.join(), Optional.empty())) {
      List<SetException> found = set.verify();
      assertThat(found).hasSize(1);
      assertThat(found.get(0).code()).isEqualTo(SetException.ALTERED);
      assertThat(found.get(0)).hasMessageContaining("\"B\" of memory web");
    }
  }

  /** Somebody who has the key, and writes another list over the same sealed values. */
  private static byte[] insider(UnaryOperator<List<SetIndex.Entry>> change) throws IOException {
    return insider(1, change);
  }

  private static byte[] insider(long sequence, UnaryOperator<List<SetIndex.Entry>> change)
      throws IOException {
    SetIndex.Source source =
        new SetIndex.Source("memory", "web", "Ask.", Optional.empty(), List.of());
    try (SetWriter writer =
        new SetWriter(
            Sets.REPOSITORY, Sets.CLOCK.instant(), List.of(Sets.RECIPIENT), new SecureRandom())) {
      List<SetIndex.Entry> entries = new ArrayList<>();
      for (String name : List.of("A", "B", "C")) {
        SecretInfo info = SecretInfo.of(name, Readability.VALUE).withVersion("7");
        try (SecretValue value = SecretValue.ofText("value of " + name)) {
          ObjectId object = writer.add("production", 1, source, info, value, entries.size(), 3);
          entries.add(new SetIndex.Entry(0, info, Optional.of(object), Optional.empty()));
        }
      }
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      SetIndex index =
          new SetIndex(
              "production",
              sequence,
              "",
              Sets.CLOCK.instant(),
              List.of(source),
              change.apply(entries));
      String digest = writer.finish(index, Optional.empty(), out);
      assertThat(digest).hasSize(64);
      return out.toByteArray();
    }
  }

  @Test
  void aListThatMovesEntriesWithTheirBytesIsDetectedByName() throws IOException {
    byte[] bytes =
        insider(
            entries -> {
              List<SetIndex.Entry> changed = new ArrayList<>(entries);
              Collections.swap(changed, 0, 1);
              return changed;
            });
    Parts parts = Parts.of(bytes);
    Collections.swap(parts.entries(), 0, 1);
    assertAltered(parts.join(), "A");
    assertAltered(parts.join(), "B");
  }

  @Test
  void aSetThatCallsItselfNewerThanItsEntriesIsDetectedByName() throws IOException {
    byte[] bytes = insider(2, entries -> entries);
    assertAltered(bytes, "A");
    assertAltered(bytes, "C");
  }

  private static SetIndex.Entry with(SetIndex.Entry entry, SecretInfo info) {
    return new SetIndex.Entry(entry.source(), info, entry.object(), entry.failure());
  }

  private static void assertAltered(byte[] bytes, String name) throws IOException {
    try (SecretsSet set = Sets.open(bytes, Optional.empty())) {
      assertThatThrownBy(() -> value(set, name))
          .isInstanceOfSatisfying(
              SetException.class, e -> assertThat(e.code()).isEqualTo(SetException.ALTERED))
          .hasMessageContaining("\"" + name + "\" of memory web");
    }
  }

  @Test
  void aListThatIsTrueOpensEverything() throws IOException {
    try (SecretsSet set = Sets.open(insider(entries -> entries), Optional.empty())) {
      assertThat(set.verify()).isEmpty();
    }
  }

  @Test
  void aRenamedEntryIsDetectedByItsNewName() throws IOException {
    byte[] bytes =
        insider(
            entries -> {
              List<SetIndex.Entry> changed = new ArrayList<>(entries);
              changed.set(
                  1,
                  with(entries.get(1), SecretInfo.of("ADMIN", Readability.VALUE).withVersion("7")));
              return changed;
            });
    assertAltered(bytes, "ADMIN");
  }

  @Test
  void anEntryUnderAnotherVersionIsDetectedByName() throws IOException {
    byte[] bytes =
        insider(
            entries -> {
              List<SetIndex.Entry> changed = new ArrayList<>(entries);
              changed.set(1, with(entries.get(1), entries.get(1).info().withVersion("8")));
              return changed;
            });
    assertAltered(bytes, "B");
  }

  @Test
  void anEntryUnderAnotherClassOrTargetIsDetectedByName() throws IOException {
    for (SecretInfo other :
        List.of(
            SecretInfo.of("B", Readability.VALUE_WITH_PERMISSION).withVersion("7"),
            SecretInfo.of("B", Readability.VALUE)
                .withVersion("7")
                .withAttributes(java.util.Map.of("target", "production")))) {
      assertAltered(
          insider(
              entries -> {
                List<SetIndex.Entry> changed = new ArrayList<>(entries);
                changed.set(1, with(entries.get(1), other));
                return changed;
              }),
          "B");
    }
  }

  @Test
  void aListWithoutOneEntryOpensNoneOfTheOthers() throws IOException {
    byte[] bytes =
        insider(
            entries -> {
              List<SetIndex.Entry> changed = new ArrayList<>(entries);
              changed.set(
                  2,
                  new SetIndex.Entry(
                      0, entries.get(2).info(), entries.get(2).object(), Optional.empty()));
              changed.add(
                  new SetIndex.Entry(
                      0,
                      SecretInfo.of("D", Readability.NAME_ONLY),
                      Optional.empty(),
                      Optional.empty()));
              return changed;
            });
    assertAltered(bytes, "A");
    assertAltered(bytes, "C");
  }

  @Test
  void aListInAnotherOrderIsDetectedByName() throws IOException {
    byte[] bytes =
        insider(
            entries -> {
              List<SetIndex.Entry> changed = new ArrayList<>(entries);
              SetIndex.Entry a = entries.get(0);
              SetIndex.Entry b = entries.get(1);
              changed.set(0, new SetIndex.Entry(0, b.info(), a.object(), Optional.empty()));
              changed.set(1, new SetIndex.Entry(0, a.info(), b.object(), Optional.empty()));
              return changed;
            });
    assertAltered(bytes, "A");
    assertAltered(bytes, "B");
  }

  @Test
  void anEntryThatTheListDoesNotNameIsDetected() throws IOException {
    byte[] bytes = insider(entries -> entries.subList(0, 2));
    SetException refused = refused(bytes);
    assertThat(refused.code()).isEqualTo(SetException.FOREIGN);
    assertThat(refused).hasMessageContaining("Entry 3");
  }

  @Test
  void everyChangedByteIsDetected() throws IOException {
    byte[] bytes = made.bytes();
    for (int at = 0; at < bytes.length; at += 37) {
      byte[] changed = bytes.clone();
      changed[at] ^= 0x10;
      assertThat(opens(changed)).describedAs("byte %d", at).isFalse();
    }
    assertThat(opens(bytes)).isTrue();
  }

  @Test
  void everyCutIsDetected() throws IOException {
    byte[] bytes = made.bytes();
    for (int length = 0; length < bytes.length; length += 53) {
      assertThat(opens(Arrays.copyOf(bytes, length))).describedAs("%d bytes", length).isFalse();
    }
    assertThat(opens(Arrays.copyOf(bytes, bytes.length + 1))).isFalse();
  }

  private static boolean opens(byte[] bytes) {
    try (SecretsSet set = Sets.open(bytes, Optional.empty())) {
      return set.verify().isEmpty();
    } catch (SetException | KeyException e) {
      return false;
    } catch (IOException e) {
      throw new AssertionError("Neither a set nor a recipient was blamed", e);
    }
  }

  @Test
  void anOlderSetInPlaceOfTheNewestIsDetected() throws IOException {
    MemorySecrets source = new MemorySecrets("web").put("A", "2");
    Made second = Sets.make(Optional.of(made.report().origin()), source);
    assertThat(second.report().origin().sequence()).isEqualTo(2);
    Sets.open(second.bytes(), Optional.of(made.report().origin())).close();
    Sets.open(second.bytes(), Optional.of(second.report().origin())).close();
    SetException stale =
        catchThrowableOfType(
            SetException.class,
            () -> Sets.open(made.bytes(), Optional.of(second.report().origin())));
    assertThat(stale.code()).isEqualTo(SetException.STALE);
    assertThat(stale).hasMessageContaining("number 1").hasMessageContaining("number 2");
  }

  @Test
  void anotherSetOfTheSameNumberIsDetected() throws IOException {
    Made other = Sets.make(new MemorySecrets("web").put("A", "value of a"));
    assertThatThrownBy(() -> Sets.open(other.bytes(), Optional.of(made.report().origin())))
        .isInstanceOfSatisfying(
            SetException.class, e -> assertThat(e.code()).isEqualTo(SetException.STALE));
  }

  @Test
  void aSetOfAnotherRepositoryIsRefused() {
    assertThatThrownBy(
            () ->
                SecretsSet.builder("production")
                    .repository(ObjectId.parse("ff".repeat(16)))
                    .recipient(Sets.RECIPIENT)
                    .open(new ByteArrayInputStream(made.bytes())))
        .isInstanceOf(SetException.class)
        .hasMessageContaining("another repository");
  }

  @Test
  void eachRecipientOpensItAndNobodyElse() throws IOException {
    RecoveryKeyProvider second =
        RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));
    RecoveryKeyProvider stranger =
        RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SecretsBackupReport report =
        SecretsBackup.builder("production")
            .repository(Sets.REPOSITORY)
            .recipient(Sets.RECIPIENT)
            .recipient(second)
            .source(new MemorySecrets("web").put("A", "1"))
            .build()
            .run(out);
    assertThat(report.secretsCount()).isEqualTo(1);
    for (RecoveryKeyProvider one : List.of(Sets.RECIPIENT, second)) {
      try (SecretsSet set =
          SecretsSet.builder("production")
              .repository(Sets.REPOSITORY)
              .recipient(one)
              .open(new ByteArrayInputStream(out.toByteArray()))) {
        assertThat(value(set, "A")).isEqualTo("1");
      }
    }
    assertThatThrownBy(
            () ->
                SecretsSet.builder("production")
                    .repository(Sets.REPOSITORY)
                    .recipient(stranger)
                    .open(new ByteArrayInputStream(out.toByteArray())))
        .isInstanceOf(KeyException.class);
  }

  private static byte[] signedBy(SigningKey key, String set) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SecretsBackupReport report =
        SecretsBackup.builder(set)
            .repository(Sets.REPOSITORY)
            .recipient(Sets.RECIPIENT)
            .signer(key)
            .source(new MemorySecrets("web").put("A", "1"))
            .build()
            .run(out);
    assertThat(report.origin().digest()).isEqualTo(SetFormat.sha256(out.toByteArray()));
    return out.toByteArray();
  }

  private static void assertForeign(SecretsSet.Builder opening, byte[] bytes) {
    assertThatThrownBy(() -> opening.open(new ByteArrayInputStream(bytes)))
        .isInstanceOfSatisfying(
            SetException.class, e -> assertThat(e.code()).isEqualTo(SetException.FOREIGN_WRITER));
  }

  @Test
  void whoeverHasThePublicKeyOfARecipientAloneForgesNoSetOfANamedWriter() throws IOException {
    try (SigningKey ours = SigningKey.generate(new SecureRandom());
        SigningKey theirs = SigningKey.generate(new SecureRandom())) {
      byte[] signed = signedBy(ours, "production");
      try (SecretsSet set =
          Sets.opening("production")
              .writer(ours.verifier())
              .open(new ByteArrayInputStream(signed))) {
        assertThat(set.writer()).contains(ours.verifier());
        assertThat(value(set, "A")).isEqualTo("1");
      }
      assertForeign(Sets.opening("production").writer(ours.verifier()), made.bytes());
      assertForeign(
          Sets.opening("production").writer(ours.verifier()), signedBy(theirs, "production"));
      Parts forged = Parts.of(made.bytes());
      byte[] replayed =
          new Parts(forged.header(), forged.index(), forged.entries(), Parts.of(signed).signature())
              .join();
      assertForeign(Sets.opening("production").writer(ours.verifier()), replayed);
      assertForeign(Sets.opening("production"), replayed);
    }
  }

  @Test
  void everyChangedByteOfASignedSetIsDetectedBeforeAnyKeyIsAsked() throws IOException {
    RecoveryKeyProvider stranger =
        RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(new SecureRandom()));
    try (SigningKey ours = SigningKey.generate(new SecureRandom())) {
      byte[] signed = signedBy(ours, "production");
      for (int at = 45; at < signed.length; at += 37) {
        byte[] changed = signed.clone();
        changed[at] ^= 0x10;
        assertThatThrownBy(
                () ->
                    SecretsSet.builder("production")
                        .repository(Sets.REPOSITORY)
                        .recipient(stranger)
                        .writer(ours.verifier())
                        .open(new ByteArrayInputStream(changed)))
            .describedAs("byte %d", at)
            .isInstanceOf(SetException.class);
      }
    }
  }

  @Test
  void aSignerThatSignsWronglyWritesNothing() {
    Signer wrong =
        new Signer() {
          @Override
          public byte[] publicKey() {
            try (SigningKey key = SigningKey.generate(new SecureRandom())) {
              return key.publicKey();
            }
          }

          @Override
          public byte[] sign(byte[] message) {
            return new byte[64];
          }
        };
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    assertThatThrownBy(
            () ->
                SecretsBackup.builder("production")
                    .repository(Sets.REPOSITORY)
                    .recipient(Sets.RECIPIENT)
                    .signer(wrong)
                    .source(new MemorySecrets("web").put("A", "1"))
                    .build()
                    .run(out))
        .isInstanceOfSatisfying(
            SetException.class, e -> assertThat(e.code()).isEqualTo(SetException.FOREIGN_WRITER));
    assertThat(out.size()).isZero();
  }

  @Test
  void aSetOfAnotherNameIsRefusedByName() {
    assertThatThrownBy(
            () -> Sets.opening("staging").open(new ByteArrayInputStream(made.bytes())).close())
        .isInstanceOfSatisfying(
            SetException.class, e -> assertThat(e.code()).isEqualTo(SetException.OTHER_SET))
        .hasMessageContaining("\"production\"")
        .hasMessageContaining("\"staging\"");
  }

  @Test
  void aSetOfTheNextNumberThatFollowsAnotherOneIsRefused() throws IOException {
    Made other = Sets.make(new MemorySecrets("web").put("A", "theirs"));
    Made forked =
        Sets.make(
            Optional.of(other.report().origin()), new MemorySecrets("web").put("A", "theirs 2"));
    assertThatThrownBy(() -> Sets.open(forked.bytes(), Optional.of(made.report().origin())))
        .isInstanceOfSatisfying(
            SetException.class, e -> assertThat(e.code()).isEqualTo(SetException.FORKED))
        .hasMessageContaining("number 2");
  }
}
