package com.thorbis.backup.crypto;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bouncycastle.crypto.generators.Argon2BytesGenerator;
import org.bouncycastle.crypto.params.Argon2Parameters;

/**
 * A recipient whose key is derived from a passphrase with Argon2id. Parameters and salt travel with
 * each wrap. What it opens, it wraps alike from then on, so that a process derives once however
 * many key trees there are.
 */
public final class PassphraseKeyProvider implements KeyProvider {
  /** The scheme of its URIs. */
  public static final String SCHEME = "passphrase";

  private static final int SALT_LENGTH = 16;
  private static final int KEY_LENGTH = 32;
  private static final int MOST_CACHED = 16;

  private final String description;
  private final SecretValue passphrase;
  private final Cost cost;
  private final SecureRandom random = new SecureRandom();
  private final Map<String, DataKey> derived = new LinkedHashMap<>();
  private String keyId;
  private boolean closed;

  private PassphraseKeyProvider(String name, SecretValue passphrase, Cost cost) {
    this.description = SCHEME + " " + name;
    this.passphrase = passphrase;
    this.cost = cost;
    byte[] salt = new byte[SALT_LENGTH];
    random.nextBytes(salt);
    this.keyId = cost.keyId(salt);
  }

  /**
   * A recipient.
   *
   * @param name labels it in messages
   * @param passphrase copied; stays the caller's
   */
  public static PassphraseKeyProvider of(String name, SecretValue passphrase) throws KeyException {
    return of(name, passphrase, Cost.DEFAULT);
  }

  static PassphraseKeyProvider of(String name, SecretValue passphrase, Cost cost)
      throws KeyException {
    if (passphrase.useBytes(bytes -> bytes.length) == 0) {
      throw Wraps.configuration(
          "key.password-missing",
          SCHEME + " " + name,
          "the passphrase is empty",
          "Choose a passphrase of several words.");
    }
    return new PassphraseKeyProvider(name, passphrase.useBytes(SecretValue::copyOf), cost);
  }

  /** What a derivation costs. */
  record Cost(int memoryKib, int passes, int lanes) {
    static final Cost DEFAULT = new Cost(64 * 1024, 3, 1);

    private static final int MOST_MEMORY_KIB = 1 << 20;
    private static final int MOST_PASSES = 16;
    private static final int MOST_LANES = 16;

    private static final Pattern FORM =
        Pattern.compile(
            "argon2id:m=([1-9][0-9]{0,6}),t=([1-9][0-9]?),p=([1-9][0-9]?),salt=([0-9a-f]{32})");

    String keyId(byte[] salt) {
      return "argon2id:m="
          + memoryKib
          + ",t="
          + passes
          + ",p="
          + lanes
          + ",salt="
          + HexFormat.of().formatHex(salt);
    }

    boolean inBounds() {
      return memoryKib >= 8 * lanes
          && memoryKib <= MOST_MEMORY_KIB
          && passes <= MOST_PASSES
          && lanes <= MOST_LANES;
    }
  }

  @Override
  public String scheme() {
    return SCHEME;
  }

  @Override
  public synchronized String keyId() {
    return keyId;
  }

  @Override
  public String describe() {
    return description;
  }

  @Override
  public boolean canUnwrap() {
    return true;
  }

  @Override
  public synchronized WrappedKey wrap(DataKey key, KeyContext context) throws KeyException {
    Wraps.requireLength(key);
    return Wraps.wrap(derive(keyId), SCHEME, keyId, key, context, random);
  }

  @Override
  public synchronized DataKey unwrap(WrappedKey wrapped, KeyContext context) throws KeyException {
    if (!wrapped.scheme().equals(SCHEME)) {
      throw Wraps.refused(
          description,
          "the key was wrapped by " + wrapped.scheme() + " " + wrapped.keyId(),
          "Offer that recipient.");
    }
    String used = wrapped.keyId();
    DataKey key =
        Wraps.unwrap(
            derive(used),
            wrapped,
            context,
            description,
            "Correct the passphrase. If it is right, the stored wrap is damaged: read it from"
                + " another copy.");
    if (used.startsWith(cost.keyId(new byte[0]))) {
      keyId = used; // proven by having opened, and as costly as what we would choose
    }
    return key;
  }

  @Override
  public synchronized void close() {
    closed = true;
    passphrase.close();
    derived.values().forEach(DataKey::close);
  }

  private DataKey derive(String id) throws KeyException {
    if (closed) {
      throw new IllegalStateException("The recipient was closed");
    }
    DataKey known = derived.get(id);
    if (known != null) {
      return known;
    }
    Matcher form = Cost.FORM.matcher(id);
    if (!form.matches()) {
      throw unusable("its derivation is not one of ours", "Update this program.");
    }
    Cost stored =
        new Cost(
            Integer.parseInt(form.group(1)),
            Integer.parseInt(form.group(2)),
            Integer.parseInt(form.group(3)));
    if (!stored.inBounds()) {
      throw unusable(
          "its derivation claims " + stored + ", beyond what is accepted",
          "The stored wrap is damaged or hostile: read it from another copy.");
    }
    if (stored.memoryKib() * 1024L > Runtime.getRuntime().maxMemory() / 2) {
      throw unusable(
          "its derivation needs " + stored.memoryKib() / 1024 + " MiB of heap",
          "Start Java with a larger -Xmx.");
    }
    DataKey key = argon2id(stored, HexFormat.of().parseHex(form.group(4)));
    if (derived.size() == MOST_CACHED) {
      Iterator<DataKey> oldest = derived.values().iterator();
      oldest.next().close();
      oldest.remove();
    }
    derived.put(id, key);
    return key;
  }

  private DataKey argon2id(Cost cost, byte[] salt) {
    Argon2BytesGenerator generator = new Argon2BytesGenerator();
    generator.init(
        new Argon2Parameters.Builder(Argon2Parameters.ARGON2_id)
            .withVersion(Argon2Parameters.ARGON2_VERSION_13)
            .withMemoryAsKB(cost.memoryKib())
            .withIterations(cost.passes())
            .withParallelism(cost.lanes())
            .withSalt(salt)
            .build());
    byte[] out = new byte[KEY_LENGTH];
    try {
      int unused = passphrase.useBytes(secret -> generator.generateBytes(secret, out));
      return DataKey.copyOf(out);
    } finally {
      Arrays.fill(out, (byte) 0);
    }
  }

  private KeyException unusable(String problem, String remedy) {
    return new KeyException(
        "key.refused",
        FailureKind.PERMANENT,
        description + ": " + problem,
        description,
        remedy,
        null);
  }
}
