package com.thorbis.backup.postgres.wire;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/**
 * Reads backend messages into one buffer that is used again. A read that times out can be repeated:
 * nothing is lost. Every length is checked against what is there before it is believed.
 */
final class MessageReader {
  private static final int BUFFER_BYTES = 512 << 10;
  private static final int HEADER_BYTES = 5;

  private final InputStream in;
  private byte[] buffer = new byte[BUFFER_BYTES];
  private int start;
  private int filled;
  private int next;
  private int position;
  private int end;
  private int longestData = 1 << 20;
  private long lastReceived = System.nanoTime();

  MessageReader(InputStream in) {
    this.in = in;
  }

  /**
   * Takes the next message, which is readable until the next call.
   *
   * @return its type
   * @throws java.net.SocketTimeoutException if it is not complete in time; call again
   */
  int next() throws IOException {
    start = next;
    position = start;
    end = start;
    fill(HEADER_BYTES);
    int type = buffer[start] & 0xFF;
    int length = intAt(start + 1) - 4;
    if (length < 0 || length > limit(type)) {
      throw new ProtocolException("message '" + printable(type) + "' of " + length + " bytes");
    }
    fill(HEADER_BYTES + length);
    position = start + HEADER_BYTES;
    end = position + length;
    next = end;
    return type;
  }

  /** Takes longer messages of data than log has. */
  void allowData(int longest) {
    longestData = longest;
  }

  private int limit(int type) {
    return switch (type) {
      case 'd' -> longestData;
      case 'D' -> 4 << 20;
      case 'E', 'N' -> 256 << 10;
      default -> 64 << 10;
    };
  }

  static String printable(int type) {
    return type > ' ' && type < 127
        ? String.valueOf((char) type)
        : "0x" + Integer.toHexString(type);
  }

  private void fill(int needed) throws IOException {
    if (filled - start >= needed) {
      return;
    }
    if (start + needed > buffer.length || start == filled) {
      byte[] target = needed > buffer.length ? new byte[needed] : buffer;
      System.arraycopy(buffer, start, target, 0, filled - start);
      buffer = target;
      filled -= start;
      start = 0;
      next = 0;
    }
    while (filled - start < needed) {
      int count = in.read(buffer, filled, buffer.length - filled);
      if (count < 0) {
        throw new EOFException("The server closed the connection");
      }
      filled += count;
      lastReceived = System.nanoTime();
    }
  }

  /** When bytes came last, by {@link System#nanoTime}. */
  long lastReceived() {
    return lastReceived;
  }

  /** Whether bytes have come that no message was made of yet. */
  boolean holdsMore() {
    return filled > next;
  }

  /** The array that holds the message; valid until the next one is taken. */
  byte[] array() {
    return buffer;
  }

  /** Where the unread rest of the message begins in {@link #array}. */
  int position() {
    return position;
  }

  /** How much of the message is unread. */
  int remaining() {
    return end - position;
  }

  int readByte() throws ProtocolException {
    need(1);
    return buffer[position++] & 0xFF;
  }

  int readShort() throws ProtocolException {
    need(2);
    int value = (buffer[position] & 0xFF) << 8 | buffer[position + 1] & 0xFF;
    position += 2;
    return value;
  }

  int readInt() throws ProtocolException {
    need(4);
    int value = intAt(position);
    position += 4;
    return value;
  }

  long readLong() throws ProtocolException {
    need(8);
    long value = (long) intAt(position) << 32 | intAt(position + 4) & 0xFFFFFFFFL;
    position += 8;
    return value;
  }

  byte[] readBytes(int length) throws ProtocolException {
    need(length);
    byte[] bytes = new byte[length];
    System.arraycopy(buffer, position, bytes, 0, length);
    position += length;
    return bytes;
  }

  /** Text that ends with a zero byte. */
  String readText() throws ProtocolException {
    int zero = position;
    while (zero < end && buffer[zero] != 0) {
      zero++;
    }
    if (zero == end) {
      throw new ProtocolException("a text without an end");
    }
    String text = new String(buffer, position, zero - position, StandardCharsets.UTF_8);
    position = zero + 1;
    return text;
  }

  private void need(int length) throws ProtocolException {
    if (length < 0 || length > end - position) {
      throw new ProtocolException(
          "a field of " + length + " bytes where " + (end - position) + " are left");
    }
  }

  private int intAt(int at) {
    return (buffer[at] & 0xFF) << 24
        | (buffer[at + 1] & 0xFF) << 16
        | (buffer[at + 2] & 0xFF) << 8
        | buffer[at + 3] & 0xFF;
  }
}
