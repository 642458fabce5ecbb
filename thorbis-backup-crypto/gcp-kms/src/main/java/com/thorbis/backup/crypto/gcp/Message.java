package com.thorbis.backup.crypto.gcp;

import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.zip.CRC32C;

/** The body of a request, put together in bytes that can be erased, and the fields of answers. */
final class Message {
  private byte[] bytes = {'{'};

  /** An answer that is not what was sent, or lacks what the service always sends. */
  static final class GarbledException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    GarbledException(String field) {
      super("the answer's " + field + " is missing or was changed on the way");
    }
  }

  /** Adds a field and its checksum. */
  byte[] put(String field, byte[] content) {
    byte[] encoded = Base64.getEncoder().encode(content);
    Growing out = new Growing();
    out.writeBytes(bytes);
    out.text(bytes.length == 1 ? "\"" : ",\"");
    out.text(field + "\":\"");
    out.writeBytes(encoded);
    out.text("\",\"" + field + "Crc32c\":\"" + crc(content) + "\"");
    erase();
    Arrays.fill(encoded, (byte) 0);
    bytes = out.toByteArray();
    out.erase();
    return bytes;
  }

  byte[] finish() {
    byte[] whole = Arrays.copyOf(bytes, bytes.length + 1);
    whole[bytes.length] = '}';
    return whole;
  }

  void erase() {
    Arrays.fill(bytes, (byte) 0);
  }

  static byte[] bytes(JsonObject answer, String field) {
    byte[] content;
    try {
      content = Base64.getDecoder().decode(text(answer, field));
    } catch (IllegalArgumentException e) {
      throw new GarbledException(field);
    }
    if (!text(answer, field + "Crc32c").equals(crc(content))) {
      Arrays.fill(content, (byte) 0);
      throw new GarbledException(field);
    }
    return content;
  }

  /** The service says so when it got a checksum, and it fits. */
  static void requireTrue(JsonObject answer, String field) {
    if (!text(answer, field).equals("true")) {
      throw new GarbledException(field);
    }
  }

  /** A field as text; empty if absent. */
  static String text(JsonObject object, String field) {
    return object.get(field) instanceof JsonPrimitive value ? value.getAsString() : "";
  }

  private static String crc(byte[] content) {
    CRC32C crc = new CRC32C();
    crc.update(content);
    return Long.toString(crc.getValue());
  }

  private static final class Growing extends ByteArrayOutputStream {
    Growing() {
      super(1024); // what it outgrows is not erased
    }

    void text(String text) {
      writeBytes(text.getBytes(StandardCharsets.US_ASCII));
    }

    void erase() {
      Arrays.fill(buf, (byte) 0);
    }
  }
}
