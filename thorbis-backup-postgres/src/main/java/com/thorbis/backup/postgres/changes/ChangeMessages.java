package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.PgOutput.Column;
import com.thorbis.backup.postgres.wire.ProtocolException;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Writes changes of one table as {@code pgoutput} would, for {@link PgOutput} to read. */
public final class ChangeMessages {
  private final Table table;
  private final long oid;
  private final List<Column> columns;
  private final int keys;

  /**
   * Of a table.
   *
   * @param columns those that rows come with, in this order
   */
  public ChangeMessages(Table table, long oid, List<Column> columns) {
    this.table = table;
    this.oid = oid;
    this.columns = List.copyOf(columns);
    this.keys = (int) columns.stream().filter(Column::key).count();
  }

  /** Says what the others mean; goes before them. */
  public byte[] relation() throws IOException {
    Message message = new Message('R');
    message.out.writeInt((int) oid);
    message.name(table.schema());
    message.name(table.name());
    message.out.writeByte(keys == 0 ? 'n' : 'd');
    message.out.writeShort(columns.size());
    for (Column column : columns) {
      message.out.writeByte(column.key() ? 1 : 0);
      message.name(column.name());
      message.out.writeInt((int) column.type());
      message.out.writeInt(column.modifier());
    }
    return message.bytes();
  }

  /** The row with this key goes. */
  public byte[] delete(byte[] key) throws IOException {
    byte[] @Nullable [] fields = CopyFields.split(key, keys);
    Message message = new Message('D');
    message.out.writeInt((int) oid);
    message.out.writeByte('K');
    message.out.writeShort(columns.size());
    int next = 0;
    for (Column column : columns) {
      message.value(column.key() ? fields[next++] : null);
    }
    return message.bytes();
  }

  /**
   * A row comes.
   *
   * @param row as {@code COPY} writes it, with the end of its line
   */
  public byte[] insert(byte[] row) throws IOException {
    if (row.length == 0 || row[row.length - 1] != '\n') {
      throw new ProtocolException("a row without an end");
    }
    byte[] @Nullable [] fields =
        CopyFields.split(java.util.Arrays.copyOf(row, row.length - 1), columns.size());
    Message message = new Message('I');
    message.out.writeInt((int) oid);
    message.out.writeByte('N');
    message.out.writeShort(columns.size());
    for (byte @Nullable [] field : fields) {
      message.value(field);
    }
    return message.bytes();
  }

  /** All rows go. */
  public byte[] truncate() throws IOException {
    Message message = new Message('T');
    message.out.writeInt(1);
    message.out.writeByte(0);
    message.out.writeInt((int) oid);
    return message.bytes();
  }

  private static final class Message {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final DataOutputStream out = new DataOutputStream(bytes);

    Message(char kind) throws IOException {
      out.writeByte(kind);
    }

    void name(String name) throws IOException {
      out.write(name.getBytes(StandardCharsets.UTF_8));
      out.writeByte(0);
    }

    void value(byte @Nullable [] value) throws IOException {
      if (value == null) {
        out.writeByte('n');
      } else {
        out.writeByte('t');
        out.writeInt(value.length);
        out.write(value);
      }
    }

    byte[] bytes() {
      return bytes.toByteArray();
    }
  }
}
