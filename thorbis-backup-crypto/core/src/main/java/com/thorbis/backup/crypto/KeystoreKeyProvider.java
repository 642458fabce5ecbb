package com.thorbis.backup.crypto;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.crypto.DataKey;
import com.thorbis.backup.spi.crypto.KeyContext;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.crypto.KeyProvider;
import com.thorbis.backup.spi.crypto.WrappedKey;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/**
 * A recipient whose key is an AES-256 entry of a PKCS#12 keystore. One alias wraps; every AES-256
 * entry of the file opens what it wrapped, so a new alias can take over while the old one stays.
 */
public final class KeystoreKeyProvider implements KeyProvider {
  /** The scheme of its URIs. */
  public static final String SCHEME = "keystore";

  private static final int KEY_LENGTH = 32;

  private final String description;
  private final String keyId;
  private final DataKey current;
  private final Map<String, DataKey> keys;
  private final SecureRandom random = new SecureRandom();

  private KeystoreKeyProvider(
      String description, String keyId, DataKey current, Map<String, DataKey> keys) {
    this.description = description;
    this.keyId = keyId;
    this.current = current;
    this.keys = keys;
  }

  /**
   * Reads a keystore.
   *
   * @param password of the keystore and its entries; stays the caller's
   * @param alias the entry that wraps new keys
   */
  public static KeystoreKeyProvider open(Path file, SecretValue password, String alias)
      throws IOException {
    String description = SCHEME + " " + file + " alias " + alias;
    // A service often reads a file that root owns through its group; nobody else has a reason to.
    KeyFiles.requirePrivate(file, true, description);
    byte[] content = KeyFiles.read(file, description);
    char[] lent = password.useChars(char[]::clone);
    Map<String, DataKey> keys = new LinkedHashMap<>();
    boolean opened = false;
    try {
      KeyStore store = load(content, lent, file, description);
      @Nullable String keyId = null;
      @Nullable DataKey current = null;
      for (String entry : Collections.list(store.aliases())) {
        DataKey key = entry(store, entry, lent);
        if (key != null) {
          String id = keyId(entry, key);
          keys.put(id, key);
          // PKCS#12 stores fold the case of their aliases.
          if (entry.equalsIgnoreCase(alias)) {
            keyId = id;
            current = key;
          }
        }
      }
      if (keyId == null || current == null) {
        throw Wraps.configuration(
            "key.alias-missing",
            description,
            "the keystore has no AES-256 key under this alias; it has "
                + (keys.isEmpty() ? "none" : String.join(", ", aliases(keys))),
            "Correct the alias, or add one: keytool -genseckey -storetype PKCS12 -keyalg AES"
                + " -keysize 256 -alias "
                + alias
                + " -keystore "
                + file);
      }
      opened = true;
      return new KeystoreKeyProvider(description, keyId, current, keys);
    } catch (GeneralSecurityException e) {
      throw Wraps.configuration(
          "key.file-unusable",
          description,
          "the keystore's entries do not open with its password",
          "Give keystore and entries one password.");
    } finally {
      Arrays.fill(lent, '\0');
      if (!opened) {
        keys.values().forEach(DataKey::close);
      }
    }
  }

  /**
   * Makes a keystore with one new key, readable by its owner only.
   *
   * @param password stays the caller's
   * @throws java.nio.file.FileAlreadyExistsException if there is such a file, which is left alone
   */
  public static void create(Path file, SecretValue password, String alias) throws IOException {
    char[] lent = password.useChars(char[]::clone);
    try (DataKey key = DataKey.generate(new SecureRandom(), KEY_LENGTH)) {
      if (lent.length == 0) {
        throw Wraps.configuration(
            "key.password-missing",
            SCHEME + " " + file,
            "the password is empty",
            "Choose a password.");
      }
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, lent);
      store.setEntry(
          alias,
          new KeyStore.SecretKeyEntry(key.use(bytes -> new SecretKeySpec(bytes, "AES"))),
          new KeyStore.PasswordProtection(lent));
      ByteArrayOutputStream content = new ByteArrayOutputStream();
      store.store(content, lent);
      KeyFiles.create(file, content.toByteArray());
    } catch (GeneralSecurityException e) {
      throw Jca.unavailable(e);
    } finally {
      Arrays.fill(lent, '\0');
    }
  }

  @Override
  public String scheme() {
    return SCHEME;
  }

  @Override
  public String keyId() {
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
  public WrappedKey wrap(DataKey key, KeyContext context) {
    return Wraps.wrap(current, SCHEME, keyId, key, context, random);
  }

  @Override
  public DataKey unwrap(WrappedKey wrapped, KeyContext context) throws KeyException {
    DataKey wrapping = wrapped.scheme().equals(SCHEME) ? keys.get(wrapped.keyId()) : null;
    if (wrapping == null) {
      throw Wraps.refused(
          description,
          "the key was wrapped by " + wrapped.scheme() + " " + wrapped.keyId(),
          "Use a keystore that holds that key.");
    }
    return Wraps.unwrap(
        wrapping,
        wrapped,
        context,
        description,
        "The keystore holds the right key, so the stored wrap is damaged or from another place:"
            + " read it from another copy.");
  }

  @Override
  public void close() {
    keys.values().forEach(DataKey::close);
  }

  private static KeyStore load(byte[] content, char[] password, Path file, String description)
      throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try {
      store.load(new ByteArrayInputStream(content), password);
    } catch (IOException e) {
      if (e.getCause() instanceof GeneralSecurityException) {
        throw Wraps.refused(
            description,
            "the password does not open " + file,
            "Correct the keystore's password; a damaged file says the same.");
      }
      throw Wraps.configuration(
          "key.file-unusable",
          description,
          file + " is not a PKCS#12 keystore",
          "Make one with keytool -genseckey -storetype PKCS12.");
    }
    return store;
  }

  private static @Nullable DataKey entry(KeyStore store, String alias, char[] password)
      throws GeneralSecurityException {
    Key key = store.isKeyEntry(alias) ? store.getKey(alias, password) : null;
    byte[] encoded = key != null && key.getAlgorithm().equals("AES") ? key.getEncoded() : null;
    if (encoded == null) {
      return null;
    }
    try {
      return encoded.length == KEY_LENGTH ? DataKey.copyOf(encoded) : null;
    } finally {
      Arrays.fill(encoded, (byte) 0);
    }
  }

  /** An alias alone would not tell two keystores apart. */
  private static String keyId(String alias, DataKey key) {
    byte[] label = "thorbis/v1/key-id".getBytes(StandardCharsets.US_ASCII);
    return alias
        + ":"
        + HexFormat.of().formatHex(key.use(bytes -> Hkdf.SHA512.expand(bytes, label, 8)));
  }

  private static Iterable<String> aliases(Map<String, DataKey> keys) {
    return keys.keySet().stream().map(id -> id.substring(0, id.lastIndexOf(':'))).toList();
  }
}
