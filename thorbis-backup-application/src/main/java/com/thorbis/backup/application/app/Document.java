package com.thorbis.backup.application.app;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A JSON object in canonical form: names in order, no spaces, nothing that is null. The same
 * content is the same bytes. Immutable.
 */
public final class Document {
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .recyclerPool(JsonRecyclerPools.nonRecyclingPool())
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(64).build())
          .build();

  private final Map<String, Object> fields;

  private Document(Map<String, Object> fields) {
    this.fields = fields;
  }

  /**
   * Of maps, lists, texts, whole and decimal numbers, truth values, documents and optionals; what
   * is null or empty is left out. Anything else is kept as its text.
   */
  public static Document of(Map<String, ?> content) {
    return new Document(fields(content));
  }

  /**
   * Reads one.
   *
   * @param what it is, for messages
   * @throws BackupException of kind DAMAGED if it is none
   */
  public static Document parse(String what, byte[] json) {
    return parse(what, json, path -> true);
  }

  /**
   * Reads a part of one; what is left out never becomes an object in memory.
   *
   * @param what it is, for messages
   * @param wanted asked for the path of each field: names joined by dots, lists left out
   * @throws BackupException of kind DAMAGED if it is none
   */
  public static Document parse(String what, byte[] json, Predicate<String> wanted) {
    // Without the cause, which may quote what is read.
    try (JsonParser in = FACTORY.createParser(json)) {
      if (in.nextToken() == JsonToken.START_OBJECT
          && value(in, "", wanted) instanceof Map<?, ?> read
          && in.nextToken() == null) {
        return new Document(fields(read));
      }
    } catch (IOException | IllegalStateException e) {
      throw broken(what);
    }
    throw broken(what);
  }

  private static BackupException broken(String what) {
    return BackupException.of(
            "application.no-document", FailureKind.DAMAGED, what + " is no JSON object")
        .remedy("Look at what wrote it, or take another backup.")
        .build();
  }

  /** Its bytes, in UTF-8. */
  public byte[] bytes() {
    StringBuilder out = new StringBuilder();
    write(fields, out);
    return out.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** What its bytes are in all. */
  public Reference reference() {
    return Reference.of(bytes());
  }

  /** The names. */
  public List<String> names() {
    return List.copyOf(fields.keySet());
  }

  /** What stands under a name: a text, number, truth value, list, or map. */
  public Optional<Object> value(String name) {
    return Optional.ofNullable(fields.get(name));
  }

  /** A text. */
  public Optional<String> text(String name) {
    return fields.get(name) instanceof String text ? Optional.of(text) : Optional.empty();
  }

  /** A text that has to be there. */
  public String require(String name) {
    return text(name).orElseThrow(() -> broken("What has no text \"" + name + "\""));
  }

  /** A whole number, or another one if it has none. */
  public long number(String name, long otherwise) {
    return fields.get(name) instanceof Long number ? number : otherwise;
  }

  /** An object within; empty where there is none. */
  public Document object(String name) {
    return of(fields.get(name) instanceof Map<?, ?> inner ? fields(inner) : Map.of());
  }

  /** The objects of a list within; none where there is no list. */
  public List<Document> list(String name) {
    List<Document> list = new ArrayList<>();
    if (fields.get(name) instanceof List<?> items) {
      for (Object item : items) {
        list.add(item instanceof Map<?, ?> inner ? new Document(fields(inner)) : of(Map.of()));
      }
    }
    return list;
  }

  /** The texts of a list within; none where there is no list. */
  public List<String> texts(String name) {
    return fields.get(name) instanceof List<?> items
        ? items.stream().filter(String.class::isInstance).map(String.class::cast).toList()
        : List.of();
  }

  /** All of it. */
  public Map<String, Object> fields() {
    return fields;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Document that && fields.equals(that.fields);
  }

  @Override
  public int hashCode() {
    return fields.hashCode();
  }

  /** Its bytes as text. */
  @Override
  public String toString() {
    return new String(bytes(), StandardCharsets.UTF_8);
  }

  private static Map<String, Object> fields(Map<?, ?> content) {
    Map<String, Object> fields = new TreeMap<>();
    content.forEach(
        (name, value) -> {
          Object plain = plain(value);
          if (plain != null) {
            fields.put(String.valueOf(name), plain);
          }
        });
    return Collections.unmodifiableMap(fields);
  }

  private static @Nullable Object plain(@Nullable Object value) {
    if (value == null || value instanceof String || value instanceof Boolean) {
      return value;
    }
    if (value instanceof Document document) {
      return document.fields;
    }
    if (value instanceof Optional<?> maybe) {
      return plain(maybe.orElse(null));
    }
    if (value instanceof Map<?, ?> map) {
      return fields(map);
    }
    if (value instanceof Iterable<?> items) {
      List<Object> list = new ArrayList<>();
      for (Object item : items) {
        Object plain = plain(item);
        if (plain != null) {
          list.add(plain);
        }
      }
      return Collections.unmodifiableList(list);
    }
    if (value instanceof Integer number) {
      return number.longValue();
    }
    if (value instanceof BigDecimal number) {
      return number.stripTrailingZeros();
    }
    return value instanceof Long ? value : value.toString();
  }

  private static @Nullable Object value(JsonParser in, String path, Predicate<String> wanted)
      throws IOException {
    JsonToken token = in.currentToken();
    if (token == null) {
      return null;
    }
    return switch (token) {
      case START_OBJECT -> {
        Map<String, Object> fields = new TreeMap<>();
        while (in.nextToken() == JsonToken.FIELD_NAME) {
          String name = in.currentName();
          String inner = path.isEmpty() ? name : path + "." + name;
          in.nextToken();
          if (!wanted.test(inner)) {
            in.skipChildren();
            continue;
          }
          Object value = value(in, inner, wanted);
          if (value != null) {
            fields.put(name, value);
          }
        }
        yield fields;
      }
      case START_ARRAY -> {
        List<Object> items = new ArrayList<>();
        for (JsonToken next = in.nextToken();
            next != JsonToken.END_ARRAY && next != null;
            next = in.nextToken()) {
          Object item = value(in, path, wanted);
          if (item != null) {
            items.add(item);
          }
        }
        yield items;
      }
      case VALUE_NUMBER_INT ->
          in.getNumberType() == JsonParser.NumberType.BIG_INTEGER
              ? new BigDecimal(in.getBigIntegerValue())
              : (Object) in.getLongValue();
      case VALUE_NUMBER_FLOAT -> in.getDecimalValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      default -> in.getText();
    };
  }

  /** One value as it would stand in a document. */
  public static byte[] json(Object value) {
    StringBuilder out = new StringBuilder();
    Object plain = plain(value);
    write(plain == null ? Map.of() : plain, out);
    return out.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static void write(Object value, StringBuilder out) {
    if (value instanceof Map<?, ?> map) {
      out.append('{');
      String separator = "";
      for (Map.Entry<?, ?> field : map.entrySet()) {
        out.append(separator);
        quote(String.valueOf(field.getKey()), out);
        out.append(':');
        write(field.getValue(), out);
        separator = ",";
      }
      out.append('}');
    } else if (value instanceof List<?> list) {
      out.append('[');
      String separator = "";
      for (Object item : list) {
        out.append(separator);
        write(item, out);
        separator = ",";
      }
      out.append(']');
    } else if (value instanceof String text) {
      quote(text, out);
    } else {
      out.append(value instanceof BigDecimal number ? number.toPlainString() : value);
    }
  }

  private static void quote(String text, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char one = text.charAt(i);
      boolean paired =
          Character.isHighSurrogate(one)
                  && i + 1 < text.length()
                  && Character.isLowSurrogate(text.charAt(i + 1))
              || Character.isLowSurrogate(one)
                  && i > 0
                  && Character.isHighSurrogate(text.charAt(i - 1));
      if (one == '"' || one == '\\') {
        out.append('\\').append(one);
      } else if (one < 0x20 || Character.isSurrogate(one) && !paired) {
        out.append(String.format("\\u%04x", (int) one));
      } else {
        out.append(one);
      }
    }
    out.append('"');
  }
}
