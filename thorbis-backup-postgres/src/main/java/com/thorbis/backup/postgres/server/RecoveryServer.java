package com.thorbis.backup.postgres.server;

import com.thorbis.backup.postgres.settings.OwnerOnly;
import com.thorbis.backup.postgres.wire.driver.UnixSocketFactory;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.postgresql.Driver;

/**
 * A server over restored files. It listens on 127.0.0.1 and on a socket in a folder that only its
 * own account can enter; until {@link #open} nobody but us gets in, and only through the socket.
 */
final class RecoveryServer {
  private static final int LOWEST_PORT = 20_000; // below those that systems give to connections
  private static final int HIGHEST_PORT = 32_000;
  private static final int STATUS_LINE = 7;

  /** Who may come through a socket is decided by its folder. */
  private static final String ONLY_US = "local all all trust\n";

  private final ServerPrograms programs;
  private final ServerUser account;
  private final Path dataDirectory;
  private final Path folder;
  private final Path log;
  private final long logStart;
  private final int port;
  private final Process process;

  private RecoveryServer(
      ServerPrograms programs,
      ServerUser account,
      Path dataDirectory,
      Path folder,
      Path log,
      long logStart,
      int port,
      Process process) {
    this.programs = programs;
    this.account = account;
    this.dataDirectory = dataDirectory;
    this.folder = folder;
    this.log = log;
    this.logStart = logStart;
    this.port = port;
    this.process = process;
  }

  /** Starts one and returns at once. */
  static RecoveryServer start(
      ServerPrograms programs, ServerUser account, Path dataDirectory, Map<String, String> more)
      throws IOException {
    // A socket's path must be short.
    return start(
        programs,
        account,
        dataDirectory,
        Files.createTempDirectory(Path.of("/tmp"), "thorbis-", OwnerOnly.FOLDER),
        more);
  }

  /**
   * The same.
   *
   * @param folder for its socket, empty and ours
   * @param more settings, which go before what is set otherwise
   */
  static RecoveryServer start(
      ServerPrograms programs,
      ServerUser account,
      Path dataDirectory,
      Path folder,
      Map<String, String> more)
      throws IOException {
    return start(programs, account, dataDirectory, folder, more, said -> {});
  }

  /**
   * The same.
   *
   * @param proof asks the server's program what would be set, before a server is started; its
   *     failure is the end
   */
  static RecoveryServer start(
      ServerPrograms programs,
      ServerUser account,
      Path dataDirectory,
      Path folder,
      Map<String, String> more,
      StartProof proof)
      throws IOException {
    Path access = folder.resolve("pg_hba.conf");
    write(access, ONLY_US);
    account.give(access);
    account.give(folder);
    Path log = dataDirectory.resolveSibling(dataDirectory.getFileName() + ".log");
    try {
      FileChannel.open(
              log, Set.of(StandardOpenOption.CREATE, StandardOpenOption.APPEND), OwnerOnly.FILE)
          .close();
    } catch (IOException e) {
      log = folder.resolve("server.log");
      write(log, "");
    }
    account.give(log);
    long logStart = Files.size(log);
    int port = freePort();

    Map<String, String> settings = new LinkedHashMap<>();
    settings.put("data_directory", dataDirectory.toString());
    settings.put("listen_addresses", "127.0.0.1");
    settings.put("port", Integer.toString(port));
    settings.put("unix_socket_directories", folder.toString());
    settings.put("hba_file", access.toString());
    settings.put("external_pid_file", folder.resolve("server.pid").toString());
    settings.put("logging_collector", "off");
    settings.put("log_destination", "stderr");
    settings.put("log_line_prefix", "%m [%p] ");
    settings.put("log_min_messages", "warning");
    settings.put("lc_messages", "C");
    settings.putAll(more);
    List<String> words = new ArrayList<>();
    words.add(programs.program("postgres"));
    words.add("-D");
    words.add(dataDirectory.toString());
    settings.forEach(
        (name, value) -> {
          words.add("-c");
          words.add(name + "=" + value);
        });
    proof.prove(
        name -> {
          List<String> question = new ArrayList<>(words);
          question.add("-C");
          question.add(name);
          return lastLine(Program.run(account.command(question)));
        });
    Process process =
        Program.builder(session(account.command(words)))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
            .start();
    return new RecoveryServer(
        programs, account, dataDirectory, folder, log, logStart, port, process);
  }

  /** Warnings about the configuration come before the answer. */
  private static String lastLine(String said) {
    String text = said.endsWith("\n") ? said.substring(0, said.length() - 1) : said;
    return text.substring(text.lastIndexOf('\n') + 1);
  }

