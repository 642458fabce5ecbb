package com.thorbis.backup.postgres.changes;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.wire.ProtocolException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Takes apart what {@code pgoutput} says in its first version (PostgreSQL 55.9). */
public final class PgOutput {
  private static final Instant EPOCH = Instant.parse("2000-01-01T00:00:00Z");

  /** What a tuple and a relation can have at most. */
  private static final int MOST_COLUMNS = 1664;

  private PgOutput() {}

  /** What one message says. */
  public sealed interface Message {}

  /**
   * A transaction begins.
   *
   * @param commit where its commit lies in the log
   * @param at when it was committed
   * @param transaction its number, unsigned
   */
  public record Begin(Lsn commit, Instant at, int transaction) implements Message {}

  /**
   * It is whole.
   *
   * @param commit where its commit lies
   * @param end where the log goes on behind it
   * @param at when
   */
  public record Commit(Lsn commit, Lsn end, Instant at) implements Message {}

  /**
   * What messages about a table mean from now on.
   *
   * @param identity how its rows are told apart: {@code d}, {@code i} or {@code f}
   */
  public record Relation(long oid, String schema, String name, char identity, List<Column> columns)
      implements Message {
    /** Copies the list. */
    public Relation {
      columns = List.copyOf(columns);
    }
  }

  /**
   * One column.
   *
   * @param key whether it is part of what tells rows apart
   * @param type its type's object id
   * @param modifier what the type has besides, such as a length; -1 for nothing
   */
  public record Column(boolean key, String name, long type, int modifier) {}

  /** A row is new. */
  public record Insert(long relation, List<Value> row) implements Message {
    /** Copies the list. */
    public Insert {
      row = List.copyOf(row);
    }
  }

  /**
   * A row is another.
   *
   * @param old what it was: its key, if that is another, or all of it; empty where the key in
   *     {@code row} is what it was
   * @param row what it is
   */
  public record Update(long relation, Optional<List<Value>> old, List<Value> row)
      implements Message {
    /** Copies the lists. */
    public Update {
      old = old.map(List::copyOf);
      row = List.copyOf(row);
    }
  }

  /**
   * A row is gone.
   *
   * @param old its key, or all of it
   */
  public record Delete(long relation, List<Value> old) implements Message {
    /** Copies the list. */
    public Delete {
      old = List.copyOf(old);
    }
  }

  /** All rows of some tables are gone. */
  public record Truncate(List<Long> relations) implements Message {
    /** Copies the list. */
    public Truncate {
      relations = List.copyOf(relations);
    }
  }

  /** Something that changes no row: the name of a type, where a transaction came from. */
  public record Remark(char kind) implements Message {}

  /** A value of a column. */
  public sealed interface Value {}

  /** No value. */
  public record Null() implements Value {}

  /** What it was before: it lies out of line, and was not touched. */
  public record Unchanged() implements Value {}

  /** A value as the server writes it. */
  public record Text(String text) implements Value {}

  /**
   * Reads one message to its end.
   *
   * @throws ProtocolException if it is none, or has something behind its end
   */
  public static Message read(ByteBuffer message) throws ProtocolException {
    try {
      Message read = next(message);
      if (message.hasRemaining()) {
        throw new ProtocolException(message.remaining() + " bytes behind the end of a change");
      }
      return read;
    } catch (BufferUnderflowException e) {
      throw new ProtocolException("a change that ends too early");
    }
  }

  private static Message next(ByteBuffer in) throws ProtocolException {
    char kind = (char) (in.get() & 0xFF);
    return switch (kind) {
      case 'B' -> new Begin(new Lsn(in.getLong()), time(in.getLong()), in.getInt());
      case 'C' -> {
        flags(in.get(), 0);
        yield new Commit(new Lsn(in.getLong()), new Lsn(in.getLong()), time(in.getLong()));
      }
      case 'R' -> relation(in);
      case 'I' -> {
        long relation = oid(in);
        tuple(in, 'N');
        yield new Insert(relation, values(in));
      }
      case 'U' -> update(in);
      case 'D' -> {
        long relation = oid(in);
        char part = (char) in.get();
        if (part != 'K' && part != 'O') {
          throw new ProtocolException("a deletion with '" + printable(part) + "'");
        }
        yield new Delete(relation, values(in));
      }
      case 'T' -> truncate(in);
      case 'Y', 'O', 'M' -> {
        in.position(in.limit());
        yield new Remark(kind);
      }
      default -> throw new ProtocolException("a change of kind '" + printable(kind) + "'");
    };
  }

