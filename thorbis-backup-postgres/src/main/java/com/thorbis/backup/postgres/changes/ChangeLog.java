package com.thorbis.backup.postgres.changes;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.changes.PgOutput.Column;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What of a database's changes a backup has, and what the next ones must find unaltered.
 *
 * @param database the database's name
 * @param means what the next changes are found by
 * @param schema a digest of every definition in the database
 * @param timeline the timeline of all positions
 * @param to every transaction that was committed before this position is in the backup; of a slot,
 *     none behind it
 * @param asOf when that was, by the server's clock
 * @param followed the tables whose changes are in it
 * @param others those that are as they were dumped
 * @param sequences every sequence, as it was after {@code to}
 * @param segments the changes themselves, in order
 */
public record ChangeLog(
    String database,
    Means means,
    String schema,
    Timeline timeline,
    Lsn to,
    Instant asOf,
    List<Followed> followed,
    List<Other> others,
    List<Sequence> sequences,
    List<Segment> segments) {
  /** Its file among the metadata. */
  public static final String FILE = "changes.json";

  private static final int SLOT_VERSION = 1;
  private static final int COLUMNS_VERSION = 2;
  private static final JsonFactory JSON = new JsonFactory();

  /** Copies the lists. */
  public ChangeLog {
    followed = List.copyOf(followed);
    others = List.copyOf(others);
    sequences = List.copyOf(sequences);
    segments = List.copyOf(segments);
  }

  /** What the next changes are found by. */
  public sealed interface Means {}

  /**
   * What the server keeps.
   *
   * @param slot the slot that keeps what comes next
   * @param publication which tables it is of
   * @param published a digest of what the publication was when the slot began
   */
  public record Slot(String slot, String publication, String published) implements Means {}

  /**
   * What rows say.
   *
   * @param since every transaction with a lower number had ended when they were read
   * @param watermark no transaction that had not ended then writes an older time into a row; empty
   *     if that was never known
   */
  public record Columns(long since, Optional<Instant> watermark) implements Means {}

  /**
   * How a table is read.
   *
   * @param column by which column: {@code xmin} for what sees every change
   * @param keys the file that has the keys of its rows; empty where it has none, and is read anew
   * @param whole every update by a transaction with a lower number is in the backup, whatever
   *     column it touched
   * @param wholeAsOf when that was
   * @param digest of its rows, if they were digested
   */
  public record Reading(
      String column, String keys, long whole, Instant wholeAsOf, Optional<String> digest) {}

  /**
   * A table whose changes are followed.
   *
   * @param oid its object id at the source
   * @param shape a digest of its columns, and of when each was altered last
   * @param columns those that changes have
   * @param rows how many rows it has at the end; empty if the dump could not count them
   * @param touched whether any change is of it
   * @param reading how its rows are looked at; empty where a slot keeps its changes
   */
  public record Followed(
      Table table,
      long oid,
      String shape,
      List<Column> columns,
      OptionalLong rows,
      boolean touched,
      Optional<Reading> reading) {
    /** Copies the list. */
    public Followed {
      columns = List.copyOf(columns);
    }
  }

  /**
   * A table that is not followed.
   *
   * @param why in a few words
   */
  public record Other(Table table, String why) {}

  /**
   * A sequence.
   *
   * @param called whether {@code value} was given out
   */
  public record Sequence(Table name, long value, boolean called) {}

  /**
   * Some transactions, one after the other.
   *
   * @param file where they are, among the data
   * @param from every transaction before is in an earlier one
   * @param to the end
   */
  public record Segment(
      String file,
      Lsn from,
      Lsn to,
      long transactions,
      long inserts,
      long updates,
      long deletes,
      long truncates) {}

  /** The file. */
  public byte[] format() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      json.writeNumberField("version", means instanceof Slot ? SLOT_VERSION : COLUMNS_VERSION);
      json.writeStringField("database", database);
      write(json, means);
      json.writeStringField("schema", schema);
      json.writeNumberField("timeline", Integer.toUnsignedLong(timeline.number()));
      json.writeStringField("to", to.toString());
      json.writeStringField("asOf", asOf.toString());
      json.writeArrayFieldStart("followed");
      for (Followed each : followed) {
        write(json, each);
      }
      json.writeEndArray();
      json.writeArrayFieldStart("others");
      for (Other each : others) {
        json.writeStartObject();
        names(json, each.table());
        json.writeStringField("why", each.why());
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeArrayFieldStart("sequences");
      for (Sequence each : sequences) {
        json.writeStartObject();
        names(json, each.name());
        json.writeNumberField("value", each.value());
        json.writeBooleanField("called", each.called());
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeArrayFieldStart("segments");
      for (Segment each : segments) {
        write(json, each);
      }
      json.writeEndArray();
      json.writeEndObject();
    }
    return bytes.toByteArray();
  }

  private static void write(JsonGenerator json, Means means) throws IOException {
    if (means instanceof Slot slot) {
      json.writeStringField("slot", slot.slot());
      json.writeStringField("publication", slot.publication());
      json.writeStringField("published", slot.published());
    } else if (means instanceof Columns columns) {
      json.writeNumberField("since", columns.since());
      if (columns.watermark().isPresent()) {
        json.writeStringField("watermark", columns.watermark().get().toString());
      }
    }
  }

  private static void write(JsonGenerator json, Followed each) throws IOException {
    json.writeStartObject();
    names(json, each.table());
    json.writeNumberField("oid", each.oid());
    json.writeStringField("shape", each.shape());
    if (each.rows().isPresent()) {
      json.writeNumberField("rows", each.rows().getAsLong());
    }
    json.writeBooleanField("touched", each.touched());
    if (each.reading().isPresent()) {
      Reading reading = each.reading().get();
      json.writeStringField("column", reading.column());
      json.writeStringField("keys", reading.keys());
      json.writeNumberField("whole", reading.whole());
      json.writeStringField("wholeAsOf", reading.wholeAsOf().toString());
      if (reading.digest().isPresent()) {
        json.writeStringField("digest", reading.digest().get());
      }
    }
    json.writeArrayFieldStart("columns");
    for (Column column : each.columns()) {
      json.writeStartObject();
      json.writeStringField("name", column.name());
      json.writeNumberField("type", column.type());
      json.writeNumberField("modifier", column.modifier());
      json.writeBooleanField("key", column.key());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Segment each) throws IOException {
    json.writeStartObject();
    json.writeStringField("file", each.file());
    json.writeStringField("from", each.from().toString());
    json.writeStringField("to", each.to().toString());
    json.writeNumberField("transactions", each.transactions());
    json.writeNumberField("inserts", each.inserts());
    json.writeNumberField("updates", each.updates());
    json.writeNumberField("deletes", each.deletes());
    json.writeNumberField("truncates", each.truncates());
    json.writeEndObject();
  }

  private static void names(JsonGenerator json, Table table) throws IOException {
    json.writeStringField("schema", table.schema());
    json.writeStringField("name", table.name());
  }

  /**
   * Reads the file.
   *
   * @throws IOException if it is damaged, or of a format that this program does not know
   */
  public static ChangeLog parse(byte[] content) throws IOException {
    try (JsonParser json = JSON.createParser(content)) {
      Fields top = Fields.read(json);
      long version = top.number("version");
      if (version != SLOT_VERSION && version != COLUMNS_VERSION) {
        throw new IOException(
            "Changes of format " + version + ", which a newer version of this program wrote");
      }
      ChangeLog log =
          new ChangeLog(
              top.text("database"),
              version == SLOT_VERSION
                  ? new Slot(top.text("slot"), top.text("publication"), top.text("published"))
                  : new Columns(top.number("since"), top.moment("watermark")),
              top.text("schema"),
              new Timeline((int) top.number("timeline")),
              Lsn.parse(top.text("to")),
              Instant.parse(top.text("asOf")),
              top.objects("followed", each -> followed(each, version)),
              top.objects("others", each -> new Other(each.table(), each.text("why"))),
              top.objects(
                  "sequences",
                  each -> new Sequence(each.table(), each.number("value"), each.flag("called"))),
              top.objects("segments", ChangeLog::segment));
      top.end();
      return log;
    } catch (IllegalArgumentException | java.time.DateTimeException e) {
      throw new IOException("Damaged: " + FILE + ": " + e.getMessage(), e);
    }
  }

  private static Followed followed(Fields each, long version) throws IOException {
    return new Followed(
        each.table(),
        each.number("oid"),
        each.text("shape"),
        each.objects(
            "columns",
            one ->
                new Column(
                    one.flag("key"),
                    one.text("name"),
                    one.number("type"),
                    (int) one.number("modifier"))),
        each.has("rows") ? OptionalLong.of(each.number("rows")) : OptionalLong.empty(),
        each.flag("touched"),
        version == SLOT_VERSION
            ? Optional.empty()
            : Optional.of(
                new Reading(
                    each.text("column"),
                    each.text("keys"),
                    each.number("whole"),
                    Instant.parse(each.text("wholeAsOf")),
                    each.has("digest") ? Optional.of(each.text("digest")) : Optional.empty())));
  }

  private static Segment segment(Fields each) throws IOException {
    return new Segment(
        each.text("file"),
        Lsn.parse(each.text("from")),
        Lsn.parse(each.text("to")),
        each.number("transactions"),
        each.number("inserts"),
        each.number("updates"),
        each.number("deletes"),
        each.number("truncates"));
  }

  /** Turns fields into something. */
  private interface Parsing<T> {
    T of(Fields fields) throws IOException;
  }

  /** An object of which every field has to be asked for. */
  private record Fields(Map<String, Object> values) {
    static Fields read(JsonParser json) throws IOException {
      if (json.currentToken() == null) {
        json.nextToken();
      }
      Map<String, Object> values = new LinkedHashMap<>();
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String name = json.currentName();
        if (values.put(name, value(json)) != null) {
          throw new IOException("Damaged: " + FILE + " has " + name + " twice");
        }
      }
      return new Fields(values);
    }

    private static Object value(JsonParser json) throws IOException {
      return switch (json.nextToken()) {
        case VALUE_STRING -> json.getText();
        case VALUE_NUMBER_INT -> json.getLongValue();
        case VALUE_TRUE -> true;
        case VALUE_FALSE -> false;
        case START_ARRAY -> {
          List<Fields> objects = new ArrayList<>();
          while (json.nextToken() == JsonToken.START_OBJECT) {
            objects.add(read(json));
          }
          yield objects;
        }
        default ->
            throw new IOException("Damaged: " + FILE + " has no value for " + json.currentName());
      };
    }

    boolean has(String name) {
      return values.containsKey(name);
    }

    String text(String name) throws IOException {
      return take(name, String.class);
    }

    long number(String name) throws IOException {
      return take(name, Long.class);
    }

    boolean flag(String name) throws IOException {
      return take(name, Boolean.class);
    }

    Optional<Instant> moment(String name) throws IOException {
      return has(name) ? Optional.of(Instant.parse(text(name))) : Optional.empty();
    }

    Table table() throws IOException {
      return new Table(text("schema"), text("name"));
    }

    <T> List<T> objects(String name, Parsing<T> reading) throws IOException {
      List<T> found = new ArrayList<>();
      for (Object each : take(name, List.class)) {
        Fields fields = (Fields) each;
        found.add(reading.of(fields));
        fields.end();
      }
      return found;
    }

    private <T> T take(String name, Class<T> type) throws IOException {
      Object value = values.remove(name);
      if (!type.isInstance(value)) {
        throw new IOException("Damaged: " + FILE + " lacks " + name);
      }
      return type.cast(value);
    }

    void end() throws IOException {
      if (!values.isEmpty()) {
        throw new IOException(
            FILE + " says more than this program knows: " + String.join(", ", values.keySet()));
      }
    }
  }
}
