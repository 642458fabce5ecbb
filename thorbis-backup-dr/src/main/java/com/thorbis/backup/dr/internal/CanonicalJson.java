package com.thorbis.backup.dr.internal;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
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

  // The form writes the digits of an escape in small letters.
  private static final JsonFactory JSON =
      JsonFactory.builder().disable(JsonWriteFeature.WRITE_HEX_UPPER_CASE).build();

  private CanonicalJson() {}

  /**
   * The bytes of an object.
   *
   * @throws IllegalArgumentException if it holds anything that has no one form
   */
  public static byte[] encode(Map<String, ?> object) {
    StringWriter text = new StringWriter();
    try {
      try (JsonGenerator out = JSON.createGenerator(text)) {
        write(object, out, 0);
      }
      // Over characters, as Jackson's generator over bytes escapes whatever needs four of them.
      ByteBuffer bytes =
          StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text.getBuffer()));
      return Arrays.copyOf(bytes.array(), bytes.limit());
    } catch (IOException e) {
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
    Map<String, Object> object;
    try (JsonParser in = JSON.createParser(bytes)) {
      if (in.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("Not a JSON object");
      }
      object = object(in, 0);
    } catch (IOException e) {
      throw new IllegalArgumentException("Not JSON in its one form", e);
    }
    // Whatever else a parser takes is not what would have been written: blanks, a name twice, text
    // after the end, another encoding.
    if (!Arrays.equals(encode(object), bytes)) {
      throw new IllegalArgumentException("Not JSON in its one form");
    }
    return object;
  }

  private static void write(Object value, JsonGenerator out, int depth) throws IOException {
    if (depth > DEEPEST) {
      throw tooDeep();
    }
    if (value instanceof Map<?, ?> object) {
      TreeMap<String, Object> sorted = new TreeMap<>();
      object.forEach((name, member) -> sorted.put((String) name, member));
      out.writeStartObject();
      for (Map.Entry<String, Object> member : sorted.entrySet()) {
        out.writeFieldName(member.getKey());
        write(member.getValue(), out, depth + 1);
      }
      out.writeEndObject();
    } else if (value instanceof List<?> array) {
      out.writeStartArray();
      for (Object element : array) {
        write(element, out, depth + 1);
      }
      out.writeEndArray();
    } else if (value instanceof String text) {
      out.writeString(text);
    } else if (value instanceof Boolean flag) {
      out.writeBoolean(flag);
    } else if (value instanceof Long || value instanceof Integer) {
      long number = ((Number) value).longValue();
      if (number < -MOST || number > MOST) {
        throw new IllegalArgumentException("A number beyond 2^53: " + number);
      }
      out.writeNumber(number);
    } else {
      throw new IllegalArgumentException(
          "Neither object, array, text, whole number nor truth value: "
              + (value == null ? "null" : value.getClass().getName()));
    }
  }

  private static Map<String, Object> object(JsonParser in, int depth) throws IOException {
    Map<String, Object> object = new LinkedHashMap<>();
    while (in.nextToken() != JsonToken.END_OBJECT) {
      String name = in.currentName();
      in.nextToken();
      object.put(name, value(in, depth + 1));
    }
    return Collections.unmodifiableMap(object);
  }

  private static Object value(JsonParser in, int depth) throws IOException {
    if (depth > DEEPEST) {
      throw tooDeep();
    }
    return switch (in.currentToken()) {
      case START_OBJECT -> object(in, depth);
      case START_ARRAY -> {
        List<Object> array = new ArrayList<>();
        while (in.nextToken() != JsonToken.END_ARRAY) {
          array.add(value(in, depth + 1));
        }
        yield Collections.unmodifiableList(array);
      }
      case VALUE_STRING -> in.getText();
      case VALUE_NUMBER_INT -> in.getLongValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      default -> throw new IllegalArgumentException("A null or a fraction in JSON");
    };
  }

  private static IllegalArgumentException tooDeep() {
    return new IllegalArgumentException("Nested more than " + DEEPEST + " deep");
  }
}
