package com.thorbis.backup.testkit.postgres;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A PostgreSQL server on 127.0.0.1 and a unix socket of its own, run by one thread. It ends with
 * this process. The data directory stays; whoever named it removes it.
 */
public final class PostgresServer implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(10);
  private static final Duration STOP = Duration.ofSeconds(60);
  // Below the ports that the system hands out to connections, so that nobody takes it meanwhile.
  private static final int LOWEST_PORT = 20_000;
  private static final int HIGHEST_PORT = 32_000;

  private final PostgresBinaries binaries;
  private final ServerAccount account;
  private final Path dataDirectory;
  private final Path configDirectory;
  private final Path logFile;
  private final Path socketDirectory;
  private final Map<String, String> overrides;
  private final String superuser;
  private final @Nullable String password;
  private final Duration startTimeout;
  private final Thread atExit = new Thread(this::killTree, "postgres-at-exit");

  private int port;
  private boolean portMayChange;
  private @Nullable Process process;
  private long logStart;

  private PostgresServer(Builder builder) throws IOException {
    binaries = builder.binaries;
    account = builder.account;
    dataDirectory = builder.dataDirectory();
    configDirectory =
        builder.configDirectory == null ? dataDirectory : builder.configDirectory.toAbsolutePath();
    logFile = dataDirectory.resolveSibling(dataDirectory.getFileName() + ".log");
    overrides = new LinkedHashMap<>();
    superuser = builder.superuser;
    password = builder.password;
    startTimeout = builder.startTimeout;
    portMayChange = builder.port == 0;
    port = portMayChange ? freePort() : builder.port;
    // A socket's path must stay below 108 bytes, which folders of tests often exceed.
    socketDirectory = Files.createTempDirectory(Path.of("/tmp"), "pg");
    account.own(socketDirectory);
  }

  /** What a server needs to be made, or to run over files that exist. */
  public static Builder builder(PostgresBinaries binaries) {
    return new Builder(binaries);
  }

  /** A port of 127.0.0.1 that nobody listens on. */
  public static int freePort() {
    int candidate = randomPort();
    while (true) {
      try (ServerSocket probe = new ServerSocket()) {
        probe.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), candidate));
        return candidate;
      } catch (IOException e) {
        candidate = randomPort(); // that one is taken
      }
    }
  }

  private static int randomPort() {
    return ThreadLocalRandom.current().nextInt(LOWEST_PORT, HIGHEST_PORT);
  }

  /** Starts and returns when the server accepts connections. */
  public PostgresServer start() throws IOException {
    for (int attempt = 1; ; attempt++) {
      launch();
      try {
        awaitReady();
        portMayChange = false;
        return this;
      } catch (IOException e) {
        kill9();
        if (!portMayChange || attempt == 5 || !logTail().contains("could not bind")) {
          throw e;
        }
        port = freePort();
      }
    }
  }

  /** Starts and returns at once, for a recovery that may end the server by itself. */
  public PostgresServer launch() throws IOException {
    if (isRunning()) {
      throw new IllegalStateException("Runs already: " + this);
    }
    List<String> words = new ArrayList<>();
    words.add(binaries.tool("postgres").toString());
    words.add("-D");
    words.add(dataDirectory.toString());
    Map<String, String> settings = new LinkedHashMap<>();
    if (!configDirectory.equals(dataDirectory)) {
      settings.put("config_file", configDirectory.resolve("postgresql.conf").toString());
    }
    settings.put("listen_addresses", "127.0.0.1");
    settings.put("port", Integer.toString(port));
    settings.put("unix_socket_directories", socketDirectory.toString());
    settings.putAll(overrides);
    settings.forEach(
        (name, value) -> {
          words.add("-c");
          words.add(name + "=" + value);
        });
    logStart = Files.exists(logFile) ? Files.size(logFile) : 0;
    process =
        Command.builder(account.wrap(words))
            .redirectErrorStream(true)
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectOutput(ProcessBuilder.Redirect.appendTo(logFile.toFile()))
            .start();
    Runtime.getRuntime().addShutdownHook(atExit);
    return this;
  }

  /** Returns when a launched server accepts connections; fails if it ended, or takes too long. */
  public void awaitReady() throws IOException {
    Process running = running();
    boolean closedStandby = "off".equals(overrides.get("hot_standby"));
    poll(
        startTimeout,
        "not ready",
        () -> {
          if (!running.isAlive()) {
            throw new IOException(this + " ended with " + running.exitValue() + ":\n" + logTail());
          }
          String status = lockFileStatus(running.pid());
          return status.equals("ready") || (closedStandby && status.equals("standby"));
        });
  }

  /** Returns the exit code of a server that ends by itself; fails if it takes too long. */
  public int awaitExit() throws IOException {
    Process running = running();
    waitFor(running, startTimeout);
    forget();
    return running.exitValue();
  }

  /** Disconnects everybody, writes a checkpoint and stops. */
  public void stop() throws IOException {
    signal("INT");
  }

  /** Stops without a checkpoint: the next start recovers. */
  public void stopImmediately() throws IOException {
    signal("QUIT");
  }

  /** Kills the server and all its processes where they stand. */
  public void kill9() throws IOException {
    killTree();
    forget();
  }

  /** Stops and starts again, at the same port. */
  public void restart() throws IOException {
    stop();
    start();
  }

  /** Makes the server read its configuration again. */
  public void reload() throws IOException {
    Command.of(
            account.wrap(
                binaries.tool("pg_ctl").toString(), "kill", "HUP", Long.toString(running().pid())))
        .run();
  }

  /** Whether the server's first process lives. */
  public boolean isRunning() {
    Process current = process;
    return current != null && current.isAlive();
  }

  /** Runs one of its programs as the account that the server runs as; returns what it printed. */
  public String run(String tool, String... options) throws IOException {
    List<String> words = new ArrayList<>();
    words.add(binaries.tool(tool).toString());
    words.addAll(List.of(options));
    return Command.of(account.wrap(words)).run();
  }

  /** Its executables. */
  public PostgresBinaries binaries() {
    return binaries;
  }

  /** The TCP port at 127.0.0.1. */
  public int port() {
    return port;
  }

  /** The folder of the unix socket, without a password where initdb made the cluster. */
  public Path socketDirectory() {
    return socketDirectory;
  }

  /** The data directory. */
  public Path dataDirectory() {
    return dataDirectory;
  }

  /** Where {@code postgresql.conf}, {@code pg_hba.conf} and {@code pg_ident.conf} lie. */
  public Path configDirectory() {
    return configDirectory;
  }

  /** What the server printed, over all starts. */
  public Path logFile() {
    return logFile;
  }

  /** The name of the superuser that initdb made. */
  public String superuser() {
    return superuser;
  }

  @Nullable String password() {
    return password;
  }

  /** The process id of the server's first process. */
  public long pid() {
    return running().pid();
  }

  /** The address of a database for JDBC, without user and password. */
  public String jdbcUrl(String database) {
    return "jdbc:postgresql://127.0.0.1:"
        + port
        + "/"
        + URLEncoder.encode(database, StandardCharsets.UTF_8);
  }

  /** Connects as the superuser. */
  public Connection connect(String database) throws SQLException {
    return connect(database, superuser, password);
  }

  /** Connects as any user. */
  public Connection connect(String database, String user, @Nullable String userPassword)
      throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", user);
    properties.setProperty("sslmode", "prefer");
    if (userPassword != null) {
      properties.setProperty("password", userPassword);
    }
    return DriverManager.getConnection(jdbcUrl(database), properties);
  }

  /** Runs statements as the superuser, each in a transaction of its own. */
  public void execute(String database, String... statements) throws SQLException {
    try (Connection connection = connect(database);
        Statement statement = connection.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    }
  }

  /** The first column of the only row. */
  public String query(String database, String sql) throws SQLException {
    List<String> rows = rows(database, sql);
    if (rows.size() != 1) {
      throw new SQLException("Expected one row, got " + rows.size() + ": " + sql);
    }
    return rows.get(0);
  }

  /** Every row, columns divided by {@code |}, NULL as nothing. */
  public List<String> rows(String database, String sql) throws SQLException {
    try (Connection connection = connect(database);
        Statement statement = connection.createStatement();
        ResultSet result = statement.executeQuery(sql)) {
      int columns = result.getMetaData().getColumnCount();
      List<String> rows = new ArrayList<>();
      while (result.next()) {
        StringBuilder row = new StringBuilder();
        for (int column = 1; column <= columns; column++) {
          String value = result.getString(column);
          row.append(column == 1 ? "" : "|").append(value == null ? "" : value);
        }
        rows.add(row.toString());
      }
      return rows;
    }
  }

  /** Asks until the answer is {@code t}, {@code true} or fails after {@code timeout}. */
  public void awaitTrue(String database, String sql, Duration timeout)
      throws IOException, SQLException {
    SQLException[] broken = new SQLException[1];
    try {
      poll(
          timeout,
          "not true: " + sql,
          () -> {
            try {
              return isRunning() && query(database, sql).equals("t");
            } catch (SQLException e) {
              broken[0] = e; // while it starts, or has no answer yet
              return false;
            }
          });
    } catch (IOException e) {
      if (broken[0] != null) {
        e.addSuppressed(broken[0]);
      }
      throw e;
    }
  }

  /** Makes a tablespace in a folder, which is created if need be. */
  public void createTablespace(String name, Path folder) throws IOException, SQLException {
    createPrivateDirectory(folder);
    account.own(folder);
    execute(
        "postgres",
        "CREATE TABLESPACE "
            + name
            + " LOCATION '"
            + folder.toAbsolutePath().toString().replace("'", "''")
            + "'");
  }

  /** What the server printed since it was started last. */
  public String logTail() {
    try {
      byte[] log = Files.readAllBytes(logFile);
      int from = (int) Math.min(Math.max(logStart, log.length - 16_384L), log.length);
      return new String(log, from, log.length - from, StandardCharsets.UTF_8);
    } catch (NoSuchFileException e) {
      return "";
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Stops like {@link #stopImmediately}: waits for no client. */
  @Override
  public void close() throws IOException {
    try {
      if (isRunning()) {
        stopImmediately();
      }
    } finally {
      kill9();
      PostgresBinaries.deleteTree(socketDirectory);
    }
  }

  @Override
  public String toString() {
    return "PostgreSQL " + binaries.major() + " at port " + port + " over " + dataDirectory;
  }

  private Process running() {
    Process current = process;
    if (current == null) {
      throw new IllegalStateException("Was not started: " + this);
    }
    return current;
  }

  private void signal(String name) throws IOException {
    Process current = running();
    if (current.isAlive()) {
      Command.of(
              account.wrap(
                  binaries.tool("pg_ctl").toString(), "kill", name, Long.toString(current.pid())))
          .run();
    }
    waitFor(current, STOP);
    forget();
  }

  private void forget() {
    process = null;
    try {
      Runtime.getRuntime().removeShutdownHook(atExit);
    } catch (IllegalStateException e) {
      // The process ends: the hook itself runs.
      return;
    }
  }

  private void killTree() {
    Process current = process;
    if (current == null) {
      return;
    }
    List<ProcessHandle> tree = new ArrayList<>(current.descendants().toList());
    current.destroyForcibly();
    tree.forEach(ProcessHandle::destroyForcibly);
    tree.add(current.toHandle());
    try {
      poll(
          STOP,
          "survived a kill",
          () -> {
            List<ProcessHandle> orphans = orphans();
            orphans.forEach(ProcessHandle::destroyForcibly);
            return orphans.isEmpty() && tree.stream().allMatch(PostgresServer::gone);
          });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What was forked while its parent was killed: it works in the data directory as all do. */
  private List<ProcessHandle> orphans() throws IOException {
    if (!Files.exists(dataDirectory)) {
      return List.of();
    }
    Path here = dataDirectory.toRealPath();
    return ProcessHandle.allProcesses()
        .filter(
            handle -> {
              try {
                Path folder = Path.of("/proc", Long.toString(handle.pid()), "cwd");
                return Files.readSymbolicLink(folder).equals(here);
              } catch (IOException e) {
                return false; // it has ended, or is somebody else's
              }
            })
        .toList();
  }

  /** A dead process that nobody has collected holds no memory and no files. */
  private static boolean gone(ProcessHandle handle) {
    if (!handle.isAlive()) {
      return true;
    }
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(handle.pid()), "stat"));
      return stat.startsWith(" Z ", stat.lastIndexOf(')') + 1);
    } catch (IOException e) {
      return true;
    }
  }

  private String lockFileStatus(long pid) throws IOException {
    try {
      List<String> lines = Files.readAllLines(dataDirectory.resolve("postmaster.pid"));
      boolean own = lines.size() >= 8 && lines.get(0).strip().equals(Long.toString(pid));
      return own ? lines.get(7).strip() : "";
    } catch (NoSuchFileException e) {
      return "";
    }
  }

  private void waitFor(Process current, Duration timeout) throws IOException {
    try {
      if (!current.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new IOException(this + " still runs after " + timeout + ":\n" + logTail());
      }
    } catch (InterruptedException e) {
      throw interrupted();
    }
  }

  private void poll(Duration timeout, String problem, Condition condition) throws IOException {
    long deadline = System.nanoTime() + timeout.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() - deadline > 0) {
        throw new IOException(this + ": " + problem + " after " + timeout + ":\n" + logTail());
      }
      try {
        Thread.sleep(POLL.toMillis());
      } catch (InterruptedException e) {
        throw interrupted();
      }
    }
  }

  private InterruptedIOException interrupted() {
    Thread.currentThread().interrupt();
    return new InterruptedIOException("Interrupted while waiting for " + this);
  }

  private static void createPrivateDirectory(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      Files.createDirectories(folder.toAbsolutePath().getParent());
      Files.createDirectory(
          folder,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }
  }

  @FunctionalInterface
  private interface Condition {
    boolean holds() throws IOException;
  }

  /** Says what the server is made of. */
  public static final class Builder {
    private final PostgresBinaries binaries;
    private final Map<String, String> settings = new LinkedHashMap<>();
    private final List<String> initdbOptions = new ArrayList<>();
    private final List<String> hba = new ArrayList<>();
    private ServerAccount account = ServerAccount.choose();
    private @Nullable Path dataDirectory;
    private @Nullable Path configDirectory;
    private @Nullable String password;
    private String superuser = "postgres";
    private boolean ssl;
    private int port;
    private Duration startTimeout = Duration.ofMinutes(2);

    private Builder(PostgresBinaries binaries) {
      this.binaries = binaries;
    }

    /** Where the data lies or will lie; the log file appears beside it. Required. */
    public Builder dataDirectory(Path directory) {
      dataDirectory = directory;
      return this;
    }

    /** Keeps the configuration files apart from the data, as Debian does. */
    public Builder configDirectory(Path directory) {
      configDirectory = directory;
      return this;
    }

    /** A fixed port; a free one otherwise. */
    public Builder port(int fixed) {
      port = fixed;
      return this;
    }

    /**
     * A setting: a line of {@code postgresql.conf} in a new cluster, an argument of the server over
     * an existing one.
     */
    public Builder setting(String name, String value) {
      settings.put(name, value);
      return this;
    }

    /** A line of {@code pg_hba.conf} before those of initdb; new clusters only. */
    public Builder hba(String line) {
      hba.add(line);
      return this;
    }

    /** The superuser's name, {@code postgres} otherwise. */
    public Builder superuser(String name) {
      superuser = name;
      return this;
    }

    /** A password of the superuser, asked for over TCP by SCRAM; nobody is asked otherwise. */
    public Builder password(String secret) {
      password = secret;
      return this;
    }

    /** Page checksums on or off; the version's default otherwise. */
    public Builder checksums(boolean on) {
      if (on) {
        initdbOptions.add("--data-checksums");
      } else if (binaries.major() >= 18) {
        initdbOptions.add("--no-data-checksums");
      }
      return this;
    }

    /** The size of a WAL segment in MiB, a power of two. */
    public Builder walSegmentMebibytes(int size) {
      initdbOptions.add("--wal-segsize=" + size);
      return this;
    }

    /** More options of initdb; they win over ours. */
    public Builder initdbOptions(String... options) {
      initdbOptions.addAll(Arrays.asList(options));
      return this;
    }

    /** Offers TLS with a certificate that signs itself; new clusters only. */
    public Builder ssl() {
      ssl = true;
      return this;
    }

    /** How long a start may take. */
    public Builder startTimeout(Duration timeout) {
      startTimeout = timeout;
      return this;
    }

    Builder account(ServerAccount runAs) {
      account = runAs;
      return this;
    }

    /** Makes a new cluster in an empty or missing directory and starts it. */
    public PostgresServer start() throws IOException {
      PostgresServer server = create();
      try {
        return server.start();
      } catch (IOException | RuntimeException e) {
        server.close();
        throw e;
      }
    }

    /** Makes a new cluster in an empty or missing directory. */
    public PostgresServer create() throws IOException {
      createPrivateDirectory(dataDirectory());
      account.own(dataDirectory());
      initdb();
      PostgresServer server = new PostgresServer(this);
      Path from = server.dataDirectory;
      Path to = server.configDirectory;
      Map<String, String> lines = new LinkedHashMap<>();
      if (!to.equals(from)) {
        createPrivateDirectory(to);
        for (String file : List.of("postgresql.conf", "pg_hba.conf", "pg_ident.conf")) {
          Files.move(from.resolve(file), to.resolve(file));
        }
        lines.put("data_directory", from.toString());
        lines.put("hba_file", to.resolve("pg_hba.conf").toString());
        lines.put("ident_file", to.resolve("pg_ident.conf").toString());
      }
      if (ssl) {
        SelfSignedCertificate.create(to.resolve("server.crt"), to.resolve("server.key"));
        lines.put("ssl", "on");
        lines.put("ssl_cert_file", to.resolve("server.crt").toString());
        lines.put("ssl_key_file", to.resolve("server.key").toString());
      }
      lines.putAll(settings);
      StringBuilder text = new StringBuilder();
      lines.forEach(
          (name, value) ->
              text.append(name)
                  .append(" = '")
                  .append(value.replace("\\", "\\\\").replace("'", "''"))
                  .append("'\n"));
      Files.writeString(to.resolve("postgresql.conf"), text, StandardOpenOption.APPEND);
      if (!hba.isEmpty()) {
        Path file = to.resolve("pg_hba.conf");
        Files.writeString(file, String.join("\n", hba) + "\n" + Files.readString(file));
      }
      account.own(from);
      account.own(to);
      return server;
    }

    /** A server over a data directory that exists, such as a restored one; not yet started. */
    public PostgresServer adopt() throws IOException {
      PostgresServer server = new PostgresServer(this);
      server.overrides.putAll(settings);
      account.own(server.dataDirectory);
      return server;
    }

    private Path dataDirectory() {
      if (dataDirectory == null) {
        throw new IllegalStateException("The data directory is missing");
      }
      return dataDirectory.toAbsolutePath();
    }

    private void initdb() throws IOException {
      try (Stream<Path> content = Files.list(dataDirectory())) {
        if (content.findAny().isPresent()) {
          throw new IOException("Not empty: " + dataDirectory());
        }
      }
      List<String> words = new ArrayList<>();
      words.add(binaries.tool("initdb").toString());
      words.addAll(List.of("-D", dataDirectory().toString(), "-U", superuser, "--no-sync"));
      words.addAll(List.of("--no-instructions", "--encoding=UTF8", "--locale=C"));
      words.add("--auth-local=trust");
      @Nullable Path passwordFile = null;
      try {
        if (password == null) {
          words.add("--auth-host=trust");
        } else {
          passwordFile = Files.createTempFile("thorbis", ".pw"); // mode 0600
          Files.writeString(passwordFile, password + "\n");
          account.own(passwordFile);
          words.add("--auth-host=scram-sha-256");
          words.add("--pwfile=" + passwordFile);
        }
        words.addAll(initdbOptions);
        Command.of(account.wrap(words)).run();
      } finally {
        if (passwordFile != null) {
          Files.deleteIfExists(passwordFile);
        }
      }
    }
  }
}
