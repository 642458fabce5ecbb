package com.thorbis.backup.spi;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.Function;

/** A secret that is lent, never printed, and erased on {@link #close}. Safe for several threads. */
public final class SecretValue implements AutoCloseable {
  private final byte[] bytes;

  private SecretValue(byte[] bytes) {
    this.bytes = bytes;
  }

  /** Copies {@code secret}; the caller erases its own copy. */
  public static SecretValue copyOf(byte[] secret) {
    return new SecretValue(secret.clone());
  }

  /** Copies text, held in UTF-8. */
  public static SecretValue ofText(CharSequence secret) {
    ByteBuffer encoded = StandardCharsets.UTF_8.encode(CharBuffer.wrap(secret));
    byte[] bytes = new byte[encoded.remaining()];
    encoded.get(bytes);
    encoded.clear().put(new byte[encoded.capacity()]);
    return new SecretValue(bytes);
  }

  /** Lends a copy of the bytes, which is erased when {@code use} returns. */
  public <R> R useBytes(Function<byte[], R> use) {
    byte[] lent;
    synchronized (bytes) {
      lent = bytes.clone();
    }
    try {
      return use.apply(lent);
    } finally {
      Arrays.fill(lent, (byte) 0);
    }
  }

  /** Lends the secret as characters, erased when {@code use} returns. */
  public <R> R useChars(Function<char[], R> use) {
    return useBytes(
        lent -> {
          try {
            CharBuffer decoded = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(lent));
            char[] chars = new char[decoded.remaining()];
            decoded.get(chars);
            Arrays.fill(decoded.array(), '\0');
            try {
              return use.apply(chars);
            } finally {
              Arrays.fill(chars, '\0');
            }
          } catch (CharacterCodingException e) {
            throw new IllegalStateException("The secret is not text in UTF-8");
          }
        });
  }

  @Override
  public void close() {
    synchronized (bytes) {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  /** Says only that it is a secret. */
  @Override
  public String toString() {
    return "SecretValue";
  }
}
