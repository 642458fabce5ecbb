package com.thorbis.backup.postgres.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.restore.FolderRepository;
import com.thorbis.backup.postgres.restore.TestSettings;
import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The fetching script, run by a shell as a server runs it. */
@Timeout(120)
class FetchCommandTest {
  private static final String NAME = "000000010000000000000003";
  private static final String NEXT = "000000010000000000000004";
  private static final int SEGMENT = 1 << 20;

  @TempDir Path folder;

  private Path data;
  private Path archive;
  private FolderRepository repository;
  private final Cancellation enough = new Cancellation();
  private volatile @Nullable Thread serving;
  private String said = "";

  @BeforeEach
  void prepare() throws IOException {
    data = Files.createDirectories(folder.resolve("data"));
    Files.createDirectory(data.resolve("pg_wal"));
    archive = Files.createDirectory(folder.resolve("archive"));
    repository =
        new FolderRepository(
            new ClusterIdentity(7, 15, new WalSegmentSize(SEGMENT)),
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

  @AfterEach
  void stopServing() throws InterruptedException {
    enough.cancel();
    if (serving != null) {
      serving.join();
    }
  }

  @Test
  void aSegmentLaidOutAheadIsDeliveredWithoutAnybody() throws Exception {
    exchange();
    byte[] content = segment(1);
    Files.write(data.resolve("pg_wal/thorbis").resolve(NAME), content);
    assertThat(fetch(command(null), NAME)).isZero();
    assertThat(data.resolve("pg_wal/RECOVERYXLOG")).hasBinaryContent(content);
    assertThat(left()).isEmpty();
  }

  @Test
  void aFileThatVanishesBeforeItIsTakenIsAskedFor() throws Exception {
    exchange();
    Files.write(data.resolve("pg_wal/thorbis").resolve(NAME), segment(1));
    Files.write(data.resolve(NAME), segment(2));
    Path programs = Files.createDirectory(folder.resolve("programs"));
    Path mv =
        Files.writeString(programs.resolve("mv"), "#!/bin/sh\n/bin/rm \"$2\"\n/bin/mv \"$@\"\n");
    Files.setPosixFilePermissions(mv, PosixFilePermissions.fromString("rwx------"));
    Path launcher = launcher("thorbis", "cp \"$5\" \"$6\"");
    assertThat(
            run(
                List.of("/bin/sh", "-c", substituted(command(launcher), NAME)),
                programs + ":" + System.getenv("PATH")))
        .isZero();
    assertThat(data.resolve("pg_wal/RECOVERYXLOG")).hasBinaryContent(segment(2));
  }

  @Test
  void aProgramThatBreaksIsAnAnswerToo() throws Exception {
    exchange();
    WalServer server =
        new WalServer(
            settings(null),
            () -> {
              throw new AssertionError("broken");
            });
    serve(server);
    assertThat(fetch(command(null), NAME)).isEqualTo(FetchCommand.TROUBLE);
    assertThat(said).contains("broken");
    assertThat(left()).isEmpty();
  }

  @Test
  void aPipeInASegmentsPlaceIsRefused() throws Exception {
    exchange();
    Process made =
        new ProcessBuilder("mkfifo", data.resolve("pg_wal").resolve(NAME).toString()).start();
    assertThat(made.waitFor()).isZero();
    serve();
    Path offer = data.resolve("pg_wal/thorbis/" + NAME + ".77.push");
    Files.writeString(offer, NAME);
    Path answer = data.resolve("pg_wal/thorbis/" + NAME + ".77.failed");
    while (!Files.exists(answer)) {
      Thread.onSpinWait(); // the test's time limit ends it
    }
    assertThat(answer).content().contains("no plain file");
  }

  @Test
  void nobodyToAskIsTrouble() throws Exception {
    assertThat(fetch(impatient(null), NAME)).isEqualTo(FetchCommand.TROUBLE);
    exchange();
    assertThat(fetch(impatient(null), NAME)).isEqualTo(FetchCommand.TROUBLE);
  }

  @Test
  void aResidentProcessThatIsLateIsWaitedFor() throws Exception {
    exchange();
    Files.write(archive.resolve(NAME), segment(1));
    Path asked = folder.resolve("asked");
    Path launcher = launcher("thorbis", "touch " + asked + "; exit 126");
    Thread late =
        new Thread(
            () -> {
              while (!Files.exists(asked)) {
                Thread.onSpinWait(); // the test's time limit ends it
              }
              serveLater();
            });
    late.start();
    assertThat(fetch(command(launcher), NAME)).isZero();
    assertThat(data.resolve("pg_wal/RECOVERYXLOG")).hasBinaryContent(segment(1));
    late.join();
    assertThat(left()).isEmpty();
  }

  @Test
  void aQuestionThatCannotBeWrittenDownIsAskedTwiceAndNoMore() throws Exception {
    exchange();
    Path thorbis = data.resolve("pg_wal/thorbis");
    Files.writeString(thorbis.resolve("alive"), "17\n");
    Path asked = folder.resolve("asked");
    Path launcher = launcher("thorbis", "echo once >>" + asked + "; exit 126");
    assertThat(fetch(impatient(launcher).replace(">\"$q.want\"", ">\"/dev/full\""), NAME))
        .isEqualTo(FetchCommand.TROUBLE);
    assertThat(asked).content().hasLineCount(2);
  }

  @ParameterizedTest
  @CsvSource({
    "cp $5 $6; exit 0, 0",
    "exit 0, 126",
    "exit 1, 126",
    "echo absent $5; exit 1, 1",
    "echo absent $5; exit 81, 1",
    "echo absent 000000010000000000000009; exit 1, 126",
    "echo absent $5; exit 0, 126",
    "echo absent $5; exit 2, 126",
    "exit 2, 126",
    "exit 81, 126",
    "exit 125, 126",
    "exit 126, 126",
    "exit 134, 126",
    "kill -KILL $$, 126",
    "kill -SEGV $$, 126",
    "/not/there, 126"
  })
  void whatTheCommandEndsWithIsTranslated(String body, int expected) throws Exception {
    Files.write(data.resolve(NAME), segment(1));
    assertThat(fetch(impatient(launcher("thorbis", body.replace("$5", "\"$5\""))), NAME))
        .isEqualTo(expected);
    assertThat(Files.exists(data.resolve("pg_wal/RECOVERYXLOG"))).isEqualTo(expected == 0);
  }

  @Test
  void aCommandThatIsNotThereOrMayNotBeRunIsTrouble() throws Exception {
    assertThat(fetch(impatient(folder.resolve("gone")), NAME)).isEqualTo(FetchCommand.TROUBLE);
    Path plain = Files.writeString(folder.resolve("plain"), "no program");
    assertThat(fetch(impatient(plain), NAME)).isEqualTo(FetchCommand.TROUBLE);
  }

  @Test
  void pathsMayHoldWhatTheShellAndTheServerTakeForTheirOwn() throws Exception {
    Path odd = launcher("it's 100%f \"$HOME\" `x` \\ ; exit 0", "echo absent \"$5\"; exit 1");
    assertThat(fetch(command(odd), NAME)).isEqualTo(1);
  }

  @Test
  void withoutProgramsOnThePathNothingIsTheEndOfTheLog() throws Exception {
    exchange();
    Files.write(data.resolve("pg_wal/thorbis").resolve(NAME), segment(1));
    Path empty = Files.createDirectory(folder.resolve("empty"));
    assertThat(run(List.of("/bin/sh", "-c", substituted(impatient(null), NAME)), empty.toString()))
        .isEqualTo(FetchCommand.TROUBLE);
  }

  @Test
  void aShellThatCannotForkIsTrouble() throws Exception {
    exchange();
    Files.write(data.resolve("pg_wal/thorbis").resolve(NAME), segment(1));
    List<String> words = new ArrayList<>();
    if ("root".equals(System.getProperty("user.name"))) {
      // Root has no such limit.
      words.addAll(List.of("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"));
      open(folder);
    }
    for (String each : new String[] {"pg_wal/thorbis", "pg_wal", ""}) {
      Files.setPosixFilePermissions(
          data.resolve(each), PosixFilePermissions.fromString("rwxrwxrwx"));
    }
    words.addAll(List.of("prlimit", "--nproc=1", "/bin/sh", "-c"));
    words.add(substituted(impatient(null), NAME));
    assertThat(run(words, System.getenv("PATH"))).isEqualTo(FetchCommand.TROUBLE);
    assertThat(said).containsIgnoringCase("fork");
    assertThat(data.resolve("pg_wal/RECOVERYXLOG")).doesNotExist();
  }

  private static void open(Path folder) throws IOException {
    for (Path each = folder; each.startsWith(System.getProperty("java.io.tmpdir")); ) {
      if (each.equals(Path.of(System.getProperty("java.io.tmpdir")))) {
        break;
      }
      Files.setPosixFilePermissions(each, PosixFilePermissions.fromString("rwxr-xr-x"));
      each = each.getParent();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"/bin/sh", "/bin/bash"})
  void aServedFolderAnswersEveryKindOfQuestion(String shell) throws Exception {
    exchange();
    byte[] content = segment(1);
    Files.write(archive.resolve(NAME), content);
    Files.write(archive.resolve(NEXT), new byte[] {1, 2, 3});
    Files.writeString(archive.resolve("00000002.history"), "1\t0/300000\tno reason\n");
    serve();
    Path never = launcher("never", "touch " + folder.resolve("asked") + "; exit 1");
    String command = command(never);
    assertThat(fetch(shell, command, NAME)).isZero();
    assertThat(data.resolve("pg_wal/RECOVERYXLOG")).hasBinaryContent(content);
    assertThat(fetch(shell, command, "00000002.history")).isZero();
    assertThat(data.resolve("pg_wal/RECOVERYXLOG")).hasContent("1\t0/300000\tno reason\n");
    assertThat(fetch(shell, command, "00000003.history")).isEqualTo(1);
    assertThat(fetch(shell, command, "000000010000000000000009")).isEqualTo(1);
    // The end of the log is delivered at its full length.
    assertThat(fetch(shell, command, NEXT)).isZero();
    byte[] open = Files.readAllBytes(data.resolve("pg_wal/RECOVERYXLOG"));
    assertThat(open).hasSize(SEGMENT).startsWith(1, 2, 3, 0);
    assertThat(
            PosixFilePermissions.toString(
                Files.getPosixFilePermissions(data.resolve("pg_wal/RECOVERYXLOG"))))
        .isEqualTo("rw-------");

    repository.reachable = false;
    assertThat(fetch(shell, command, "00000004.history")).isEqualTo(FetchCommand.TROUBLE);
    repository.reachable = true;
    // Longer than a segment of this cluster: damaged.
    Files.write(archive.resolve("000000010000000000000007"), new byte[SEGMENT + 1]);
    assertThat(fetch(shell, command, "000000010000000000000007")).isEqualTo(FetchCommand.TROUBLE);
    assertThat(folder.resolve("asked")).doesNotExist();
    assertThat(left()).isEmpty();
  }

  @Test
  void theSegmentsAfterTheOneAskedForAreLaidOutAhead() throws Exception {
    exchange();
    for (int i = 3; i < 9; i++) {
      Files.write(archive.resolve("00000001000000000000000" + i), segment(i));
    }
    serve();
    String command = command(null);
    assertThat(fetch(command, NAME)).isZero();
    for (int i = 4; i < 9; i++) {
      Path ahead = data.resolve("pg_wal/thorbis/00000001000000000000000" + i);
      while (!Files.exists(ahead)) {
        Thread.onSpinWait(); // the test's time limit ends it
      }
    }
    repository.reachable = false;
    for (int i = 4; i < 9; i++) {
      assertThat(fetch(command, "00000001000000000000000" + i)).isZero();
      assertThat(data.resolve("pg_wal/RECOVERYXLOG")).hasBinaryContent(segment(i));
    }
  }

  @Test
  void severalSegmentsAreFetchedAheadAtOnceWhereTheStoreIsFarAway() throws Exception {
    exchange();
    for (int i = 3; i < 9; i++) {
      Files.write(archive.resolve("00000001000000000000000" + i), segment(i));
    }
    CountDownLatch together = new CountDownLatch(4);
    serve(
        new WalServer(
            settings(null),
            () -> {
              if (Thread.currentThread().getName().equals("wal-ahead")) {
                together.countDown();
                try {
                  together.await();
                } catch (InterruptedException e) {
                  throw new InterruptedIOException();
                }
              }
              return repository;
            }));
    assertThat(fetch(command(null), NAME)).isZero();
    Path ahead = data.resolve("pg_wal/thorbis/000000010000000000000008");
    while (!Files.exists(ahead)) {
      Thread.onSpinWait(); // the test's time limit ends it
    }
    assertThat(together.getCount()).isZero();
  }

  @Test
  void w12ReadingAheadFollowsTheHistoryOverASwitch() throws Exception {
    exchange();
    Files.writeString(archive.resolve("00000002.history"), "1\t0/480000\tno reason\n");
    Files.write(archive.resolve(NAME), segment(3));
    Files.write(archive.resolve("000000020000000000000004"), segment(4));
    Files.write(archive.resolve("000000020000000000000005"), segment(5));
    serve();
    String command = command(null);
    assertThat(fetch(command, "00000002.history")).isZero();
    assertThat(fetch(command, NAME)).isZero();
    // Several are fetched at once, and any of them may come first.
    Path ahead = data.resolve("pg_wal/thorbis");
    while (!Files.exists(ahead.resolve("000000020000000000000004"))
        || !Files.exists(ahead.resolve("000000020000000000000005"))) {
      Thread.onSpinWait(); // the test's time limit ends it
    }
    assertThat(ahead.resolve("000000010000000000000004")).doesNotExist();
  }

  @Test
  void aResidentProcessThatDiedIsPassedBy() throws Exception {
    exchange();
    Files.writeString(data.resolve("pg_wal/thorbis/alive"), "17\n");
    Path launcher = launcher("thorbis", "cp " + NAME + " \"$6\"");
    Files.write(data.resolve(NAME), segment(1));
    assertThat(fetch(FetchCommand.restoreCommand(settings(launcher), 5), NAME)).isZero();
    assertThat(data.resolve("pg_wal/thorbis/alive")).doesNotExist();
    assertThat(left()).isEmpty();
    // Without anybody else to ask, it is trouble.
    Files.writeString(data.resolve("pg_wal/thorbis/alive"), "17\n");
    assertThat(fetch(FetchCommand.restoreCommand(settings(null), 5), NAME))
        .isEqualTo(FetchCommand.TROUBLE);
  }

  @Test
  void aQuestionSurvivesTheProcessThatTookIt() throws Exception {
    exchange();
    Files.write(archive.resolve(NAME), segment(1));
    Path want = data.resolve("pg_wal/thorbis/" + NAME + ".77.want");
    Files.writeString(want, NAME);
    serve();
    Path answer = data.resolve("pg_wal/thorbis/" + NAME + ".77.file");
    while (!Files.exists(answer) || Files.exists(want)) {
      Thread.onSpinWait(); // the test's time limit ends it
    }
    assertThat(answer).hasBinaryContent(segment(1));
  }

  private static byte[] segment(int seed) {
    byte[] content = new byte[SEGMENT];
    new java.util.Random(seed).nextBytes(content);
    return content;
  }

  private void exchange() throws IOException {
    Exchange.create(data, ServerUser.owning(data));
  }

  private void serve() throws Exception {
    serve(new WalServer(settings(null), () -> repository));
  }

  private void serveLater() {
    try {
      serve();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private void serve(WalServer server) throws Exception {
    serving =
        new Thread(
            () -> {
              try {
                server.serveOnly(data, new RunControl(enough, Progress.NONE));
              } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
              }
            });
    serving.start();
    while (!Files.exists(data.resolve("pg_wal/thorbis/alive"))) {
      Thread.onSpinWait(); // the test's time limit ends it
    }
  }

  private PostgresSettings settings(@Nullable Path launcher) {
    Map<String, String> more =
        launcher == null
            ? Map.of("wal.get-deadline", "100ms")
            : Map.of(
                "wal.get-deadline",
                "100ms",
                "launcher",
                launcher.toString(),
                "config-file",
                folder.resolve("thorbis.yaml").toString());
    return TestSettings.of(folder.resolve("state"), more);
  }

  private String command(@Nullable Path launcher) {
    return FetchCommand.restoreCommand(settings(launcher));
  }

  /** The same, which waits for nobody. */
  private String impatient(@Nullable Path launcher) {
    return FetchCommand.restoreCommand(settings(launcher), 5);
  }

  /** Called as {@code launcher -c FILE wal get SOURCE NAME DEST}. */
  private Path launcher(String name, String body) throws IOException {
    Path file = folder.resolve(name);
    Files.writeString(
        file, "#!/bin/sh\n[ \"$1$3$4\" = -cwalget ] || exit 99\nshift 1\n" + body + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
    return file;
  }

  private List<String> left() throws IOException {
    try (Stream<Path> files = Files.list(data.resolve("pg_wal/thorbis"))) {
      return files
          .map(path -> path.getFileName().toString())
          .filter(name -> !name.equals("alive") && !name.startsWith("."))
          .toList();
    }
  }

  private int fetch(String command, String name) throws Exception {
    return fetch("/bin/sh", command, name);
  }

  private int fetch(String shell, String command, String name) throws Exception {
    return run(List.of(shell, "-c", substituted(command, name)), System.getenv("PATH"));
  }

  /** As a server does it. */
  private static String substituted(String command, String name) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < command.length(); i++) {
      char c = command.charAt(i);
      if (c != '%') {
        text.append(c);
        continue;
      }
      char next = command.charAt(++i);
      text.append(
          switch (next) {
            case 'f' -> name;
            case 'p' -> "pg_wal/RECOVERYXLOG";
            case '%' -> "%";
            default -> throw new AssertionError("%" + next);
          });
    }
    return text.toString();
  }

  private int run(List<String> words, String path) throws Exception {
    ProcessBuilder builder = new ProcessBuilder(words).directory(data.toFile());
    builder.environment().put("PATH", path);
    if (words.get(0).startsWith("setpriv") || words.get(0).startsWith("prlimit")) {
      builder.command().set(0, "/usr/bin/" + words.get(0));
    }
    Process process = builder.redirectErrorStream(true).start();
    said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int code = process.waitFor();
    assertThat(said).doesNotContain("yntax");
    return code;
  }
}
