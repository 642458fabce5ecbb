package com.thorbis.backup.postgres.wal;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Real logs of every major version, compared with what the server and its tools read in them. */
class WalReaderIT {
  private static final long SEED = 20_261_123;
  private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");
  private static final Pattern END =
      Pattern.compile(
          "(?:(\\d+): )?(\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d)(?:\\.(\\d{1,6}))?(?:\\+00| UTC).*");

  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void everyEndOfATransactionIsSeenAsTheServerSeesIt(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .walSegmentMebibytes(1)
            .setting("wal_level", "logical")
            .setting("track_commit_timestamp", "on")
            .setting("max_prepared_transactions", "5")
            .setting("wal_keep_size", "1GB")
            .setting("timezone", "UTC")
            .setting("autovacuum", "off")
            .start()) {
      work(server);
      Lsn end = settled(server);
      ClusterIdentity cluster = identity(server, binaries.major());
      List<WalSegment> segments = segments(server, cluster);
      List<Event> seen = new ArrayList<>();
      WalReader reader = new WalReader(cluster, ONE, segments.get(0).start(), collect(seen));
      List<WalMarks> marks = new ArrayList<>();
      Random random = new Random(SEED);
      for (WalSegment segment : segments) {
        ByteBuffer content =
            ByteBuffer.wrap(Files.readAllBytes(walFolder(server).resolve(segment.fileName())));
        if (segment.end().compareTo(end) > 0) {
          content.limit((int) (end.value() - segment.start().value()));
        }
        while (content.hasRemaining()) {
          int step = 1 + random.nextInt(random.nextBoolean() ? 100 : 100_000);
          ByteBuffer piece = content.slice(content.position(), Math.min(step, content.remaining()));
          content.position(content.position() + piece.remaining());
          reader.feed(random.nextBoolean() ? piece : piece.asReadOnlyBuffer());
        }
        marks.add(reader.takeMarks(Optional.empty()));
        assertThat(reader.stop()).as(segment.fileName()).isEmpty();
      }

      assertThat(reader.lastRecordEnd()).contains(end);
      assertThat(seen).hasSizeGreaterThan(300);
      assertThat(seen.stream().filter(event -> event.name() != null).map(Event::name))
          .contains("first point", "zweiter Punkt ü");
      assertMarksAddUp(marks, seen);
      assertCommitTimes(server, seen);
      if (binaries.major() >= 15) {
        server.execute("postgres", "CREATE EXTENSION pg_walinspect");
        assertThat(seen).containsExactlyElementsOf(inspected(server, segments.get(0).start(), end));
        String last =
            server.query(
                "postgres",
                "SELECT max(start_lsn) FROM pg_get_wal_records_info('"
                    + firstRecord(server, segments.get(0))
                    + "', '"
                    + end
                    + "')");
        assertThat(marks.get(marks.size() - 1).lastRecord()).contains(Lsn.parse(last));
      }
      if (binaries.has("pg_waldump")) {
        assertThat(seen).containsExactlyElementsOf(dumped(binaries, server, segments, end));
      }
    }
  }

  private static final Timeline ONE = new Timeline(1);

  /** Where the log ends with a whole record: the server writes whole pages out in between. */
  private static Lsn settled(PostgresServer server) throws SQLException {
    while (true) {
      String end =
          server.query(
              "postgres",
              "SELECT CASE WHEN pg_current_wal_flush_lsn() = pg_current_wal_insert_lsn()"
                  + " THEN pg_current_wal_flush_lsn()::text ELSE '' END");
      if (!end.isEmpty()) {
        return Lsn.parse(end);
      }
      server.execute("postgres", "CHECKPOINT");
    }
  }

  /** One thing that a record says; a restore point if it has a name. */
  private record Event(Lsn record, long xid, Instant time, boolean committed, String name) {}

  private static WalListener collect(List<Event> events) {
    return new WalListener() {
      @Override
      public void transactionEnded(Lsn record, long xid, Instant time, boolean committed) {
        events.add(new Event(record, xid, time, committed, null));
      }

      @Override
      public void restorePoint(WalMarks.RestorePoint point) {
        assertThat(point.time()).isBetween(Instant.EPOCH, Instant.now().plusSeconds(60));
        events.add(new Event(point.position(), 0, null, true, point.name()));
      }
    };
  }

  private static void work(PostgresServer server) throws SQLException {
    server.execute("postgres", "CREATE TABLE t (n int PRIMARY KEY, s text)");
    try (Connection connection = server.connect("postgres");
        Statement statement = connection.createStatement()) {
      for (int i = 0; i < 300; i++) {
        statement.execute("INSERT INTO t VALUES (" + i + ", repeat('x', " + i * 20 + "))");
      }
      statement.execute("SELECT pg_create_restore_point('first point')");
      connection.setAutoCommit(false);
      for (int i = 0; i < 200; i++) { // subtransactions make the record of a commit long
        Savepoint savepoint = connection.setSavepoint();
        statement.execute("INSERT INTO t VALUES (" + (1000 + i) + ", 's')");
        if (i % 3 == 0) {
          connection.rollback(savepoint);
        }
      }
      connection.commit();
      statement.execute("INSERT INTO t VALUES (2000, 'never')");
      connection.rollback();
      for (String end : List.of("COMMIT", "ROLLBACK")) {
        String gid = "'" + end + "'";
        Savepoint savepoint = connection.setSavepoint();
        statement.execute("CREATE TABLE p_" + end + " (n int PRIMARY KEY)");
        connection.releaseSavepoint(savepoint);
        statement.execute("CREATE TABLE gone (n int PRIMARY KEY)");
        statement.execute("DROP TABLE gone");
        statement.execute("INSERT INTO p_" + end + " VALUES (1)");
        statement.execute("PREPARE TRANSACTION " + gid);
        connection.commit();
        connection.setAutoCommit(true);
        statement.execute("INSERT INTO t VALUES (" + (3000 + end.length()) + ", 'between')");
        statement.execute(end + " PREPARED " + gid);
        connection.setAutoCommit(false);
      }
      connection.setAutoCommit(true);
      statement.execute("SELECT pg_logical_emit_message(true, 'big', repeat('y', 3500000))");
      statement.execute("SELECT pg_switch_wal()");
      statement.execute("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(5000, 30000) g");
      statement.execute("SELECT pg_create_restore_point('zweiter Punkt ü')");
      statement.execute("CREATE TABLE dropped AS SELECT g FROM generate_series(1, 1000) g");
      statement.execute("CREATE INDEX ON dropped (g)");
      statement.execute("VACUUM ANALYZE");
      statement.execute("DROP TABLE dropped");
      statement.execute("CHECKPOINT");
      statement.execute("INSERT INTO t VALUES (9999999, 'last')");
    }
  }

  private static void assertMarksAddUp(List<WalMarks> marks, List<Event> seen) {
    List<Event> ends = seen.stream().filter(event -> event.name() == null).toList();
    assertThat(marks.stream().flatMap(mark -> mark.firstEnd().stream()).min(Instant::compareTo))
        .isEqualTo(ends.stream().map(Event::time).min(Instant::compareTo));
    assertThat(marks.stream().flatMap(mark -> mark.lastEnd().stream()).max(Instant::compareTo))
        .isEqualTo(ends.stream().map(Event::time).max(Instant::compareTo));
    assertThat(marks.stream().flatMapToLong(mark -> mark.leastXid().stream()).min())
        .isEqualTo(ends.stream().mapToLong(Event::xid).min());
    assertThat(marks.stream().flatMapToLong(mark -> mark.mostXid().stream()).max())
        .isEqualTo(ends.stream().mapToLong(Event::xid).max());
    assertThat(marks.stream().flatMap(mark -> mark.restorePoints().stream()))
        .hasSize(seen.size() - ends.size());
  }

  private static void assertCommitTimes(PostgresServer server, List<Event> seen)
      throws SQLException {
    Map<Long, Instant> times = new TreeMap<>();
    for (Event event : seen) {
      if (event.name() == null && event.committed() && event.xid() > 0) {
        times.put(event.xid(), event.time());
      }
    }
    List<String> rows =
        server.rows(
            "postgres",
            "SELECT DISTINCT xmin, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000"
                + " FROM t WHERE n < 1000 OR n = 9999999");
    assertThat(rows).hasSizeGreaterThan(300);
    for (String row : rows) {
      String[] columns = row.split("\\|");
      long microseconds = (long) Double.parseDouble(columns[1]);
      assertThat(times.get(Long.parseLong(columns[0])))
          .isEqualTo(Instant.EPOCH.plusNanos(microseconds * 1000));
    }
  }

  private static String firstRecord(PostgresServer server, WalSegment segment) throws SQLException {
    return server.query(
        "postgres", "SELECT start_lsn FROM pg_get_wal_record_info('" + segment.start() + "')");
  }

  private static List<Event> inspected(PostgresServer server, Lsn start, Lsn end)
      throws SQLException {
    List<Event> events = new ArrayList<>();
    for (String row :
        server.rows(
            "postgres",
            "SELECT start_lsn, xid, resource_manager, record_type, description FROM"
                + " pg_get_wal_records_info((SELECT start_lsn FROM pg_get_wal_record_info('"
                + start
                + "')), '"
                + end
                + "') WHERE resource_manager = 'Transaction' OR record_type = 'RESTORE_POINT'"
                + " ORDER BY start_lsn")) {
      String[] columns = row.split("\\|", 5);
      add(events, columns[0], Long.parseLong(columns[1]), columns[3], columns[4]);
    }
    return events;
  }

  private static List<Event> dumped(
      PostgresBinaries binaries, PostgresServer server, List<WalSegment> segments, Lsn end)
      throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(
            binaries.tool("pg_waldump").toString(),
            "-p",
            walFolder(server).toString(),
            "-s",
            segments.get(0).start().toString(),
            "-e",
            end.toString());
    builder.environment().put("TZ", "UTC");
    builder.redirectError(ProcessBuilder.Redirect.DISCARD);
    Process process = builder.start();
    List<Event> events = new ArrayList<>();
    Pattern line =
        Pattern.compile("rmgr: (\\S+) .* tx: +(\\d+), lsn: (\\S+), prev \\S+, desc: (\\S+) ?(.*)");
    try (Stream<String> lines = process.inputReader().lines()) {
      lines.forEach(
          text -> {
            Matcher form = line.matcher(text);
            if (form.matches()
                && (form.group(1).equals("Transaction") || form.group(4).equals("RESTORE_POINT"))) {
              add(
                  events,
                  form.group(3),
                  Long.parseLong(form.group(2)),
                  form.group(4),
                  form.group(5));
            }
          });
    }
    assertThat(process.waitFor()).isZero();
    return events;
  }

  private static void add(List<Event> events, String lsn, long xid, String type, String text) {
    Lsn record = Lsn.parse(lsn);
    switch (type) {
      case "COMMIT", "ABORT", "COMMIT_PREPARED", "ABORT_PREPARED" -> {
        Matcher form = END.matcher(text);
        assertThat(form.matches()).as(text).isTrue();
        Instant ended =
            LocalDateTime.parse(form.group(2), TIME)
                .toInstant(ZoneOffset.UTC)
                .plusNanos(
                    Long.parseLong(
                        (Objects.requireNonNullElse(form.group(3), "") + "000000000")
                            .substring(0, 9)));
        long prepared = form.group(1) == null ? xid : Long.parseLong(form.group(1));
        events.add(new Event(record, prepared, ended, type.startsWith("COMMIT"), null));
      }
      case "RESTORE_POINT" -> events.add(new Event(record, 0, null, true, text));
      default -> {}
    }
  }

  private static ClusterIdentity identity(PostgresServer server, int major) throws SQLException {
    return new ClusterIdentity(
        Long.parseUnsignedLong(
            server.query("postgres", "SELECT system_identifier FROM pg_control_system()")),
        major,
        new WalSegmentSize(1 << 20));
  }

  private static Path walFolder(PostgresServer server) {
    return server.dataDirectory().resolve("pg_wal");
  }

  private static List<WalSegment> segments(PostgresServer server, ClusterIdentity cluster)
      throws IOException, SQLException {
    String current =
        server.query("postgres", "SELECT pg_walfile_name(pg_current_wal_insert_lsn())");
    try (Stream<Path> files = Files.list(walFolder(server))) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> WalSegment.isName(name) && name.compareTo(current) <= 0)
          .sorted()
          .map(name -> WalSegment.parse(name, cluster.segmentSize()))
          .toList();
    }
  }
}
