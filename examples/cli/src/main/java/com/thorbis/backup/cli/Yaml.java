package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Parse;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.MappingStartEvent;
import org.snakeyaml.engine.v2.events.NodeEvent;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.events.SequenceStartEvent;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/**
 * A YAML 1.2 document as text, lists and maps that know their line. Scalars stay as they are
 * written, so that a password of digits keeps its leading zero. No tags, anchors or aliases.
 */
final class Yaml {
  private static final int MAX_DEPTH = 12;
  private static final int MAX_VALUES = 20_000;

  private final String file;
  private final Iterator<Event> events;
  private int values;

  private Yaml(String file, Iterator<Event> events) {
    this.file = file;
    this.events = events;
  }

  /** What a document is made of. */
  sealed interface Value {
    /** Where it starts, from 1. */
    int line();
  }

  /** A scalar; empty where nothing is written. */
  record Text(String text, int line) implements Value {}

  /** A sequence. */
  record Items(List<Value> items, int line) implements Value {}

  /** A mapping, in the order of the file. */
  record Fields(Map<String, Value> fields, int line) implements Value {}

  /** Parses one document that is a mapping. */
  static Fields parse(String file, String text) {
    try {
      LoadSettings settings =
          LoadSettings.builder()
              .setLabel(file)
              .setCodePointLimit(Math.max(1, text.length()))
              .build();
      Yaml parser = new Yaml(file, new Parse(settings).parseString(text).iterator());
      return parser.document();
    } catch (MarkedYamlEngineException e) {
      int line = e.getProblemMark().map(mark -> mark.getLine() + 1).orElse(1);
      throw wrong(file, line, "not YAML: " + e.getProblem(), "Correct that line.");
    } catch (YamlEngineException e) {
      throw wrong(file, 1, "not YAML: " + e.getMessage(), "Correct the file.");
    }
  }

  private Fields document() {
    expect(Event.ID.StreamStart);
    Event next = events.next();
    if (next.getEventId() == Event.ID.StreamEnd) {
      throw wrong(file, 1, "the file is empty", "Describe a repository and sources in it.");
    }
    Value root = value(events.next(), 0);
    expect(Event.ID.DocumentEnd);
    if (events.next().getEventId() != Event.ID.StreamEnd) {
      throw wrong(file, root.line(), "the file holds two documents", "Keep one of them.");
    }
    if (root instanceof Fields fields) {
      return fields;
    }
    throw wrong(
        file, root.line(), "the file is not a map of keys", "Start it with \"repository:\".");
  }

  private Value value(Event event, int depth) {
    int line = event.getStartMark().map(mark -> mark.getLine() + 1).orElse(1);
    if (depth > MAX_DEPTH || ++values > MAX_VALUES) {
      throw wrong(file, line, "too deep or too long for a configuration", "Shorten the file.");
    }
    if (event.getEventId() == Event.ID.Alias
        || (event instanceof NodeEvent node && node.getAnchor().isPresent())) {
      throw wrong(file, line, "anchors and aliases are not used here", "Write the value out.");
    }
    if (event instanceof ScalarEvent scalar) {
      refuseTag(scalar.getTag().isPresent(), line);
      boolean nothing =
          scalar.isPlain() && (scalar.getValue().equals("~") || scalar.getValue().equals("null"));
      return new Text(nothing ? "" : scalar.getValue(), line);
    }
    if (event instanceof SequenceStartEvent start) {
      refuseTag(start.getTag().isPresent(), line);
      List<Value> items = new ArrayList<>();
      for (Event next = events.next();
          next.getEventId() != Event.ID.SequenceEnd;
          next = events.next()) {
        items.add(value(next, depth + 1));
      }
      return new Items(items, line);
    }
    if (event instanceof MappingStartEvent start) {
      refuseTag(start.getTag().isPresent(), line);
      return new Fields(fields(depth), line);
    }
    throw wrong(file, line, "not a value", "Correct that line.");
  }

  private Map<String, Value> fields(int depth) {
    Map<String, Value> fields = new LinkedHashMap<>();
    for (Event next = events.next();
        next.getEventId() != Event.ID.MappingEnd;
        next = events.next()) {
      Value key = value(next, depth + 1);
      if (!(key instanceof Text name) || name.text().isEmpty()) {
        throw wrong(file, key.line(), "a key is not a word", "Write a name before the colon.");
      }
      if (fields.put(name.text(), value(events.next(), depth + 1)) != null) {
        throw wrong(file, key.line(), name.text() + " is given twice", "Keep one of them.");
      }
    }
    return fields;
  }

  private void refuseTag(boolean tagged, int line) {
    if (tagged) {
      throw wrong(file, line, "tags are not used here", "Remove what starts with \"!\".");
    }
  }

  private void expect(Event.ID id) {
    Event event = events.next();
    if (event.getEventId() != id) {
      throw wrong(file, 1, "not a YAML document", "Correct the file.");
    }
  }

  static BackupException wrong(String file, int line, String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            file + ", line " + line + ": " + problem)
        .remedy(remedy)
        .detail("file", file)
        .detail("line", Integer.toString(line))
        .build();
  }
}
