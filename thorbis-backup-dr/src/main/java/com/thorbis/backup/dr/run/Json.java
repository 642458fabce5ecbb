package com.thorbis.backup.dr.run;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON in one spelling: no blanks, fields in the order given, whole numbers, and as few escapes as
 * there may be. Whatever was not written by {@link #write} is not the text of what it reads as.
 */
final class Json {
  private static final int DEPTH = 16;

  private final String text;
  private int at;

  private Json(String text) {
    this.text = text;
  }

  /** A text is not JSON as it is written here. */
  static final class Malformed extends Exception {
    private static final long serialVersionUID = 1L;

    Malformed(String problem) {
      super(problem);
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

  static String write(Object value) {
    StringBuilder out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  private static void write(Object value, StringBuilder out) {
    if (value instanceof Map<?, ?> fields) {
      String between = "{";
      for (Map.Entry<?, ?> field : fields.entrySet()) {
        out.append(between);
        text(String.valueOf(field.getKey()), out);
        out.append(':');
        write(field.getValue(), out);
        between = ",";
      }
      out.append(fields.isEmpty() ? "{}" : "}");
    } else if (value instanceof List<?> items) {
      String between = "[";
      for (Object item : items) {
        out.append(between);
        write(item, out);
        between = ",";
      }
      out.append(items.isEmpty() ? "[]" : "]");
    } else if (value instanceof Long || value instanceof Integer || value instanceof Boolean) {
      out.append(value);
    } else {
      text(value.toString(), out);
    }
  }

  private static void text(String value, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      boolean pair =
          Character.isHighSurrogate(c)
              && i + 1 < value.length()
              && Character.isLowSurrogate(value.charAt(i + 1));
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ') {
        out.append(String.format("\\u%04x", (int) c));
      } else if (pair) {
        out.append(c).append(value.charAt(++i));
      } else {
        out.append(Character.isSurrogate(c) ? '\uFFFD' : c); // a half has no bytes of its own
      }
    }
    out.append('"');
  }

  /** Reads one object and nothing after it. */
  static Map<String, Object> read(String text) throws Malformed {
    Json in = new Json(text);
    Object value = in.value(0);
    if (in.at != text.length() || !(value instanceof Map<?, ?>)) {
      throw new Malformed("is not one JSON object");
    }
    return fields(value);
  }

  @SuppressWarnings("unchecked") // names of JSON objects are texts
  static Map<String, Object> fields(Object object) {
    return (Map<String, Object>) object;
  }

  private Object value(int depth) throws Malformed {
    if (depth > DEPTH) {
      throw new Malformed("is nested too deeply");
    }
    char first = peek();
    if (first == '{') {
      return object(depth);
    }
    if (first == '[') {
      return list(depth);
    }
    if (first == '"') {
      return text();
    }
    for (boolean flag : new boolean[] {true, false}) {
      if (text.startsWith(Boolean.toString(flag), at)) {
        at += Boolean.toString(flag).length();
        return flag;
      }
    }
    int from = at;
    while (at < text.length() && "-0123456789".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
    try {
      return Long.parseLong(text.substring(from, at));
    } catch (NumberFormatException e) {
      throw new Malformed("has no value at character " + from);
    }
  }

  private Map<String, Object> object(int depth) throws Malformed {
    Map<String, Object> fields = new LinkedHashMap<>();
    at++;
    if (skip('}')) {
      return fields;
    }
    do {
      if (peek() != '"') {
        throw new Malformed("has no name at character " + at);
      }
      String name = text();
      expect(':');
      if (fields.put(name, value(depth + 1)) != null) {
        throw new Malformed("has the name \"" + name + "\" twice");
      }
    } while (skip(','));
    expect('}');
    return fields;
  }

  private List<Object> list(int depth) throws Malformed {
    List<Object> items = new ArrayList<>();
    at++;
    if (skip(']')) {
      return items;
    }
    do {
      items.add(value(depth + 1));
    } while (skip(','));
    expect(']');
    return items;
  }

  private String text() throws Malformed {
    StringBuilder value = new StringBuilder();
    at++;
    while (true) {
      char c = peek();
      at++;
      if (c == '"') {
        return value.toString();
      }
      if (c != '\\') {
        value.append(c);
        continue;
      }
      char escaped = peek();
      at++;
      if (escaped == '"' || escaped == '\\') {
        value.append(escaped);
      } else if (escaped == 'u' && at + 4 <= text.length()) {
        try {
          value.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
        } catch (NumberFormatException e) {
          throw new Malformed("has an escape that is none at character " + at);
        }
        at += 4;
      } else {
        throw new Malformed("has an escape that is none at character " + at);
      }
    }
  }

  private char peek() throws Malformed {
    if (at >= text.length()) {
      throw new Malformed("ends too early");
    }
    return text.charAt(at);
  }

  private boolean skip(char expected) throws Malformed {
    if (peek() != expected) {
      return false;
    }
    at++;
    return true;
  }

  private void expect(char expected) throws Malformed {
    if (!skip(expected)) {
      throw new Malformed("has no " + expected + " at character " + at);
    }
  }
}
