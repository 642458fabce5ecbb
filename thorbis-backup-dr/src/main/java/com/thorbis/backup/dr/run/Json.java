package com.thorbis.backup.dr.run;

import com.thorbis.backup.dr.internal.CanonicalJson;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Canonical JSON of whatever a run has to say: what is neither number nor flag is its text. */
final class Json {
  private Json() {}

  /** A text is not JSON as it is written here. */
  static final class Malformed extends Exception {
    private static final long serialVersionUID = 1L;

    Malformed(IllegalArgumentException cause) {
      super(cause.getMessage(), cause);
    }
  }

  /** An object from names and values in turn. */
  static Map<String, Object> object(Object... namesAndValues) {
    Map<String, Object> object = new LinkedHashMap<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      object.put((String) namesAndValues[i], namesAndValues[i + 1]);
    }
    return object;
  }

  static String write(Map<String, ?> object) {
    return new String(CanonicalJson.encode(fields(plain(object))), StandardCharsets.UTF_8);
  }

  private static Object plain(Object value) {
    if (value instanceof Map<?, ?> object) {
      Map<String, Object> plain = new LinkedHashMap<>();
      object.forEach((name, member) -> plain.put(whole(name), plain(member)));
      return plain;
    }
    if (value instanceof List<?> items) {
      return items.stream().map(Json::plain).toList();
    }
    return value instanceof Long || value instanceof Integer || value instanceof Boolean
        ? value
        : whole(value);
  }

  /** A half of a character has no bytes of its own, and an error may well hold one. */
  private static String whole(Object value) {
    return new String(value.toString().getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
  }

  /** Reads one object and nothing after it. */
  static Map<String, Object> read(String text) throws Malformed {
    try {
      return CanonicalJson.parse(text.getBytes(StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      throw new Malformed(e);
    }
  }

  @SuppressWarnings("unchecked") // names of JSON objects are texts
  static Map<String, Object> fields(Object object) {
    return (Map<String, Object>) object;
  }
}
