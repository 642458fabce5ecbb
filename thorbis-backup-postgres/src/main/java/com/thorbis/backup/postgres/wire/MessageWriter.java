package com.thorbis.backup.postgres.wire;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Sends frontend messages, each whole. Safe for several threads. */
final class MessageWriter {
  private final OutputStream out;

  MessageWriter(OutputStream out) {
    this.out = out;
  }

  /** A message with its type in front. */
  void send(char type, byte[] body) throws IOException {
    ByteBuffer message = ByteBuffer.allocate(5 + body.length);
    message.put((byte) type).putInt(4 + body.length).put(body);
    flush(message);
  }

  /** A message that ends with a text, such as a query. */
  void send(char type, String text) throws IOException {
    send(type, terminated(text));
  }

  /** A message without a type: those that start a connection. */
  void sendUntyped(byte[] body) throws IOException {
    ByteBuffer message = ByteBuffer.allocate(4 + body.length);
    message.putInt(4 + body.length).put(body);
    flush(message);
  }

  private void flush(ByteBuffer message) throws IOException {
    synchronized (out) {
      out.write(message.array(), 0, message.position());
      out.flush();
    }
    Arrays.fill(message.array(), (byte) 0);
  }

  static byte[] terminated(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return Arrays.copyOf(bytes, bytes.length + 1);
  }
}