  /** In a session of its own where that can be had: what ends ours does not end the server. */
  private static List<String> session(List<String> words) {
    for (String place : new String[] {"/usr/bin/setsid", "/bin/setsid"}) {
      if (Files.isExecutable(Path.of(place))) {
        List<String> all = new ArrayList<>();
        all.add(place);
        all.addAll(words);
        return all;
      }
    }
    return words;
  }

  private static int freePort() throws IOException {
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

  private static void write(Path file, String text) throws IOException {
    try (FileChannel channel =
        FileChannel.open(
            file,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            OwnerOnly.FILE)) {
      channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }
  }

  int port() {
    return port;
  }

  Path logFile() {
    return log;
  }

  Path socketFolder() {
    return folder;
  }

  boolean alive() {
    return process.isAlive();
  }

  /** Whether it lets sessions in, by what it says in its lock file. */
  boolean ready() throws IOException {
    try {
      List<String> lines =
          Files.readAllLines(dataDirectory.resolve("postmaster.pid"), StandardCharsets.UTF_8);
      return lines.size() > STATUS_LINE
          && lines.get(0).strip().equals(Long.toString(process.pid()))
          && lines.get(STATUS_LINE).strip().equals("ready");
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  /** Opens a session of a role through the private socket. */
  Connection connect(String role, String database) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", role);
    properties.setProperty("sslmode", "disable");
    properties.setProperty("gssEncMode", "disable");
    properties.setProperty("connectTimeout", "10");
    properties.setProperty("socketTimeout", "60");
    properties.setProperty("ApplicationName", "thorbis-restore");
    properties.setProperty("options", "-c search_path=pg_catalog,pg_temp");
    properties.setProperty("socketFactory", UnixSocketFactory.class.getName());
    properties.setProperty("socketFactoryArg", folder.resolve(".s.PGSQL." + port).toString());
    String url =
        "jdbc:postgresql://localhost:"
            + port
            + "/"
            + java.net.URLEncoder.encode(database, StandardCharsets.UTF_8);
    Connection connection = new Driver().connect(url, properties);
    if (connection == null) {
      throw new IllegalStateException("The driver does not know its own URL");
    }
    return connection;
  }

  /** Lets in whom the cluster's own rules let in, besides its own account. */
  void open() throws IOException {
    String rules = "";
    Path own = dataDirectory.resolve("pg_hba.conf");
    if (Files.exists(own)) {
      rules = Files.readString(own, StandardCharsets.UTF_8);
    }
    Path next = folder.resolve("pg_hba.conf.next");
    write(next, ONLY_US + rules);
    account.give(next);
    Files.move(next, folder.resolve("pg_hba.conf"), StandardCopyOption.ATOMIC_MOVE);
    control("reload");
  }

  /** Stops it and waits until it has. */
  void stop(String mode) throws IOException {
    control("stop", "-m", mode, "-w", "-t", "86400");
    try {
      process.waitFor(1, TimeUnit.MINUTES);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while the server stopped");
    }
    clear();
  }

  /** Ends it whatever it does; for the way out of a failure. */
  void abandon() {
    try {
      if (process.isAlive()) {
        stop("immediate");
      }
      clear();
    } catch (IOException e) {
      process.destroyForcibly();
    }
  }

  private void clear() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    } catch (NoSuchFileException e) {
      return;
    }
    Files.delete(folder);
  }

  private void control(String... words) throws IOException {
    List<String> all = new ArrayList<>();
    all.add(programs.program("pg_ctl"));
    all.addAll(List.of(words));
    all.add("-D");
    all.add(dataDirectory.toString());
    Program.run(account.command(all));
  }

  /** What it has written since it was started. */
  Stream<String> log() throws IOException {
    FileChannel channel = FileChannel.open(log);
    channel.position(logStart);
    return new java.io.BufferedReader(
            java.nio.channels.Channels.newReader(channel, StandardCharsets.UTF_8))
        .lines()
        .onClose(
            () -> {
              try {
                channel.close();
              } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
              }
            });
  }

  /** The last lines it wrote. */
  List<String> lastLines(int most) throws IOException {
    java.util.ArrayDeque<String> last = new java.util.ArrayDeque<>();
    try (Stream<String> lines = log()) {
      lines.forEach(
          line -> {
            if (last.size() == most) {
              last.removeFirst();
            }
            last.addLast(line);
          });
    }
    return List.copyOf(last);
  }
}
