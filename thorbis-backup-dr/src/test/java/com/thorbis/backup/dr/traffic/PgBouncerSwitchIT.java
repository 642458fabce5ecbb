package com.thorbis.backup.dr.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.testkit.Daemon;
import com.thorbis.backup.testkit.postgres.PostgresBinaries;
import com.thorbis.backup.testkit.postgres.PostgresServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Comparator;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PgBouncerSwitchIT {
  @TempDir static Path data;
  private static PostgresServer one;
  private static PostgresServer two;

  @TempDir Path folder;
  private Path sockets;
  private Path ini;
  private int port;
  private Daemon bouncer;

  @BeforeAll
  static void servers() throws Exception {
    one = server("one");
    two = server("two");
    for (PostgresServer server : new PostgresServer[] {one, two}) {
      try (Connection connection =
              DriverManager.getConnection(
                  "jdbc:postgresql://127.0.0.1:" + server.port() + "/postgres", "postgres", "");
          Statement statement = connection.createStatement()) {
        statement.execute("CREATE TABLE written (number bigint PRIMARY KEY)");
      }
    }
  }

  @AfterAll
  static void end() throws IOException {
    one.close();
    two.close();
  }

  @BeforeEach
  void start() throws Exception {
    sockets = Files.createTempDirectory(Path.of("/tmp"), "pgb"); // the name must stay short
    start("md5");
  }

  private void start(String login) throws Exception {
    port = PostgresServer.freePort();
    Files.writeString(folder.resolve("hba"), "local all all peer\n");
    ini = folder.resolve("pgbouncer.ini");
    Files.writeString(
        folder.resolve("users"),
        "\"app\" \"secret\"\n\"boss\" \"secret\"\n\"%s\" \"\"\n".formatted(account()));
    Files.writeString(
        ini,
        """
        [databases]
        ; this one moves
        app = host=127.0.0.1 port=%d dbname=postgres user=postgres password='not needed'
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = %d
        unix_socket_dir = %s
        auth_type = %s
        auth_hba_file = %s
        auth_file = %s
        admin_users = boss, %s
        pool_mode = transaction
        server_login_retry = 1
        query_wait_timeout = 2
        ignore_startup_parameters = extra_float_digits
        """
            .formatted(
                one.port(),
                port,
                sockets,
                login,
                folder.resolve("hba"),
                folder.resolve("users"),
                account()));
    bouncer = Daemon.start(folder.resolve("log"), port, "/usr/sbin/pgbouncer", ini.toString());
  }

  @AfterEach
  void stop() throws Exception {
    bouncer.close();
    try (Stream<Path> all = Files.walk(sockets)) {
      for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(each);
      }
    }
  }

  @Test
  void aClientThatKeepsWritingIsMovedAndBroughtBackWithoutAnError() throws Exception {
    PgBouncerSwitch traffic = open();
    String whole = Files.readString(ini);
    String before = traffic.current();
    assertThat(before).isEqualTo("127.0.0.1:" + one.port());
    String after = "127.0.0.1:" + two.port();
    ExecutorService threads = Executors.newSingleThreadExecutor();
    try (Writer writer = new Writer(client())) {
      Future<Long> writing = threads.submit(writer);
      writer.awaitMore(50);
      traffic.set(before, after);
      assertThat(traffic.points(after)).isTrue();
      writer.awaitMore(50);
      traffic.set(before, after);
      traffic.set(after, before);
      writer.awaitMore(50);
      writer.ends = true;
      long written = writing.get(30, TimeUnit.SECONDS);
      assertThat(rows(one)).isPositive();
      assertThat(rows(two)).isPositive();
      assertThat(rows(one) + rows(two)).isEqualTo(written);
      assertThat(writer.longest).isLessThan(Duration.ofSeconds(5).toNanos());
      System.out.printf(
          "%d transactions, two moves, none failed; longest wait %d ms%n",
          written, TimeUnit.NANOSECONDS.toMillis(writer.longest));
    } finally {
      threads.shutdownNow();
    }
    assertThat(Files.readString(ini)).isEqualTo(whole);
  }

  @Test
  void clientsOfAServerThatIsGoneReachTheNewOneAtOnce() throws Exception {
    int gone;
    try (ServerSocket nobody = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      gone = nobody.getLocalPort();
    }
    bouncer.close();
    Files.writeString(ini, Files.readString(ini).replace("port=" + one.port(), "port=" + gone));
    bouncer = Daemon.start(folder.resolve("log"), port, "/usr/sbin/pgbouncer", ini.toString());
    assertThatThrownBy(this::client).hasMessageContaining("query_wait_timeout");
    long start = System.nanoTime();
    open().set("127.0.0.1:" + gone, "127.0.0.1:" + two.port());
    try (Connection client = client()) {
      assertThat(reached(client)).isEqualTo(two.port());
    }
    assertThat(System.nanoTime() - start).isLessThan(Duration.ofSeconds(5).toNanos());
  }

  @Test
  void whatBrokeOffWhilePausedIsFinished() throws Exception {
    PgBouncerSwitch traffic = open();
    String before = traffic.current();
    String after = "127.0.0.1:" + two.port();
    console("boss").ask("PAUSE app", Duration.ofSeconds(5));
    Files.writeString(
        ini, Files.readString(ini).replace("port=" + one.port(), "port=" + two.port()));
    assertCode(traffic::current, "traffic.in-between");
    assertThat(traffic.points(after)).isFalse();
    traffic.set(before, after);
    assertThat(traffic.points(after)).isTrue();
    try (Connection client = client()) {
      assertThat(reached(client)).isEqualTo(two.port());
    }
  }

  @Test
  void transactionsThatDoNotEndKeepTheirServerOrAreDropped() throws Exception {
    PgBouncerSwitch patient = builder().pause(Duration.ofMillis(300)).build();
    String whole = Files.readString(ini);
    String before = patient.current();
    String after = "127.0.0.1:" + two.port();
    try (Connection client = client()) {
      client.setAutoCommit(false);
      assertThat(reached(client)).isEqualTo(one.port());
      assertCode(() -> patient.set(before, after), "traffic.busy");
      assertThat(Files.readString(ini)).isEqualTo(whole);
      assertThat(reached(client)).isEqualTo(one.port());
      assertThat(patient.points(before)).isTrue();
      builder().pause(Duration.ofMillis(300)).kill(true).build().set(before, after);
      assertThatThrownBy(() -> reached(client)).isInstanceOf(SQLException.class);
    }
    try (Connection client = client()) {
      assertThat(reached(client)).isEqualTo(two.port());
    }
  }

  @Test
  void anEntryThatPgBouncerDoesNotTakeIsBroughtBack() throws Exception {
    String whole = Files.readString(ini);
    PgBouncerSwitch traffic = open();
    String before = traffic.current();
    assertCode(() -> traffic.set(before, "127.0.0.1:0"), "traffic.refused");
    assertThat(traffic.points(before)).isTrue();
    assertThat(Files.readString(ini)).isEqualTo(whole);
  }

  @Test
  void whatSomebodyElseHasMovedStaysAndBadAnswersAreNone() throws Exception {
    String whole = Files.readString(ini);
    PgBouncerSwitch traffic = open();
    assertCode(() -> traffic.set("db9:5432", "db8:5432"), "traffic.changed");
    try (SecretValue wrong = SecretValue.ofText("wrong")) {
      PgBouncerSwitch stranger = builder().password(wrong).build();
      SwitchException refused = catchThrowableOfType(SwitchException.class, stranger::current);
      assertThat(refused.code()).isEqualTo("traffic.refused");
      assertThat(refused).hasMessageContaining("boss").hasMessageNotContaining("wrong");
    }
    PgBouncerSwitch nobody = builder().user("app").build();
    assertCode(nobody::current, "traffic.refused");
    PgBouncerSwitch late = builder().timeout(Duration.ofNanos(1)).build();
    assertCode(late::current, "traffic.unavailable");
    bouncer.close();
    assertCode(traffic::current, "traffic.unavailable");
    assertThat(Files.readString(ini)).isEqualTo(whole);
  }

  @ParameterizedTest
  @ValueSource(strings = {"trust", "scram-sha-256", "hba"})
  void eachWayToLogInWorks(String login) throws Exception {
    bouncer.close();
    start(login);
    String user = login.equals("hba") ? account() : "boss";
    PgBouncerSwitch.Builder builder = builder().user(user);
    if (login.equals("hba")) {
      builder.console(sockets, port);
    }
    assertThat(builder.build().points("127.0.0.1:" + one.port())).isTrue();
    if (login.equals("scram-sha-256")) {
      try (SecretValue wrong = SecretValue.ofText("wrong")) {
        PgBouncerSwitch stranger = builder().password(wrong).build();
        assertCode(stranger::current, "traffic.refused");
      }
    }
  }

  private static final SecretValue SECRET = SecretValue.ofText("secret");

  private PgBouncerSwitch open() {
    return builder().build();
  }

  private PgBouncerSwitch.Builder builder() {
    return PgBouncerSwitch.builder()
        .file(ini)
        .database("app")
        .console("127.0.0.1", port)
        .user("boss")
        .password(SECRET);
  }

  private Console console(String user) {
    return new SimpleQuery(null, "127.0.0.1", port, user, SECRET);
  }

  private Connection client() throws SQLException {
    return DriverManager.getConnection(
        "jdbc:postgresql://127.0.0.1:"
            + port
            + "/app?sslmode=disable&prepareThreshold=0&connectTimeout=5&socketTimeout=20",
        "app",
        "secret");
  }

  /** Whom the daemon takes for us: root is nobody in its namespace. */
  private static String account() {
    String name = System.getProperty("user.name");
    return name.equals("root") ? "nobody" : name;
  }

  private static int reached(Connection client) throws SQLException {
    try (Statement statement = client.createStatement();
        ResultSet rows = statement.executeQuery("SELECT inet_server_port()")) {
      rows.next();
      return rows.getInt(1);
    }
  }

  private static long rows(PostgresServer server) throws SQLException {
    try (Connection connection =
            DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + server.port() + "/postgres", "postgres", "");
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT count(*) FROM written")) {
      rows.next();
      return rows.getLong(1);
    }
  }

  private static PostgresServer server(String name) throws IOException {
    return PostgresServer.builder(PostgresBinaries.debian(15))
        .dataDirectory(data.resolve(name))
        .setting("fsync", "off")
        .start();
  }

  private static void assertCode(
      org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String code) {
    assertThat(catchThrowableOfType(SwitchException.class, call).code()).isEqualTo(code);
  }

  /** Writes one number after the other, each in a transaction of its own, on one connection. */
  private static final class Writer implements Callable<Long>, AutoCloseable {
    private final Connection connection;
    private final AtomicLong written = new AtomicLong();
    private volatile boolean failed;
    volatile boolean ends;
    volatile long longest;

    Writer(Connection connection) {
      this.connection = connection;
    }

    @Override
    public Long call() throws SQLException {
      try (PreparedStatement insert =
          connection.prepareStatement("INSERT INTO written VALUES (?)")) {
        while (!ends) {
          long start = System.nanoTime();
          insert.setLong(1, written.get() + 1);
          insert.executeUpdate();
          longest = Math.max(longest, System.nanoTime() - start);
          written.incrementAndGet();
        }
        return written.get();
      } catch (SQLException e) {
        failed = true;
        throw e;
      }
    }

    void awaitMore(int count) throws InterruptedException {
      long goal = written.get() + count;
      while (written.get() < goal && !failed) {
        Thread.sleep(2);
      }
    }

    @Override
    public void close() throws SQLException {
      ends = true;
      connection.close();
    }
  }
}
