package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Published test vectors: {@code wycheproof/README.md} says which. */
final class Vectors {
  private Vectors() {}

  /** One vector, with the fields of its group. */
  record Vector(Map<String, Object> fields) {
    boolean has(String field) {
      return fields.containsKey(field);
    }

    String text(String field) {
      return String.valueOf(fields.get(field));
    }

    byte[] bytes(String field, String within) {
      return HexFormat.of().parseHex(String.valueOf(((Map<?, ?>) fields.get(field)).get(within)));
    }

    int number(String field) {
      return Integer.parseInt(text(field));
    }

    byte[] bytes(String field) {
      return HexFormat.of().parseHex(text(field));
    }

    boolean valid() {
      return text("result").equals("valid");
    }

    @Override
    public String toString() {
      return "vector " + text("tcId") + " " + text("comment");
    }
  }

  /** All vectors of a file, which says itself how many they are. */
  static List<Vector> read(String file, int expected) throws IOException {
    List<Vector> vectors = new ArrayList<>();
    try (InputStream in = Vectors.class.getResourceAsStream("/wycheproof/" + file);
        JsonParser parser = new JsonFactory().createParser(in)) {
      parser.nextToken();
      Map<?, ?> content = (Map<?, ?>) value(parser);
      for (Object group : (List<?>) content.get("testGroups")) {
        for (Object test : (List<?>) ((Map<?, ?>) group).get("tests")) {
          Map<String, Object> fields = new LinkedHashMap<>();
          ((Map<?, ?>) group).forEach((name, value) -> fields.put((String) name, value));
          ((Map<?, ?>) test).forEach((name, value) -> fields.put((String) name, value));
          fields.remove("tests");
          vectors.add(new Vector(fields));
        }
      }
      assertThat(content.get("numberOfTests")).isEqualTo(Integer.toString(expected));
    }
    assertThat(vectors).hasSize(expected);
    return vectors;
  }

  private static Object value(JsonParser parser) throws IOException {
    if (parser.currentToken() == JsonToken.START_OBJECT) {
      Map<String, Object> object = new LinkedHashMap<>();
      while (parser.nextToken() != JsonToken.END_OBJECT) {
        String name = parser.currentName();
        parser.nextToken();
        object.put(name, value(parser));
      }
      return object;
    }
    if (parser.currentToken() == JsonToken.START_ARRAY) {
      List<Object> array = new ArrayList<>();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        array.add(value(parser));
      }
      return array;
    }
    return String.valueOf(parser.getText());
  }
}
