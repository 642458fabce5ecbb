package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.ProtocolException;
import com.thorbis.backup.spi.repository.FileContent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyOut;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PSQLState;

/**
 * The files of a data directory as the server itself reads them, over ordinary sessions: PostgreSQL
 * documentation, "Generic File Access Functions". It follows links and tells nothing of modes but
 * the one of the data directory.
 */
public final class SqlFiles implements ClusterFiles {
  private static final byte[] COPY_HEAD = {
    'P', 'G', 'C', 'O', 'P', 'Y', '\n', (byte) 0xFF, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0
  };
  private static final int ENTRIES_AT_ONCE = 20_000;
  private static final String NAMES =
      "SELECT name FROM pg_catalog.pg_ls_dir(?, true, false) AS name"
          + " WHERE name > ? COLLATE \"C\" ORDER BY name COLLATE \"C\" LIMIT "
          + ENTRIES_AT_ONCE;
  private static final int READABLE_BY_GROUP = 040;
  private static final int FOLDER = 0700;
  private static final int FOLDER_FOR_GROUP = 0750;
  private static final int FILE = 0600;
  private static final int FILE_FOR_GROUP = 0640;

  private final SqlSessions sessions;
  private final int folderMode;
  private final int fileMode;

  private SqlFiles(SqlSessions sessions, boolean forGroup) {
    this.sessions = sessions;
    this.folderMode = forGroup ? FOLDER_FOR_GROUP : FOLDER;
    this.fileMode = forGroup ? FILE_FOR_GROUP : FILE;
  }

  /**
   * The files of the server of a session.
   *
   * @param sql stays the caller's
   */
  public static SqlFiles open(
      PostgresSettings settings, Cancellation cancellation, Connection sql) {
    try {
      SqlSessions sessions = new SqlSessions(settings, cancellation, sql);
      try (Statement statement = sql.createStatement();
          ResultSet row = statement.executeQuery("SHOW data_directory_mode")) {
        row.next();
        int mode = Integer.parseInt(row.getString(1), 8);
        return new SqlFiles(sessions, (mode & READABLE_BY_GROUP) != 0);
      }
    } catch (SQLException e) {
      throw Failures.of(settings, e);
    }
  }

  /** The functions that a role must be allowed to call, with the types of what they take. */
  public static List<String> functions() {
    return List.of(
        "pg_ls_dir(text, boolean, boolean)",
        "pg_stat_file(text, boolean)",
        "pg_read_binary_file(text, bigint, bigint, boolean)");
  }

  @Override
  public boolean list(String folder, Visitor<Entry> visitor) throws IOException {
    String place = folder.isEmpty() ? "." : folder;
    return each(
        place,
        "SELECT name, stat.size, stat.modification, stat.isdir FROM ("
            + NAMES
            + ") AS page, LATERAL pg_catalog.pg_stat_file(? || '/' || name, true) AS stat",
        true,
        row -> {
          boolean isFolder = row.getBoolean(4);
          if (row.wasNull()) {
            return Optional.empty(); // it went away meanwhile
          }
          return Optional.of(
              new Entry(
                  row.getString(1),
                  isFolder ? Kind.DIRECTORY : Kind.FILE,
                  isFolder ? 0 : row.getLong(2),
                  isFolder ? folderMode : fileMode,
                  instant(row)));
        },
        visitor);
  }

  private static Instant instant(ResultSet row) throws SQLException {
    OffsetDateTime time = row.getObject(3, OffsetDateTime.class);
    return time == null ? Instant.EPOCH : time.toInstant();
  }

  @Override
  public boolean names(String folder, Visitor<String> visitor) throws IOException {
    return each(
        folder.isEmpty() ? "." : folder,
        NAMES,
        false,
        row -> Optional.of(row.getString(1)),
        visitor);
  }

  /** Makes one thing of a row, if there is one. */
  @FunctionalInterface
  private interface Maker<T> {
    Optional<T> make(ResultSet row) throws SQLException;
  }

  /** Gets a part of a folder at a time, and visits that when the session is free again. */
  private <T> boolean each(
      String folder, String query, boolean stats, Maker<T> maker, Visitor<T> visitor)
      throws IOException {
    if (!isFolder(folder)) {
      return false;
    }
    for (String after = ""; ; ) {
      String from = after;
      List<T> found = new ArrayList<>();
      String last =
          sessions.ask(
              sql -> {
                found.clear();
                String name = "";
                int rows = 0;
                try (PreparedStatement statement = sql.prepareStatement(query)) {
                  statement.setString(1, folder);
                  statement.setString(2, from);
                  if (stats) {
                    statement.setString(3, folder);
                  }
                  try (ResultSet row = statement.executeQuery()) {
                    for (; row.next(); rows++) {
                      name = row.getString(1);
                      maker.make(row).ifPresent(found::add);
                    }
                  }
                }
                return rows < ENTRIES_AT_ONCE ? "" : name;
              });
      for (T each : found) {
        visitor.visit(each);
      }
      if (last.isEmpty()) {
        return true;
      }
      after = last;
    }
  }

