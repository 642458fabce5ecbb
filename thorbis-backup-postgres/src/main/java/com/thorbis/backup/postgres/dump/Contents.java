package com.thorbis.backup.postgres.dump;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What a dump holds.
 *
 * @param database the database's name
 * @param encoding its encoding
 * @param serverMajor the server's major version
 * @param toolsMajor that of {@code pg_dump}, which {@code pg_restore} must not be older than
 * @param patterns which tables were to be left out
 * @param excluded which were
 * @param tables those in it, with and without rows of their own, ordered by schema and name
 * @param largeObjects how many there are
 */
record Contents(
    String database,
    String encoding,
    int serverMajor,
    int toolsMajor,
    List<String> patterns,
    List<Table> excluded,
    List<DumpedTable> tables,
    long largeObjects) {
  /** Where all rows are in the archive. */
  private static final int WHOLE = 1;

  /** Where some are not. */
  private static final int SPLIT = 2;

  /** What a backup's reader takes as one small file. */
  private static final int MOST_BYTES = 64 << 20;

  private static final JsonFactory JSON = new JsonFactory();

  Contents {
    patterns = List.copyOf(patterns);
    excluded = List.copyOf(excluded);
    tables = List.copyOf(tables);
  }

  /**
   * A table.
   *
   * @param table its names
   * @param oid its object id
   * @param parent the partitioned table that it is a partition of
   * @param partitioned whether only its partitions have rows
   * @param rows how many rows it had; empty if it has none of its own or they could not be counted
   * @param digest what its rows were, in hexadecimal; empty if that could not be found out
   * @param parts what belongs to it: defaults, indexes, keys, and the sequences that it owns
   * @param apart where its rows are if not in the archive
   */
  record DumpedTable(
      Table table,
      long oid,
      OptionalLong parent,
      boolean partitioned,
      OptionalLong rows,
      Optional<String> digest,
      List<Part> parts,
      Optional<Apart> apart) {
    DumpedTable {
      parts = List.copyOf(parts);
    }
  }

  /**
   * Rows in a file of their own, as {@code COPY} writes them in UTF-8.
   *
   * @param file its path
   * @param columns which columns, in order
   */
  record Apart(String file, List<String> columns) {
    Apart {
      columns = List.copyOf(columns);
    }
  }

  /**
   * Something that belongs to a table.
   *
   * @param catalog the object id of the catalogue that has it
   * @param oid its own
   * @param name its name, of an index or a sequence; empty for others
   */
  record Part(long catalog, long oid, String name) {}

  /**
   * The file.
   *
   * @throws BackupException code {@code dump.too-many-tables} if nobody could read it again
   */
  byte[] format() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      json.writeNumberField(
          "version", tables.stream().anyMatch(each -> each.apart().isPresent()) ? SPLIT : WHOLE);
      json.writeStringField("database", database);
      json.writeStringField("encoding", encoding);
      json.writeNumberField("serverMajor", serverMajor);
      json.writeNumberField("toolsMajor", toolsMajor);
      json.writeNumberField("largeObjects", largeObjects);
      json.writeArrayFieldStart("patterns");
      for (String pattern : patterns) {
        json.writeString(pattern);
      }
      json.writeEndArray();
      json.writeArrayFieldStart("excluded");
      for (Table table : excluded) {
        json.writeStartObject();
        names(json, table);
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeArrayFieldStart("tables");
      for (DumpedTable each : tables) {
        json.writeStartObject();
        names(json, each.table());
        json.writeNumberField("oid", each.oid());
        if (each.parent().isPresent()) {
          json.writeNumberField("parent", each.parent().getAsLong());
        }
        json.writeBooleanField("partitioned", each.partitioned());
        if (each.rows().isPresent()) {
          json.writeNumberField("rows", each.rows().getAsLong());
        }
        if (each.digest().isPresent()) {
          json.writeStringField("sum", each.digest().get());
        }
        if (each.apart().isPresent()) {
          json.writeStringField("file", each.apart().get().file());
          json.writeArrayFieldStart("columns");
          for (String column : each.apart().get().columns()) {
            json.writeString(column);
          }
          json.writeEndArray();
        }
        json.writeArrayFieldStart("parts");
        for (Part part : each.parts()) {
          json.writeStartArray();
          json.writeNumber(part.catalog());
          json.writeNumber(part.oid());
          json.writeString(part.name());
          json.writeEndArray();
        }
        json.writeEndArray();
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeEndObject();
    }
    if (bytes.size() > MOST_BYTES) {
      throw BackupException.of(
              "dump.too-many-tables",
              FailureKind.REFUSED,
              "What is said of "
                  + tables.size()
                  + " tables is longer than "
                  + (MOST_BYTES >> 20)
                  + " MiB, so that no load could read it")
          .remedy("Leave tables out with exclude-tables, or back the server's files up.")
          .build();
    }
    return bytes.toByteArray();
  }

  private static void names(JsonGenerator json, Table table) throws IOException {
    json.writeStringField("schema", table.schema());
    json.writeStringField("name", table.name());
  }

  static Contents parse(byte[] content) throws IOException {
    Reading reading = new Reading();
    try (JsonParser json = JSON.createParser(content)) {
      json.nextToken();
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String field = json.currentName();
        json.nextToken();
        reading.field(field, json);
      }
    }
    if (reading.version != WHOLE && reading.version != SPLIT) {
      throw new IOException(
          "A dump of format " + reading.version + ", which a newer version of this program wrote");
    }
    return new Contents(
        reading.database,
        reading.encoding,
        reading.serverMajor,
        reading.toolsMajor,
        reading.patterns,
        reading.excluded,
        reading.tables,
        reading.largeObjects);
  }

  private static final class Reading {
    private int version;
    private String database = "";
    private String encoding = "";
    private int serverMajor;
    private int toolsMajor;
    private long largeObjects;
    private final List<String> patterns = new ArrayList<>();
    private final List<Table> excluded = new ArrayList<>();
    private final List<DumpedTable> tables = new ArrayList<>();

    private void field(String field, JsonParser json) throws IOException {
      switch (field) {
        case "version" -> version = json.getIntValue();
        case "database" -> database = json.getText();
        case "encoding" -> encoding = json.getText();
        case "serverMajor" -> serverMajor = json.getIntValue();
        case "toolsMajor" -> toolsMajor = json.getIntValue();
        case "largeObjects" -> largeObjects = json.getLongValue();
        case "patterns" -> {
          while (json.nextToken() != JsonToken.END_ARRAY) {
            patterns.add(json.getText());
          }
        }
        case "excluded" -> {
          while (json.nextToken() != JsonToken.END_ARRAY) {
            excluded.add(table(json).table());
          }
        }
        case "tables" -> {
          while (json.nextToken() != JsonToken.END_ARRAY) {
            tables.add(table(json));
          }
        }
        default -> json.skipChildren();
      }
    }

    private static DumpedTable table(JsonParser json) throws IOException {
      String schema = "";
      String name = "";
      long oid = 0;
      OptionalLong parent = OptionalLong.empty();
      boolean partitioned = false;
      OptionalLong rows = OptionalLong.empty();
      Optional<String> digest = Optional.empty();
      List<Part> parts = new ArrayList<>();
      Optional<String> file = Optional.empty();
      List<String> columns = new ArrayList<>();
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String field = json.currentName();
        json.nextToken();
        switch (field) {
          case "schema" -> schema = json.getText();
          case "name" -> name = json.getText();
          case "oid" -> oid = json.getLongValue();
          case "parent" -> parent = OptionalLong.of(json.getLongValue());
          case "partitioned" -> partitioned = json.getBooleanValue();
          case "rows" -> rows = OptionalLong.of(json.getLongValue());
          case "sum" -> digest = Optional.of(json.getText());
          case "file" -> file = Optional.of(json.getText());
          case "columns" -> {
            while (json.nextToken() != JsonToken.END_ARRAY) {
              columns.add(json.getText());
            }
          }
          case "parts" -> {
            while (json.nextToken() != JsonToken.END_ARRAY) {
              json.nextToken();
              long catalog = json.getLongValue();
              json.nextToken();
              long part = json.getLongValue();
              json.nextToken();
              parts.add(new Part(catalog, part, json.getText()));
              json.nextToken();
            }
          }
          default -> json.skipChildren();
        }
      }
      return new DumpedTable(
          new Table(schema, name),
          oid,
          parent,
          partitioned,
          rows,
          digest,
          parts,
          file.map(path -> new Apart(path, columns)));
    }
  }
}
