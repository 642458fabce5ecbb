package com.thorbis.backup.crypto;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/** Published test vectors, which lie beside a checkout and not in it. */
final class Vectors {
  private static final String PROPERTY = "thorbis.vectors";

  private Vectors() {}

  /** One vector, with the fields of its group. */
  record Vector(Map<String, Object> fields) {
    boolean has(String field) {
      return fields.containsKey(field);
    }

    String text(String field) {
      return String.valueOf(fields.get(field));
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

  /** All vectors of a file; ends the test, saying what it misses, if they are not there. */
  static List<Vector> read(String file, int expected) throws IOException {
    Optional<Path> folder = folder();
    Assumptions.assumeTrue(
        folder.isPresent(),
        "Missing: the Wycheproof vectors ("
            + file
            + "). Set -D"
            + PROPERTY
            + "=FOLDER, or put them into shared/vectors beside or above the checkout.");
    List<Vector> vectors = new ArrayList<>();
    try (JsonParser parser = new JsonFactory().createParser(folder.get().resolve(file).toFile())) {
      parser.nextToken();
      for (Object group : (List<?>) ((Map<?, ?>) value(parser)).get("testGroups")) {
        for (Object test : (List<?>) ((Map<?, ?>) group).get("tests")) {
          Map<String, Object> fields = new LinkedHashMap<>();
          ((Map<?, ?>) group).forEach((name, value) -> fields.put((String) name, value));
          ((Map<?, ?>) test).forEach((name, value) -> fields.put((String) name, value));
          fields.remove("tests");
          vectors.add(new Vector(fields));
        }
      }
    }
    assertThat(vectors).hasSize(expected);
    return vectors;
  }

  private static Optional<Path> folder() {
    String given = System.getProperty(PROPERTY);
    if (given != null) {
      return Optional.of(Path.of(given));
    }
    for (Path at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
      Path folder = at.resolve("shared").resolve("vectors");
      if (Files.isDirectory(folder)) {
        return Optional.of(folder);
      }
    }
    return Optional.empty();
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
