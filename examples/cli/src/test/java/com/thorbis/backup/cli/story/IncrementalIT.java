package com.thorbis.backup.cli.story;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Incremental backups of real servers: what they restore is compared, byte by byte, with a full
 * backup of the same state.
 */
class IncrementalIT {
  private static final long SEGMENT = 1L << 30;

  /** Of a long relation. */
  private static final int FULL_SEGMENTS = Boolean.getBoolean("thorbis.release") ? 3 : 1;

  @TempDir Path folder;

  private Workbench bench;

  @BeforeEach
  void prepare() throws IOException {
    bench = new Workbench(folder);
  }

  @AfterEach
  void close() throws Exception {
    bench.close();
  }

  /** Every way to know what changed; before a release, more versions of them. */
  static Stream<Arguments> ways() {
    boolean either = random().nextBoolean();
    boolean release = Boolean.getBoolean("thorbis.release");
    return Stream.of(
            Optional.of(arguments(15, true, "replication", "page-lsn")),
            Optional.of(arguments(15, false, "replication", "wal-map")),
            Optional.of(arguments(17, false, "replication", "wal-summaries"))
                .filter(it -> release || either),
            Optional.of(arguments(18, true, "replication", "wal-summaries"))
                .filter(it -> release || !either),
            Optional.of(arguments(15, true, "local", "wal-map")).filter(it -> release || either),
            Optional.of(arguments(16, false, "local", "wal-map")).filter(it -> release || !either))
        .flatMap(Optional::stream);
  }

  private static Random random() {
    long seed = Long.getLong("thorbis.seed", System.nanoTime());
    System.out.println("IncrementalIT: -Dthorbis.seed=" + seed);
    return new Random(seed);
  }

  @ParameterizedTest
  @MethodSource("ways")
  void w22ARandomWorkloadIsRestoredAsAFullBackupIs(
      int major, boolean checksums, String reader, String detection) throws Exception {
    Random random = random();
    PostgresServer server = start(major, checksums);
    ThorbisBackup thorbis = bench.thorbis(server, reader);
    server.createTablespace("spare", folder.resolve("spare"));
    server.execute(
        "postgres",
        "CREATE EXTENSION amcheck",
        "CREATE TABLE a (id int PRIMARY KEY, t text)",
        "CREATE TABLE b (id int, t text) TABLESPACE spare",
        "CREATE INDEX b_id ON b (id)",
        "INSERT INTO a SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 20000) g",
        "INSERT INTO b SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 8000) g");
    BackupDescriptor last = bench.take(thorbis, BackupType.FULL);
    assertThat(last.base()).isEmpty();
    for (int round = 1; round <= 4; round++) {
      for (int i = 0; i < 5; i++) {
        step(server, random, round * 10 + i);
      }
      BackupDescriptor next =
          bench.take(thorbis, round == 3 ? BackupType.DIFFERENTIAL : BackupType.INCREMENTAL);
      assertThat(next.warnings()).isEmpty();
      assertThat(next.base()).contains(round == 3 ? newestFull(thorbis).id() : last.id());
      assertThat(Workbench.attribute(thorbis, next, "postgres.change-detection"))
          .as("because %s", Workbench.attribute(thorbis, next, "postgres.change-detection-because"))
          .isEqualTo(detection);
      assertThat(next.bytesChanged()).isLessThan(next.bytes());
      last = next;
      if (round % 2 == 0) {
        last = compareWithFull(server, thorbis, last);
      }
    }
    String truth = server.query("postgres", DIGEST);
    assertThat(bench.started(thorbis, last, server, RestoreRequest.Action.PAUSE, DIGEST))
        .isEqualTo(truth);
  }

