package com.thorbis.backup.quickstart;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.ReceiveRequest;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.crypto.KeystoreKeyProvider;
import com.thorbis.backup.crypto.RecoveryKey;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;

/**
 * Starts a PostgreSQL server, protects it, drops a table "by accident", and brings the moment
 * before back on a second server. Everything that a service would do is in {@link #run}.
 */
public final class Quickstart {
  private static final String SOURCE = "orders";
  private static final String CONTENT =
      "SELECT count(*), md5(string_agg(id || ':' || item, ',' ORDER BY id)) FROM orders";

  // A logger that nobody holds is collected, with its level.
  private static final Logger LIBRARY_LOG = Logger.getLogger("com.thorbis.backup");

  private final PrintStream out;
  private final boolean terminal;
  private final Path folder;
  private int step;

  private Quickstart(PrintStream out, boolean terminal, Path folder) {
    this.out = out;
    this.terminal = terminal;
    this.folder = folder;
  }

  /** Runs the whole round; {@code --keep} leaves its files. */
  public static void main(String[] args) throws Exception {
    boolean keep = Arrays.equals(args, new String[] {"--keep"});
    if (args.length > 0 && !keep) {
      System.err.println("Usage: bin/quickstart [--keep]");
      System.exit(2);
    }
    long started = System.nanoTime();
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    LIBRARY_LOG.setLevel(Level.WARNING);
    // The server may run under another account, which has to pass through.
    Path folder =
        Files.createTempDirectory(
            "thorbis-quickstart-",
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx--x--x")));
    out.println("Everything happens in " + folder);
    boolean done = false;
    try {
      boolean terminal = System.getProperty("thorbis.terminals", "").contains("o");
      new Quickstart(out, terminal, folder).run();
      done = true;
    } finally {
      if (keep || !done) {
        out.println("Left for you to look at: " + folder);
      } else {
        delete(folder);
      }
    }
    out.println();
    out.println("All of it worked, in " + seconds(System.nanoTime() - started) + ".");
  }

  private void run() throws Exception {
    String password = random();
    say("Start PostgreSQL and fill a table");
    PostgresBinaries binaries = PostgresBinaries.newest();
    try (PostgresServer server =
        PostgresServer.builder(binaries)
            .dataDirectory(folder.resolve("server"))
            .password(password)
            .start()) {
      server.execute(
          "postgres",
          "CREATE TABLE orders (id bigint PRIMARY KEY, item text NOT NULL)",
          "INSERT INTO orders SELECT n, md5(n::text) || repeat('x', 60)"
              + " FROM generate_series(1, 300000) n",
          "CREATE ROLE thorbis_backup LOGIN REPLICATION PASSWORD '" + password + "'",
          "GRANT pg_monitor TO thorbis_backup");
      Runtime.getRuntime().addShutdownHook(new Thread(() -> stopAll(server)));
      tell("PostgreSQL " + binaries.major() + " on port " + server.port() + ", 300000 orders");

      try (ThorbisBackup thorbis = thorbis(server, binaries, password)) {
        protect(thorbis, server, password);
      }
    }
  }

  /** One source and one repository that two independent keys open. */
  private ThorbisBackup thorbis(PostgresServer server, PostgresBinaries binaries, String password)
      throws IOException {
    Path keystore = folder.resolve("keys.p12");
    SecretValue keystorePassword = SecretValue.ofText(random());
    KeystoreKeyProvider.create(keystore, keystorePassword, "backup");
    String recoveryPublicKey = createRecoveryKey(folder.resolve("recovery.key"));
    return ThorbisBackup.builder()
        .stateDirectory(folder.resolve("state"))
        .copy(folder.resolve("repository").toUri(), Map.of())
        .recipient(keystore(keystore), Map.of("password", keystorePassword, "alias", "backup"))
        .recipient(URI.create("recovery:" + recoveryPublicKey), Map.of())
        .source(
            SOURCE,
            "postgres",
            Map.of(
                "url", server.jdbcUrl("postgres"),
                "user", "thorbis_backup",
                "password", SecretValue.ofText(password),
                "bin-directory", binaries.binDirectory().toString(),
                "server-user", Files.getOwner(server.dataDirectory()).getName(),
                "wal.ship-interval", "1s"))
        .build();
  }

  private void protect(ThorbisBackup thorbis, PostgresServer server, String password)
      throws Exception {
    say("Create an encrypted repository");
    thorbis.init().recipients().forEach(recipient -> tell("opened by " + recipient));

    say("Stream its write-ahead log, and take a full backup while it is written to");
    Cancellation end = new Cancellation();
    CompletableFuture<Void> streaming =
        CompletableFuture.runAsync(
            () ->
                thorbis.receiveWal(
                    new ReceiveRequest(SOURCE, false), new RunControl(end, Progress.NONE)));
    try {
      BackupDescriptor backup =
          thorbis.backup(BackupRequest.builder(SOURCE).label("quickstart").build(), watched());
      tell(
          backup.id()
              + ": "
              + backup.files()
              + " files, "
              + size(backup.bytesRead())
              + " read, "
              + size(backup.bytesStored())
              + " stored, in "
              + backup.durationMillis()
              + " ms");

      say("Go on working, then drop the table by accident");
      server.execute(
          "postgres",
          "INSERT INTO orders SELECT n, 'after the backup' FROM generate_series(300001, 310000) n");
      String before = content(server.jdbcUrl("postgres"), password);
      Instant moment =
          Instant.parse(
              server.query(
                  "postgres",
                  "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',"
                      + " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"));
      server.execute("postgres", "DROP TABLE orders", "CREATE TABLE too_late (id int)");
      tell("310000 orders at " + moment + ", then DROP TABLE orders");
      awaitStored(thorbis, Lsn.parse(server.query("postgres", "SELECT pg_current_wal_lsn()")));

      recover(thorbis, moment, before, password);
    } finally {
      end.cancel();
      await(streaming);
    }

    say("Check every byte that is stored");
    VerifyReport verified =
        thorbis.verify(
            new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100), watched());
    require(verified.damaged().isEmpty(), "Damaged: " + verified.damaged());
    tell(verified.checked() + " objects, none damaged");
  }

