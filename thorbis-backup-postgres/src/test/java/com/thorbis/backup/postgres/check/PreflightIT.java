package com.thorbis.backup.postgres.check;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.CheckItem.Outcome;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.backup.ClusterBackup;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.support.MemoryRepository;
import com.thorbis.backup.postgres.support.Sources;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PreflightIT {
  private static final String ROLE = "the \"backup\" role";

  @TempDir Path folder;

  static List<PostgresBinaries> versions() {
    return PostgresBinaries.all();
  }

  @ParameterizedTest
  @MethodSource("versions")
  void roleThatTheScriptMadeIsEnoughAndNotMore(PostgresBinaries binaries) throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("data"))
            .checksums(true)
            .setting("max_slot_wal_keep_size", "1GB")
            .start()) {
      run(server, Grants.script(ROLE, OptionalInt.of(binaries.major())));
      run(server, Grants.script(ROLE, OptionalInt.empty()));
      try (PostgresSettings settings = settings(server, ROLE)) {
        assertThat(Preflight.grants(settings))
            .isEqualTo(Grants.script(ROLE, OptionalInt.of(binaries.major())));
        server.execute(
            "postgres",
            "SELECT pg_create_physical_replication_slot('" + settings.slot() + "', true)");
        List<CheckItem> items = new Preflight(settings, new MemoryRepository()).run();
        assertThat(items).extracting(CheckItem::outcome).doesNotContain(Outcome.FAIL);
        assertThat(items.stream().filter(item -> item.outcome() == Outcome.WARN))
            .extracting(CheckItem::subject)
            .containsExactly("postgres.slot"); // nobody streams from it
        assertThat(items).allSatisfy(PreflightIT::assertRemedyFits);
      }
      try (PostgresSettings settings = local(server, server.dataDirectory())) {
        List<CheckItem> items = new Preflight(settings, new MemoryRepository()).run();
        assertThat(outcome(items, "postgres.reader")).isEqualTo(Outcome.OK);
        assertThat(
                new ClusterBackup(
                        settings,
                        BackupRequest.builder("orders").build(),
                        new MemoryRepository(),
                        RunControl.unattended())
                    .run()
                    .warnings())
            .isEmpty();
      }
      try (PostgresSettings settings = local(server, folder)) {
        List<CheckItem> items = new Preflight(settings, new MemoryRepository()).run();
        assertThat(outcome(items, "postgres.reader")).isEqualTo(Outcome.FAIL);
      }
    }
  }

  private PostgresSettings local(PostgresServer server, Path dataDirectory) {
    return Sources.settings(
        folder,
        server.jdbcUrl("postgres"),
        ROLE,
        "reader",
        "local",
        "data-directory",
        dataDirectory.toString());
  }

  @Test
  void remedyOfEachFindingHelps() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .checksums(false)
            .setting("max_wal_senders", "1")
            .setting("max_replication_slots", "1")
            .start()) {
      server.execute("postgres", "CREATE ROLE weak LOGIN CREATEDB");
      try (PostgresSettings settings = settings(server, "weak")) {
        List<CheckItem> items = new Preflight(settings, new MemoryRepository()).run();
        assertThat(outcome(items, "postgres.connection.replication")).isEqualTo(Outcome.FAIL);
        assertThat(outcome(items, "postgres.role.replication")).isEqualTo(Outcome.FAIL);
        assertThat(outcome(items, "postgres.role.superfluous")).isEqualTo(Outcome.WARN);
        assertThat(outcome(items, "postgres.role.settings")).isEqualTo(Outcome.WARN);
        assertThat(outcome(items, "postgres.slot.limit")).isEqualTo(Outcome.WARN);
        assertThat(outcome(items, "postgres.wal-senders")).isEqualTo(Outcome.WARN);
        assertThat(outcome(items, "postgres.checksums")).isEqualTo(Outcome.WARN);
        for (CheckItem item : items) {
          if (item.remedy().endsWith(";") && item.outcome() != Outcome.OK) {
            for (String statement : item.remedy().split("(?<=;) ")) {
              server.execute("postgres", statement.replaceFirst("^wal receive .*or: ", ""));
            }
          }
        }
        List<CheckItem> after = new Preflight(settings, new MemoryRepository()).run();
        for (String subject :
            List.of(
                "postgres.connection.replication",
                "postgres.role.replication",
                "postgres.role.superfluous",
                "postgres.slot.limit")) {
          assertThat(outcome(after, subject)).as(subject).isEqualTo(Outcome.OK);
        }
        assertThat(after)
            .extracting(CheckItem::subject)
            .doesNotContain("postgres.role.settings", "postgres.role.statistics");
      }
    }
  }

  @Test
  void dangerIsNamed() throws Exception {
    try (PostgresServer server =
        PostgresServer.builder(PostgresBinaries.newest())
            .dataDirectory(folder.resolve("data"))
            .setting("wal_level", "minimal")
            .setting("max_wal_senders", "0")
            .setting("full_page_writes", "off")
            .setting("thorbis.fenced", "20260301T000000Z-00000001/0123456789abcdef")
            .start()) {
      try (PostgresSettings settings = settings(server, server.superuser())) {
        MemoryRepository repository = new MemoryRepository();
        repository.register(
            settings.source(), "postgres", new ClusterIdentity(1, 15, WalSegmentSize.DEFAULT));
        dump(repository, settings.source());
        List<CheckItem> items = new Preflight(settings, repository).run();
        assertThat(outcome(items, "postgres.fence")).isEqualTo(Outcome.FAIL);
        assertThat(outcome(items, "postgres.identity")).isEqualTo(Outcome.FAIL);
        assertThat(outcome(items, "postgres.wal-level")).isEqualTo(Outcome.FAIL);
        assertThat(outcome(items, "postgres.wal-senders")).isEqualTo(Outcome.FAIL);
        assertThat(outcome(items, "postgres.full-page-writes")).isEqualTo(Outcome.WARN);
        assertThat(outcome(items, "postgres.role.superfluous")).isEqualTo(Outcome.WARN);
        assertThat(outcome(items, "postgres.backup")).isEqualTo(Outcome.WARN);
        assertThat(items.stream().map(CheckItem::message))
            .anyMatch(message -> message.startsWith("FENCED: NOT PROTECTED"));
        assertThat(items).allSatisfy(PreflightIT::assertRemedyFits);
      }
    }
  }

  @Test
  void serverThatIsGoneIsAFindingAndNoFailure() throws Exception {
    try (PostgresSettings settings =
        Sources.settings(
            folder,
            "jdbc:postgresql://127.0.0.1:" + PostgresServer.freePort() + "/postgres",
            ROLE)) {
      List<CheckItem> items = new Preflight(settings, new MemoryRepository()).run();
      assertThat(items)
          .extracting(CheckItem::subject)
          .containsExactly("postgres.connection.sql", "postgres.connection.replication");
      assertThat(items).extracting(CheckItem::outcome).containsOnly(Outcome.FAIL);
      assertThat(Preflight.grants(settings)).isEqualTo(Grants.script(ROLE, OptionalInt.empty()));
    }
  }

  private PostgresSettings settings(PostgresServer server, String user) {
    return Sources.settings(folder, server.jdbcUrl("postgres"), user);
  }

  private static Outcome outcome(List<CheckItem> items, String subject) {
    return items.stream()
        .filter(item -> item.subject().equals(subject))
        .map(CheckItem::outcome)
        .findFirst()
        .orElseThrow(() -> new AssertionError("No " + subject + " in " + items));
  }

  private static void assertRemedyFits(CheckItem item) {
    assertThat(item.remedy().isEmpty()).as("%s", item).isEqualTo(item.outcome() == Outcome.OK);
  }

  /** Which is no backup of the server's files. */
  private static void dump(MemoryRepository repository, String source) throws IOException {
    Instant now = Instant.parse("2026-03-01T00:00:00Z");
    try (BackupWriter writer =
        repository.begin(new BackupStart(source, BackupType.DUMP, Optional.empty(), now))) {
      writer.commit(
          new BackupFacts(
              new Lsn(1), new Lsn(1), new Timeline(1), now, now, List.of(), Map.of(), List.of()),
          BackupStatus.COMPLETE);
    }
  }

  private static void run(PostgresServer server, String script) throws Exception {
    try (Connection connection = server.connect("postgres");
        Statement statement = connection.createStatement()) {
      statement.execute(script);
    }
  }
}
