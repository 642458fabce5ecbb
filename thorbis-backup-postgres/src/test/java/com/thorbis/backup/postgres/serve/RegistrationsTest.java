package com.thorbis.backup.postgres.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.postgres.restore.TestSettings;
import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class RegistrationsTest {
  private static final String LIFE = "aaaaaaaaaaaaaaaa";

  @TempDir Path folder;

  @Test
  void onlyADataDirectoryThatWasLookedIntoHasRecovered() throws IOException {
    Path data = Files.createDirectory(folder.resolve("data"));
    assertThat(WalServer.recovered(folder.resolve("gone"))).isFalse();
    assertThat(WalServer.recovered(data)).isFalse(); // perhaps a place where no disk is mounted
    Files.writeString(data.resolve("PG_VERSION"), "15\n");
    Files.createFile(data.resolve("recovery.signal"));
    assertThat(WalServer.recovered(data)).isFalse();
    Files.move(data.resolve("recovery.signal"), data.resolve("standby.signal"));
    assertThat(WalServer.recovered(data)).isFalse();
    Files.delete(data.resolve("standby.signal"));
    assertThat(WalServer.recovered(data)).isFalse();
    control(data, 5); // it has removed its signal file and has yet to read the histories
    assertThat(WalServer.recovered(data)).isFalse();
    control(data, 6);
    assertThat(WalServer.recovered(data)).isTrue();
    control(data, 1); // and was stopped
    assertThat(WalServer.recovered(data)).isTrue();
  }

  /** A control file that says no more than what the server does. */
  private static void control(Path data, int state) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putInt(8, 1300).putInt(16, state).putInt(48, 1);
    CRC32C crc = new CRC32C();
    crc.update(bytes.array(), 0, 288);
    bytes.putInt(288, (int) crc.getValue());
    Files.createDirectories(data.resolve("global"));
    Files.write(data.resolve("global/pg_control"), bytes.array());
  }

  @Test
  void oneThatIsInTroubleDoesNotKeepTheOthersFromBeingServed() throws Exception {
    PostgresSettings settings = TestSettings.of(folder.resolve("state"), Map.of());
    Registrations registrations = new Registrations(settings);
    Path over = cluster("over");
    Path stray = Files.createDirectories(over.resolve("pg_wal/thorbis/stray"));
    Files.createFile(stray.resolve("file")); // cannot be tidied
    registrations.add(over, LIFE);
    registrations.add(folder.resolve("gone"), LIFE);
    Path done = cluster("done");
    registrations.add(done, LIFE);
    Path recovering = cluster("recovering");
    Files.createFile(recovering.resolve("recovery.signal"));
    registrations.add(recovering, LIFE);
    Path entries = folder.resolve("state/restores/orders");
    Files.writeString(entries.resolve("nonsense"), "\0");
    Files.createDirectory(entries.resolve("folder"));

    Cancellation enough = new Cancellation();
    Thread serving = serve(settings, enough);
    Path alive = recovering.resolve("pg_wal/thorbis/alive");
    String first = awaitOtherThan("", alive);
    awaitOtherThan(first, alive);
    assertThat(serving.isAlive()).isTrue();
    assertThat(done.resolve("pg_wal/thorbis")).doesNotExist();
    assertThat(registrations.list())
        .extracting(Registrations.Entry::dataDirectory)
        .containsExactlyInAnyOrder(over, folder.resolve("gone"), recovering);
    enough.cancel();
    serving.join();
  }

  @Test
  void w14AFolderThatWasFilledAnewFromElsewhereIsLeftToWhoeverServesThat() throws Exception {
    PostgresSettings settings = TestSettings.of(folder.resolve("state"), Map.of());
    Registrations registrations = new Registrations(settings);
    Path mine = recovering("mine", LIFE);
    Path anothers = recovering("another's", "bbbbbbbbbbbbbbbb");
    Path lines = recovering("a name\nof two lines\n", LIFE);
    for (Path each : List.of(mine, anothers, lines)) {
      registrations.add(each, LIFE);
    }
    // As an earlier version wrote it.
    Path unsaid = recovering("unsaid", "bbbbbbbbbbbbbbbb");
    Files.writeString(folder.resolve("state/restores/orders/unsaid"), unsaid.toString());
    Path question = anothers.resolve("pg_wal/thorbis/000000010000000000000003.77.want");
    Files.createFile(question);

    Cancellation enough = new Cancellation();
    Thread serving = serve(settings, enough);
    for (Path each : List.of(mine, lines, unsaid)) {
      Path alive = each.resolve("pg_wal/thorbis/alive");
      awaitOtherThan(awaitOtherThan("", alive), alive);
    }
    enough.cancel();
    serving.join();
    assertThat(question).exists();
    try (Stream<Path> files = Files.list(anothers.resolve("pg_wal/thorbis"))) {
      assertThat(files).hasSize(2);
    }
    assertThat(registrations.list())
        .extracting(Registrations.Entry::dataDirectory)
        .containsExactlyInAnyOrder(mine, lines, unsaid);
  }

  private Path recovering(String name, String life) throws IOException {
    Path data = cluster(name);
    Files.createFile(data.resolve("recovery.signal"));
    Files.writeString(data.resolve("pg_wal/thorbis/restore"), life + "\n");
    return data;
  }

  private static Thread serve(PostgresSettings settings, Cancellation enough) {
    WalServer server =
        new WalServer(
            settings,
            () -> {
              throw new IOException("Nobody asks");
            });
    Thread serving =
        new Thread(
            () -> {
              try {
                server.serveAll(new RunControl(enough, Progress.NONE));
              } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
              }
            });
    serving.start();
    return serving;
  }

  private static String awaitOtherThan(String before, Path file) throws IOException {
    while (true) { // the test's time limit ends it
      try {
        String now = Files.readString(file);
        if (!now.equals(before)) {
          return now;
        }
      } catch (java.nio.file.NoSuchFileException e) {
        Thread.onSpinWait();
      }
    }
  }

  private Path cluster(String name) throws IOException {
    Path data = Files.createDirectory(folder.resolve(name));
    Files.createDirectory(data.resolve("pg_wal"));
    Files.writeString(data.resolve("PG_VERSION"), "15\n");
    control(data, 6);
    Exchange.create(data, ServerUser.owning(data));
    return data;
  }
}
