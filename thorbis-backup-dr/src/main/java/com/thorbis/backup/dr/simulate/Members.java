package com.thorbis.backup.dr.simulate;

import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The members of an object that was read. What is not there, or of another form, is refused. */
record Members(Map<?, ?> json) {
  Set<?> names() {
    return json.keySet();
  }

  String text(String name) {
    if (json.get(name) instanceof String text) {
      return text;
    }
    throw new IllegalArgumentException("\"" + name + "\" is missing, or no text");
  }

  long number(String name) {
    if (json.get(name) instanceof Long number) {
      return number;
    }
    throw new IllegalArgumentException("\"" + name + "\" is missing, or no number");
  }

  boolean flag(String name) {
    if (json.get(name) instanceof Boolean flag) {
      return flag;
    }
    throw new IllegalArgumentException("\"" + name + "\" is missing, or neither true nor false");
  }

  Instant time(String name) {
    try {
      return Instant.parse(text(name));
    } catch (DateTimeException e) {
      throw new IllegalArgumentException("\"" + name + "\" is no moment", e);
    }
  }

  /** The texts of an object, by name. */
  Map<String, String> texts(String name) {
    if (!(json.get(name) instanceof Map<?, ?> object)) {
      throw new IllegalArgumentException("\"" + name + "\" is missing, or no object");
    }
    Members members = new Members(object);
    Map<String, String> texts = new LinkedHashMap<>();
    object.keySet().forEach(key -> texts.put((String) key, members.text((String) key)));
    return texts;
  }

  List<Members> objects(String name) {
    if (!(json.get(name) instanceof List<?> list)) {
      throw new IllegalArgumentException("\"" + name + "\" is missing, or no list");
    }
    List<Members> objects = new ArrayList<>();
    for (Object each : list) {
      if (!(each instanceof Map<?, ?> object)) {
        throw new IllegalArgumentException("\"" + name + "\" holds something that is no object");
      }
      objects.add(new Members(object));
    }
    return objects;
  }
}
