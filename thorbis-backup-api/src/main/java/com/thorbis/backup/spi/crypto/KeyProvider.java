package com.thorbis.backup.spi.crypto;

import java.io.IOException;

/**
 * One recipient: somebody or something that can open what was wrapped for it. Safe for several
 * threads. Every failure is a {@link KeyException}: refused, lost and unreachable are different
 * answers.
 */
public interface KeyProvider extends AutoCloseable {
  /** The URI scheme it serves; persisted with every wrap. */
  String scheme();

  /** Which key new wraps use, in a form that holds no secret; persisted with every wrap. */
  String keyId();

  /** A name for messages, without secrets. */
  String describe();

  /** Whether it can open what it wrapped; a public key alone cannot. */
  boolean canUnwrap();

  /** Wraps a key of up to 128 bytes, bound to {@code context}. */
  WrappedKey wrap(DataKey key, KeyContext context) throws IOException;

  /**
   * Opens a wrap. The caller closes the key.
   *
   * @throws KeyException if the key, the wrap or the context is another, or the provider cannot be
   *     asked
   */
  DataKey unwrap(WrappedKey wrapped, KeyContext context) throws IOException;

  /**
   * Whether its key can be used, and will be. Asks the service, where there is one.
   *
   * @throws KeyException if there is no such key, or the service cannot be asked or does not tell
   */
  default KeyState state() throws IOException {
    return new KeyState.Usable();
  }

  /** Erases what it holds. */
  @Override
  void close() throws IOException;
}