  private static Relation relation(ByteBuffer in) throws ProtocolException {
    long oid = oid(in);
    String schema = text(in);
    String name = text(in);
    char identity = (char) in.get();
    int count = count(in);
    List<Column> columns = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      byte flags = in.get();
      flags(flags, 1);
      columns.add(new Column(flags == 1, text(in), oid(in), in.getInt()));
    }
    // Types of PostgreSQL's own schema come with an empty one; so would its tables.
    return new Relation(oid, schema.isEmpty() ? "pg_catalog" : schema, name, identity, columns);
  }

  private static Update update(ByteBuffer in) throws ProtocolException {
    long relation = oid(in);
    char part = (char) in.get();
    Optional<List<Value>> old = Optional.empty();
    if (part == 'K' || part == 'O') {
      old = Optional.of(values(in));
      part = (char) in.get();
    }
    if (part != 'N') {
      throw new ProtocolException("an update with '" + printable(part) + "'");
    }
    return new Update(relation, old, values(in));
  }

  private static Truncate truncate(ByteBuffer in) throws ProtocolException {
    int count = in.getInt();
    in.get(); // whether others and sequences went along: both come by themselves
    if (count < 0 || (long) count * Integer.BYTES > in.remaining()) {
      throw new ProtocolException("a truncation of " + count + " tables");
    }
    List<Long> relations = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      relations.add(oid(in));
    }
    return new Truncate(relations);
  }

  private static List<Value> values(ByteBuffer in) throws ProtocolException {
    int count = count(in);
    List<Value> values = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      char kind = (char) (in.get() & 0xFF);
      values.add(
          switch (kind) {
            case 'n' -> new Null();
            case 'u' -> new Unchanged();
            case 't' -> {
              int length = in.getInt();
              if (length < 0 || length > in.remaining()) {
                throw new ProtocolException("a value of " + length + " bytes");
              }
              ByteBuffer text = in.slice(in.position(), length);
              in.position(in.position() + length);
              yield new Text(decoded(text));
            }
            default -> throw new ProtocolException("a value of kind '" + printable(kind) + "'");
          });
    }
    return values;
  }

  private static int count(ByteBuffer in) throws ProtocolException {
    int count = in.getShort() & 0xFFFF;
    if (count > MOST_COLUMNS) {
      throw new ProtocolException(count + " columns");
    }
    return count;
  }

  private static void tuple(ByteBuffer in, char wanted) throws ProtocolException {
    char part = (char) (in.get() & 0xFF);
    if (part != wanted) {
      throw new ProtocolException("'" + printable(part) + "' instead of a row");
    }
  }

  private static void flags(byte flags, int most) throws ProtocolException {
    if (flags < 0 || flags > most) {
      throw new ProtocolException("flags " + flags + " in a change");
    }
  }

  private static long oid(ByteBuffer in) {
    return in.getInt() & 0xFFFFFFFFL;
  }

  private static String text(ByteBuffer in) throws ProtocolException {
    int from = in.position();
    while (in.get() != 0) {
      // To its end.
    }
    int length = in.position() - 1 - from;
    return decoded(in.slice(from, length));
  }

  private static String decoded(ByteBuffer text) throws ProtocolException {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(text).toString();
    } catch (CharacterCodingException e) {
      throw new ProtocolException("a text that is not in UTF-8");
    }
  }

  private static Instant time(long micros) throws ProtocolException {
    try {
      return EPOCH.plus(micros, ChronoUnit.MICROS);
    } catch (java.time.DateTimeException | ArithmeticException e) {
      throw new ProtocolException("a time of " + micros);
    }
  }

  private static String printable(char kind) {
    return kind > ' ' && kind < 127 ? String.valueOf(kind) : "0x" + Integer.toHexString(kind);
  }
}
