package com.thorbis.backup.application.secrets;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.crypto.ObjectId;
import com.thorbis.backup.spi.crypto.WrappedKey;
import com.thorbis.backup.spi.secret.Limit;
import com.thorbis.backup.spi.secret.Readability;
import com.thorbis.backup.spi.secret.SecretInfo;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** How a set lies in bytes; {@code FORMAT.md} has the words. */
final class SetFormat {
  static final int MOST_BYTES = 64 << 20;
  static final int MOST_ENTRIES = 20_000;

  /** Values are filled up to a multiple of it, so that lengths tell little. */
  static final int PADDING = 256;

  private static final byte[] MAGIC = "THORBSEC".getBytes(StandardCharsets.US_ASCII);
  static final int MOST_RECIPIENTS = 16;

  private static final int VERSION = 2;
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(16).build())
          .build();

  private SetFormat() {}

  /** What stands in plain at the beginning. */
  record Header(ObjectId repository, ObjectId id, Instant created, List<WrappedKey> wraps) {
    byte[] encode() throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      out.write(MAGIC);
      out.writeByte(VERSION);
      out.write(repository.bytes());
      out.write(id.bytes());
      out.writeLong(created.toEpochMilli());
      out.writeByte(wraps.size());
      for (WrappedKey wrap : wraps) {
        out.writeUTF(wrap.scheme());
        out.writeUTF(wrap.keyId());
        out.writeShort(wrap.ciphertext().length);
        out.write(wrap.ciphertext());
      }
      return bytes.toByteArray();
    }

    static Header decode(DataInputStream in) throws IOException {
      if (!Arrays.equals(in.readNBytes(MAGIC.length), MAGIC)) {
        throw malformed("does not begin like one");
      }
      int version = in.readUnsignedByte();
      if (version != VERSION) {
        throw malformed("is of version " + version + ", which this version does not know");
      }
      ObjectId repository = id(in);
      ObjectId id = id(in);
      Instant created = Instant.ofEpochMilli(in.readLong());
      int count = in.readUnsignedByte();
      if (count < 1 || count > MOST_RECIPIENTS) {
        throw malformed("has " + count + " recipients");
      }
      List<WrappedKey> wraps = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        String scheme = in.readUTF();
        String keyId = in.readUTF();
        byte[] ciphertext = new byte[in.readUnsignedShort()];
        in.readFully(ciphertext);
        try {
          wraps.add(WrappedKey.of(scheme, keyId, ciphertext));
        } catch (IllegalArgumentException e) {
          throw malformed("has a recipient that is none");
        }
      }
      return new Header(repository, id, created, wraps);
    }

    private static ObjectId id(DataInputStream in) throws IOException {
      byte[] bytes = new byte[ObjectId.LENGTH];
      in.readFully(bytes);
      return ObjectId.read(ByteBuffer.wrap(bytes));
    }
  }

  static SetException malformed(String problem) {
    return SetException.damaged(SetException.MALFORMED, "The set of secrets", problem);
  }

  static SetException tooLarge(String found, String most) {
    return new SetException(
        SetException.TOO_LARGE,
        FailureKind.PERMANENT,
        "The set of secrets would hold " + found + ", and a set holds up to " + most,
        "The set of secrets",
        "Divide its places among several sets; nothing was written.",
        null);
  }

  static MessageDigest newDigest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("This Java runtime lacks SHA-256", e);
    }
  }

  static String sha256(byte[] bytes) {
    return HexFormat.of().formatHex(newDigest().digest(bytes));
  }

  /**
   * What a writer signs.
   *
   * @param digest SHA-256 of all bytes up to the signature, which hold the ids of repository and
   *     set
   */
  static byte[] signed(byte[] digest) {
    byte[] label = "thorbis/v1/secrets-set".getBytes(StandardCharsets.US_ASCII);
    return ByteBuffer.allocate(2 * Integer.BYTES + label.length + digest.length)
        .putInt(label.length)
        .put(label)
        .putInt(digest.length)
        .put(digest)
        .array();
  }

  /** The name under which the index is sealed: it binds all that stands before it. */
  static String indexName(byte[] header) {
    return "secrets/v1/index/" + sha256(header);
  }

  /**
   * The name under which an entry is sealed, each part behind its length: whatever of them is
   * another, the entry does not open.
   */
  static String entryName(
      String set, long sequence, SetIndex.Source source, SecretInfo info, int ordinal, int count) {
    StringBuilder out = new StringBuilder("secrets/v1/entry");
    part(out, set);
    part(out, Long.toString(sequence));
    part(out, source.type());
    part(out, source.instance());
    part(out, info.name());
    part(out, info.format());
    part(out, info.version());
    part(out, info.updated().map(Instant::toString).orElse(""));
    part(out, info.readability().label());
    info.attributes()
        .forEach(
            (name, value) -> {
              part(out, name);
              part(out, value);
            });
    part(out, Integer.toString(ordinal));
    part(out, Integer.toString(count));
    return out.toString();
  }

  private static void part(StringBuilder out, String text) {
    out.append('/').append(text.length()).append(':').append(text);
  }

  static byte[] encode(SetIndex index) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator out = JSON.createGenerator(bytes)) {
      out.writeStartObject();
      out.writeStringField("set", index.set());
      out.writeNumberField("sequence", index.sequence());
      out.writeStringField("previous", index.previous());
      out.writeStringField("created", index.created().toString());
      out.writeArrayFieldStart("sources");
      for (SetIndex.Source source : index.sources()) {
        out.writeStartObject();
        out.writeStringField("type", source.type());
        out.writeStringField("instance", source.instance());
        out.writeStringField("rotation", source.rotation());
        optional(out, "failure", source.failure());
        out.writeArrayFieldStart("limits");
        for (Limit limit : source.limits()) {
          out.writeStartObject();
          out.writeStringField("what", limit.what());
          out.writeStringField("readability", limit.readability().label());
          out.writeStringField("instead", limit.instead());
          out.writeEndObject();
        }
        out.writeEndArray();
        out.writeEndObject();
      }
      out.writeEndArray();
      out.writeArrayFieldStart("entries");
      for (SetIndex.Entry entry : index.entries()) {
        SecretInfo info = entry.info();
        out.writeStartObject();
        out.writeNumberField("source", entry.source());
        out.writeStringField("name", info.name());
        out.writeStringField("readability", info.readability().label());
        out.writeStringField("format", info.format());
        out.writeStringField("version", info.version());
        optional(out, "updated", info.updated().map(Instant::toString));
        optional(out, "digest", info.digest());
        out.writeObjectFieldStart("attributes");
        for (Map.Entry<String, String> attribute : info.attributes().entrySet()) {
          out.writeStringField(attribute.getKey(), attribute.getValue());
        }
        out.writeEndObject();
        optional(out, "object", entry.object().map(ObjectId::toString));
        optional(out, "failure", entry.failure());
        out.writeEndObject();
      }
      out.writeEndArray();
      out.writeEndObject();
    }
    return bytes.toByteArray();
  }

  private static void optional(JsonGenerator out, String name, Optional<String> value)
      throws IOException {
    if (value.isPresent()) {
      out.writeStringField(name, value.get());
    }
  }

  static SetIndex decode(byte[] encoded) throws IOException {
    try (JsonParser in = JSON.createParser(encoded)) {
      in.nextToken();
      Map<?, ?> root = object(value(in));
      List<SetIndex.Source> sources = new ArrayList<>();
      for (Object item : list(root.get("sources"))) {
        Map<?, ?> source = object(item);
        List<Limit> limits = new ArrayList<>();
        for (Object one : list(source.get("limits"))) {
          Map<?, ?> limit = object(one);
          limits.add(new Limit(text(limit, "what"), readability(limit), text(limit, "instead")));
        }
        sources.add(
            new SetIndex.Source(
                text(source, "type"),
                text(source, "instance"),
                text(source, "rotation"),
                optional(source, "failure"),
                List.copyOf(limits)));
      }
      List<SetIndex.Entry> entries = new ArrayList<>();
      for (Object item : list(root.get("entries"))) {
        Map<?, ?> entry = object(item);
        Map<String, String> attributes = new TreeMap<>();
        object(entry.get("attributes"))
            .forEach((name, value) -> attributes.put(String.valueOf(name), String.valueOf(value)));
        int source = Math.toIntExact(number(entry, "source"));
        if (source < 0 || source >= sources.size()) {
          throw malformed("has an entry of no source");
        }
        entries.add(
            new SetIndex.Entry(
                source,
                SecretInfo.of(text(entry, "name"), readability(entry))
                    .withFormat(text(entry, "format"))
                    .withVersion(text(entry, "version"))
                    .withUpdated(optional(entry, "updated").map(Instant::parse))
                    .withDigest(optional(entry, "digest"))
                    .withAttributes(attributes),
                optional(entry, "object").map(ObjectId::parse),
                optional(entry, "failure")));
      }
      return new SetIndex(
          text(root, "set"),
          number(root, "sequence"),
          text(root, "previous"),
          Instant.parse(text(root, "created")),
          List.copyOf(sources),
          List.copyOf(entries));
    } catch (DateTimeException | IllegalArgumentException | ArithmeticException e) {
      throw malformed("has a list of its entries that is none");
    }
  }

  private static Readability readability(Map<?, ?> fields) throws SetException {
    String label = text(fields, "readability");
    return Readability.ofLabel(label)
        .orElseThrow(() -> malformed("has a class of secrets that is not known: " + label));
  }

  private static String text(Map<?, ?> fields, String name) throws SetException {
    return optional(fields, name).orElseThrow(() -> malformed("has no \"" + name + "\""));
  }

  private static Optional<String> optional(Map<?, ?> fields, String name) {
    return fields.get(name) instanceof String text ? Optional.of(text) : Optional.empty();
  }

  private static long number(Map<?, ?> fields, String name) throws SetException {
    if (fields.get(name) instanceof Long number) {
      return number;
    }
    throw malformed("has no \"" + name + "\"");
  }

  private static Map<?, ?> object(@Nullable Object value) throws SetException {
    if (value instanceof Map<?, ?> map) {
      return map;
    }
    throw malformed("has no object where one belongs");
  }

  private static List<?> list(@Nullable Object value) throws SetException {
    if (value instanceof List<?> items) {
      return items;
    }
    throw malformed("has no list where one belongs");
  }

  private static Object value(JsonParser in) throws IOException {
    JsonToken token = in.currentToken();
    if (token == JsonToken.START_OBJECT) {
      Map<String, Object> fields = new LinkedHashMap<>();
      while (in.nextToken() == JsonToken.FIELD_NAME) {
        String name = in.currentName();
        in.nextToken();
        fields.put(name, value(in));
      }
      return fields;
    }
    if (token == JsonToken.START_ARRAY) {
      List<Object> items = new ArrayList<>();
      while (in.nextToken() != JsonToken.END_ARRAY) {
        items.add(value(in));
      }
      return items;
    }
    if (token == JsonToken.VALUE_NUMBER_INT) {
      return in.getLongValue();
    }
    if (token == JsonToken.VALUE_STRING) {
      return in.getText();
    }
    throw malformed("has a list of its entries that is none");
  }
}
