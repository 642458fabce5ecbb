package com.thorbis.backup.dr.report;

import com.thorbis.backup.dr.internal.CanonicalJson;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** What standards ask, as data. */
final class Controls {
  private Controls() {}

  /** Those of this version. */
  static Map<String, Object> builtIn() {
    try (InputStream in = Controls.class.getResourceAsStream("controls.json")) {
      if (in == null) {
        throw new IllegalStateException("controls.json is missing");
      }
      return CanonicalJson.parse(packed(in.readAllBytes()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The same without blanks between its parts; its members are sorted already. */
  private static byte[] packed(byte[] json) {
    StringBuilder out = new StringBuilder();
    boolean inText = false;
    String text = new String(json, StandardCharsets.UTF_8);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (inText && c == '\\') {
        out.append(c).append(text.charAt(++i));
        continue;
      }
      if (c == '"') {
        inText = !inText;
      }
      if (inText || !Character.isWhitespace(c)) {
        out.append(c);
      }
    }
    return out.toString().getBytes(StandardCharsets.UTF_8);
  }
}
