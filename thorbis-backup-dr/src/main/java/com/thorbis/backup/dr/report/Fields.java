package com.thorbis.backup.dr.report;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/** The members of a JSON object by name. */
record Fields(Map<String, Object> json) {
  Optional<String> text(String name) {
    return json.get(name) instanceof String text ? Optional.of(text) : Optional.empty();
  }

  String require(String name) {
    return text(name)
        .orElseThrow(() -> new IllegalArgumentException("\"" + name + "\" is missing, or no text"));
  }

  OptionalLong number(String name) {
    return json.get(name) instanceof Long number ? OptionalLong.of(number) : OptionalLong.empty();
  }

  Optional<Duration> span(String name) {
    OptionalLong millis = number(name);
    return millis.isPresent()
        ? Optional.of(Duration.ofMillis(millis.getAsLong()))
        : Optional.empty();
  }

  Optional<Instant> moment(String name) {
    try {
      return text(name).map(Instant::parse);
    } catch (DateTimeException e) {
      throw new IllegalArgumentException("\"" + name + "\" is no moment", e);
    }
  }

  /** The same of a record, which may be of anybody: what is no moment is not there. */
  Optional<Instant> findMoment(String name) {
    try {
      return moment(name);
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  boolean flag(String name) {
    return Boolean.TRUE.equals(json.get(name));
  }

  Fields object(String name) {
    return json.get(name) instanceof Map<?, ?> object ? of(object) : new Fields(Map.of());
  }

  List<Fields> objects(String name) {
    List<Fields> objects = new ArrayList<>();
    for (Object each : json.get(name) instanceof List<?> list ? list : List.of()) {
      if (each instanceof Map<?, ?> object) {
        objects.add(of(object));
      }
    }
    return objects;
  }

  List<String> texts(String name) {
    List<String> texts = new ArrayList<>();
    for (Object each : json.get(name) instanceof List<?> list ? list : List.of()) {
      texts.add(String.valueOf(each));
    }
    return texts;
  }

  @SuppressWarnings("unchecked") // names of members are texts
  private static Fields of(Map<?, ?> object) {
    return new Fields((Map<String, Object>) object);
  }
}
