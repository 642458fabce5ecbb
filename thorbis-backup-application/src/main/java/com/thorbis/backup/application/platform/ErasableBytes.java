package com.thorbis.backup.application.platform;

import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;

/** Bytes that grow without leaving copies behind. Used by one thread. */
final class ErasableBytes extends OutputStream {
  private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

  private byte[] bytes = new byte[512];
  private int length;

  @Override
  public void write(int value) {
    reserve(1);
    bytes[length++] = (byte) value;
  }

  @Override
  public void write(byte[] from, int offset, int count) {
    Objects.checkFromIndexSize(offset, count, from.length);
    reserve(count);
    System.arraycopy(from, offset, bytes, length, count);
    length += count;
  }

  /** Text that is no secret. */
  ErasableBytes text(String text) {
    byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
    write(encoded, 0, encoded.length);
    return this;
  }

  /** A string of JSON, from its UTF-8. */
  void jsonString(byte[] utf8) {
    write('"');
    for (byte one : utf8) {
      if (one == '"' || one == '\\') {
        write('\\');
        write(one);
      } else if (one >= 0 && one < 0x20) {
        text("\\u00");
        write(HEX[one >> 4]);
        write(HEX[one & 0xf]);
      } else {
        write(one);
      }
    }
    write('"');
  }

  int length() {
    return length;
  }

  /** A copy, which the caller erases. */
  byte[] toByteArray() {
    return Arrays.copyOf(bytes, length);
  }

  /** Erases the bytes. */
  @Override
  public void close() {
    Arrays.fill(bytes, (byte) 0);
    length = 0;
  }

  private void reserve(int more) {
    if (length + more > bytes.length) {
      byte[] larger = Arrays.copyOf(bytes, Math.max(2 * bytes.length, length + more));
      Arrays.fill(bytes, (byte) 0);
      bytes = larger;
    }
  }
}
