package com.thorbis.backup.postgres.wal;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.page.PageLsnJudge;
import com.thorbis.backup.postgres.page.RelationFiles;
import com.thorbis.backup.postgres.wal.ChangedBlocks.FileChanges;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Real servers' logs: every page that differs between two states must be among the changed. */
class BlockSummarizerIT {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final long SEED = 20_261_125;
  private static final Timeline ONE = new Timeline(1);
  private static final WalSegmentSize SIZE = new WalSegmentSize(1 << 20);
  private static final int PAGE = 8192;

  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void everyPageThatDiffersIsAmongTheChanged(PostgresBinaries binaries) throws Exception {
    PostgresServer.Builder builder =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .walSegmentMebibytes(1)
            .setting("wal_level", "replica")
            .setting("wal_keep_size", "20GB")
            .setting("max_wal_size", "20GB")
            .setting("max_prepared_transactions", "5")
            .setting("autovacuum_naptime", "1s")
            .setting("shared_buffers", "16MB")
            .setting("fsync", "off");
    if (binaries.major() >= 17) {
      builder.setting("summarize_wal", "on");
    }
    try (PostgresServer server = builder.start()) {
      server.createTablespace("side", folder.resolve("side"));
      Workload workload = new Workload(server, new Random(SEED + binaries.major()));
      workload.prepare();
      server.execute("postgres", "CHECKPOINT");
      Lsn first = redo(server);
      int differing = 0;
      int rounds = RELEASE ? 6 : 2;
      for (int round = 0; round < rounds; round++) {
        server.stop();
        Path before = folder.resolve("before");
        delete(before);
        copy(server.dataDirectory(), before);
        Lsn start = redo(server);
        server.start();
        workload.run(RELEASE ? 3 : 1);
        server.stop();
        ChangedBlocks changed = changed(server, start, redo(server));
        differing += assertNothingIsMissed(server.dataDirectory(), before, changed);
        server.start();
      }
      assertThat(differing).isGreaterThan(1000);
      if (binaries.major() >= 17) {
        assertAgreesWithTheServer(server, first);
      }
    }
  }

  /** Returns how many pages differ. */
  private static int assertNothingIsMissed(Path now, Path before, ChangedBlocks changed)
      throws IOException {
    int differing = 0;
    int files = 0;
    List<String> missed = new ArrayList<>();
    for (Path file : files(now)) {
      String path = now.relativize(file).toString();
      var fork = RelationFiles.mainFork(path);
      if (fork.isEmpty() || Files.exists(file.resolveSibling(file.getFileName() + "_init"))) {
        continue; // what is not logged is not backed up
      }
      files++;
      FileChanges changes = changed.file(fork.get().relation(), fork.get().segment());
      byte[] is = Files.readAllBytes(file);
      byte[] was =
          Files.exists(before.resolve(path))
              ? Files.readAllBytes(before.resolve(path))
              : new byte[0];
      for (int at = 0; at < is.length; at += PAGE) {
        byte[] page = Arrays.copyOfRange(is, at, at + PAGE);
        byte[] old = at < was.length ? Arrays.copyOfRange(was, at, at + PAGE) : new byte[PAGE];
        if (same(page, old)) {
          continue;
        }
        differing++;
        if (!changes.contains(at / PAGE)) {
          missed.add(path + " page " + at / PAGE + " of " + is.length / PAGE);
        }
      }
      if (is.length < was.length) {
        assertThat(changes.from()).as(path + " was cut").isLessThanOrEqualTo(is.length / PAGE);
      }
    }
    assertThat(missed).isEmpty();
    assertThat(files).isGreaterThan(500);
    assertThat(changed.isEverything()).isFalse();
    return differing;
  }

  /** Whether two states differ by hints alone; that all of a page is visible is no hint here. */
  private static boolean same(byte[] page, byte[] old) {
    if (Arrays.equals(page, old)) {
      return true;
    }
    int flag = 4;
    return (page[10] & flag) == (old[10] & flag)
        && new PageLsnJudge(new Lsn(0), false, 0)
            .same(0, ByteBuffer.wrap(page), ByteBuffer.wrap(old));
  }

