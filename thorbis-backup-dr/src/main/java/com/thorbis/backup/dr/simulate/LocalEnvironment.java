package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.drill.EndpointProbe;
import com.thorbis.backup.spi.SecretValue;
import java.io.File;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A primary, a standby that every commit waits for or a repository that keeps its log, and
 * PgBouncer before them, made on this host of the programs that are installed and removed again.
 * They listen on 127.0.0.1, let nobody in without a password that was made for them, and are
 * started when it is proven that they reach nothing else. Whatever happens, all of it ends with its
 * lease.
 */
public final class LocalEnvironment implements AutoCloseable {
  /** The name unless another is given. */
  public static final String NAME = "dr-test-primary";

  /** The database of the application. */
  public static final String DATABASE = "app";

  /** The role of the application. */
  public static final String ROLE = "app";

  /** The superuser of both servers. */
  public static final String SUPERUSER = "postgres";

  /** The role that PgBouncer takes orders from. */
  public static final String POOLER_ADMIN = "pooler";

  static final String LOOPBACK = "127.0.0.1";
  private static final String STANDBY = "dr_test_standby";
  private static final int LOWEST_PORT = 20_000; // below those that systems give to connections
  private static final int HIGHEST_PORT = 32_000;
  private static final int STATUS_LINE = 7;
  private static final Duration START = Duration.ofSeconds(30);
  private static final Duration LOOK = Duration.ofSeconds(2);
  private static final Duration STATEMENT = Duration.ofSeconds(20);
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Clock clock;
  private final Path bin;
  private final Path pgbouncer;
  private final Set<String> forbidden;
  private final Environments environments;
  private final Environments.Held held;
  private final Path leaseFile;
  private final Account account;
  private final String password;
  private final Node primary;
  private final Node front;
  private final Node successor;
  private final Relay relay;
  private final boolean relayed;
  private final boolean captured;
  private final int poolerPort;
  private final List<CheckItem> isolation = new ArrayList<>();
  private final Thread watch;
  private volatile EnvironmentLease lease;
  private volatile @Nullable BackupException ended;
  private final @Nullable Site site;
  private @Nullable Protection protection;
  private @Nullable Lookout lookout;
  private volatile @Nullable RecoveredPoint point;
  private boolean closed;

  private LocalEnvironment(Builder builder, Path bin, Path pgbouncer, Environments.Held held)
      throws IOException {
    this.clock = builder.clock;
    this.bin = bin;
    this.pgbouncer = pgbouncer;
    this.forbidden = Set.copyOf(builder.forbidden);
    this.environments = builder.environments;
    this.held = held;
    this.leaseFile = environments.lease(builder.name);
    this.account = Account.choose();
    String id = random(8);
    this.password = random(24);
    Path folder = Path.of("/var/tmp").toRealPath().resolve("thorbis-dr-" + id);
    this.primary = new Node("primary", freePort(), folder.resolve("primary"));
    this.relayed = builder.relayed;
    this.front = relayed ? new Node("primary", freePort(), primary.dataDirectory()) : this.primary;
    this.relay = new Relay(front.port(), primary.port());
    this.captured = builder.captured;
    String next = captured ? "recovered" : "standby";
    this.successor = new Node(next, freePort(), folder.resolve(next));
    this.poolerPort = freePort();
    this.site =
        builder.keeper == null
            ? null
            : new Site(
                folder,
                new int[] {freePort(), freePort(), freePort()},
                builder.keeper,
                this::spawn,
                password);
    Instant now = clock.instant();
    this.lease =
        new EnvironmentLease(
            builder.name,
            id,
            "process " + ProcessHandle.current().pid() + " of " + System.getProperty("user.name"),
            now,
            now.plus(builder.lease),
            folder,
            List.of());
    this.watch = new Thread(this::watch, "environment-" + builder.name);
    this.watch.setDaemon(true);
  }

