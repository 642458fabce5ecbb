package com.thorbis.backup.spi.crypto;

import java.io.IOException;

/**
 * Signs what a host commits, so that it can be told whose it is. Opens nothing. Safe for several
 * threads; stays the caller's, who closes what there is to close.
 */
public interface Signer {
  /** The Ed25519 public key (RFC 8032): 32 bytes, the same each time. */
  byte[] publicKey();

  /**
   * The Ed25519 signature (RFC 8032) over a message: 64 bytes.
   *
   * @throws IOException if it could not be made; then nothing was signed
   */
  byte[] sign(byte[] message) throws IOException;
}
