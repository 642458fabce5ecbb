package com.thorbis.backup.postgres.backup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.capture.AwaitingBackups;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.BackgroundReceiver;
import com.thorbis.backup.postgres.support.LaidDown;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ClusterBackupIT {
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
          new ClusterBackup(
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

  @Test
  void aPromotionInTheMiddleFailsTheBackup() throws Exception {
    PostgresBinaries binaries = PostgresBinaries.newest();
    try (PostgresServer primary =
        PostgresServer.builder(binaries).dataDirectory(folder.resolve("data")).start()) {
      MemoryRepository repository = new MemoryRepository();
      PostgresSettings settings =
          Sources.settings(folder, primary.jdbcUrl("postgres"), primary.superuser());
      BackupRequest request = BackupRequest.builder("orders").build();
      BackupDescriptor first =
          new ClusterBackup(settings, request, repository, RunControl.unattended()).run();
      Path copy = LaidDown.of(repository.stored(first.id()), folder.resolve("standby"));
      Files.createFile(copy.resolve("standby.signal"));
      try (PostgresServer standby =
          PostgresServer.builder(binaries)
              .dataDirectory(copy)
              .setting("primary_conninfo", "host=127.0.0.1 user=postgres port=" + primary.port())
              .adopt()
              .start()) {
        AtomicBoolean promoted = new AtomicBoolean();
        Progress promoting =
            new Progress() {
              @Override
              public void advance(long bytes, long expectedBytes) {
                try {
                  if (promoted.compareAndSet(false, true)) {
                    standby.query("postgres", "SELECT pg_promote()");
                  }
                } catch (SQLException e) {
                  throw new AssertionError(e);
                }
              }
            };
        assertThatThrownBy(
                () ->
                    new ClusterBackup(
                            Sources.settings(
                                folder, standby.jdbcUrl("postgres"), standby.superuser()),
                            request,
                            repository,
                            new RunControl(new Cancellation(), promoting))
                        .run())
            .isInstanceOfSatisfying(
                BackupException.class,
                e -> assertThat(e.code()).isEqualTo("backup.timeline-changed"));
        assertThat(repository.backups(Optional.of("orders"))).hasSize(1);
      }
    }
  }

  @Test
  void aDamagedPageIsAWarningAndNotSilent() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .start()) {
      server.execute(
          "postgres", "CREATE TABLE t AS SELECT g FROM generate_series(1, 10000) g", "CHECKPOINT");
      String file = server.query("postgres", "SELECT pg_relation_filepath('t')");
      server.stop();
      try (FileChannel channel =
          FileChannel.open(server.dataDirectory().resolve(file), StandardOpenOption.WRITE)) {
        channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3}), 3 * 8192 + 5000);
      }
      server.start();
      MemoryRepository repository = new MemoryRepository();
      BackupDescriptor backup =
          new ClusterBackup(
                  Sources.settings(folder, server.jdbcUrl("postgres"), server.superuser()),
                  BackupRequest.builder("orders").build(),
                  repository,
                  RunControl.unattended())
              .run();
      assertThat(backup.status()).isEqualTo(BackupStatus.COMPLETED_WITH_WARNING);
      assertThat(backup.warnings())
          .anyMatch(text -> text.startsWith("damaged page: " + file + " block 3"))
          .anyMatch(text -> text.startsWith("the server says: "));
    }
  }

  @Test
  void aChangeWithoutATraceMakesItAFullBackupInTheSameRun() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.with("pg_verifybackup"))
            .dataDirectory(folder.resolve("data"))
            .setting("wal_log_hints", "on")
            .setting("autovacuum", "off")
            .start()) {
      server.execute(
          "postgres", "CREATE TABLE t AS SELECT g FROM generate_series(1, 10000) g", "CHECKPOINT");
      MemoryRepository repository = new MemoryRepository();
      PostgresSettings settings =
          Sources.settings(folder, server.jdbcUrl("postgres"), server.superuser());
      BackupRequest.Builder request = BackupRequest.builder("orders");
      new ClusterBackup(settings, request.build(), repository, RunControl.unattended()).run();
      request.type(BackupType.INCREMENTAL);
      BackupDescriptor sound =
          new ClusterBackup(settings, request.build(), repository, RunControl.unattended()).run();
      assertThat(sound.type()).isEqualTo(BackupType.INCREMENTAL);
      assertThat(repository.stored(sound.id()).facts().attributes())
          .containsEntry("postgres.change-detection", "page-lsn");

      String file = server.query("postgres", "SELECT pg_relation_filepath('t')");
      try (FileChannel channel =
          FileChannel.open(server.dataDirectory().resolve(file), StandardOpenOption.WRITE)) {
        channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), 3 * 8192 + 8100);
      }
      BackupDescriptor next =
          new ClusterBackup(settings, request.build(), repository, RunControl.unattended()).run();
      assertThat(next.type()).isEqualTo(BackupType.FULL);
      assertThat(next.base()).isEmpty();
      assertThat(next.status()).isEqualTo(BackupStatus.COMPLETED_WITH_WARNING);
      assertThat(next.warnings())
          .anyMatch(text -> text.contains("became a full backup: ") && text.contains(file));
      assertThat(repository.backups(Optional.of("orders"))).hasSize(3);
    }
  }

  @ParameterizedTest
  @MethodSource("versions")
  void withoutChecksumsTheLogTellsWhatChanged(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(false)
            .walSegmentMebibytes(1)
            .setting("autovacuum", "off")
            .start()) {
      server.execute(
          "postgres", "CREATE TABLE t AS SELECT g FROM generate_series(1, 50000) g", "CHECKPOINT");
      MemoryRepository repository = new MemoryRepository();
      PostgresSettings settings =
          Sources.settings(folder, server.jdbcUrl("postgres"), server.superuser());
      BackupRequest.Builder request = BackupRequest.builder("orders");
      try (BackgroundReceiver receiver = new BackgroundReceiver(settings, repository, false)) {
        receiver.awaitStored(1, Lsn.parse("0/1"));
        new ClusterBackup(settings, request.build(), repository, RunControl.unattended()).run();
        request.type(BackupType.INCREMENTAL);
        for (String change :
            List.of(
                "VACUUM t", // sets flags of pages, and nothing else in them
                "UPDATE t SET g = g + 1 WHERE g % 1000 = 1",
                "CREATE INDEX ON t (g)",
                "INSERT INTO t SELECT g FROM generate_series(1, 100000) g")) {
          server.execute("postgres", change, "SELECT pg_switch_wal()");
          BackupDescriptor next =
              new ClusterBackup(settings, request.build(), repository, RunControl.unattended())
                  .run();
          assertThat(next.type()).isEqualTo(BackupType.INCREMENTAL);
          assertThat(next.warnings()).isEmpty();
          assertThat(repository.stored(next.id()).facts().attributes())
              .containsEntry("postgres.change-detection", "wal-map")
              .containsEntry("postgres.cross-check", "sample");
        }
        assertThat(repository.wal("orders").summaries()).isPositive();

        // A page that changes behind the log's back is found, and all is stored anew.
        String file = server.query("postgres", "SELECT pg_relation_filepath('t')");
        try (FileChannel channel =
            FileChannel.open(server.dataDirectory().resolve(file), StandardOpenOption.WRITE)) {
          channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}), 3 * 8192 + 8100);
        }
        BackupDescriptor last =
            new ClusterBackup(settings, request.build(), repository, RunControl.unattended()).run();
        assertThat(last.type()).isEqualTo(BackupType.FULL);
        assertThat(last.warnings())
            .anyMatch(text -> text.contains("became a full backup: ") && text.contains(file));
      }
    }
  }

  @Test
  void saysThatNoConnectionIsLeftForItsWal() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .setting("max_wal_senders", "1")
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      ClusterBackup backup =
          new ClusterBackup(
              Sources.settings(folder, server.jdbcUrl("postgres"), server.superuser()),
              BackupRequest.builder("orders").build(),
              repository,
              RunControl.unattended());
      assertThatThrownBy(backup::run)
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> assertThat(e.code()).isEqualTo("postgres.too-many-connections"));
      assertThat(repository.backups(Optional.of("orders"))).isEmpty();
    }
  }

  @Test
  void w4AnArchiverThatOnlySeemsToBringTheWalIsNotWaitedFor() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .setting("archive_mode", "on")
            .setting("archive_command", "true")
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      ClusterBackup backup =
          new ClusterBackup(
              Sources.settings(
                  folder, server.jdbcUrl("postgres"), server.superuser(), "wal.wait", "10m"),
              BackupRequest.builder("orders").build(),
              repository,
              RunControl.unattended());
      BackupDescriptor first = backup.run();
      // The first one streamed this very segment itself.
      String streamed =
          WalSegment.containing(first.timeline(), first.startLsn(), WalSegmentSize.DEFAULT)
              .fileName();
      server.awaitTrue(
          "postgres",
          "SELECT last_archived_wal >= '" + streamed + "' FROM pg_stat_archiver",
          Duration.ofMinutes(1));
      assertThat(backup.run().status()).isEqualTo(BackupStatus.COMPLETE);
    }
  }

  @Test
  void w4ABackupWaitsForItsWalAndIsCompletedWhenThatArrives() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .setting("wal_sender_timeout", "0")
            .start()) {
      MemoryRepository repository = new MemoryRepository();
      PostgresSettings settings =
          Sources.settings(
              folder, server.jdbcUrl("postgres"), server.superuser(), "wal.wait", "1s");
      try (ReplicationConnection holder =
          ReplicationConnection.open(settings, new Cancellation())) {
        // Holds the slot, so that somebody seems to capture, and confirms nothing.
        holder.createSlot(settings.slot());
        ReplicationConnection.SystemIdentity here = holder.identify();
        assertThat(
                holder.startStreaming(
                    Optional.of(settings.slot()), here.position(), here.timeline()))
            .isNotNull();
        ClusterBackup backup =
            new ClusterBackup(
                settings,
                BackupRequest.builder("orders").build(),
                repository,
                RunControl.unattended());
        assertThatThrownBy(backup::run)
            .isInstanceOfSatisfying(
                BackupException.class, e -> assertThat(e.code()).isEqualTo("backup.awaiting-wal"));
        assertThat(repository.backups(Optional.of("orders")))
            .extracting(BackupDescriptor::status)
            .containsExactly(BackupStatus.AWAITING_WAL);
      }
      BackupDescriptor waiting = repository.backups(Optional.of("orders")).get(0);
      try (BackgroundReceiver receiver = new BackgroundReceiver(settings, repository, false)) {
        receiver.awaitStored(1, waiting.stopLsn());
      }
      assertThat(repository.backups(Optional.of("orders")))
          .extracting(BackupDescriptor::status)
          .containsExactly(BackupStatus.COMPLETE);
    }
  }
}