  private void assertAgreesWithTheServer(PostgresServer server, Lsn from) throws Exception {
    server.execute("postgres", "CHECKPOINT");
    Lsn to = redo(server);
    String covering = "FROM pg_available_wal_summaries() WHERE start_lsn >= '" + from + "'::pg_lsn";
    server.awaitTrue(
        "postgres",
        "SELECT max(end_lsn) >= '" + to + "'::pg_lsn " + covering,
        Duration.ofSeconds(60));
    String[] range =
        server.query("postgres", "SELECT min(start_lsn), max(end_lsn) " + covering).split("\\|");
    ChangedBlocks ours = changed(server, Lsn.parse(range[0]), Lsn.parse(range[1]));
    int seen = 0;
    ChangedBlocks theirs = new ChangedBlocks();
    for (String row :
        server.rows(
            "postgres",
            "SELECT c.reltablespace, c.reldatabase, c.relfilenode, c.relblocknumber,"
                + " c.is_limit_block FROM (SELECT * "
                + covering
                + ") s, pg_wal_summary_contents(s.tli, s.start_lsn, s.end_lsn) c"
                + " WHERE c.relforknumber = 0")) {
      String[] columns = row.split("\\|");
      ChangedBlocks.Relation relation =
          new ChangedBlocks.Relation(oid(columns[0]), oid(columns[1]), oid(columns[2]));
      long block = Long.parseLong(columns[3]);
      if (relation.number() == 0) {
        theirs.database(relation.tablespace(), relation.database());
        assertThat(ours.file(relation, 0).whole()).as(row).isTrue();
      } else if (columns[4].equals("t")) {
        theirs.limit(relation.tablespace(), relation.database(), relation.number(), (int) block);
        assertThat(ours.file(relation, 0).from()).as(row).isLessThanOrEqualTo(block);
      } else {
        theirs.block(relation.tablespace(), relation.database(), relation.number(), (int) block);
        assertThat(ours.file(relation, 0).contains(block)).as(row).isTrue();
        seen++;
      }
    }
    assertThat(seen).isGreaterThan(500);
    // And no more than that, but for what a limit takes in.
    for (ChangedBlocks.Relation relation : ours.relations()) {
      FileChanges all = theirs.file(relation, 0);
      assertThat(ours.file(relation, 0).pages().stream().allMatch(all::contains))
          .as(relation.toString())
          .isTrue();
      assertThat(ours.limit(relation) < 0 || all.from() <= ours.limit(relation))
          .as(relation.toString())
          .isTrue();
    }
  }

  private static int oid(String text) {
    return (int) Long.parseLong(text);
  }

  /** What the log of a data directory changed. */
  static ChangedBlocks changed(PostgresServer server, Lsn from, Lsn to) throws IOException {
    ClusterIdentity cluster =
        new ClusterIdentity(control(server).getLong(0), server.binaries().major(), SIZE);
    BlockSummarizer blocks = new BlockSummarizer(cluster, ONE, from, 1L << 40, span -> {});
    WalSegment segment = WalSegment.containing(ONE, from, SIZE);
    WalReader reader = new WalReader(cluster, ONE, segment.start(), blocks);
    Random random = new Random(SEED);
    for (; segment.start().compareTo(to) < 0; segment = segment.next()) {
      ByteBuffer content =
          ByteBuffer.wrap(
              Files.readAllBytes(
                  server.dataDirectory().resolve("pg_wal").resolve(segment.fileName())));
      if (segment.end().compareTo(to) > 0) {
        content.limit((int) (to.value() - segment.start().value()));
      }
      while (content.hasRemaining()) {
        int step = 1 + random.nextInt(random.nextBoolean() ? 100 : 100_000);
        int length = Math.min(step, content.remaining());
        reader.feed(content.slice(content.position(), length));
        content.position(content.position() + length);
      }
      assertThat(reader.stop()).as(segment.fileName()).isEmpty();
    }
    BlockSummary summary = blocks.rest().orElseThrow();
    assertThat(summary.start()).isEqualTo(from);
    BlockSummary again = BlockSummary.decode(summary.encode()).orElseThrow();
    assertThat(again.encode()).isEqualTo(summary.encode());
    return again.changed();
  }

  /** Where the last checkpoint begins, as the control file says it. */
  private static Lsn redo(PostgresServer server) throws IOException {
    return new Lsn(control(server).getLong(40));
  }

  private static ByteBuffer control(PostgresServer server) throws IOException {
    return ByteBuffer.wrap(
            Files.readAllBytes(server.dataDirectory().resolve("global").resolve("pg_control")))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  private static List<Path> files(Path root) throws IOException {
    try (Stream<Path> all = Files.walk(root, FileVisitOption.FOLLOW_LINKS)) {
      return all.filter(Files::isRegularFile).toList();
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    for (Path file : files(from)) {
      Path target = to.resolve(from.relativize(file).toString());
      if (RelationFiles.isMainFork(from.relativize(file).toString())) {
        Files.createDirectories(target.getParent());
        Files.copy(file, target);
      }
    }
  }

  private static void delete(Path root) throws IOException {
    if (Files.exists(root)) {
      try (Stream<Path> all = Files.walk(root)) {
        for (Path path : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
          Files.delete(path);
        }
      }
    }
  }
}
