package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

class KeySlotsTest {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final PassphraseKeyProvider.Cost CHEAP = new PassphraseKeyProvider.Cost(64, 1, 1);

  private final KeySlot slot = new KeySlot(ObjectId.random(RANDOM), ObjectId.random(RANDOM), 1);
  private final EpochKey key = EpochKey.generate(slot, RANDOM);
  private final RecoveryKey recoveryKey = RecoveryKey.generate(RANDOM);
  private final KeyProvider recovery = RecoveryKeyProvider.ofPublicKey(recoveryKey.publicKey());
  private final KeyProvider passphrase = passphrase("correct horse");

  @Test
  void eachRecipientAloneOpensTheSlot() throws IOException {
    List<WrappedKey> wraps = KeySlots.wrap(key, List.of(passphrase, recovery));
    assertThat(wraps).extracting(WrappedKey::scheme).containsExactly("passphrase", "recovery");
    for (KeyProvider recipient :
        List.of(passphrase("correct horse"), RecoveryKeyProvider.ofRecoveryKey(recoveryKey))) {
      try (EpochKey opened = KeySlots.open(slot, wraps, List.of(recipient))) {
        assertThat(opened.slot()).isEqualTo(slot);
        assertThat(hex(opened)).isEqualTo(hex(key));
      }
    }
  }

  @Test
  void aSlotOpensInItsOwnPlaceOnly() throws IOException {
    List<WrappedKey> wraps = KeySlots.wrap(key, List.of(passphrase, recovery));
    for (KeySlot other :
        List.of(
            slot.next(),
            new KeySlot(slot.repository(), ObjectId.random(RANDOM), 1),
            new KeySlot(ObjectId.random(RANDOM), slot.tree(), 1))) {
      assertThatThrownBy(
              () ->
                  KeySlots.open(
                      other,
                      wraps,
                      List.of(passphrase, RecoveryKeyProvider.ofRecoveryKey(recoveryKey))))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.no-recipient"));
    }
  }

  @Test
  void aRefusalNamesWhoThereIsAndWhoWasOffered() throws IOException {
    List<WrappedKey> wraps = KeySlots.wrap(key, List.of(passphrase, recovery));
    assertThatThrownBy(() -> KeySlots.open(slot, wraps, List.of(passphrase("wrong"), recovery)))
        .isInstanceOfSatisfying(
            KeyException.class,
            e -> {
              assertThat(e.code()).isEqualTo("key.no-recipient");
              assertThat(e.kind()).isEqualTo(FailureKind.PERMANENT);
              assertThat(e.remedy()).contains("passphrase");
              assertThat(e)
                  .hasMessageContaining(passphrase.keyId())
                  .hasMessageContaining(recoveryKey.publicKey().fingerprint())
                  .hasMessageContaining("cannot open")
                  .hasMessageNotContaining("wrong key")
                  .hasMessageNotContaining("correct horse");
            });
    assertThatThrownBy(() -> KeySlots.open(slot, wraps, List.of()))
        .isInstanceOf(KeyException.class)
        .hasMessageContaining("offered: none");
  }

  @Test
  void whoCouldNotBeAskedIsNotARefusal() throws IOException {
    KeyProvider away = new Stub("away", key.material());
    List<WrappedKey> wraps = KeySlots.wrap(key, List.of(passphrase, away));
    ((Stub) away).failure =
        new KeyException("key.unreachable", FailureKind.TRANSIENT, "down", "away", "wait", null);
    assertThatThrownBy(() -> KeySlots.open(slot, wraps, List.of(passphrase("wrong"), away)))
        .isInstanceOfSatisfying(
            KeyException.class,
            e -> {
              assertThat(e.code()).isEqualTo("key.unreachable");
              assertThat(e.kind()).isEqualTo(FailureKind.TRANSIENT);
            });
    try (EpochKey opened = KeySlots.open(slot, wraps, List.of(away, passphrase))) {
      assertThat(hex(opened)).isEqualTo(hex(key));
    }
  }

  @Test
  void c13AWrapThatOpensAsAnotherKeyStopsEverything() throws IOException {
    try (DataKey other = DataKey.generate(RANDOM, EpochKey.LENGTH)) {
      assertThatThrownBy(() -> KeySlots.wrap(key, List.of(passphrase, new Stub("broken", other))))
          .isInstanceOfSatisfying(
              KeyException.class, e -> assertThat(e.code()).isEqualTo("key.wrap-mismatch"));
    }
    List<WrappedKey> before = KeySlots.wrap(key, List.of(passphrase));
    KeySlots.open(slot, before, List.of(passphrase)).close();
  }

  @Test
  void c10OneWrapOpensUnderOneKeyOnly() throws IOException {
    // A commitment stands before the ciphertext: who knows both keys cannot make one wrap for both.
    KeyProvider one = passphrase("one");
    WrappedKey wrapped = one.wrap(key.material(), slot.context());
    for (int i = 0; i < 100; i++) {
      KeyProvider other = passphrase("guess " + i);
      assertThatThrownBy(() -> other.unwrap(wrapped, slot.context()))
          .isInstanceOf(KeyException.class);
    }
    assertThatThrownBy(() -> KeySlots.wrap(key, List.of(passphrase("one"), passphrase("two"))))
        .isInstanceOf(KeyException.class)
        .hasMessageContaining("second passphrase");
  }

