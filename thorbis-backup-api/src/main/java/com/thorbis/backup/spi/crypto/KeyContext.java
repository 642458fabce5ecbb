package com.thorbis.backup.spi.crypto;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a wrap is bound to; it opens only under the same facts.
 *
 * @param facts such as {@code repository}, {@code tree}, {@code epoch}; no secrets, as services log
 *     them
 */
public record KeyContext(SortedMap<String, String> facts) {
  /** Copies the facts. */
  public KeyContext {
    facts = Collections.unmodifiableSortedMap(new TreeMap<>(facts));
  }

  /** From any map. */
  public static KeyContext of(Map<String, String> facts) {
    return new KeyContext(new TreeMap<>(facts));
  }

  /**
   * The facts as bytes, for services that bind bytes: each name and each value in the order of the
   * names, as UTF-8 behind its length in four bytes. Wraps depend on it, so it never changes.
   */
  public byte[] encoded() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    facts.forEach(
        (name, value) -> {
          put(out, name);
          put(out, value);
        });
    return out.toByteArray();
  }

  private static void put(ByteArrayOutputStream out, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.writeBytes(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
    out.writeBytes(bytes);
  }
}
