package com.thorbis.backup.postgres.page;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Clusters of real servers: every page is right until a byte is changed. */
class PageChecksumsIT {
  private static final int PIECE = 1 << 20;
  private static final long SEED = 20_261_123;

  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void everyPlantedFlipIsFoundAndNothingElse(PostgresBinaries binaries) throws Exception {
    Path data = folder.resolve("data");
    try (PostgresServer server =
        PostgresServer.builder(binaries).dataDirectory(data).checksums(true).start()) {
      server.createTablespace("apart", folder.resolve("apart"));
      server.execute(
          "postgres",
          "CREATE TABLE t AS SELECT g AS n, md5(g::text) AS s FROM generate_series(1, 50000) g",
          "CREATE INDEX ON t (s)",
          "CREATE TABLE a (n int, s text) TABLESPACE apart",
          "INSERT INTO a SELECT * FROM t",
          "CREATE UNLOGGED TABLE u AS SELECT * FROM t LIMIT 10",
          "DELETE FROM t WHERE n % 7 = 0",
          "VACUUM t",
          "CREATE DATABASE other");
      server.stop();
      PageChecksums sound = checkAll(data);
      assertThat(sound.failures()).isEmpty();

      List<Path> relations = relations(data);
      assertThat(relations.stream().map(data::relativize).map(Path::toString))
          .anyMatch(path -> path.endsWith("_fsm"))
          .anyMatch(path -> path.endsWith("_vm"))
          .anyMatch(path -> path.endsWith("_init"))
          .anyMatch(path -> path.startsWith("global/"))
          .anyMatch(path -> path.startsWith("pg_tblspc/"));
      Random random = new Random(SEED);
      Collections.shuffle(relations, random);
      List<String> planted = new ArrayList<>();
      for (Path file : relations.subList(0, 40)) {
        byte[] bytes = Files.readAllBytes(file);
        int page = random.nextInt(bytes.length / PageChecksum.PAGE);
        // Not in the page's log position, which says when it was changed.
        int at = page * PageChecksum.PAGE + 8 + random.nextInt(PageChecksum.PAGE / 2 - 8);
        bytes[at] ^= (byte) (1 << random.nextInt(8));
        Files.write(file, bytes);
        planted.add(data.relativize(file) + " " + page);
      }
      PageChecksums damaged = checkAll(data);
      assertThat(damaged.failures().stream().map(f -> f.file() + " " + f.block()))
          .containsExactlyInAnyOrderElementsOf(planted);
      if (binaries.has("pg_checksums")) {
        assertThat(pgChecksums(binaries, data)).isEqualTo(damaged.failed());
      }
    }
  }

  private static PageChecksums checkAll(Path data) throws IOException {
    PageChecksums checksums = new PageChecksums(new Lsn(-1));
    for (Path file : relations(data)) {
      PieceCheck check = checksums.forFile(data.relativize(file).toString());
      ByteBuffer content = ByteBuffer.wrap(Files.readAllBytes(file)).asReadOnlyBuffer();
      for (int offset = 0; offset < content.limit(); offset += PIECE) {
        check.check(offset, content.slice(offset, Math.min(PIECE, content.limit() - offset)));
      }
    }
    return checksums;
  }

  private static List<Path> relations(Path data) throws IOException {
    try (Stream<Path> files = Files.walk(data, java.nio.file.FileVisitOption.FOLLOW_LINKS)) {
      return files
          .filter(Files::isRegularFile)
          .filter(file -> RelationFiles.firstBlock(data.relativize(file).toString()).isPresent())
          .filter(file -> file.toFile().length() > 0)
          .sorted()
          .collect(java.util.stream.Collectors.toCollection(ArrayList::new));
    }
  }

  private static long pgChecksums(PostgresBinaries binaries, Path data) throws Exception {
    Process process =
        new ProcessBuilder(
                binaries.tool("pg_checksums").toString(), "--check", "-D", data.toString())
            .redirectErrorStream(true)
            .start();
    List<String> lines = process.inputReader().lines().toList();
    process.waitFor();
    return lines.stream().filter(line -> line.contains("checksum verification failed")).count();
  }
}