  private void recover(ThorbisBackup thorbis, Instant moment, String before, String password)
      throws Exception {
    say("Bring the moment before the accident back, on a second server");
    Path restored = folder.resolve("restored");
    RestoreRequest request =
        RestoreRequest.builder(SOURCE, restored)
            .target(new RecoveryTarget.AtTime(moment, true))
            .action(RestoreRequest.Action.PROMOTE)
            .start(true)
            .build();
    RestorePlan plan = thorbis.plan(request);
    tell("from backup " + plan.backup().id() + " along timeline " + plan.timeline().orElseThrow());
    RestoreReport report = thorbis.restore(request, watched());
    try {
      RestoreReport.Reached reached = report.reached().orElseThrow();
      int port = report.port().orElseThrow();
      tell(
          size(report.bytesWritten())
              + " written in "
              + report.durationMillis()
              + " ms; the server is at "
              + reached.lsn()
              + " and listens on port "
              + port);
      String after = content("jdbc:postgresql://127.0.0.1:" + port + "/postgres", password);
      require(after.equals(before), "The orders are not the same: " + after + " and " + before);
      tell("the table is there again: 310000 orders, the same checksum");
    } finally {
      stop(restored);
    }
  }

  /** Waits until the log is in the repository up to a position. */
  private static void awaitStored(ThorbisBackup thorbis, Lsn position) throws InterruptedException {
    Instant deadline = Instant.now().plus(Duration.ofSeconds(60));
    while (thorbis.walRanges(SOURCE).stream()
        .noneMatch(range -> range.end().compareTo(position) >= 0)) {
      require(Instant.now().isBefore(deadline), "The log up to " + position + " was not stored");
      TimeUnit.MILLISECONDS.sleep(100);
    }
  }

  private static String content(String url, String password) throws SQLException {
    try (Connection connection = DriverManager.getConnection(url, "postgres", password);
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(CONTENT)) {
      row.next();
      return row.getLong(1) + " orders with checksum " + row.getString(2);
    }
  }

  /** Whoever presses Ctrl-C finds no server left. */
  private void stopAll(PostgresServer server) {
    try (server) {
      stop(folder.resolve("restored"));
    } catch (Exception e) {
      out.println("Could not stop the servers: " + e.getMessage());
    }
  }

  private static void stop(Path dataDirectory) throws Exception {
    Path pidFile = dataDirectory.resolve("postmaster.pid");
    if (!Files.exists(pidFile)) {
      return;
    }
    long pid = Long.parseLong(Files.readAllLines(pidFile).get(0).strip());
    Optional<ProcessHandle> process = ProcessHandle.of(pid);
    if (process.isPresent()) {
      process.get().destroy();
      process.get().onExit().get(60, TimeUnit.SECONDS);
    }
  }

  private static void await(CompletableFuture<Void> streaming) throws Exception {
    try {
      streaming.get(60, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new IllegalStateException("The streaming did not end", e);
    }
  }

  /** The recovery key goes into a safe; only its public half stays here. */
  private static String createRecoveryKey(Path file) throws IOException {
    try (RecoveryKey key = RecoveryKey.generate(new SecureRandom());
        FileChannel channel =
            FileChannel.open(
                file,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(
                    PosixFilePermissions.fromString("rw-------")))) {
      char[] text = key.text();
      ByteBuffer encoded = StandardCharsets.US_ASCII.encode(CharBuffer.wrap(text));
      while (encoded.hasRemaining()) {
        channel.write(encoded);
      }
      Arrays.fill(text, '\0');
      Arrays.fill(encoded.array(), (byte) 0);
      return key.publicKey().text();
    }
  }

  private static URI keystore(Path file) {
    return URI.create("keystore://" + file.toUri().getRawPath());
  }

  private static String random() {
    byte[] bytes = new byte[16];
    new SecureRandom().nextBytes(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  private static void require(boolean holds, String message) {
    if (!holds) {
      throw new IllegalStateException(message);
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  private RunControl watched() {
    return new RunControl(new Cancellation(), new Bar(out, terminal));
  }

  private void say(String words) {
    out.println();
    out.println(++step + ". " + words);
  }

  private void tell(String words) {
    out.println("   " + words);
  }

  static String size(long bytes) {
    return String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0);
  }

  private static String seconds(long nanos) {
    return String.format(Locale.ROOT, "%.1f s", nanos / 1e9);
  }
}