  /**
   * What each incremental backup leads to is, at its very end, what an independent full backup and
   * the whole log lead to: page by page, hints and free space aside.
   */
  @ParameterizedTest
  @CsvSource({"15, false, local, true", "17, true, sql, false", "17, true, replication, true"})
  void w22EveryPageIsWhatTheLogLeadsToAtTheEndOfEachIncremental(
      int major, boolean checksums, String reader, boolean underLoad) throws Exception {
    Random random = random();
    PostgresServer server = start(major, checksums);
    ThorbisBackup thorbis = bench.thorbis(server, reader);
    server.createTablespace("spare", folder.resolve("spare"));
    server.execute(
        "postgres",
        "CREATE TABLE a (id int PRIMARY KEY, t text)",
        "CREATE TABLE b (id int, t text) TABLESPACE spare",
        "CREATE INDEX b_id ON b (id)",
        "CREATE UNLOGGED TABLE u AS SELECT generate_series(1, 1000) AS id",
        "INSERT INTO a SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 20000) g",
        "INSERT INTO b SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 8000) g");
    try (AutoCloseable receiver = bench.receiving(thorbis)) {
      assertThat(receiver).isNotNull();
      server.awaitTrue(
          "postgres", "SELECT count(*) = 1 FROM pg_replication_slots", Duration.ofMinutes(1));
      BackupDescriptor full = bench.take(thorbis, BackupType.FULL);
      for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < 4; i++) {
          step(server, random, round * 10 + i);
        }
        BackupDescriptor next;
        if (underLoad) {
          try (AutoCloseable load = load(server, random.nextLong())) {
            assertThat(load).isNotNull();
            next = bench.take(thorbis, BackupType.INCREMENTAL);
          }
        } else {
          next = bench.take(thorbis, BackupType.INCREMENTAL);
        }
        assertThat(next.type()).isEqualTo(BackupType.INCREMENTAL);
        Path built = recovered(thorbis, next, new RecoveryTarget.Immediate());
        Path whole = recovered(thorbis, full, new RecoveryTarget.AtLsn(next.stopLsn(), false));
        RecoveredPages.assertSame(built, whole, next.stopLsn());
      }
    }
  }

  private static final int ROUNDS = Boolean.getBoolean("thorbis.release") ? 6 : 1;

  /** Changes tables until it is closed. */
  private static AutoCloseable load(PostgresServer server, long seed) throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    AtomicBoolean enough = new AtomicBoolean();
    FutureTask<Integer> task =
        new FutureTask<>(
            () -> {
              Random random = new Random(seed);
              int done = 0;
              while (!enough.get()) {
                int from = random.nextInt(20_000);
                server.execute(
                    "postgres",
                    "UPDATE a SET t = md5(t) WHERE id BETWEEN " + from + " AND " + (from + 50),
                    "INSERT INTO b SELECT g, md5(g::text) FROM generate_series(1, 200) g",
                    "DELETE FROM b WHERE id BETWEEN 50 AND 150",
                    random.nextInt(8) == 0 ? "VACUUM (TRUNCATE) b" : "SELECT 1",
                    random.nextInt(16) == 0 ? "TRUNCATE b" : "SELECT 1");
                done++;
                begun.countDown();
              }
              return done;
            });
    new Thread(task, "load").start();
    begun.await();
    return () -> {
      enough.set(true);
      assertThat(task.get()).isPositive();
    };
  }

  /** Recovered to a target, and stopped with everything written. */
  private Path recovered(ThorbisBackup thorbis, BackupDescriptor backup, RecoveryTarget target)
      throws Exception {
    Path data = bench.next();
    thorbis.restore(
        bench
            .request(thorbis, backup, data)
            .target(target)
            .action(RestoreRequest.Action.PROMOTE) // or what was replayed is not written
            .start(true)
            .build(),
        RunControl.unattended());
    RecoveryStoryIT.Story.stop(data);
    return data;
  }

  private static BackupDescriptor newestFull(ThorbisBackup thorbis) {
    return thorbis.backups(Optional.of("main")).stream()
        .filter(backup -> backup.type() == BackupType.FULL)
        .reduce((first, second) -> second)
        .orElseThrow();
  }

  private static final String DIGEST =
      "SELECT (SELECT count(*) || md5(string_agg(id || t, ',' ORDER BY id, t)) FROM a) || (SELECT"
          + " count(*) || coalesce(md5(string_agg(id || t, ',' ORDER BY id, t)), '') FROM b) ||"
          + " (SELECT count(bt_index_check(c.oid, true)) FROM pg_class c JOIN pg_am m ON m.oid ="
          + " c.relam WHERE c.relkind = 'i' AND m.amname = 'btree' AND c.relpersistence = 'p')";

  private static void step(PostgresServer server, Random random, int number) throws SQLException {
    int from = random.nextInt(20_000);
    switch (random.nextInt(9)) {
      case 0 ->
          server.execute(
              "postgres",
              "INSERT INTO b SELECT g, repeat(md5(random()::text), 8)"
                  + " FROM generate_series(1, 3000) g");
      case 1 ->
          server.execute(
              "postgres",
              "UPDATE a SET t = reverse(t) WHERE id BETWEEN " + from + " AND " + (from + 30));
      case 2 -> server.execute("postgres", "DELETE FROM b WHERE id > " + from / 3, "VACUUM b");
      case 3 -> server.execute("postgres", "TRUNCATE b");
      case 4 -> server.execute("postgres", "VACUUM FULL a");
      case 5 -> server.execute("postgres", "VACUUM (FREEZE) a");
      case 6 -> server.execute("postgres", "CREATE DATABASE d" + number + " STRATEGY file_copy");
      case 7 -> {
        for (String name :
            server.rows("postgres", "SELECT datname FROM pg_database WHERE datname ~ '^d[0-9]'")) {
          server.execute("postgres", "DROP DATABASE " + name);
        }
      }
      default ->
          server.execute(
              "postgres",
              "ALTER TABLE b SET TABLESPACE " + (random.nextBoolean() ? "spare" : "pg_default"));
    }
  }

  /**
   * Of the same state an incremental and a full backup: all files of all relations, and the states
   * of transactions, must be the same bytes. The first incremental one brings the hints to rest
   * that a backup's own queries set; only without checksums the server's summaries do not tell of
   * hints.
   */
  private BackupDescriptor compareWithFull(
      PostgresServer server, ThorbisBackup thorbis, BackupDescriptor last) throws Exception {
    bench.take(thorbis, BackupType.INCREMENTAL);
    BackupDescriptor incremental = bench.take(thorbis, BackupType.INCREMENTAL);
    BackupDescriptor full = bench.take(thorbis, BackupType.FULL);
    assertThat(incremental.type()).isEqualTo(BackupType.INCREMENTAL);
    assertThat(incremental.bytesStored()).isLessThan(full.bytesStored() / 2);
    Map<String, byte[]> built = tree(bench.laid(thorbis, incremental, server));
    Map<String, byte[]> whole = tree(bench.laid(thorbis, full, server));
    assertThat(built.keySet()).isEqualTo(whole.keySet());
    boolean hintsAside =
        Workbench.attribute(thorbis, incremental, "postgres.change-detection").startsWith("wal-")
            && Workbench.attribute(thorbis, incremental, "postgres.data-checksums").equals("off");
    for (Map.Entry<String, byte[]> file : whole.entrySet()) {
      if (hintsAside) {
        withoutHints(built.get(file.getKey()));
        withoutHints(file.getValue());
      }
      int difference = Arrays.mismatch(built.get(file.getKey()), file.getValue());
      assertThat(difference)
          .as("%s differs in block %d", file.getKey(), difference / 8192)
          .isEqualTo(-1);
    }
    assertThat(last.startLsn()).isLessThan(incremental.startLsn());
    return incremental;
  }

  /** Takes out of pages what is set without a trace: not the all-visible flag. */
  private static void withoutHints(byte[] file) {
    ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    for (int page = 0; page + 8192 <= file.length; page += 8192) {
      int lower = bytes.getShort(page + 12) & 0xFFFF;
      int upper = bytes.getShort(page + 14) & 0xFFFF;
      if (lower < 24 || lower > upper || upper > 8192) {
        continue;
      }
      bytes.putShort(page + 10, (short) (bytes.getShort(page + 10) & ~3));
      bytes.putInt(page + 20, 0);
      int special = bytes.getShort(page + 16) & 0xFFFF;
      if (special == 8192 - 16) { // of a B-tree: that some items are known to be dead
        int flags = page + special + 12;
        bytes.putShort(flags, (short) (bytes.getShort(flags) & ~0x0040));
      }
      for (int at = page + 24; at + 4 <= page + lower; at += 4) {
        int item = bytes.getInt(at);
        int tuple = item & 0x7FFF;
        bytes.putInt(at, item & ~(3 << 15));
        if (tuple >= upper && item >>> 17 >= 22 && tuple + (item >>> 17) <= 8192) {
          int info = bytes.getShort(page + tuple + 20) & ~0x0F00;
          bytes.putShort(page + tuple + 20, (short) info);
        }
      }
    }
  }

  private static Map<String, byte[]> tree(Path data) throws IOException {
    Map<String, byte[]> files = new TreeMap<>();
    for (String part : List.of("base", "global", "pg_xact", "pg_multixact")) {
      add(files, data, data.resolve(part), part);
    }
    try (Stream<Path> links = Files.list(data.resolve("pg_tblspc"))) {
      for (Path link : links.toList()) {
        add(files, link.toRealPath(), link.toRealPath(), "tablespace");
      }
    }
    files.remove("global/pg_control");
    return files;
  }

  private static void add(Map<String, byte[]> files, Path root, Path from, String part)
      throws IOException {
    try (Stream<Path> all = Files.walk(from)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        String name = root.relativize(file).toString();
        files.put(part.equals("tablespace") ? part + "/" + name : name, Files.readAllBytes(file));
      }
    }
  }

  @Test
  void theAllVisibleFlagIsNotLostWithoutChecksums() throws Exception {
    PostgresServer server = start(15, false);
    ThorbisBackup thorbis = bench.thorbis(server, "replication");
    server.execute(
        "postgres",
        "CREATE EXTENSION pageinspect",
        "CREATE TABLE v (id int)",
        "INSERT INTO v SELECT generate_series(1, 5000)",
        "CREATE INDEX v_id ON v (id)",
        // All hints are set before the backup, so that VACUUM changes nothing but the flag.
        "SELECT count(*) FROM v",
        "CHECKPOINT");
    String page = "SELECT lsn || ' ' || (flags & 4) FROM page_header(get_raw_page('v', 3))";
    String before = server.query("postgres", page);
    bench.take(thorbis, BackupType.FULL);
    server.execute("postgres", "VACUUM v", "CHECKPOINT");
    String after = server.query("postgres", page);
    assertThat(before).endsWith(" 0");
    assertThat(after).endsWith(" 4").startsWith(before.substring(0, before.length() - 1));

    BackupDescriptor next = bench.take(thorbis, BackupType.INCREMENTAL);

    assertThat(Workbench.attribute(thorbis, next, "postgres.change-detection"))
        .isEqualTo("wal-map");
    String deleted =
        bench.started(
            thorbis,
            next,
            server,
            RestoreRequest.Action.PROMOTE,
            "SELECT (flags & 4)::text FROM page_header(get_raw_page('v', 3))",
            "DELETE FROM v WHERE id BETWEEN 600 AND 699 RETURNING 1",
            "SET enable_seqscan = off",
            "SET enable_bitmapscan = off",
            "SELECT count(id) FROM v WHERE id BETWEEN 1 AND 4999");
    assertThat(deleted).isEqualTo("4899");
  }

  @ParameterizedTest
  @CsvSource({"15, true", "17, false"})
  void aFileThatShrankAndGrewAndHasZeroPages(int major, boolean checksums) throws Exception {
    PostgresServer server = start(major, checksums);
    ThorbisBackup thorbis = bench.thorbis(server, "replication");
    server.execute(
        "postgres",
        "CREATE TABLE s (id int, t text) WITH (autovacuum_enabled = off)",
        "INSERT INTO s SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g",
        "CHECKPOINT");
    BackupDescriptor full = bench.take(thorbis, BackupType.FULL);
    assertThat(full.type()).isEqualTo(BackupType.FULL);
    String file = server.query("postgres", "SELECT pg_relation_filepath('s')");
    server.execute("postgres", "DELETE FROM s WHERE id > 3000", "VACUUM (TRUNCATE) s");
    assertThat(server.query("postgres", "SELECT pg_relation_size('s') < 2000000")).isEqualTo("t");
    server.execute(
        "postgres",
        "INSERT INTO s SELECT g, repeat('y', 700) FROM generate_series(1, 9000) g",
        "CHECKPOINT");
    assertThat(server.query("postgres", "SELECT pg_relation_filepath('s')")).isEqualTo(file);
    BackupDescriptor next = bench.take(thorbis, BackupType.INCREMENTAL);
    assertThat(next.base()).contains(full.id());
    next = compareWithFull(server, thorbis, next);

    server.stop();
    Files.write(
        server.dataDirectory().resolve(file), new byte[5 * 8192], StandardOpenOption.APPEND);
    server.start();
    next = compareWithFull(server, thorbis, next);
    server.execute(
        "postgres", "INSERT INTO s SELECT g, repeat('z', 900) FROM generate_series(1, 99) g");
    compareWithFull(server, thorbis, next);
  }

  private static IntStream majorsWithLongRelations() {
    return Boolean.getBoolean("thorbis.release") ? IntStream.of(14, 15, 17, 18) : IntStream.of(17);
  }

  @ParameterizedTest
  @MethodSource("majorsWithLongRelations")
  void aRelationOfSeveralSegmentFilesIsRestoredAsAFullBackupIs(int major) throws Exception {
    PostgresServer server = start(major, true);
    ThorbisBackup thorbis = bench.thorbis(server, "replication");
    server.execute(
        "postgres",
        "CREATE TABLE l (id int, t text) WITH (autovacuum_enabled = off)",
        "INSERT INTO l SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 5000) g",
        "CHECKPOINT");
    String file = server.query("postgres", "SELECT pg_relation_filepath('l')");
    server.stop();
    // Pages of zeros, as a crash while a relation grows leaves them, up to the end of a segment.
    for (String segment : segments(file).subList(0, FULL_SEGMENTS)) {
      try (RandomAccessFile pages =
          new RandomAccessFile(server.dataDirectory().resolve(segment).toFile(), "rw")) {
        pages.setLength(SEGMENT);
      }
    }
    server.start();
    server.execute(
        "postgres",
        "INSERT INTO l SELECT g, repeat(md5(g::text), 8) FROM generate_series(5001, 20000) g",
        "CHECKPOINT");
    assertThat(server.dataDirectory().resolve(file + "." + FULL_SEGMENTS)).isNotEmptyFile();
    BackupDescriptor full = bench.take(thorbis, BackupType.FULL);
    assertThat(full.bytes()).isGreaterThan(FULL_SEGMENTS * SEGMENT);

    server.execute(
        "postgres",
        "UPDATE l SET t = reverse(t) WHERE id % 1000 = 7",
        "INSERT INTO l SELECT g, repeat(md5(g::text), 8) FROM generate_series(20001, 21000) g");
    assertThat(bench.take(thorbis, BackupType.INCREMENTAL).base()).contains(full.id());
    compareLong(server, thorbis, file);

    server.execute(
        "postgres",
        "DELETE FROM l WHERE id > 3000 OR id % 1000 = 7",
        "VACUUM (TRUNCATE) l",
        "CHECKPOINT");
    assertThat(Files.size(server.dataDirectory().resolve(file))).isLessThan(SEGMENT);
    for (String segment : segments(file).subList(1, FULL_SEGMENTS + 1)) {
      assertThat(server.dataDirectory().resolve(segment)).isEmptyFile();
    }
    BackupDescriptor last = compareLong(server, thorbis, file);

    String rows = "SELECT count(*) || md5(string_agg(id || t, ',' ORDER BY id)) FROM l";
    assertThat(bench.started(thorbis, last, server, RestoreRequest.Action.PAUSE, rows))
        .isEqualTo(server.query("postgres", rows));
  }

  /** As {@link #compareWithFull} does, of one relation that is too long to be held in memory. */
  private BackupDescriptor compareLong(PostgresServer server, ThorbisBackup thorbis, String file)
      throws Exception {
    bench.take(thorbis, BackupType.INCREMENTAL);
    BackupDescriptor incremental = bench.take(thorbis, BackupType.INCREMENTAL);
    assertThat(incremental.type()).isEqualTo(BackupType.INCREMENTAL);
    BackupDescriptor full = bench.take(thorbis, BackupType.FULL);
    Path built = bench.laid(thorbis, incremental, server);
    Path whole = bench.laid(thorbis, full, server);
    for (String segment : segments(file)) {
      assertThat(Files.mismatch(built.resolve(segment), whole.resolve(segment)))
          .as(segment)
          .isEqualTo(-1);
    }
    return incremental;
  }

  private static List<String> segments(String file) {
    List<String> segments = new ArrayList<>(List.of(file));
    for (int i = 1; i <= FULL_SEGMENTS; i++) {
      segments.add(file + "." + i);
    }
    return segments;
  }

  @Test
  void aRestartLeavesPagesToTheLog() throws Exception {
    PostgresServer server = start(15, true);
    ThorbisBackup thorbis = bench.thorbis(server, "replication");
    bench.take(thorbis, BackupType.FULL);
    server.restart();
    BackupDescriptor next = bench.take(thorbis, BackupType.INCREMENTAL);
    assertThat(Workbench.attribute(thorbis, next, "postgres.change-detection"))
        .isEqualTo("wal-map");
    assertThat(bench.notes()).anyMatch(note -> note.contains("restarted since"));
    BackupDescriptor again = bench.take(thorbis, BackupType.INCREMENTAL);
    assertThat(again.base()).contains(next.id());
    assertThat(Workbench.attribute(thorbis, again, "postgres.change-detection"))
        .isEqualTo("page-lsn");
    assertThat(Workbench.attribute(thorbis, again, "postgres.cross-check")).isEqualTo("sample");
  }

  @Test
  void checksumsThatWereSwitchedOnMakeItFull() throws Exception {
    PostgresServer server = start(15, false);
    ThorbisBackup thorbis = bench.thorbis(server, "replication");
    bench.take(thorbis, BackupType.FULL);
    server.stop();
    RecoveryStoryIT.Story.asOwner(
        server.dataDirectory(),
        server.binaries().tool("pg_checksums"),
        "--enable",
        "-D",
        server.dataDirectory().toString());
    server.start();
    BackupDescriptor next = bench.take(thorbis, BackupType.INCREMENTAL);
    assertThat(next.type()).isEqualTo(BackupType.FULL);
    assertThat(next.status()).isEqualTo(BackupStatus.COMPLETED_WITH_WARNING);
    assertThat(next.warnings()).anyMatch(text -> text.contains("data_checksums was off and is on"));
  }

  @Test
  void aBaseOnAnAbandonedBranchMakesItFull() throws Exception {
    PostgresServer primary = start(15, true);
    primary.stop();
    Path copy = folder.resolve("standby");
    copy(primary.dataDirectory(), copy);
    Files.createFile(copy.resolve("standby.signal"));
    primary.start();
    ThorbisBackup before = bench.thorbis(primary, "replication");
    primary.execute("postgres", "CREATE TABLE lost AS SELECT generate_series(1, 1000) AS id");
    BackupDescriptor left = bench.take(before, BackupType.FULL);
    before.close();
    primary.stop();

    PostgresServer standby = PostgresServer.builder(primary.binaries()).dataDirectory(copy).adopt();
    standby.start();
    bench.keep(standby);
    standby.query("postgres", "SELECT pg_promote()");
    ThorbisBackup after = bench.thorbis(standby, "replication");
    BackupDescriptor next = bench.take(after, BackupType.INCREMENTAL);
    assertThat(next.type()).isEqualTo(BackupType.FULL);
    assertThat(next.timeline().number()).isEqualTo(2);
    assertThat(next.warnings())
        .anyMatch(text -> text.contains(left.id() + " cannot be built on: it ends at "));
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> all = Files.walk(from)) {
      for (Path one : all.toList()) {
        Path target = to.resolve(from.relativize(one));
        if (Files.isDirectory(one)) {
          Files.createDirectory(target);
          Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("rwx------"));
        } else {
          Files.copy(one, target);
        }
      }
    }
  }

  @Test
  void withoutSummariesEverythingIsReadAndItSaysWhy() throws Exception {
    PostgresServer server = start(17, true);
    ThorbisBackup thorbis = bench.thorbis(server, "replication");
    server.execute("postgres", "CREATE TABLE t AS SELECT generate_series(1, 20000) AS id");
    bench.take(thorbis, BackupType.FULL);
    server.execute("postgres", "UPDATE t SET id = -id WHERE id % 100 = 0", "CHECKPOINT");
    String redo = server.query("postgres", "SELECT redo_lsn FROM pg_control_checkpoint()");
    server.awaitTrue(
        "postgres",
        "SELECT summarized_lsn >= '" + redo + "' FROM pg_get_wal_summarizer_state()",
        Duration.ofMinutes(1));
    try (Stream<Path> summaries = Files.list(server.dataDirectory().resolve("pg_wal/summaries"))) {
      for (Path summary : summaries.toList()) {
        Files.delete(summary);
      }
    }
    BackupDescriptor missing = bench.take(thorbis, BackupType.INCREMENTAL);
    assertThat(missing.type()).isEqualTo(BackupType.INCREMENTAL);
    assertThat(missing.warnings()).isEmpty();
    assertThat(Workbench.attribute(thorbis, missing, "postgres.change-detection"))
        .isEqualTo("page-lsn");
    assertThat(Workbench.attribute(thorbis, missing, "postgres.change-detection-because"))
        .contains("the server cannot say what changed");

    server.execute("postgres", "ALTER SYSTEM SET summarize_wal = off", "SELECT pg_reload_conf()");
    server.awaitTrue(
        "postgres",
        "SELECT setting = 'off' FROM pg_settings WHERE name = 'summarize_wal'",
        Duration.ofSeconds(30));
    BackupDescriptor off = bench.take(thorbis, BackupType.INCREMENTAL);
    assertThat(off.base()).contains(missing.id());
    assertThat(Workbench.attribute(thorbis, off, "postgres.change-detection-because"))
        .isEqualTo("summarize_wal is off");
    compareWithFull(server, thorbis, off);
  }

  @Test
  void theBaseMayBeOfAnotherCodec() throws Exception {
    PostgresServer server = start(17, false);
    ThorbisBackup lz4 = bench.thorbis(server, "repo", "lz4", "replication", "postgres");
    server.execute("postgres", "CREATE TABLE t AS SELECT generate_series(1, 20000) AS id");
    bench.take(lz4, BackupType.FULL);
    lz4.close();
    server.execute("postgres", "UPDATE t SET id = -id WHERE id % 100 = 0");
    ThorbisBackup zstd = bench.thorbis(server, "replication");
    bench.take(zstd, BackupType.INCREMENTAL);
    zstd.close();
    server.execute("postgres", "UPDATE t SET id = -id WHERE id % 77 = 0");
    ThorbisBackup again = bench.thorbis(server, "repo", "lz4", "replication", "postgres");
    compareWithFull(server, again, bench.take(again, BackupType.INCREMENTAL));
  }

  private PostgresServer start(int major, boolean checksums) throws IOException {
    PostgresBinaries binaries = Workbench.binaries(major);
    PostgresServer.Builder builder =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(checksums)
            .setting("autovacuum", "off")
            // Nobody receives: what lies between two backups comes from the server, which may
            // remove it at the checkpoint that begins the second one.
            .setting("wal_keep_size", "512MB");
    if (major >= 17) {
      builder.setting("summarize_wal", "on");
    }
    return bench.keep(builder.start());
  }
}
