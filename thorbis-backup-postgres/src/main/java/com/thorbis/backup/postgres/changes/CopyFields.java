package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.postgres.wire.ProtocolException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The values of a row as {@code COPY} writes it in its text format. */
final class CopyFields {
  private CopyFields() {}

  /**
   * The values, null for none.
   *
   * @param row without the end of its line
   * @param count how many there must be
   */
  static byte[] @Nullable [] split(byte[] row, int count) throws ProtocolException {
    byte[] @Nullable [] fields = new byte[count][];
    int from = 0;
    for (int i = 0; i < count; i++) {
      if (from > row.length) {
        throw wrong(count);
      }
      int to = from;
      boolean plain = true;
      while (to < row.length && row[to] != '\t') {
        plain &= row[to] != '\\';
        to++;
      }
      fields[i] = plain ? Arrays.copyOfRange(row, from, to) : unescaped(row, from, to);
      from = to + 1;
    }
    if (from <= row.length && !(count == 0 && row.length == 0)) {
      throw wrong(count);
    }
    return fields;
  }

  private static ProtocolException wrong(int count) {
    return new ProtocolException("a row that has not " + count + " values");
  }

  private static byte @Nullable [] unescaped(byte[] row, int from, int to)
      throws ProtocolException {
    if (to - from == 2 && row[from] == '\\' && row[from + 1] == 'N') {
      return null;
    }
    byte[] value = new byte[to - from];
    int length = 0;
    for (int i = from; i < to; i++) {
      byte next = row[i];
      if (next == '\\') {
        i++;
        if (i == to) {
          throw new ProtocolException("a row that ends within a character");
        }
        next =
            switch (row[i]) {
              case 'b' -> '\b';
              case 'f' -> '\f';
              case 'n' -> '\n';
              case 'r' -> '\r';
              case 't' -> '\t';
              case 'v' -> 0x0B;
              default -> row[i];
            };
      }
      value[length++] = next;
    }
    return Arrays.copyOf(value, length);
  }
}
