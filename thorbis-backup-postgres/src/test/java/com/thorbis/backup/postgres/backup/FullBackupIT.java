package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.postgres.capture.AwaitingBackups;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class FullBackupIT {
  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void holdsTheWholeClusterAndItsWal(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .configDirectory(folder.resolve("etc"))
            .checksums(true)
            .setting("wal_level", "replica")
            .start()) {
      server.createTablespace("fast", folder.resolve("fast"));
      server.execute(
          "postgres",
          "CREATE TABLE t TABLESPACE fast AS SELECT g AS id, repeat('x', 100) AS words"
              + " FROM generate_series(1, 20000) g");
      MemoryRepository repository = new MemoryRepository();
      PostgresSettings settings =
          Sources.settings(folder, server.jdbcUrl("postgres"), server.superuser());

      BackupDescriptor backup =
          new FullBackup(
                  settings,
                  BackupRequest.builder("orders").label("it's nightly").build(),
                  repository,
                  RunControl.unattended())
              .run();

      assertThat(backup.warnings()).isEmpty();
      assertThat(backup.status()).isEqualTo(BackupStatus.COMPLETE);
      MemoryRepository.StoredBackup stored = repository.stored(backup.id());
      assertThat(stored.entry(Area.DATA, "global/pg_control")).isPresent();
      assertThat(stored.entry(Area.DATA, "PG_VERSION")).isPresent();
      assertThat(stored.entry(Area.DATA, "pg_wal/archive_status")).isPresent();
      assertThat(stored.entry(Area.META, "backup_manifest")).isPresent();
      assertThat(stored.entry(Area.META, "tablespace_map")).isPresent();
      assertThat(stored.entry(Area.DATA, "tablespace_map")).isEmpty();
      byte[] label = stored.entry(Area.DATA, "backup_label").orElseThrow().content();
      assertThat(new String(label, StandardCharsets.UTF_8))
          .contains("LABEL: thorbis " + backup.id() + " it's nightly");
      assertThat(
              stored.entry(
                  Area.CONFIG, folder.resolve("etc/postgresql.conf").toString().substring(1)))
          .isPresent();
      BackupFacts facts = stored.facts();
      assertThat(facts.tablespaces()).hasSize(1);
      BackupFacts.Tablespace tablespace = facts.tablespaces().get(0);
      assertThat(tablespace.name()).isEqualTo("fast");
      assertThat(tablespace.location()).isEqualTo(folder.resolve("fast").toString());
      assertThat(MemoryRepository.names(stored))
          .anyMatch(name -> name.startsWith("data:pg_tblspc/" + tablespace.oid() + "/PG_"));
      assertThat(facts.attributes())
          .containsEntry("postgres.max-connections", "100")
          .containsEntry("postgres.data-checksums", "on")
          .containsEntry("postgres.data-directory", folder.resolve("data").toString());
      assertThat(facts.stoppedAt()).isAfter(facts.startedAt());
      assertThat(
              AwaitingBackups.covers(
                  repository.wal("orders"), facts.timeline(), facts.startLsn(), facts.stopLsn()))
          .isTrue();
      server.awaitTrue(
          "postgres", "SELECT count(*) = 0 FROM pg_replication_slots", Duration.ofSeconds(30));
    }
  }
}
