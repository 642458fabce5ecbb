package com.thorbis.backup.postgres.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.restore.FolderRepository;
import com.thorbis.backup.postgres.restore.TestSettings;
import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.SyntheticLog;
import com.thorbis.backup.spi.crypto.KeyException;
import com.thorbis.backup.spi.engine.SourceEngine.RepositoryAccess;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The archiving script, run by a shell as a server's archiver runs it. */
@Timeout(120)
class ShipCommandTest {
  private static final WalSegmentSize SIZE = new WalSegmentSize(1 << 20);
  private static final ClusterIdentity CLUSTER = new ClusterIdentity(7, 15, SIZE);
  private static final Timeline FIRST = new Timeline(1);

  @TempDir Path folder;

  private Path data;
  private Path archive;
  private FolderRepository repository;
  private final Cancellation enough = new Cancellation();
  private @Nullable Thread serving;
  private String said = "";

  @BeforeEach
  void prepare() throws IOException {
    data = Files.createDirectories(folder.resolve("data"));
    Files.createDirectories(data.resolve("pg_wal/archive_status"));
    archive = Files.createDirectory(folder.resolve("archive"));
    repository =
        new FolderRepository(
            CLUSTER,
            archive,
            new BackupFacts(
                new Lsn(0),
                new Lsn(0),
                FIRST,
                Instant.EPOCH,
                Instant.EPOCH,
                List.of(),
                Map.of(),
                List.of()));
    Exchange.create(data, ServerUser.owning(data));
    SyntheticLog log = new SyntheticLog(CLUSTER, FIRST, new Lsn(3L << 20));
    for (int i = 3; i < 12; i++) {
      log.commit(i, Instant.parse("2026-01-01T00:00:00Z").plusSeconds(i));
      log.filler(100_000);
      log.switchSegment();
    }
    for (int i = 3; i < 12; i++) {
      ready(name(i), log.segment(new WalSegment(FIRST, i, SIZE)));
    }
  }

  @AfterEach
  void stopServing() throws InterruptedException {
    enough.cancel();
    if (serving != null) {
      serving.join();
    }
  }

  @Test
  void nobodyWhoServesIsAFailure() throws Exception {
    assertThat(ship(name(3))).isEqualTo(1);
    assertThat(archive).isEmptyDirectory();
  }

  @Test
  void aResidentProcessThatDiedIsAFailure() throws Exception {
    Files.writeString(data.resolve("pg_wal/thorbis/alive"), "17\n");
    assertThat(ship(name(3))).isEqualTo(1);
    assertThat(archive).isEmptyDirectory();
    assertThat(left()).isEmpty();
  }

  @Test
  void whatWillBeOfferedNextIsStoredAheadAndAnsweredFromThat() throws Exception {
    ready("00000002.history", "1\t0/480000\tno reason\n".getBytes(StandardCharsets.UTF_8));
    serve();
    assertThat(ship(name(3))).isZero();
    awaitStored(name(11));
    awaitStored("00000002.history");
    for (int i = 4; i < 12; i++) {
      assertThat(ship(name(i))).isZero();
      assertThat(archive.resolve(name(i)))
          .hasSameBinaryContentAs(data.resolve("pg_wal").resolve(name(i)));
    }
    assertThat(ship("00000002.history")).isZero();
    // Nothing was stored twice: what was acknowledged was stored before.
    List<String> names = new ArrayList<>(List.of("00000002.history"));
    for (int i = 3; i < 12; i++) {
      names.add(name(i));
    }
    assertThat(repository.given).containsExactlyInAnyOrderElementsOf(names);
    assertThat(left()).isEmpty();
  }

  @Test
  void aKeyServiceThatCannotBeAskedStopsNoLog() throws Exception {
    KeyException unreachable =
        new KeyException(
            "key.unreachable", FailureKind.TRANSIENT, "nobody answers", "vault", "Wait.", null);
    AtomicInteger opened = new AtomicInteger();
    serve(
        () -> {
          if (opened.getAndIncrement() > 0) {
            throw unreachable;
          }
          return repository;
        });
    for (int i = 3; i < 12; i++) {
      assertThat(ship(name(i))).isZero();
      assertThat(archive.resolve(name(i))).exists();
    }
    assertThat(opened).hasValueGreaterThan(1);
  }

  @Test
  void aKeyThatIsRefusedStopsLog() throws Exception {
    AtomicInteger opened = new AtomicInteger();
    serve(
        () -> {
          if (opened.getAndIncrement() > 0) {
            throw new KeyException(
                "key.refused", FailureKind.PERMANENT, "denied", "vault", "Ask for it.", null);
          }
          return repository;
        });
    // What was stored ahead before the refusal is acknowledged; what comes then is not.
    int outcome = 0;
    for (int i = 3; i < 12 && outcome == 0; i++) {
      outcome = ship(name(i));
    }
    assertThat(outcome).isEqualTo(1);
    assertThat(said).contains("denied");
  }