  /**
   * A server.
   *
   * @param name for people
   * @param port at 127.0.0.1
   * @param dataDirectory its files
   */
  public record Node(String name, int port, Path dataDirectory) {
    /** Where it listens. */
    public String address() {
      return LOOPBACK + ":" + port;
    }
  }

  /** Collects what it is made of. */
  public static Builder builder(Environments environments, Clock clock) {
    return new Builder(environments, clock);
  }

  private static String random(int bytes) {
    byte[] drawn = new byte[bytes];
    RANDOM.nextBytes(drawn);
    return HexFormat.of().formatHex(drawn);
  }

  private int freePort() throws IOException {
    IOException taken = null;
    for (int attempt = 0; attempt < 1000; attempt++) {
      int candidate = ThreadLocalRandom.current().nextInt(LOWEST_PORT, HIGHEST_PORT);
      try (ServerSocket probe = new ServerSocket()) {
        probe.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), candidate));
        return candidate;
      } catch (IOException e) {
        taken = e;
      }
    }
    throw new IOException("No free port from " + LOWEST_PORT + " to " + HIGHEST_PORT, taken);
  }

  private void make() throws IOException, SQLException {
    lease.save(leaseFile);
    Files.createDirectory(
        lease.folder(),
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    file(Environments.MARKER, lease.id());
    watch.start();
    file("password", password);
    file("pgpass", LOOPBACK + ":*:*:*:" + password + "\n");
    file(
        "users.txt",
        "\"" + ROLE + "\" \"" + password + "\"\n\"" + POOLER_ADMIN + "\" \"" + password + "\"\n");
    file("pgbouncer.ini", pooler(front));
    account.own(lease.folder());
    Programs.run(
        account.words(
            List.of(
                program("initdb"),
                "-D",
                primary.dataDirectory().toString(),
                "-U",
                SUPERUSER,
                "--pwfile=" + lease.folder().resolve("password"),
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
                "--no-sync",
                "--no-instructions")));
    configure();
    provePooler();
    if (site != null) {
      List<String> elsewhere = site.elsewhere();
      judge(
          "balancer.addresses",
          elsewhere.isEmpty(),
          elsewhere.isEmpty() ? "are all on this host" : elsewhere + "");
    }
    prove(primary);
    if (!captured) {
      prove(successor);
    }
    requireIsolated();
    start(primary);
    if (relayed) {
      relay.join();
    }
    if (!captured) {
      start(successor);
    }
    try (Connection session = connect(primary, "postgres");
        Statement statement = session.createStatement()) {
      statement.execute("SET synchronous_commit = local"); // nobody may be there yet to wait for
      statement.execute("SET password_encryption = 'scram-sha-256'");
      statement.execute("CREATE ROLE " + ROLE + " LOGIN PASSWORD '" + password + "'");
      statement.execute("CREATE DATABASE " + DATABASE + " OWNER " + ROLE);
    }
    if (!captured) {
      await("the standby follows", () -> synchronous());
    }
    spawn(lease.folder(), "pgbouncer", List.of(pgbouncer.toString(), "-q", file("pgbouncer.ini")));
    await("PgBouncer lets clients in", this::serves);
    if (site != null) {
      site.start(balancer(), poolerPort);
      EndpointProbe endpoints = site.endpoints();
      await("the application answers", () -> answers(endpoints));
    }
    if (captured) {
      protection =
          Protection.start(
              primary,
              bin,
              password(),
              SecretValue.ofText(random(24)),
              lease.folder(),
              account == Account.NAMESPACE,
              clock);
    }
  }

  private static Path balancer() {
    return Programs.find("haproxy").orElseThrow(() -> Builder.missing("haproxy"));
  }

  private static boolean answers(EndpointProbe endpoints) throws IOException {
    try {
      return endpoints.check().holds();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted in an environment");
    }
  }

  private String file(String name) {
    return lease.folder().resolve(name).toString();
  }

  private void file(String name, String content) throws IOException {
    Path file = lease.folder().resolve(name);
    Files.createFile(
        file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    Files.writeString(file, content);
  }

  private String program(String name) {
    return bin.resolve(name).toString();
  }

  /** What PgBouncer is started with when it leads to a server. */
  private String pooler(Node to) {
    return String.join(
        "\n",
        "[databases]",
        DATABASE + " = host=" + LOOPBACK + " port=" + to.port() + " dbname=" + DATABASE,
        "",
        "[pgbouncer]",
        "listen_addr = " + LOOPBACK,
        "listen_port = " + poolerPort,
        "unix_socket_dir =",
        "auth_type = scram-sha-256",
        "auth_file = " + file("users.txt"),
        "admin_users = " + POOLER_ADMIN,
        "logfile = " + file("pgbouncer.out"),
        "pidfile = " + file("pgbouncer.pid"),
        "pool_mode = transaction",
        "ignore_startup_parameters = extra_float_digits",
        "server_connect_timeout = 2",
        "server_login_retry = 0.2",
        "query_wait_timeout = 3",
        "");
  }

  private void configure() throws IOException {
    Path data = primary.dataDirectory();
    StringBuilder settings = new StringBuilder();
    Map<String, String> common = new LinkedHashMap<>();
    common.put("listen_addresses", LOOPBACK);
    common.put("unix_socket_directories", "");
    common.put("ssl", "off");
    common.put("shared_buffers", "32MB");
    common.put(
        "dynamic_shared_memory_type", "mmap"); // what a killed server leaves is in its folder
    common.put("wal_log_hints", "on");
    common.put("hot_standby", "on");
    common.put("synchronous_commit", "on");
    common.put("wal_receiver_status_interval", "1s");
    common.put("logging_collector", "off");
    common.put("max_logical_replication_workers", "0");
    common.put("lc_messages", "C");
    common.forEach(
        (name, value) -> settings.append(name).append(" = '").append(value).append("'\n"));
    Files.writeString(data.resolve("postgresql.conf"), "\n" + settings, StandardOpenOption.APPEND);
    Files.writeString(
        data.resolve("pg_hba.conf"),
        "host all all 127.0.0.1/32 scram-sha-256\n"
            + "host replication "
            + SUPERUSER
            + " 127.0.0.1/32 scram-sha-256\n");
    if (captured) {
      own(primary, "");
      account.own(lease.folder());
      return;
    }
    copy(data, successor.dataDirectory());
    own(primary, "synchronous_standby_names = '" + STANDBY + "'\n");
    own(
        successor,
        "primary_conninfo = 'host="
            + LOOPBACK
            + " port="
            + front.port()
            + " user="
            + SUPERUSER
            + " passfile="
            + file("pgpass")
            + " sslmode=disable application_name="
            + STANDBY
            + "'\n");
    Files.createFile(successor.dataDirectory().resolve("standby.signal"));
    account.own(lease.folder());
  }

  private static void own(Node node, String settings) throws IOException {
    Files.writeString(
        node.dataDirectory().resolve("postgresql.conf"),
        "port = " + node.port() + "\n" + settings,
        StandardOpenOption.APPEND);
  }

  /** A server that was never started can be copied as it lies. */
  private static void copy(Path from, Path to) throws IOException {
    Files.walkFileTree(
        from,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes)
              throws IOException {
            Files.createDirectory(
                to.resolve(from.relativize(folder).toString()),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.copy(file, to.resolve(from.relativize(file).toString()));
            return FileVisitResult.CONTINUE;
          }
        });
  }

  private String effective(Node node, String setting) throws IOException {
    String said =
        Programs.run(
            account.words(
                List.of(
                    program("postgres"), "-D", node.dataDirectory().toString(), "-C", setting)));
    String text = said.endsWith("\n") ? said.substring(0, said.length() - 1) : said;
    return text.substring(text.lastIndexOf('\n') + 1); // warnings come before
  }

  /** By what the server's own program says would be in force, and not by what we have written. */
  private void prove(Node node) throws IOException {
    Map<String, String> rules = new LinkedHashMap<>();
    rules.put("listen_addresses", LOOPBACK);
    rules.put("unix_socket_directories", "");
    rules.put("port", Integer.toString(node.port()));
    rules.put("data_directory", node.dataDirectory().toString());
    rules.put("archive_mode", "off");
    rules.put("restore_command", "");
    rules.put("archive_cleanup_command", "");
    rules.put("recovery_end_command", "");
    rules.put("primary_slot_name", "");
    rules.put("shared_preload_libraries", "");
    rules.put("max_logical_replication_workers", "0");
    rules.put("synchronous_standby_names", node.equals(primary) && !captured ? STANDBY : "");
    for (Map.Entry<String, String> rule : rules.entrySet()) {
      String found = effective(node, rule.getKey());
      judge(node.name() + "." + rule.getKey(), found.equals(rule.getValue()), found);
    }
    String follows = effective(node, "primary_conninfo");
    boolean holds =
        node.equals(primary) || captured
            ? follows.isEmpty()
            : follows.contains("host=" + LOOPBACK + " port=" + front.port() + " ");
    judge(node.name() + ".primary_conninfo", holds, holds ? "is its own" : "leads elsewhere");
    judge(
        node.name() + ".address",
        !forbidden.contains(node.address()),
        node.address() + (forbidden.contains(node.address()) ? " is a source's" : ""));
  }

  private void provePooler() throws IOException {
    List<String> elsewhere = new ArrayList<>();
    String section = "";
    for (String line : Files.readAllLines(lease.folder().resolve("pgbouncer.ini"))) {
      if (line.startsWith("[") || line.startsWith("%include")) {
        section = line;
      } else if (section.equals("[databases]") && !line.isBlank()) {
        if (!line.contains("host=" + LOOPBACK + " port=" + front.port() + " ")) {
          elsewhere.add(line);
        }
      }
    }
    judge(
        "pooler.databases",
        elsewhere.isEmpty(),
        elsewhere.isEmpty() ? "lead to the primary" : elsewhere + "");
  }

  private void judge(String what, boolean holds, String found) {
    isolation.add(
        new CheckItem(
            "isolation." + what.replace('_', '-'),
            holds ? CheckItem.Outcome.OK : CheckItem.Outcome.FAIL,
            what + ": " + (found.isEmpty() ? "empty" : found),
            ""));
  }

  private void requireIsolated() {
    List<CheckItem> failed =
        isolation.stream().filter(it -> it.outcome() == CheckItem.Outcome.FAIL).toList();
    if (!failed.isEmpty()) {
      throw BackupException.of(
              "environment.not-isolated",
              FailureKind.REFUSED,
              "Nothing was started, as it could do harm: "
                  + String.join("; ", failed.stream().map(CheckItem::message).toList()))
          .remedy("Look at what sets this on this host, such as include files of PostgreSQL.")
          .detail("failed", String.join(",", failed.stream().map(CheckItem::subject).toList()))
          .build();
    }
  }

  /** Starts a server, and returns when it lets sessions in. */
  void start(Node node) throws IOException {
    Process process =
        spawn(
            node.dataDirectory(),
            node.name(),
            List.of(program("postgres"), "-D", node.dataDirectory().toString()));
    await(
        node.name() + " lets sessions in",
        () -> {
          if (!process.isAlive()) {
            throw new IOException(node.name() + " ended:\n" + tail(node.name()));
          }
          return ready(node) && process(node).isPresent(); // a killed one has left its file
        });
  }

  /** Stops a server in order. */
  void stop(Node node) throws IOException {
    Programs.run(
        account.words(
            List.of(
                program("pg_ctl"),
                "stop",
                "-D",
                node.dataDirectory().toString(),
                "-m",
                "fast",
                "-w")));
  }

  /**
   * Starts the server that a restore has left running again, as one of this environment: at its
   * port, and proven to reach nothing.
   */
  void startRestored() throws IOException {
    Set<Path> sockets = Leftover.sockets(successor.dataDirectory());
    stop(successor);
    for (Path each : sockets) {
      Leftover.remove(each);
    }
    Files.writeString(
        successor.dataDirectory().resolve("postgresql.auto.conf"),
        "port = " + successor.port() + "\nrestore_command = ''\n",
        StandardOpenOption.APPEND);
    prove(successor);
    requireIsolated();
    start(successor);
  }

  /** In a session of its own: what ends ours does not end it before we say so. */
  private Process spawn(Path folder, String name, List<String> command) throws IOException {
    return spawn(folder, name, command, Map.of());
  }

  private Process spawn(
      Path folder, String name, List<String> command, Map<String, String> environment)
      throws IOException {
    List<String> words = new ArrayList<>();
    Programs.find("setsid").ifPresent(it -> words.add(it.toString()));
    words.addAll(account.words(command));
    ProcessBuilder builder = Programs.builder(words);
    builder.directory(folder.toFile());
    builder.environment().put(Leftover.VARIABLE, String.valueOf(lease.folder().getFileName()));
    builder.environment().putAll(environment);
    return builder
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(new File(file(name + ".log"))))
        .start();
  }

  private String tail(String name) throws IOException {
    List<String> lines = Files.readAllLines(lease.folder().resolve(name + ".log"));
    return String.join("\n", lines.subList(Math.max(0, lines.size() - 15), lines.size()));
  }

  private static boolean ready(Node node) throws IOException {
    try {
      List<String> lines = Files.readAllLines(node.dataDirectory().resolve("postmaster.pid"));
      return lines.size() > STATUS_LINE && lines.get(STATUS_LINE).strip().equals("ready");
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  private boolean synchronous() throws SQLException {
    try (Connection session = connect(primary, "postgres");
        Statement statement = session.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")) {
      return row.next() && row.getLong(1) == 1;
    }
  }

  private boolean serves() throws IOException {
    try (Connection session = client(Duration.ofSeconds(5))) {
      return session.isValid(1);
    } catch (SQLException e) {
      return false; // asked again until the time is over
    }
  }

  /** Something that becomes true. */
  @FunctionalInterface
  private interface Condition {
    boolean holds() throws IOException, SQLException;
  }

  private void await(String what, Condition condition) throws IOException {
    long deadline = System.nanoTime() + START.toNanos();
    @Nullable SQLException last = null;
    while (true) {
      requireGoing();
      try {
        if (condition.holds()) {
          return;
        }
      } catch (SQLException e) {
        last = e;
      }
      if (System.nanoTime() - deadline > 0) {
        throw new IOException("Not so within " + START + ": " + what, last);
      }
      pause(20);
    }
  }

  private static void pause(long millis) throws IOException {
    try {
      TimeUnit.MILLISECONDS.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted in an environment");
    }
  }

  /** Ends all of it when its time is over, or when all are stopped. */
  private void watch() {
    try {
      while (ended == null) {
        TimeUnit.MILLISECONDS.sleep(200);
        Optional<String> by = environments.stopped();
        if (by.isPresent()) {
          end("environment.stopped", "was stopped by " + by.get());
        } else if (clock.instant().isAfter(lease.until())) {
          end("environment.expired", "has outlived its lease, until " + lease.until());
        }
      }
    } catch (InterruptedException | IOException e) {
      return; // it is closed, or the next sweep removes it
    }
  }

  private void end(String code, String why) throws IOException {
    ended =
        BackupException.of(code, FailureKind.CANCELLED, "Environment " + lease.name() + " " + why)
            .remedy("Nothing of it is left; start the test again when it may run.")
            .build();
    Leftover.kill(lease.folder());
  }

  /**
   * Fails once it was ended from outside.
   *
   * @throws BackupException code {@code environment.stopped} or {@code environment.expired}
   */
  public void requireGoing() {
    BackupException why = ended;
    if (why != null) {
      throw why;
    }
  }

  /** Its name. */
  public String name() {
    return lease.name();
  }

  /** Until when it is there. */
  public Instant until() {
    return lease.until();
  }

  /** All that it consists of. */
  public Path folder() {
    return lease.folder();
  }

  /** What was proven before anything was started. */
  public List<CheckItem> isolation() {
    return List.copyOf(isolation);
  }

  /** The server that takes commits at first. */
  public Node primary() {
    return primary;
  }

  /** The same, as everybody but itself reaches it. */
  public Node front() {
    return front;
  }

  /** What everybody reaches it through. */
  Relay relay() {
    return relay;
  }

  /** The server that takes over: the standby that every commit waits for, or what is restored. */
  public Node successor() {
    return successor;
  }

  /** The application before the database. */
  Site site() {
    return Objects.requireNonNull(site, "site");
  }

  /** What keeps the log and a backup of the primary. */
  Protection protection() {
    return Objects.requireNonNull(protection, "protection");
  }

  /** Begins to look whether the application's data is sound. */
  void lookOut() {
    lookout = Lookout.start(() -> client(LOOK), clock);
  }

  /** Whoever looks whether the application's data is sound. */
  Lookout lookout() {
    return Objects.requireNonNull(lookout, "lookout");
  }

  /** The moment that the data was, or will be, brought back to; empty while nobody has found it. */
  Optional<RecoveredPoint> point() {
    return Optional.ofNullable(point);
  }

  void point(RecoveredPoint found) {
    point = found;
  }

  /** The time. */
  Instant now() {
    return clock.instant();
  }

  /** Where the servers' programs lie. */
  public Path programs() {
    return bin;
  }

  /** The password of all roles; the caller's to close. */
  SecretValue password() {
    return SecretValue.ofText(password);
  }

  /** The port of PgBouncer at 127.0.0.1. */
  public int poolerPort() {
    return poolerPort;
  }

  /** Its file, which it reads again on RELOAD. */
  public Path poolerFile() {
    return lease.folder().resolve("pgbouncer.ini");
  }

  /** A superuser's session with a server itself. */
  public Connection connect(Node node, String database) throws SQLException {
    return open(node.port(), database, SUPERUSER, password, STATEMENT);
  }

  /** A session of the application, through PgBouncer. */
  public Connection client(Duration patience) throws SQLException {
    return open(poolerPort, DATABASE, ROLE, password, patience);
  }

  /** A session of the application with the primary itself, on its own side. */
  Connection inside(Duration patience) throws SQLException {
    return open(primary.port(), DATABASE, ROLE, password, patience);
  }

  /** What is not the password. */
  String otherPassword() {
    return "not-" + lease.id();
  }

  /** A session through PgBouncer with a password. */
  Connection client(String tried) throws SQLException {
    return open(poolerPort, DATABASE, ROLE, tried, STATEMENT);
  }

  private static Connection open(
      int port, String database, String role, String password, Duration patience)
      throws SQLException {
    String seconds = Long.toString(Math.max(1, patience.toSeconds()));
    Properties properties = new Properties();
    properties.setProperty("user", role);
    properties.setProperty("password", password);
    properties.setProperty("sslmode", "disable");
    properties.setProperty("gssEncMode", "disable");
    properties.setProperty("connectTimeout", seconds);
    properties.setProperty("loginTimeout", seconds);
    properties.setProperty("socketTimeout", seconds);
    properties.setProperty("prepareThreshold", "0"); // PgBouncer gives each transaction another
    return DriverManager.getConnection(
        "jdbc:postgresql://" + LOOPBACK + ":" + port + "/" + database, properties);
  }

  /** The first process of a server; empty if it does not run. */
  Optional<ProcessHandle> process(Node node) throws IOException {
    try {
      String pid = Files.readAllLines(node.dataDirectory().resolve("postmaster.pid")).get(0);
      return Leftover.processes(lease.folder()).stream()
          .filter(it -> it.pid() == Long.parseLong(pid.strip()))
          .findFirst();
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  /** Whether a server takes commits; one that nothing listens for does not. */
  boolean writable(Node node) throws SQLException {
    try (Connection session = connect(node, "postgres");
        Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery("SELECT NOT pg_is_in_recovery()")) {
      return row.next() && row.getBoolean(1);
    } catch (SQLException e) {
      if (e.getCause() instanceof ConnectException) {
        return false; // nothing listens: one that hangs is another matter
      }
      throw e;
    }
  }

  /** Notes a fault before it is made, or that it was undone. */
  synchronized void note(EnvironmentLease.Fault fault) throws IOException {
    requireGoing();
    lease = lease.with(fault);
    lease.save(leaseFile);
  }

  /** Ends and removes all of it. May be called twice. */
  @Override
  public synchronized void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    watch.interrupt();
    try (held;
        relay;
        Protection kept = protection;
        Lookout looking = lookout) {
      Environments.destroy(lease);
      Files.deleteIfExists(leaseFile);
    }
  }

  /** Collects an environment. */
  public static final class Builder {
    private final Environments environments;
    private final Clock clock;
    private String name = NAME;
    private Duration lease = Duration.ofMinutes(30);
    private @Nullable Path bin;
    private Set<String> forbidden = Set.of();
    private boolean relayed;
    private boolean captured;
    private @Nullable ApplicationKeeper keeper;
    private Consumer<Environments.Removed> swept = it -> {};

    private Builder(Environments environments, Clock clock) {
      this.environments = environments;
      this.clock = clock;
    }

    /** Its name; {@link #NAME} unless called. There is one of a name at a time. */
    public Builder name(String other) {
      this.name = other;
      return this;
    }

    /** How long it may be there, whatever happens; half an hour unless called. */
    public Builder lease(Duration longest) {
      this.lease = longest;
      return this;
    }

    /** Where PostgreSQL's programs lie; else the newest that is installed. */
    public Builder programs(Path folder) {
      this.bin = folder;
      return this;
    }

    /** Addresses, as {@code HOST:PORT}, that nothing of it may have, such as the sources'. */
    public Builder forbidden(Set<String> addresses) {
      this.forbidden = addresses;
      return this;
    }

    /** Whether the primary is reached through a network that can be cut. */
    Builder relayed(boolean cuttable) {
      this.relayed = cuttable;
      return this;
    }

    /** Whether a repository keeps the primary's log, and there is no standby. */
    Builder captured(boolean kept) {
      this.captured = kept;
      return this;
    }

    /** Has an application before the database, and HAProxy before that. */
    Builder served(ApplicationKeeper by) {
      this.keeper = by;
      return this;
    }

    /** Told of each environment that was left over, and was removed first. */
    public Builder swept(Consumer<Environments.Removed> who) {
      this.swept = who;
      return this;
    }

    /**
     * Removes what killed tests have left, proves that what is to be started reaches nothing else,
     * and starts it.
     *
     * @throws BackupException code {@code environment.not-isolated}, {@code environment.busy},
     *     {@code environment.stopped} or {@code environment.no-programs}
     */
    public LocalEnvironment start() throws IOException {
      environments.requireNotStopped();
      Path programs = bin;
      if (programs == null) {
        programs = Programs.postgres().orElseThrow(() -> missing("PostgreSQL's server programs"));
      }
      Path pooler = Programs.find("pgbouncer").orElseThrow(() -> missing("pgbouncer"));
      Environments.Held held = environments.take(name);
      @Nullable LocalEnvironment made = null;
      boolean works = false;
      try {
        environments.sweepWith(name).forEach(swept);
        made = new LocalEnvironment(this, programs, pooler, held);
        made.make();
        works = true;
        return made;
      } catch (SQLException e) {
        throw new IOException("The environment does not answer: " + e.getMessage(), e);
      } finally {
        if (!works) {
          if (made == null) {
            held.close();
          } else {
            made.close();
          }
        }
      }
    }

    private static BackupException missing(String what) {
      return BackupException.of(
              "environment.no-programs",
              FailureKind.CONFIGURATION,
              "A local environment needs " + what + ", and this host has none")
          .remedy("Install it; Debian's packages are postgresql and pgbouncer.")
          .build();
    }
  }
}
