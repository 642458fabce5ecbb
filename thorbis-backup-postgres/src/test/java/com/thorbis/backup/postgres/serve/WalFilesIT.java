package com.thorbis.backup.postgres.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.BackgroundReceiver;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a server is given of a segment that is not finished. */
class WalFilesIT {
  private static final int PAGE = 8192;

  @TempDir Path folder;

  @Test
  void aServerThatHasAsMuchItselfIsGivenNothingInItsPlace() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      PostgresSettings settings =
          Sources.settings(folder, server.jdbcUrl("postgres"), server.superuser());
      server.execute("postgres", "CREATE TABLE t (n int)");
      Lsn end = Lsn.parse(server.query("postgres", "SELECT pg_current_wal_flush_lsn()"));
      String name = server.query("postgres", "SELECT pg_walfile_name('" + end + "')");
      try (BackgroundReceiver receiver = new BackgroundReceiver(settings, repository, false)) {
        receiver.awaitStored(1, end);
      }
      WalFiles files = new WalFiles(settings);

      Path own = server.dataDirectory().resolve("pg_wal");
      assertThat(files.get(name, own.resolve("RECOVERYXLOG"), repository)).isFalse();
      assertThat(own.resolve("RECOVERYXLOG")).doesNotExist();

      Path nothing = Files.createDirectories(folder.resolve("nothing/pg_wal"));
      assertThat(files.get(name, nothing.resolve("RECOVERYXLOG"), repository)).isTrue();

      byte[] whole = Files.readAllBytes(own.resolve(name));
      Path less = Files.createDirectories(folder.resolve("less/pg_wal"));
      Files.write(
          less.resolve(name), Arrays.copyOf(Arrays.copyOf(whole, PAGE), whole.length)); // and zeros
      assertThat(files.get(name, less.resolve("RECOVERYXLOG"), repository)).isTrue();
      assertThat(less.resolve("RECOVERYXLOG"))
          .hasSameBinaryContentAs(nothing.resolve("RECOVERYXLOG"));

      // By hand, beside a file that happens to have the name, what is stored is what is wanted.
      Path elsewhere = Files.createDirectory(folder.resolve("elsewhere"));
      Files.write(elsewhere.resolve(name), whole);
      assertThat(files.get(name, elsewhere.resolve("copy"), repository)).isTrue();
    }
  }
}