  @Test
  void w2AFileThatChangedSinceItWasStoredAheadIsNotAcknowledged() throws Exception {
    serve();
    assertThat(ship(name(3))).isZero();
    awaitStored(name(11));
    Path changed = data.resolve("pg_wal").resolve(name(5));
    FileTime before = Files.getLastModifiedTime(changed);
    try (RandomAccessFile file = new RandomAccessFile(changed.toFile(), "rw")) {
      file.seek(50_000);
      file.write(1);
    }
    Files.setLastModifiedTime(changed, before);
    assertThat(ship(name(5))).isEqualTo(1);
    assertThat(said).contains(name(5)).contains("other content is stored");
    // Another file of the same name is not taken for the one that was stored, either.
    Path replaced = data.resolve("pg_wal").resolve(name(6));
    byte[] other = Files.readAllBytes(replaced);
    other[60_000] ^= 1;
    Files.delete(replaced);
    Files.write(replaced, other);
    assertThat(ship(name(6))).isEqualTo(1);
    assertThat(ship(name(7))).isZero();
    assertThat(left()).isEmpty();
  }

  @Test
  void whatCannotBeStoredAheadIsRefusedWhenItIsOfferedAndHoldsNothingElseUp() throws Exception {
    Files.write(data.resolve("pg_wal").resolve(name(5)), new byte[1 << 20]);
    Files.delete(data.resolve("pg_wal").resolve(name(6)));
    serve();
    assertThat(ship(name(3))).isZero();
    awaitStored(name(11));
    assertThat(archive.resolve(name(5))).doesNotExist();
    assertThat(ship(name(4))).isZero();
    assertThat(ship(name(5))).isEqualTo(1);
    assertThat(said).contains("does not hold the log it is named after");
    assertThat(ship(name(6))).isEqualTo(1);
    assertThat(ship(name(7))).isZero();
  }

  @Test
  void whatTheRepositoryDidNotTakeIsTakenWhenItIsOfferedAgain() throws Exception {
    repository.reachable = false;
    serve();
    assertThat(ship(name(3))).isEqualTo(1);
    assertThat(archive).isEmptyDirectory();
    repository.reachable = true;
    for (int i = 3; i < 12; i++) {
      assertThat(ship(name(i))).isZero();
      assertThat(archive.resolve(name(i))).exists();
    }
  }

  private static String name(int number) {
    return new WalSegment(FIRST, number, SIZE).fileName();
  }

  private void ready(String name, byte[] content) throws IOException {
    Path file = Files.write(data.resolve("pg_wal").resolve(name), content);
    assertThat(file).exists();
    Files.createFile(data.resolve("pg_wal/archive_status").resolve(name + ".ready"));
  }

  private void awaitStored(String name) {
    while (!Files.exists(archive.resolve(name))) {
      Thread.onSpinWait(); // the test's time limit ends it
    }
  }

  private void serve() {
    serve(() -> repository);
  }

  private void serve(RepositoryAccess access) {
    PostgresSettings settings = settings();
    Thread thread =
        new Thread(
            () -> {
              try {
                new WalServer(settings, access)
                    .serveOnly(data, new RunControl(enough, Progress.NONE));
              } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
              }
            });
    serving = thread;
    thread.start();
    while (!Files.exists(data.resolve("pg_wal/thorbis/alive"))) {
      Thread.onSpinWait(); // the test's time limit ends it
    }
  }

  private PostgresSettings settings() {
    // What was written just now is not looked at ahead: to this clock nothing is so young.
    return TestSettings.of(
        folder.resolve("state"), Map.of(), Clock.offset(Clock.systemUTC(), Duration.ofSeconds(10)));
  }

  private List<String> left() throws IOException {
    try (Stream<Path> files = Files.list(data.resolve("pg_wal/thorbis"))) {
      return files
          .map(path -> path.getFileName().toString())
          .filter(name -> !name.equals("alive") && !name.startsWith("."))
          .toList();
    }
  }

  private int ship(String name) throws Exception {
    String command =
        FetchCommand.archiveCommand(settings(), 30)
            .replace("%f", name)
            .replace("%p", "pg_wal/" + name)
            .replace("%%", "%");
    Process process =
        new ProcessBuilder("/bin/sh", "-c", command)
            .directory(data.toFile())
            .redirectErrorStream(true)
            .start();
    said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int code = process.waitFor();
    assertThat(said).doesNotContain("yntax");
    return code;
  }
}