  private boolean isFolder(String path) {
    return sessions.ask(
        sql -> {
          try (PreparedStatement statement =
              sql.prepareStatement("SELECT (pg_catalog.pg_stat_file(?, true)).isdir")) {
            statement.setString(1, path);
            try (ResultSet row = statement.executeQuery()) {
              return row.next() && row.getBoolean(1);
            }
          }
        });
  }

  @Override
  public List<Tablespace> tablespaces() {
    return sessions.ask(
        sql -> {
          List<Tablespace> found = new ArrayList<>();
          try (Statement statement = sql.createStatement();
              ResultSet rows =
                  statement.executeQuery(
                      "SELECT oid::bigint, pg_catalog.pg_tablespace_location(oid)"
                          + " FROM pg_catalog.pg_tablespace"
                          + " WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY oid")) {
            while (rows.next()) {
              found.add(new Tablespace(rows.getLong(1), rows.getString(2)));
            }
          }
          return found;
        });
  }

  @Override
  public FileContent content(String path) {
    return new Content(path);
  }

  @Override
  public Optional<byte[]> read(String path, int most) throws IOException {
    byte[] content =
        sessions.ask(
            sql -> {
              try (PreparedStatement statement =
                  sql.prepareStatement("SELECT pg_catalog.pg_read_binary_file(?, 0, ?, true)")) {
                statement.setString(1, path);
                statement.setLong(2, most + 1L);
                try (ResultSet row = statement.executeQuery()) {
                  row.next();
                  return row.getBytes(1);
                }
              }
            });
    if (content != null && content.length > most) {
      throw new IOException(path + " is longer than " + most + " bytes");
    }
    return Optional.ofNullable(content);
  }

  @Override
  public void close() {
    sessions.close();
  }

  private static String literal(String text) {
    return "'" + text.replace("'", "''") + "'";
  }

  private final class Content implements FileContent, Vanishing {
    private final String path;
    private volatile boolean there;
    private volatile boolean vanished;

    Content(String path) {
      this.path = path;
    }

    @Override
    public boolean read(long offset, byte[] into, int at, int length) throws IOException {
      return readRanges(offset - at, into, new int[] {at, at + length});
    }

    /** One statement for all, in the binary form of COPY, which costs the least on both sides. */
    @Override
    public boolean readRanges(long offset, byte[] into, int[] ranges) throws IOException {
      StringBuilder query = new StringBuilder("COPY (SELECT n, pg_catalog.pg_read_binary_file(");
      query.append(literal(path)).append(", start, length, true) FROM (VALUES ");
      for (int i = 0; i < ranges.length; i += 2) {
        query.append(
            String.format(
                Locale.ROOT,
                "%s(%d, %d::bigint, %d::bigint)",
                i == 0 ? "" : ", ",
                i,
                offset + ranges[i],
                ranges[i + 1] - ranges[i]));
      }
      query.append(") AS part(n, start, length)) TO STDOUT (FORMAT binary)");
      boolean[] found = new boolean[ranges.length / 2];
      boolean[] gone = new boolean[ranges.length / 2];
      sessions.ask(
          sql -> {
            CopyOut copy = sql.unwrap(PGConnection.class).getCopyAPI().copyOut(query.toString());
            try {
              for (byte[] row = copy.readFromCopy(); row != null; row = copy.readFromCopy()) {
                take(row, into, ranges, found, gone);
              }
            } finally {
              if (copy.isActive()) {
                copy.cancelCopy();
              }
            }
            return true;
          });
      for (int i = 0; i < found.length; i++) {
        there |= found[i];
        if (!found[i] && !gone[i]) {
          throw new ProtocolException("a part of " + path + " did not come");
        }
      }
      if (!there) {
        return false;
      }
      for (int i = 0; i < found.length; i++) {
        if (gone[i]) {
          vanished = true;
          Arrays.fill(into, ranges[2 * i], ranges[2 * i + 1], (byte) 0);
        }
      }
      return true;
    }

    @Override
    public boolean vanished() {
      return vanished;
    }

    private void take(byte[] row, byte[] into, int[] ranges, boolean[] found, boolean[] gone)
        throws SQLException {
      ByteBuffer bytes = ByteBuffer.wrap(row);
      if (row.length >= COPY_HEAD.length
          && Arrays.equals(row, 0, COPY_HEAD.length, COPY_HEAD, 0, COPY_HEAD.length)) {
        bytes.position(COPY_HEAD.length);
      }
      if (!bytes.hasRemaining()) {
        return;
      }
      int columns = bytes.getShort();
      if (columns == -1) {
        return;
      }
      if (columns != 2 || bytes.getInt() != Integer.BYTES) {
        throw unexpected();
      }
      int range = bytes.getInt();
      int length = bytes.getInt();
      if (range < 0 || range >= ranges.length || range % 2 != 0) {
        throw unexpected();
      }
      if (length == -1) {
        gone[range / 2] = true;
        return;
      }
      if (length != bytes.remaining() || length > ranges[range + 1] - ranges[range]) {
        throw unexpected();
      }
      bytes.get(into, ranges[range], length);
      Arrays.fill(into, ranges[range] + length, ranges[range + 1], (byte) 0);
      found[range / 2] = true;
    }

    private SQLException unexpected() {
      return new PSQLException(
          "The answer to a question for parts of " + path + " has another form",
          PSQLState.PROTOCOL_VIOLATION);
    }
  }
}
