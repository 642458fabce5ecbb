package com.thorbis.backup.dr.internal;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * JSON in the one form of RFC 8785: members sorted, no blanks. Holds objects, arrays, texts, whole
 * numbers and truth values, and nothing else: no null, no fractions. So equal values have equal
 * bytes, and one digest.
 */
public final class CanonicalJson {
  /** Numbers beyond it are not the same in every reader. */
  private static final long MOST = (1L << 53) - 1;

  private static final int DEEPEST = 64;

  private CanonicalJson() {}

  /**
   * The bytes of an object.
   *
   * @throws IllegalArgumentException if it holds anything that has no one form
   */
  public static byte[] encode(Map<String, ?> object) {
    StringBuilder text = new StringBuilder();
    write(object, text, 0);
    try {
      ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
      return Arrays.copyOf(bytes.array(), bytes.limit());
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("Half a character in a text", e);
    }
  }

  /** An own copy of an object, as {@link #parse} would give it back. */
  public static Map<String, Object> copy(Map<String, ?> object) {
    return parse(encode(object));
  }

  /**
   * Reads what {@link #encode} has written, and nothing else.
   *
   * @throws IllegalArgumentException if it is no object, or not in the one form
   */
  public static Map<String, Object> parse(byte[] bytes) {
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("Not UTF-8", e);
    }
    Parser parser = new Parser(text);
    Map<String, Object> object = parser.object(0);
    if (parser.at != text.length() || !Arrays.equals(encode(object), bytes)) {
      throw new IllegalArgumentException("Not JSON in its one form");
    }
    return object;
  }

  private static void write(Object value, StringBuilder out, int depth) {
    if (depth > DEEPEST) {
      throw new IllegalArgumentException("Nested more than " + DEEPEST + " deep");
    }
    if (value instanceof Map<?, ?> object) {
      TreeMap<String, Object> sorted = new TreeMap<>();
      object.forEach((name, member) -> sorted.put((String) name, member));
      String comma = "{";
      for (Map.Entry<String, Object> member : sorted.entrySet()) {
        out.append(comma);
        text(member.getKey(), out);
        out.append(':');
        write(member.getValue(), out, depth + 1);
        comma = ",";
      }
      out.append(sorted.isEmpty() ? "{}" : "}");
    } else if (value instanceof List<?> array) {
      String comma = "[";
      for (Object element : array) {
        out.append(comma);
        write(element, out, depth + 1);
        comma = ",";
      }
      out.append(array.isEmpty() ? "[]" : "]");
    } else if (value instanceof String text) {
      text(text, out);
    } else if (value instanceof Boolean) {
      out.append(value);
    } else if (value instanceof Long || value instanceof Integer) {
      long number = ((Number) value).longValue();
      if (number < -MOST || number > MOST) {
        throw new IllegalArgumentException("A number beyond 2^53: " + number);
      }
      out.append(number);
    } else {
      throw new IllegalArgumentException(
          "Neither object, array, text, whole number nor truth value: "
              + (value == null ? "null" : value.getClass().getName()));
    }
  }

  private static void text(String text, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"', '\\' -> out.append('\\').append(c);
        case '\b' -> out.append("\\b");
        case '\t' -> out.append("\\t");
        case '\n' -> out.append("\\n");
        case '\f' -> out.append("\\f");
        case '\r' -> out.append("\\r");
        default -> {
          if (c < ' ') {
            out.append("\\u00").append(c < 16 ? '0' : '1').append(Character.forDigit(c & 15, 16));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  /** Accepts a little more than the one form; what it read is compared with what it read from. */
  private static final class Parser {
    private final String text;
    private int at;

    Parser(String text) {
      this.text = text;
    }

    Map<String, Object> object(int depth) {
      expect('{');
      Map<String, Object> object = new LinkedHashMap<>();
      if (!next('}')) {
        do {
          String name = string();
          expect(':');
          object.put(name, value(depth + 1));
        } while (next(','));
        expect('}');
      }
      return Collections.unmodifiableMap(object);
    }

    private Object value(int depth) {
      if (depth > DEEPEST) {
        throw wrong();
      }
      char c = at < text.length() ? text.charAt(at) : ' ';
      return switch (c) {
        case '{' -> object(depth);
        case '[' -> array(depth);
        case '"' -> string();
        case 't' -> word("true", true);
        case 'f' -> word("false", false);
        default -> number();
      };
    }

    private List<Object> array(int depth) {
      expect('[');
      List<Object> array = new ArrayList<>();
      if (!next(']')) {
        do {
          array.add(value(depth + 1));
        } while (next(','));
        expect(']');
      }
      return Collections.unmodifiableList(array);
    }

    private Object word(String word, Object means) {
      if (!text.startsWith(word, at)) {
        throw wrong();
      }
      at += word.length();
      return means;
    }

    private Long number() {
      int from = at;
      next('-');
      while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
        at++;
      }
      try {
        return Long.valueOf(text.substring(from, at));
      } catch (NumberFormatException e) {
        throw wrong();
      }
    }

    private String string() {
      expect('"');
      StringBuilder string = new StringBuilder();
      while (!next('"')) {
        char c = take();
        if (c == '\\') {
          char escaped = take();
          c =
              switch (escaped) {
                case 'b' -> '\b';
                case 't' -> '\t';
                case 'n' -> '\n';
                case 'f' -> '\f';
                case 'r' -> '\r';
                case 'u' -> unicode();
                default -> escaped;
              };
        }
        string.append(c);
      }
      return string.toString();
    }

    private char unicode() {
      if (at + 4 > text.length()) {
        throw wrong();
      }
      try {
        char c = (char) Integer.parseInt(text.substring(at, at + 4), 16);
        at += 4;
        return c;
      } catch (NumberFormatException e) {
        throw wrong();
      }
    }

    private char take() {
      if (at == text.length()) {
        throw wrong();
      }
      return text.charAt(at++);
    }

    private boolean next(char c) {
      if (at < text.length() && text.charAt(at) == c) {
        at++;
        return true;
      }
      return false;
    }

    private void expect(char c) {
      if (!next(c)) {
        throw wrong();
      }
    }

    private IllegalArgumentException wrong() {
      return new IllegalArgumentException("Not JSON in its one form, at character " + at);
    }
  }
}
