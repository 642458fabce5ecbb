package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.postgres.changes.PgOutput.Column;
import com.thorbis.backup.postgres.wire.ProtocolException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An order of a table's keys that the server and this program agree upon, whatever the collation
 * and the encoding of the database.
 */
public final class KeyOrder {
  private static final List<Long> WHOLE_NUMBERS = List.of(20L, 21L, 23L);
  private static final long UUID = 2950;

  private final List<Column> columns;

  /** Of these columns, which make up the key. */
  public KeyOrder(List<Column> columns) {
    this.columns = List.copyOf(columns);
  }

  /**
   * A key.
   *
   * @param line as {@code COPY} writes it, without the end of the line
   */
  record Key(byte[] line, byte[][] values) {}

  /** Takes one apart. */
  Key key(byte[] line) throws ProtocolException {
    byte[] @Nullable [] fields = CopyFields.split(line, columns.size());
    byte[][] values = new byte[fields.length][];
    for (int i = 0; i < fields.length; i++) {
      byte[] field = fields[i];
      if (field == null) {
        throw new ProtocolException("a key without a value");
      }
      values[i] = field;
    }
    return new Key(line, values);
  }

  int compare(Key one, Key other) {
    for (int i = 0; i < columns.size(); i++) {
      byte[] left = one.values()[i];
      byte[] right = other.values()[i];
      int order =
          WHOLE_NUMBERS.contains(columns.get(i).type())
              ? Long.compare(number(left), number(right))
              : Arrays.compareUnsigned(left, right);
      if (order != 0) {
        return order;
      }
    }
    return 0;
  }

  private static long number(byte[] text) {
    return Long.parseLong(new String(text, StandardCharsets.US_ASCII));
  }

  /** What to select of {@code t}: the values, called {@code k1} and so on. */
  public String selected() {
    List<String> words = new ArrayList<>();
    for (int i = 0; i < columns.size(); i++) {
      words.add("t." + Publication.quoted(columns.get(i).name()) + " AS k" + (i + 1));
    }
    return String.join(", ", words);
  }

  /** The same names alone. */
  public String names() {
    List<String> words = new ArrayList<>();
    for (int i = 0; i < columns.size(); i++) {
      words.add("s.k" + (i + 1));
    }
    return String.join(", ", words);
  }

  /**
   * What to order them by. Numbers and UUIDs have one order everywhere, for which an index may do;
   * everything else is ordered by the bytes of its text, which no cast of an owner makes.
   */
  public String ordered() {
    List<String> words = new ArrayList<>();
    for (int i = 0; i < columns.size(); i++) {
      String name = "s.k" + (i + 1);
      long type = columns.get(i).type();
      words.add(
          WHOLE_NUMBERS.contains(type) || type == UUID
              ? name
              : "pg_catalog.convert_to(pg_catalog.format('%s', " + name + "), 'UTF8')");
    }
    return String.join(", ", words);
  }
}
