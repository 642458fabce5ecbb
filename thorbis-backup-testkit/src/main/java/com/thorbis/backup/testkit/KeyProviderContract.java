package com.thorbis.backup.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What every recipient must do. */
public abstract class KeyProviderContract {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final KeyContext CONTEXT =
      KeyContext.of(Map.of("repository", "r1", "tree", "t1", "epoch", "1"));

  private final List<KeyProvider> opened = new ArrayList<>();

  /** For test frameworks. */
  protected KeyProviderContract() {}

  /** Opens a provider that can unwrap; each call opens the same key afresh. */
  protected abstract KeyProvider openProvider() throws IOException;

  /** Opens a provider of the same scheme with another key. */
  protected abstract KeyProvider openStranger() throws IOException;

  @AfterEach
  void closeProviders() throws IOException {
    for (KeyProvider provider : opened) {
      provider.close();
    }
  }

  @Test
  void aWrapOpensAsWhatWasWrapped() throws IOException {
    KeyProvider provider = provider();
    assertThat(provider.canUnwrap()).isTrue();
    for (int length : new int[] {1, 32, 64, 128}) {
      try (DataKey key = DataKey.generate(RANDOM, length);
          DataKey again = provider.unwrap(provider.wrap(key, CONTEXT), CONTEXT)) {
        assertThat(hex(again)).isEqualTo(hex(key));
      }
    }
  }

  @Test
  void aWrapOpensInAnotherProcess() throws IOException {
    try (DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider().wrap(key, CONTEXT);
      try (DataKey again = provider().unwrap(stored(wrapped), CONTEXT)) {
        assertThat(hex(again)).isEqualTo(hex(key));
      }
    }
  }

  @Test
  void aWrapNamesItsRecipient() throws IOException {
    KeyProvider provider = provider();
    try (DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertThat(wrapped.scheme()).isEqualTo(provider.scheme());
      assertThat(wrapped.keyId()).isEqualTo(provider.keyId()).isNotBlank();
      assertThat(provider.describe()).isNotBlank();
    }
  }

  @Test
  void twoWrapsOfOneKeyShareNothing() throws IOException {
    KeyProvider provider = provider();
    try (DataKey key = DataKey.generate(RANDOM, 64)) {
      String one = HexFormat.of().formatHex(provider.wrap(key, CONTEXT).ciphertext());
      String other = HexFormat.of().formatHex(provider.wrap(key, CONTEXT).ciphertext());
      assertThat(one).isNotEqualTo(other).doesNotContain(hex(key));
      assertThat(one.substring(one.length() - 128))
          .isNotEqualTo(other.substring(other.length() - 128));
    }
  }

  @Test
  void aWrapOpensUnderItsOwnFactsOnly() throws IOException {
    KeyProvider provider = provider();
    try (DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      for (Map<String, String> facts :
          List.of(
              Map.of("repository", "r2", "tree", "t1", "epoch", "1"),
              Map.of("repository", "r1", "tree", "t2", "epoch", "1"),
              Map.of("repository", "r1", "tree", "t1", "epoch", "2"),
              Map.of("repository", "r1", "tree", "t1"),
              Map.of("repository", "r1", "tree", "t1", "epoch", "1", "more", ""),
              Map.of("repository", "r1t", "tree", "1", "epoch", "1"))) {
        assertRefused(provider, wrapped, KeyContext.of(facts));
      }
    }
  }

  @Test
  void aStrangerIsRefused() throws IOException {
    KeyProvider stranger = openStranger();
    opened.add(stranger);
    try (DataKey key = DataKey.generate(RANDOM, 64)) {
      assertRefused(stranger, provider().wrap(key, CONTEXT), CONTEXT);
    }
  }

  @Test
  void everyAlteredByteIsRefused() throws IOException {
    KeyProvider provider = provider();
    try (DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      byte[] ciphertext = wrapped.ciphertext();
      int step = Math.max(1, ciphertext.length / 256);
      for (int i = 0; i < ciphertext.length; i += step) {
        byte[] altered = ciphertext.clone();
        altered[i] ^= 1;
        assertRefused(provider, WrappedKey.of(wrapped.scheme(), wrapped.keyId(), altered), CONTEXT);
      }
    }
  }

  @Test
  void wrapsOfOtherLengthsAreRefused() throws IOException {
    KeyProvider provider = provider();
    try (DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      byte[] ciphertext = wrapped.ciphertext();
      for (int length : new int[] {0, 1, 16, ciphertext.length - 1, ciphertext.length + 1, 4096}) {
        assertRefused(
            provider,
            WrappedKey.of(wrapped.scheme(), wrapped.keyId(), Arrays.copyOf(ciphertext, length)),
            CONTEXT);
      }
    }
  }

  @Test
  void aWrapOfAnotherSchemeOrKeyIsRefused() throws IOException {
    KeyProvider provider = provider();
    try (DataKey key = DataKey.generate(RANDOM, 64)) {
      WrappedKey wrapped = provider.wrap(key, CONTEXT);
      assertRefused(
          provider, WrappedKey.of("elsewhere", wrapped.keyId(), wrapped.ciphertext()), CONTEXT);
      assertRefused(
          provider, WrappedKey.of(wrapped.scheme(), "another", wrapped.ciphertext()), CONTEXT);
    }
  }

  @Test
  void keysOfOtherLengthsAreNotWrapped() throws IOException {
    KeyProvider provider = provider();
    for (int length : new int[] {0, 129, 1 << 20}) {
      try (DataKey key = DataKey.generate(RANDOM, length)) {
        assertThatThrownBy(() -> provider.wrap(key, CONTEXT))
            .isInstanceOf(IllegalArgumentException.class);
      }
    }
  }

  @Test
  void threadsMayShareAProvider() throws Exception {
    KeyProvider provider = provider();
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      List<Future<Set<String>>> results = new ArrayList<>();
      for (int thread = 0; thread < 4; thread++) {
        results.add(
            threads.submit(
                () -> {
                  Set<String> wrong = new HashSet<>();
                  for (int i = 0; i < 25; i++) {
                    try (DataKey key = DataKey.generate(RANDOM, 64);
                        DataKey again = provider.unwrap(provider.wrap(key, CONTEXT), CONTEXT)) {
                      if (!hex(again).equals(hex(key))) {
                        wrong.add("round " + i);
                      }
                    }
                  }
                  return wrong;
                }));
      }
      for (Future<Set<String>> result : results) {
        assertThat(result.get()).isEmpty();
      }
    } finally {
      threads.shutdownNow();
    }
  }

  private KeyProvider provider() throws IOException {
    KeyProvider provider = openProvider();
    opened.add(provider);
    return provider;
  }

  private static WrappedKey stored(WrappedKey wrapped) {
    return WrappedKey.of(wrapped.scheme(), wrapped.keyId(), wrapped.ciphertext());
  }

  private static void assertRefused(KeyProvider provider, WrappedKey wrapped, KeyContext context) {
    assertThatThrownBy(() -> provider.unwrap(wrapped, context).close())
        .isInstanceOfSatisfying(
            KeyException.class,
            e -> {
              assertThat(e.code()).isEqualTo("key.refused");
              assertThat(e.remedy()).isNotBlank();
              assertThat(e.details()).containsEntry("recipient", provider.describe());
            });
  }

  private static String hex(DataKey key) {
    return key.use(HexFormat.of()::formatHex);
  }
}
