package com.thorbis.backup.storage.internal.format;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.core.exc.StreamReadException;
import com.thorbis.backup.spi.repository.RepositoryException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Documents of the repository: JSON with whole numbers, no duplicate names, and bounds. Whatever is
 * not as expected is damage of the object that held it. Fields that are not asked for are ignored,
 * so that a later version may add some.
 */
public final class Json {
  private static final int MAX_DEPTH = 16;
  private static final int MAX_TEXT = 1 << 20;

  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_DEPTH)
                  .maxNumberLength(20)
                  .maxStringLength(MAX_TEXT)
                  .maxNameLength(1024)
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .disable(StreamWriteFeature.AUTO_CLOSE_CONTENT)
          .build();

  private Json() {}

  /** A new object to be written; fields keep their order. */
  public static Map<String, Object> object() {
    return new LinkedHashMap<>();
  }

  /** Writes a document. */
  public static byte[] write(Map<String, ?> document) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
    try {
      write(document, bytes);
    } catch (IOException e) {
      throw new IllegalStateException("Writing to memory failed", e);
    }
    return bytes.toByteArray();
  }

  /** Writes a document to a stream, which stays open. */
  public static void write(Map<String, ?> document, OutputStream to) throws IOException {
    try (JsonGenerator out =
        FACTORY.createGenerator(to).disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET)) {
      writeValue(out, document);
    }
  }

  private static void writeValue(JsonGenerator out, @Nullable Object value) throws IOException {
    if (value == null) {
      out.writeNull();
    } else if (value instanceof Map<?, ?> fields) {
      out.writeStartObject();
      for (Map.Entry<?, ?> field : fields.entrySet()) {
        out.writeFieldName((String) field.getKey());
        writeValue(out, field.getValue());
      }
      out.writeEndObject();
    } else if (value instanceof Iterable<?> items) {
      out.writeStartArray();
      for (Object item : items) {
        writeValue(out, item);
      }
      out.writeEndArray();
    } else if (value instanceof Boolean flag) {
      out.writeBoolean(flag);
    } else if (value instanceof Number number) {
      out.writeNumber(number.longValue());
    } else if (value instanceof byte[] bytes) {
      out.writeString(Base64.getEncoder().encodeToString(bytes));
    } else {
      out.writeString(value.toString());
    }
  }

  /**
   * Reads a document and nothing after it.
   *
   * @param object the key of the object it lies in, for messages
   */
  public static Node read(byte[] document, String object) throws RepositoryException {
    try (JsonParser in = FACTORY.createParser(document)) {
      return read(in, object);
    } catch (RepositoryException e) {
      throw e;
    } catch (IOException e) {
      throw notJson(object, e);
    }
  }

  /** Reads a document to the end of a stream. */
  public static Node read(InputStream document, String object) throws IOException {
    try (JsonParser in = FACTORY.createParser(document)) {
      return read(in, object);
    } catch (StreamReadException e) {
      throw notJson(object, e);
    }
  }

  private static Node read(JsonParser in, String object) throws IOException {
    JsonToken first = in.nextToken();
    if (first != JsonToken.START_OBJECT) {
      throw RepositoryException.damaged(object, "is not a JSON object", null);
    }
    Map<String, Object> fields = readObject(in, object);
    if (in.nextToken() != null) {
      throw RepositoryException.damaged(object, "goes on after its JSON object", null);
    }
    return new Node(object, "", fields);
  }

  private static Map<String, Object> readObject(JsonParser in, String object) throws IOException {
    Map<String, Object> fields = new LinkedHashMap<>();
    while (in.nextToken() != JsonToken.END_OBJECT) {
      String name = in.currentName();
      Object value = readValue(in, in.nextToken(), object);
      if (value != null) {
        fields.put(name, value);
      }
    }
    return fields;
  }

  private static @Nullable Object readValue(JsonParser in, @Nullable JsonToken token, String object)
      throws IOException {
    if (token == null) {
      throw RepositoryException.damaged(object, "ends inside its JSON object", null);
    }
    return switch (token) {
      case START_OBJECT -> readObject(in, object);
      case START_ARRAY -> {
        List<Object> items = new ArrayList<>();
        for (JsonToken next = in.nextToken(); next != JsonToken.END_ARRAY; next = in.nextToken()) {
          Object item = readValue(in, next, object);
          if (item == null) {
            throw RepositoryException.damaged(object, "has null in a list", null);
          }
          items.add(item);
        }
        yield items;
      }
      case VALUE_STRING -> in.getText();
      case VALUE_NUMBER_INT -> in.getLongValue();
      case VALUE_TRUE -> true;
      case VALUE_FALSE -> false;
      case VALUE_NULL -> null;
      default -> throw RepositoryException.damaged(object, "holds " + in.getText(), null);
    };
  }

  private static RepositoryException notJson(String object, IOException cause) {
    return RepositoryException.damaged(object, "is not well-formed JSON", cause);
  }

  /** An object that was read. */
  public static final class Node {
    private final String object;
    private final String path;
    private final Map<String, Object> fields;

    private Node(String object, String path, Map<String, Object> fields) {
      this.object = object;
      this.path = path;
      this.fields = fields;
    }

    /** The key of the object that held it. */
    public String object() {
      return object;
    }

    /** The names there are. */
    public Collection<String> names() {
      return fields.keySet();
    }

    /** A text. */
    public String text(String name) throws RepositoryException {
      return find(name, String.class).orElseThrow(() -> missing(name, "text"));
    }

    /** A text that may be absent. */
    public Optional<String> optionalText(String name) throws RepositoryException {
      return find(name, String.class);
    }

    /** A whole number. */
    public long number(String name) throws RepositoryException {
      return find(name, Long.class).orElseThrow(() -> missing(name, "a whole number"));
    }

    /** A whole number that may be absent. */
    public Optional<Long> optionalNumber(String name) throws RepositoryException {
      return find(name, Long.class);
    }

    /** A whole number within bounds. */
    public long number(String name, long least, long most) throws RepositoryException {
      long number = number(name);
      if (number < least || number > most) {
        throw wrong(name, Long.toString(number));
      }
      return number;
    }

    /** A whole number within the bounds of an int. */
    public int integer(String name, int least, int most) throws RepositoryException {
      return (int) number(name, least, most);
    }

    /** A moment. */
    public Instant instant(String name) throws RepositoryException {
      return parse(name, Instant::parse);
    }

    /** A moment that may be absent. */
    public Optional<Instant> optionalInstant(String name) throws RepositoryException {
      return fields.containsKey(name) ? Optional.of(instant(name)) : Optional.empty();
    }

    /** A value with a text form. */
    public <T> T parse(String name, Function<String, T> parser) throws RepositoryException {
      String text = text(name);
      try {
        return parser.apply(text);
      } catch (IllegalArgumentException | DateTimeException e) {
        throw wrong(name, "\"" + shortened(text) + "\"");
      }
    }

    /** A list of values with a text form. */
    public <T> List<T> parseAll(String name, Function<String, T> parser)
        throws RepositoryException {
      List<T> values = new ArrayList<>();
      for (String text : texts(name)) {
        try {
          values.add(parser.apply(text));
        } catch (IllegalArgumentException | DateTimeException e) {
          throw wrong(name, "\"" + shortened(text) + "\"");
        }
      }
      return values;
    }

    /** Bytes in hexadecimal. */
    public byte[] hex(String name, int length) throws RepositoryException {
      byte[] bytes = parse(name, HexFormat.of()::parseHex);
      if (bytes.length != length) {
        throw wrong(name, bytes.length + " bytes instead of " + length);
      }
      return bytes;
    }

    /** Bytes in Base64. */
    public byte[] base64(String name, int most) throws RepositoryException {
      byte[] bytes = parse(name, Base64.getDecoder()::decode);
      if (bytes.length > most) {
        throw wrong(name, bytes.length + " bytes");
      }
      return bytes;
    }

    /** An object in this one. */
    public Node node(String name) throws RepositoryException {
      return optionalNode(name).orElseThrow(() -> missing(name, "an object"));
    }

    /** An object in this one that may be absent. */
    public Optional<Node> optionalNode(String name) throws RepositoryException {
      return find(name, Map.class).map(value -> node(path + name + ".", value));
    }

    /** A list of objects. */
    public List<Node> nodes(String name) throws RepositoryException {
      List<Node> nodes = new ArrayList<>();
      for (Object item : list(name)) {
        if (!(item instanceof Map<?, ?> value)) {
          throw wrong(name, "a list of something else than objects");
        }
        nodes.add(node(path + name + "[" + nodes.size() + "].", value));
      }
      return nodes;
    }

    /** A list of texts. */
    public List<String> texts(String name) throws RepositoryException {
      List<String> texts = new ArrayList<>();
      for (Object item : list(name)) {
        if (!(item instanceof String text)) {
          throw wrong(name, "a list of something else than texts");
        }
        texts.add(text);
      }
      return texts;
    }

    /** A field's value for people. */
    public String display(String name) {
      return String.valueOf(fields.get(name));
    }

    /** Damage of the object that holds this. */
    public RepositoryException wrong(String name, String found) {
      return RepositoryException.damaged(object, path + name + " is " + found, null);
    }

    private List<?> list(String name) throws RepositoryException {
      return find(name, List.class).orElseThrow(() -> missing(name, "a list"));
    }

    @SuppressWarnings("unchecked") // names of JSON objects are always texts
    private Node node(String at, Map<?, ?> value) {
      return new Node(object, at, (Map<String, Object>) value);
    }

    private <T> Optional<T> find(String name, Class<T> type) throws RepositoryException {
      Object value = fields.get(name);
      if (value == null) {
        return Optional.empty();
      }
      if (!type.isInstance(value)) {
        throw wrong(name, "of another type");
      }
      return Optional.of(type.cast(value));
    }

    private RepositoryException missing(String name, String what) {
      return RepositoryException.damaged(object, path + name + " is missing (" + what + ")", null);
    }

    private static String shortened(String text) {
      return text.length() <= 80 ? text : text.substring(0, 80) + "…";
    }
  }
}
