package com.thorbis.backup.application.platform;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.secret.SecretException;
import java.io.IOException;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A JSON document that came in. What stands at the paths of secrets never becomes a {@code String};
 * closing erases it. A failure tells nothing of the content. Used by one thread.
 */
final class JsonAnswer implements AutoCloseable {
  // Buffers that others get next would keep what stood in them.
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .recyclerPool(JsonRecyclerPools.nonRecyclingPool())
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(64).build())
          .build();
  private static final JsonFactory STRICT =
      JsonFactory.builder()
          .recyclerPool(JsonRecyclerPools.nonRecyclingPool())
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(64).build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .build();

  // Tools leave what a Secret holds in its annotations, as a text of its own.
  private static final Set<String> UNWANTED = Set.of("annotations", "managedFields");

  private final String action;
  private final Set<String> secretPaths;
  private final @Nullable String namesOnly;
  private final List<SecretValue> secrets = new ArrayList<>();
  private Object root = Map.of();

  private JsonAnswer(String action, Set<String> secretPaths, @Nullable String namesOnly) {
    this.action = action;
    this.secretPaths = secretPaths;
    this.namesOnly = namesOnly;
  }

  /**
   * Reads a document.
   *
   * @param action what it answers, for messages
   * @param secretPaths where secrets stand: names joined by dots, lists left out. A document there
   *     is kept as JSON of its own, with the names in order and no spaces
   */
  static JsonAnswer read(String action, byte[] body, String... secretPaths) throws SecretException {
    return read(new JsonAnswer(action, Set.of(secretPaths), null), body);
  }

  private static JsonAnswer read(JsonAnswer answer, byte[] body) throws SecretException {
    String action = answer.action;
    boolean whole = false;
    try (JsonParser in = FACTORY.createParser(body)) {
      in.nextToken();
      Object root = answer.value(in, "");
      whole = root != null && in.nextToken() == null;
      answer.root = root == null ? Map.of() : root;
    } catch (IOException | IllegalStateException e) {
      // Without the cause, which quotes the document.
      whole = false;
    } finally {
      if (!whole) {
        answer.close();
      }
    }
    if (!whole) {
      throw unexpected(action, "is no JSON document");
    }
    return answer;
  }

  /** Reads a document, and of the object at a path the names alone. */
  static JsonAnswer keysOf(String action, byte[] body, String path) throws SecretException {
    return read(new JsonAnswer(action, Set.of(), path), body);
  }

  /**
   * A value that goes into a document: the same object in canonical form, so that it brings nothing
   * with it but its own members. The caller closes it.
   *
   * @param textsOnly whether each member has to be a text
   * @throws SecretException if it is anything else than one object, each name once
   */
  static SecretValue object(String secret, SecretValue value, boolean textsOnly)
      throws SecretException {
    byte[] copy = value.useBytes(byte[]::clone);
    try {
      if (textsOnly) {
        requireTexts(copy);
      }
      try (JsonParser in = STRICT.createParser(copy)) {
        if (in.nextToken() == JsonToken.START_OBJECT) {
          try (SecretValue canonical = secret(in)) {
            if (in.nextToken() == null) {
              return canonical.useBytes(SecretValue::copyOf);
            }
          }
        }
      }
    } catch (IOException | IllegalStateException e) {
      // Without the cause, which quotes the value.
    } finally {
      Arrays.fill(copy, (byte) 0);
    }
    throw Written.refused(
        secret, "its value is not one JSON object" + (textsOnly ? " of texts" : ""));
  }

  private static void requireTexts(byte[] json) throws IOException {
    try (JsonParser in = STRICT.createParser(json)) {
      if (in.nextToken() != JsonToken.START_OBJECT) {
        throw new IOException("Not an object");
      }
      while (in.nextToken() == JsonToken.FIELD_NAME) {
        if (in.nextToken() != JsonToken.VALUE_STRING) {
          throw new IOException("Not a text");
        }
      }
    }
  }

  static SecretException unexpected(String action, String problem) {
    return new SecretException(
        SecretException.UNEXPECTED,
        FailureKind.PERMANENT,
        action + ": the answer " + problem,
        action,
        "Check that the address is that of the service, and not of something in between.",
        null);
  }

  /** The document, which is an object. */
  Fields fields() throws SecretException {
    return fields(root);
  }

  /** The document, which is a list of objects. */
  List<Fields> list() throws SecretException {
    return list(root);
  }

  @Override
  public void close() {
    secrets.forEach(SecretValue::close);
  }

  /** An object of the document. */
  final class Fields {
    private final Map<?, ?> fields;

    private Fields(Map<?, ?> fields) {
      this.fields = fields;
    }

    boolean has(String name) {
      return fields.get(name) != null;
    }

    Optional<String> text(String name) {
      return fields.get(name) instanceof String text ? Optional.of(text) : Optional.empty();
    }

    String require(String name) throws SecretException {
      return text(name).orElseThrow(() -> unexpected(action, "has no text \"" + name + "\""));
    }

    long number(String name) throws SecretException {
      if (fields.get(name) instanceof Long number) {
        return number;
      }
      throw unexpected(action, "has no number \"" + name + "\"");
    }

    boolean flag(String name) {
      return Boolean.TRUE.equals(fields.get(name));
    }

    /** A moment, as ISO-8601 or in milliseconds; nothing that is neither. */
    Optional<Instant> time(String name) {
      Object value = fields.get(name);
      try {
        return value instanceof Long millis
            ? Optional.of(Instant.ofEpochMilli(millis))
            : text(name).filter(text -> !text.isEmpty()).map(JsonAnswer::instant);
      } catch (DateTimeException e) {
        return Optional.empty();
      }
    }

    /** A copy, which the caller closes. */
    SecretValue secret(String name) throws SecretException {
      if (fields.get(name) instanceof SecretValue value) {
        return value.useBytes(SecretValue::copyOf);
      }
      throw unexpected(action, "has no value \"" + name + "\"");
    }

    Fields object(String name) throws SecretException {
      return fields(fields.get(name));
    }

    List<Fields> list(String name) throws SecretException {
      return JsonAnswer.this.list(fields.get(name));
    }

    List<String> texts(String name) throws SecretException {
      Object value = fields.get(name);
      if (value instanceof String one) {
        return List.of(one);
      }
      List<String> texts = new ArrayList<>();
      for (Object item : items(value)) {
        if (!(item instanceof String text)) {
          throw unexpected(action, "holds something else than texts");
        }
        texts.add(text);
      }
      return texts;
    }

    Collection<String> names() {
      return fields.keySet().stream().map(String::valueOf).toList();
    }
  }

  private static Instant instant(String text) {
    return OffsetDateTime.parse(text).toInstant();
  }

  private Fields fields(@Nullable Object value) throws SecretException {
    if (value instanceof Map<?, ?> map) {
      return new Fields(map);
    }
    throw unexpected(action, "is no object where one belongs");
  }

  private List<Fields> list(@Nullable Object value) throws SecretException {
    List<Fields> list = new ArrayList<>();
    for (Object item : items(value)) {
      list.add(fields(item));
    }
    return list;
  }

  private List<?> items(@Nullable Object value) throws SecretException {
    if (value instanceof List<?> items) {
      return items;
    }
    throw unexpected(action, "has no list where one belongs");
  }

  private @Nullable Object value(JsonParser in, String path) throws IOException {
    if (secretPaths.contains(path) && in.currentToken() != JsonToken.VALUE_NULL) {
      SecretValue secret = secret(in);
      secrets.add(secret);
      return secret;
    }
    JsonToken token = in.currentToken();
    if (token == null) {
      return null;
    }
    return switch (token) {
      case START_OBJECT -> {
        Map<String, Object> fields = new LinkedHashMap<>();
        while (in.nextToken() == JsonToken.FIELD_NAME) {
          String name = in.currentName();
          in.nextToken();
          if (path.equals(namesOnly)) {
            in.skipChildren();
            fields.put(name, true);
            continue;
          }
          if (UNWANTED.contains(name)) {
            in.skipChildren();
            continue;
          }
          Object value = value(in, path.isEmpty() ? name : path + "." + name);
          if (value != null) {
            fields.put(name, value);
          }
        }
        yield fields;
      }
      case START_ARRAY -> {
        List<Object> items = new ArrayList<>();
        while (true) {
          JsonToken next = in.nextToken();
          if (next == JsonToken.END_ARRAY || next == null) {
            break;
          }
          Object item = value(in, path);
          if (item != null) {
            items.add(item);
          }
        }
        yield items;
      }
      case VALUE_NUMBER_INT -> in.getLongValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      default -> in.getText();
    };
  }

  private static SecretValue secret(JsonParser in) throws IOException {
    if (in.currentToken() == JsonToken.VALUE_STRING) {
      return SecretValue.ofText(
          CharBuffer.wrap(in.getTextCharacters(), in.getTextOffset(), in.getTextLength()));
    }
    try (ErasableBytes out = new ErasableBytes()) {
      canonical(in, out);
      byte[] bytes = out.toByteArray();
      SecretValue value = SecretValue.copyOf(bytes);
      Arrays.fill(bytes, (byte) 0);
      return value;
    }
  }

  /** The same document for the same content, whatever the order of its names. */
  private static void canonical(JsonParser in, ErasableBytes out) throws IOException {
    JsonToken token = in.currentToken();
    if (token == JsonToken.START_OBJECT) {
      Map<String, ErasableBytes> fields = new TreeMap<>();
      try {
        while (in.nextToken() == JsonToken.FIELD_NAME) {
          String name = in.currentName();
          in.nextToken();
          ErasableBytes value = new ErasableBytes();
          ErasableBytes former = fields.put(name, value);
          if (former != null) {
            former.close();
          }
          canonical(in, value);
        }
        out.write('{');
        boolean first = true;
        for (Map.Entry<String, ErasableBytes> field : fields.entrySet()) {
          if (!first) {
            out.write(',');
          }
          first = false;
          out.jsonString(field.getKey().getBytes(StandardCharsets.UTF_8));
          out.write(':');
          append(out, field.getValue());
        }
        out.write('}');
      } finally {
        fields.values().forEach(ErasableBytes::close);
      }
    } else if (token == JsonToken.START_ARRAY) {
      out.write('[');
      for (boolean first = true; in.nextToken() != JsonToken.END_ARRAY; first = false) {
        if (!first) {
          out.write(',');
        }
        canonical(in, out);
      }
      out.write(']');
    } else if (token == JsonToken.VALUE_STRING) {
      try (SecretValue text = secret(in)) {
        int unused =
            text.useBytes(
                utf8 -> {
                  out.jsonString(utf8);
                  return utf8.length;
                });
      }
    } else if (token != null && token.isScalarValue()) {
      char[] chars = in.getTextCharacters();
      for (int i = 0; i < in.getTextLength(); i++) {
        out.write(chars[in.getTextOffset() + i]);
      }
    } else {
      throw new IOException("The document ends early");
    }
  }

  private static void append(ErasableBytes out, ErasableBytes part) {
    byte[] bytes = part.toByteArray();
    out.write(bytes, 0, bytes.length);
    Arrays.fill(bytes, (byte) 0);
  }
}
