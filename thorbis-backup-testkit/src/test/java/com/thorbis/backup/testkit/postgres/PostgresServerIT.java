package com.thorbis.backup.testkit.postgres;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PostgresServerIT {
  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  @Test
  void everySupportedVersionIsHere() {
    assertThat(versions()).extracting(PostgresBinaries::major).contains(14, 15, 16, 17, 18);
  }

  @ParameterizedTest
  @MethodSource("versions")
  void committedRowsSurviveACrashOfTheServer(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .walSegmentMebibytes(1)
            .setting("work_mem", "5MB")
            .start()) {
      assertThat(server.query("postgres", "SHOW server_version_num"))
          .startsWith(Integer.toString(binaries.major()));
      assertThat(server.query("postgres", "SHOW data_checksums")).isEqualTo("on");
      assertThat(server.query("postgres", "SHOW wal_segment_size")).isEqualTo("1MB");
      assertThat(server.query("postgres", "SHOW work_mem")).isEqualTo("5MB");
      server.execute("postgres", "CREATE TABLE t (n int)", "INSERT INTO t VALUES (7)");

      server.kill9();
      assertThat(server.isRunning()).isFalse();
      server.start();

      assertThat(server.rows("postgres", "SELECT n, NULL FROM t")).containsExactly("7|");
      assertThat(server.logTail()).contains("automatic recovery in progress");
      server.restart();
      assertThat(server.query("postgres", "SELECT n FROM t")).isEqualTo("7");
    }
  }

  @ParameterizedTest
  @MethodSource("versions")
  void checksumsCanBeOff(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(false)
            .start()) {
      assertThat(server.query("postgres", "SHOW data_checksums")).isEqualTo("off");
    }
  }

  @Test
  void configurationCanLieApart() throws Exception {
    Path config = folder.resolve("config");
    try (PostgresServer server =
        newest().configDirectory(config).setting("log_line_prefix", "it's %p ").start()) {
      assertThat(server.query("postgres", "SHOW hba_file"))
          .isEqualTo(config.resolve("pg_hba.conf").toString());
      assertThat(server.query("postgres", "SHOW log_line_prefix")).isEqualTo("it's %p ");
      assertThat(server.dataDirectory().resolve("postgresql.conf")).doesNotExist();
    }
  }

  @Test
  void passwordIsAskedForAndTlsIsOffered() throws Exception {
    try (PostgresServer server = newest().password("s3cret").ssl().start()) {
      assertThat(
              server.query("postgres", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
          .isEqualTo("t");
      assertThatThrownBy(() -> server.connect("postgres", "postgres", "wrong").close())
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("password");
    }
  }

  @Test
  void directoryOfAnotherServerCanBeAdopted() throws Exception {
    try (PostgresServer first = newest().start()) {
      first.execute("postgres", "CREATE TABLE t AS SELECT 1 AS n");
      first.stop();
      Path copy = folder.resolve("copy");
      copyTree(first.dataDirectory(), copy);
      first.start();
      try (PostgresServer second =
          PostgresServer.builder(PostgresBinaries.newest())
              .dataDirectory(copy)
              .setting("work_mem", "6MB")
              .adopt()) {
        second.start();
        assertThat(second.port()).isNotEqualTo(first.port());
        assertThat(second.query("postgres", "SELECT n FROM t")).isEqualTo("1");
        assertThat(second.query("postgres", "SHOW work_mem")).isEqualTo("6MB");
      }
    }
  }

  @Test
  void failedStartShowsTheLog() {
    assertThatThrownBy(() -> newest().setting("shared_buffers", "many").start())
        .isInstanceOf(IOException.class)
        .hasMessageContaining("invalid value for parameter \"shared_buffers\"");
  }

  @Test
  void closeWaitsForNoClientAndLeavesNoProcess() throws Exception {
    PostgresServer server = newest().start();
    long pid = server.pid();
    try (Connection open = server.connect("postgres")) {
      assertThat(open.isValid(5)).isTrue();
      server.close();
    }
    assertThat(ProcessHandle.of(pid)).isEmpty();
    assertThat(server.socketDirectory()).doesNotExist();
    assertThat(server.dataDirectory()).isDirectory();
  }

  @Test
  void tablespaceLiesWhereItWasPut() throws Exception {
    try (PostgresServer server = newest().start()) {
      server.createTablespace("apart", folder.resolve("space"));
      server.execute("postgres", "CREATE TABLE t (n int) TABLESPACE apart");
      assertThat(server.query("postgres", "SELECT pg_relation_filepath('t')"))
          .startsWith("pg_tblspc");
    }
  }

  @Test
  void loadIsGenerated() throws Exception {
    try (PostgresServer server = newest().password("s3cret").start()) {
      Pgbench pgbench = Pgbench.on(server, "postgres");
      pgbench.init(1);
      assertThat(pgbench.run(10, 2)).isEqualTo(20);
      assertThat(pgbench.run(Duration.ofSeconds(1), 1)).isPositive();
      assertThat(server.query("postgres", "SELECT count(*) > 20 FROM pgbench_history"))
          .isEqualTo("t");
    }
  }

  @Test
  void rootCanRunItAsAnotherAccount() throws Exception {
    ServerAccount account =
        "root".equals(System.getProperty("user.name"))
            ? ServerAccount.POSTGRES
            : ServerAccount.SAME;
    try (PostgresServer server = newest().account(account).ssl().start()) {
      String owner = Files.getOwner(server.dataDirectory()).getName();
      assertThat(owner).isEqualTo(account == ServerAccount.POSTGRES ? "postgres" : owner);
      assertThat(server.query("postgres", "SELECT 1")).isEqualTo("1");
      server.kill9();
      server.start();
      server.stop();
    }
  }

  @Test
  void archiveIsUnpackedOnceAndWhole() throws Exception {
    Path archive = archive(17);
    PostgresBinaries first = PostgresBinaries.unpacked(archive);
    PostgresBinaries again = PostgresBinaries.unpacked(archive);
    assertThat(again.binDirectory()).isEqualTo(first.binDirectory());
    assertThat(first.major()).isEqualTo(17);
    assertThat(first.has("initdb")).isTrue();
    assertThat(first.has("pg_dump")).isFalse();
    assertThatThrownBy(() -> first.tool("pg_dump")).hasMessageContaining("comes without pg_dump");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(first.tool("postgres"))))
        .startsWith("rwxr-xr");
  }

  @Test
  void archiveOnTheClassPathIsFound() throws Exception {
    String said =
        Command.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path") + File.pathSeparator + archive(16),
                "-D" + PostgresBinaries.ARCHIVES_PROPERTY + "=" + folder.resolve("none"),
                Finder.class.getName())
            .run();
    assertThat(said).contains("has 16 (embedded)");
  }

  /** Looks on the class path of a process of its own. */
  static final class Finder {
    private Finder() {}

    public static void main(String[] arguments) {
      System.out.println("has " + PostgresBinaries.embedded(16));
    }
  }

  private static Path archive(int major) throws IOException {
    try (Stream<Path> files = Files.list(Path.of("target", "postgres-binaries"))) {
      return files
          .filter(file -> file.toString().contains("-" + major + "."))
          .findFirst()
          .orElseThrow()
          .toAbsolutePath();
    }
  }

  private PostgresServer.Builder newest() {
    return PostgresServer.builder(PostgresBinaries.newest()).dataDirectory(folder.resolve("data"));
  }

  private static void copyTree(Path from, Path to) throws IOException {
    try (Stream<Path> tree = Files.walk(from)) {
      for (Path path : tree.toList()) {
        Files.copy(
            path,
            to.resolve(from.relativize(path).toString()),
            java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
  }
}