  @Test
  void c10OversizedSlotsAreRefusedBeforeAnythingIsOpened() throws IOException {
    Stub counting = new Stub("counting", key.material());
    WrappedKey wrap = KeySlots.wrap(key, List.of(counting)).get(0);
    int before = counting.asked;
    for (int size : new int[] {0, 17, 100_000}) {
      assertThatThrownBy(
              () -> KeySlots.open(slot, Collections.nCopies(size, wrap), List.of(counting)))
          .isInstanceOf(KeyException.class);
    }
    assertThat(counting.asked).isEqualTo(before);
    assertThatThrownBy(() -> WrappedKey.of("stub", "k", new byte[4097]))
        .isInstanceOf(IllegalArgumentException.class);
    List<KeyProvider> many = new ArrayList<>();
    for (int i = 0; i < 17; i++) {
      many.add(new Stub("stub " + i, key.material()));
    }
    assertThatThrownBy(() -> KeySlots.wrap(key, many)).isInstanceOf(KeyException.class);
    assertThatThrownBy(() -> KeySlots.wrap(key, List.of())).isInstanceOf(KeyException.class);
    assertThatThrownBy(() -> KeySlots.wrap(key, List.of(counting, counting)))
        .isInstanceOf(KeyException.class)
        .hasMessageContaining("twice");
  }

  @Test
  void aFingerprintIsEnoughOnceOneWrapWasSeen() throws IOException {
    List<WrappedKey> wraps = KeySlots.wrap(key, List.of(passphrase, recovery));
    RecoveryKeyProvider named =
        RecoveryKeyProvider.ofFingerprint(recoveryKey.publicKey().fingerprint());
    assertThatThrownBy(() -> KeySlots.wrap(key, List.of(named)))
        .isInstanceOfSatisfying(
            KeyException.class, e -> assertThat(e.code()).isEqualTo("key.public-key-missing"));
    KeySlots.open(slot, wraps, List.of(passphrase, named)).close();
    assertThat(named.publicKey()).contains(recoveryKey.publicKey());
    EpochKey fresh = EpochKey.generate(slot.next(), RANDOM);
    List<WrappedKey> more = KeySlots.wrap(fresh, List.of(named));
    try (EpochKey opened =
        KeySlots.open(slot.next(), more, List.of(RecoveryKeyProvider.ofRecoveryKey(recoveryKey)))) {
      assertThat(hex(opened)).isEqualTo(hex(fresh));
    }
  }

  @Test
  void aPublicKeyOfAStrangerIsNotLearned() throws IOException {
    WrappedKey strange =
        RecoveryKeyProvider.ofRecoveryKey(RecoveryKey.generate(RANDOM))
            .wrap(key.material(), slot.context());
    RecoveryKeyProvider named =
        RecoveryKeyProvider.ofFingerprint(recoveryKey.publicKey().fingerprint());
    named.learnFrom(strange);
    named.learnFrom(
        WrappedKey.of("recovery", recoveryKey.publicKey().fingerprint(), strange.ciphertext()));
    named.learnFrom(WrappedKey.of("recovery", recoveryKey.publicKey().fingerprint(), new byte[3]));
    assertThat(named.publicKey()).isEmpty();
  }

  @Test
  void aProcessDerivesOnceForAllTrees() throws IOException {
    List<WrappedKey> first = KeySlots.wrap(key, List.of(passphrase));
    KeyProvider later = passphrase("correct horse");
    assertThat(later.keyId()).isNotEqualTo(passphrase.keyId());
    KeySlots.open(slot, first, List.of(later)).close();
    assertThat(later.keyId()).isEqualTo(passphrase.keyId());
    assertThat(KeySlots.wrap(EpochKey.generate(slot.next(), RANDOM), List.of(later)))
        .extracting(WrappedKey::keyId)
        .containsExactly(passphrase.keyId());
  }

  @Test
  void aWrapOfAnotherLengthIsNoEpochKey() throws IOException {
    try (DataKey shorter = DataKey.generate(RANDOM, 32)) {
      WrappedKey wrap = passphrase.wrap(shorter, slot.context());
      assertThatThrownBy(() -> KeySlots.open(slot, List.of(wrap), List.of(passphrase)))
          .isInstanceOf(KeyException.class)
          .hasMessageContaining("32 bytes");
    }
  }

  private static KeyProvider passphrase(String text) {
    try {
      return PassphraseKeyProvider.of("test", SecretValue.ofText(text), CHEAP);
    } catch (KeyException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String hex(EpochKey key) {
    try (DataKey material = key.material()) {
      return material.use(HexFormat.of()::formatHex);
    }
  }

  /** Answers every question with one key, or with one failure. */
  private static final class Stub implements KeyProvider {
    private final String keyId;
    private final DataKey answer;
    private KeyException failure;
    private int asked;

    Stub(String keyId, DataKey answer) {
      this.keyId = keyId;
      this.answer = answer.use(DataKey::copyOf);
    }

    @Override
    public String scheme() {
      return "stub";
    }

    @Override
    public String keyId() {
      return keyId;
    }

    @Override
    public String describe() {
      return "stub " + keyId;
    }

    @Override
    public boolean canUnwrap() {
      return true;
    }

    @Override
    public WrappedKey wrap(DataKey key, KeyContext context) {
      return WrappedKey.of("stub", keyId, new byte[1]);
    }

    @Override
    public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws KeyException {
      asked++;
      if (failure != null) {
        throw failure;
      }
      return answer.use(DataKey::copyOf);
    }

    @Override
    public void close() {
      answer.close();
    }
  }
}
