package com.thorbis.backup.crypto;

import java.nio.ByteBuffer;
import java.security.SecureRandom;

/**
 * Gets the runtime to compile what seals and opens. Without it, the first 64 MiB of a process are
 * sealed at a fiftieth of the speed; it takes a quarter of a second of one core.
 */
public final class CipherWarmup implements Runnable {
  private static final int ROUNDS = 6_000;
  private static final int LENGTH = 1024;

  /** Something to run. */
  public CipherWarmup() {}

  /** Starts it on a background thread of its own, which nobody needs to wait for. */
  public static void start() {
    Thread thread = new Thread(new CipherWarmup(), "thorbis-cipher-warmup");
    thread.setDaemon(true);
    thread.start();
  }

  /** Stops early when the thread is interrupted. */
  @Override
  public void run() {
    byte[] key = new byte[32];
    new SecureRandom().nextBytes(key);
    Cobblestone cipher = new Cobblestone(key, new byte[Cobblestone.SALT], new byte[0]);
    byte[] plain = new byte[LENGTH];
    byte[] sealed = new byte[LENGTH + Cobblestone.TAG];
    ByteBuffer piece = ByteBuffer.wrap(plain);
    try {
      for (int i = 0; i < ROUNDS && !Thread.currentThread().isInterrupted(); i++) {
        cipher.seal(i, plain, 0, LENGTH, sealed, 0);
        cipher.open(i, sealed, 0, sealed.length, plain, 0, "warm-up");
        Address.of(key, (byte) 0, piece);
      }
    } catch (MalformedObjectException e) {
      throw new IllegalStateException(
          "AES-GCM of this Java runtime does not open what it seals", e);
    }
  }
}
