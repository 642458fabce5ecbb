package com.thorbis.backup.dr.run;

import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A JSON object, read field by field; one that nobody asked for is an error. */
final class Fields {
  private final Map<String, Object> fields;
  private final Set<String> known = new HashSet<>();

  Fields(Map<String, Object> fields) {
    this.fields = fields;
  }

  String text(String name) {
    return optional(name)
        .orElseThrow(() -> new IllegalArgumentException("Field " + name + " is missing"));
  }

  Optional<String> optional(String name) {
    known.add(name);
    return Optional.ofNullable(fields.get(name)).map(String.class::cast);
  }

  Optional<Instant> instant(String name) {
    return optional(name).map(Instant::parse);
  }

  Duration duration(String name) {
    return Duration.parse(text(name));
  }

  long number(String name) {
    known.add(name);
    if (fields.get(name) instanceof Long number) {
      return number;
    }
    throw new IllegalArgumentException("Field " + name + " is no number");
  }

  boolean flag(String name) {
    known.add(name);
    return Boolean.TRUE.equals(fields.get(name));
  }

  List<String> texts(String name) {
    known.add(name);
    return ((List<?>) fields.getOrDefault(name, List.of()))
        .stream().map(String.class::cast).toList();
  }

  Map<String, String> map(String name) {
    known.add(name);
    Map<String, String> values = new LinkedHashMap<>();
    ((Map<?, ?>) fields.getOrDefault(name, Map.of()))
        .forEach((key, value) -> values.put((String) key, (String) value));
    return values;
  }

  List<Fields> nodes(String name) {
    known.add(name);
    return ((List<?>) fields.getOrDefault(name, List.of()))
        .stream().map(item -> new Fields(Json.fields(item))).toList();
  }

  Map<String, Object> object(String name) {
    known.add(name);
    Object value = fields.get(name);
    if (value == null) {
      throw new IllegalArgumentException("Field " + name + " is missing");
    }
    return Json.fields(value);
  }

  Optional<Fields> node(String name) {
    known.add(name);
    return Optional.ofNullable(fields.get(name)).map(value -> new Fields(Json.fields(value)));
  }

  Set<String> names() {
    return fields.keySet();
  }

  void finish() {
    for (String name : fields.keySet()) {
      if (!known.contains(name)) {
        throw new IllegalArgumentException("Field " + name + " is unknown");
      }
    }
  }
}
