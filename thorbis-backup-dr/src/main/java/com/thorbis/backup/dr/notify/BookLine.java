package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Severity;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * One line of a file: a word and fields, percent-encoded. Whoever reads takes each field out, and a
 * field that nobody takes makes the file unreadable: a later version wrote it.
 */
final class BookLine {
  /** A line or a file is not of this version. */
  static final class UnreadableException extends Exception {
    private static final long serialVersionUID = 1L;

    UnreadableException(String message) {
      super(message);
    }
  }

  private final String word;
  private final Map<String, String> fields = new LinkedHashMap<>();

  BookLine(String word) {
    this.word = word;
  }

  String word() {
    return word;
  }

  BookLine put(String name, Object value) {
    fields.put(name, value.toString());
    return this;
  }

  BookLine put(String name, Optional<?> value) {
    value.ifPresent(present -> put(name, present));
    return this;
  }

  BookLine put(Alarm alarm) {
    return put("code", alarm.kind().code())
        .put("severity", alarm.severity().label())
        .put("area", alarm.area())
        .put("subject", alarm.subject())
        .put("since", alarm.since())
        .put("expected", alarm.expected())
        .put("found", alarm.found())
        .put("remedy", alarm.remedy());
  }

  String line() {
    StringBuilder line = new StringBuilder(word);
    fields.forEach(
        (name, value) ->
            line.append(' ')
                .append(name)
                .append('=')
                .append(URLEncoder.encode(value, StandardCharsets.UTF_8)));
    return line.append('\n').toString();
  }

  static List<BookLine> parse(String header, String text) throws UnreadableException {
    String[] lines = text.split("\n", -1);
    if (!lines[0].equals(header)) {
      throw new UnreadableException("it does not begin with " + header);
    }
    List<BookLine> records = new ArrayList<>();
    for (int i = 1; i < lines.length - 1; i++) {
      String[] parts = lines[i].split(" ", -1);
      BookLine record = new BookLine(parts[0]);
      for (int part = 1; part < parts.length; part++) {
        int equals = parts[part].indexOf('=');
        if (equals < 0) {
          throw new UnreadableException("line " + (i + 1) + " is broken");
        }
        try {
          record.put(
              parts[part].substring(0, equals),
              URLDecoder.decode(parts[part].substring(equals + 1), StandardCharsets.UTF_8));
        } catch (IllegalArgumentException e) {
          throw new UnreadableException("line " + (i + 1) + " is broken");
        }
      }
      records.add(record);
    }
    if (!lines[lines.length - 1].isEmpty()) {
      throw new UnreadableException("its end is missing");
    }
    return records;
  }

  String take(String name) throws UnreadableException {
    String value = fields.remove(name);
    if (value == null) {
      throw new UnreadableException(word + " lacks " + name);
    }
    return value;
  }

  Optional<String> find(String name) {
    return Optional.ofNullable(fields.remove(name));
  }

  Instant time(String name) throws UnreadableException {
    return instant(take(name));
  }

  Optional<Instant> findTime(String name) throws UnreadableException {
    Optional<String> text = find(name);
    return text.isEmpty() ? Optional.empty() : Optional.of(instant(text.get()));
  }

  Severity severity() throws UnreadableException {
    return known("severity", Severity::ofLabel);
  }

  Notice.Event event() throws UnreadableException {
    return known("event", Notice.Event::ofLabel);
  }

  List<String> names(String name) throws UnreadableException {
    String text = take(name);
    return text.isEmpty() ? List.of() : List.of(text.split(",", -1));
  }

  Alarm alarm() throws UnreadableException {
    return new Alarm(
        known("code", AlarmKind::ofCode),
        severity(),
        take("area"),
        take("subject"),
        findTime("since"),
        take("expected"),
        take("found"),
        take("remedy"));
  }

  void finish() throws UnreadableException {
    if (!fields.isEmpty()) {
      throw new UnreadableException(word + " has " + String.join(", ", fields.keySet()));
    }
  }

  private <T> T known(String name, Function<String, Optional<T>> parse) throws UnreadableException {
    String text = take(name);
    Optional<T> value = parse.apply(text);
    if (value.isEmpty()) {
      throw new UnreadableException("there is no " + name + " " + text);
    }
    return value.get();
  }

  private static Instant instant(String text) throws UnreadableException {
    try {
      return Instant.parse(text);
    } catch (DateTimeException e) {
      throw new UnreadableException(text + " is no time");
    }
  }
}
