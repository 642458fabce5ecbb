package com.thorbis.backup.postgres.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.restore.FolderRepository;
import com.thorbis.backup.postgres.restore.TestSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The archiver of a real server, served by a resident process. */
class ShipIT {
  @TempDir Path folder;

  @Test
  void aServerArchivesThroughTheResidentProcess() throws Exception {
    Path data = folder.resolve("data");
    Path archive = Files.createDirectory(folder.resolve("archive"));
    PostgresSettings settings =
        TestSettings.of(folder.resolve("state"), Map.of("data-directory", data.toString()));
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(data)
            .walSegmentMebibytes(1)
            .setting("archive_mode", "on")
            .setting("archive_command", FetchCommand.archiveCommand(settings))
            .start()) {
      FolderRepository repository = repository(server, archive, 0);
      String first = server.query("postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())");
      Path stored = archive.resolve(first);
      server.execute("postgres", "CREATE TABLE t (n int)", "SELECT pg_switch_wal()");
      server.awaitTrue(
          "postgres", "SELECT failed_count > 0 FROM pg_stat_archiver", Duration.ofMinutes(1));
      assertThat(stored).doesNotExist(); // nobody was there

      Cancellation enough = new Cancellation();
      Thread serving =
          new Thread(
              () -> {
                try {
                  new WalServer(settings, () -> repository)
                      .serveAll(new RunControl(enough, Progress.NONE));
                } catch (IOException e) {
                  throw new java.io.UncheckedIOException(e);
                }
              });
      serving.start();
      try {
        server.awaitTrue(
            "postgres",
            "SELECT last_archived_wal >= '" + first + "' FROM pg_stat_archiver",
            Duration.ofMinutes(3));
      } finally {
        enough.cancel();
        serving.join();
      }
      assertThat(Files.size(stored)).isEqualTo(1 << 20);
      assertThat(data.resolve("pg_wal/thorbis/alive")).doesNotExist();

      // By hand, with the same checks.
      WalFiles files = new WalFiles(settings);
      assertThat(files.push(stored, repository)).isEqualTo(WalArchive.Stored.ALREADY_PRESENT);
      assertRefused(files, stored, repository(server, archive, 1), "wal.identity-mismatch");
      Path cut = folder.resolve(first);
      Files.write(cut, new byte[1000]);
      assertRefused(files, cut, repository, "wal.wrong-length");
      Files.write(cut, new byte[1 << 20]);
      assertRefused(files, cut, repository, "wal.invalid");
      Path elsewhere = Files.copy(stored, folder.resolve("0000000100000000000000FF"));
      assertRefused(files, elsewhere, repository, "wal.invalid");
      Path named = Files.copy(stored, folder.resolve("passwd"));
      assertRefused(files, named, repository, "wal.wrong-name");
    }
  }

  private static void assertRefused(
      WalFiles files, Path file, FolderRepository repository, String code) {
    assertThatThrownBy(() -> files.push(file, repository))
        .isInstanceOfSatisfying(BackupException.class, e -> assertThat(e.code()).isEqualTo(code));
  }

  private static FolderRepository repository(PostgresServer server, Path archive, long other)
      throws Exception {
    return new FolderRepository(
        new ClusterIdentity(
            Long.parseUnsignedLong(
                    server.query("postgres", "SELECT system_identifier FROM pg_control_system()"))
                + other,
            server.binaries().major(),
            new WalSegmentSize(1 << 20)),
        archive,
        new BackupFacts(
            new Lsn(0),
            new Lsn(0),
            new Timeline(1),
            Instant.EPOCH,
            Instant.EPOCH,
            List.of(),
            Map.of(),
            List.of()));
  }
}
