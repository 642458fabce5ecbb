package com.thorbis.backup.dr.plan;

import com.thorbis.backup.dr.plan.Finding.Position;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.MappingStartEvent;
import org.snakeyaml.engine.v2.events.NodeEvent;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.events.SequenceStartEvent;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.parser.ParserImpl;
import org.snakeyaml.engine.v2.scanner.StreamReader;

/**
 * A YAML 1.2 document as text, lists and maps that know where they stand. Scalars stay as they are
 * written. No tags, anchors or aliases: what a plan says stands where it is read.
 */
final class PlanText {
  static final int MAX_CHARACTERS = 1 << 20;
  private static final int MAX_DEPTH = 16;
  private static final int MAX_VALUES = 50_000;

  private final String source;
  private final Iterator<Event> events;
  private int values;

  private PlanText(String source, Iterator<Event> events) {
    this.source = source;
    this.events = events;
  }

  /** What a document is made of. */
  sealed interface Value {
    /** Where it starts. */
    Position at();
  }

  /** A scalar; empty where nothing is written. */
  record Text(String text, Position at) implements Value {}

  /** A sequence. */
  record Items(List<Value> items, Position at) implements Value {}

  /** A mapping, in the order of the text. */
  record Fields(Map<String, Value> fields, Map<String, Position> keys, Position at)
      implements Value {}

  /** Why a text is no document of ours. */
  static final class UnreadableException extends Exception {
    private static final long serialVersionUID = 1L;

    private final transient Position at;
    private final String remedy;

    UnreadableException(Position at, String problem, String remedy) {
      super(problem);
      this.at = at;
      this.remedy = remedy;
    }

    Position at() {
      return at;
    }

    String remedy() {
      return remedy;
    }
  }

  /** Parses one document that is a mapping. */
  static Fields parse(String source, String text) throws UnreadableException {
    if (text.length() > MAX_CHARACTERS) {
      throw new UnreadableException(
          new Position(source, 1, 1),
          "longer than " + MAX_CHARACTERS + " characters",
          "Shorten the plan.");
    }
    try {
      LoadSettings settings =
          LoadSettings.builder()
              .setLabel(source)
              .setCodePointLimit(Math.max(1, text.length()))
              .build();
      return new PlanText(source, new ParserImpl(settings, new StreamReader(settings, text)))
          .document();
    } catch (MarkedYamlEngineException e) {
      throw new UnreadableException(
          e.getProblemMark().map(mark -> position(source, mark)).orElse(new Position(source, 1, 1)),
          "not YAML: " + e.getProblem(),
          "Correct that line.");
    } catch (YamlEngineException e) {
      throw new UnreadableException(
          new Position(source, 1, 1), "not YAML: " + e.getMessage(), "Correct the text.");
    }
  }

  private Fields document() throws UnreadableException {
    events.next(); // the stream starts
    Event start = events.next();
    if (start.getEventId() == Event.ID.StreamEnd) {
      throw wrong(start, "empty", "Describe a plan in it.");
    }
    Value root = value(events.next(), 0);
    events.next(); // the document ends
    Event next = events.next();
    if (next.getEventId() != Event.ID.StreamEnd) {
      throw wrong(next, "there are two documents", "Keep one of them.");
    }
    if (root instanceof Fields fields) {
      return fields;
    }
    throw new UnreadableException(root.at(), "not a map of keys", "Start it with \"plan:\".");
  }

  private Value value(Event event, int depth) throws UnreadableException {
    if (depth > MAX_DEPTH || ++values > MAX_VALUES) {
      throw wrong(event, "too deep or too long for a plan", "Shorten the text.");
    }
    if (event.getEventId() == Event.ID.Alias
        || (event instanceof NodeEvent node && node.getAnchor().isPresent())) {
      throw wrong(event, "anchors and aliases are not used here", "Write the value out.");
    }
    if (event instanceof ScalarEvent scalar) {
      refuseTag(event, scalar.getTag().isPresent());
      boolean nothing =
          scalar.isPlain() && (scalar.getValue().equals("~") || scalar.getValue().equals("null"));
      return new Text(nothing ? "" : scalar.getValue(), at(event));
    }
    if (event instanceof SequenceStartEvent start) {
      refuseTag(event, start.getTag().isPresent());
      List<Value> items = new ArrayList<>();
      for (Event next = events.next();
          next.getEventId() != Event.ID.SequenceEnd;
          next = events.next()) {
        items.add(value(next, depth + 1));
      }
      return new Items(items, at(event));
    }
    if (event instanceof MappingStartEvent start) {
      refuseTag(event, start.getTag().isPresent());
      return fields(event, depth);
    }
    throw wrong(event, "not a value", "Correct that line.");
  }

  private Fields fields(Event start, int depth) throws UnreadableException {
    Map<String, Value> fields = new LinkedHashMap<>();
    Map<String, Position> keys = new LinkedHashMap<>();
    for (Event next = events.next();
        next.getEventId() != Event.ID.MappingEnd;
        next = events.next()) {
      Value key = value(next, depth + 1);
      if (!(key instanceof Text name) || name.text().isEmpty()) {
        throw new UnreadableException(
            key.at(), "a key is not a word", "Write a name before the colon.");
      }
      if (keys.put(name.text(), key.at()) != null) {
        throw new UnreadableException(
            key.at(), name.text() + " is given twice", "Keep one of them.");
      }
      fields.put(name.text(), value(events.next(), depth + 1));
    }
    return new Fields(fields, keys, at(start));
  }

  private void refuseTag(Event event, boolean tagged) throws UnreadableException {
    if (tagged) {
      throw wrong(event, "tags are not used here", "Remove what starts with \"!\".");
    }
  }

  private Position at(Event event) {
    return event
        .getStartMark()
        .map(mark -> position(source, mark))
        .orElse(new Position(source, 1, 1));
  }

  private UnreadableException wrong(Event event, String problem, String remedy) {
    return new UnreadableException(at(event), problem, remedy);
  }

  private static Position position(String source, Mark mark) {
    return new Position(source, mark.getLine() + 1, mark.getColumn() + 1);
  }
}
