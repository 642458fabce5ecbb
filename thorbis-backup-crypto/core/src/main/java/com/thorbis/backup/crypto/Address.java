package com.thorbis.backup.crypto;

import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The keyed name of a compressed piece: HMAC-SHA-256 over its codec and its bytes. */
public record Address(long a, long b, long c, long d) {
  /** The length in bytes. */
  public static final int LENGTH = 32;

  private static final ThreadLocal<Mac> MAC = ThreadLocal.withInitial(() -> Jca.mac("HmacSHA256"));

  /**
   * The address of a piece.
   *
   * @param addressKey {@link EpochKey#addressKey}
   * @param codec the codec's persisted byte
   * @param compressed read from its position to its limit; left as it was
   */
  public static Address of(byte[] addressKey, byte codec, ByteBuffer compressed) {
    Mac mac = MAC.get();
    try {
      mac.init(new SecretKeySpec(addressKey, "HmacSHA256"));
    } catch (GeneralSecurityException e) {
      throw Jca.unavailable(e);
    }
    mac.update(codec);
    mac.update(compressed.duplicate());
    return read(ByteBuffer.wrap(mac.doFinal()));
  }

  /** Reads the next 32 bytes. */
  public static Address read(ByteBuffer from) {
    return new Address(from.getLong(), from.getLong(), from.getLong(), from.getLong());
  }

  /** Writes 32 bytes. */
  public void write(ByteBuffer to) {
    to.putLong(a).putLong(b).putLong(c).putLong(d);
  }

  /** The 32 bytes. */
  public byte[] bytes() {
    byte[] bytes = new byte[LENGTH];
    write(ByteBuffer.wrap(bytes));
    return bytes;
  }

  /** 64 lower-case hexadecimal digits. */
  @Override
  public String toString() {
    return HexFormat.of().formatHex(bytes());
  }
}
