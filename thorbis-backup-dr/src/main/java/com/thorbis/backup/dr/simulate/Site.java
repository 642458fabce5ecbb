package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.drill.EndpointProbe;
import com.thorbis.backup.dr.traffic.HaProxySwitch;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The application of an environment, HAProxy before it, and the place that it is restored to. */
final class Site {
  static final String FIRST = "first";
  static final String NEXT = "next";
  private static final String BACKEND = "application";
  private static final int CONNECT_MILLIS = 1000;

  private final Path folder;
  private final int front;
  private final Instance current;
  private final Instance next;
  private final ApplicationKeeper keeper;
  private final Spawner spawner;
  private final String password;
  private @Nullable Process process;
  private @Nullable Process successor;
  private volatile @Nullable Path restored;

  /**
   * One instance of the application.
   *
   * @param name what HAProxy calls it
   * @param port at 127.0.0.1
   * @param folder its files
   */
  record Instance(String name, int port, Path folder) {
    URI url() {
      return URI.create("http://" + LocalEnvironment.LOOPBACK + ":" + port);
    }
  }

  /** Starts a process of the environment. */
  @FunctionalInterface
  interface Spawner {
    Process spawn(Path folder, String name, List<String> command, Map<String, String> environment)
        throws IOException;
  }

  Site(Path folder, int[] ports, ApplicationKeeper keeper, Spawner spawner, String password) {
    this.folder = folder;
    this.front = ports[0];
    this.current = new Instance(FIRST, ports[1], folder.resolve("application"));
    this.next = new Instance(NEXT, ports[2], folder.resolve("restored"));
    this.keeper = keeper;
    this.spawner = spawner;
    this.password = password;
  }

  /** Lays the application down and backs it up, and starts it and HAProxy. */
  void start(Path haproxy, int databasePort) throws IOException {
    lay(databasePort);
    keeper.backUp(current.folder(), Files.createDirectory(folder.resolve("kept")));
    Files.writeString(config(), balancer());
    process = spawn(current.name(), current.port(), current.folder());
    Process unused =
        spawner.spawn(
            folder, "haproxy", List.of(haproxy.toString(), "-db", "-f", config() + ""), Map.of());
  }

  private void lay(int databasePort) throws IOException {
    Path application = Files.createDirectory(current.folder());
    Files.writeString(
        application.resolve(Application.PROPERTIES),
        "url=jdbc:postgresql://"
            + LocalEnvironment.LOOPBACK
            + ":"
            + databasePort
            + "/"
            + LocalEnvironment.DATABASE
            + "\nuser="
            + LocalEnvironment.ROLE
            + "\n");
    String name = Application.class.getName().replace('.', '/') + ".class";
    Path code = application.resolve("classes").resolve(name);
    Files.createDirectories(Objects.requireNonNull(code.getParent()));
    try (InputStream in = Application.class.getResourceAsStream("/" + name)) {
      Files.copy(Objects.requireNonNull(in, name), code);
    }
    Files.copy(driver(), application.resolve("driver.jar"));
  }

  /** The archive that the driver for PostgreSQL is loaded from. */
  private static Path driver() throws IOException {
    try {
      URI place =
          DriverManager.getDriver("jdbc:postgresql://" + LocalEnvironment.LOOPBACK + "/")
              .getClass()
              .getProtectionDomain()
              .getCodeSource()
              .getLocation()
              .toURI();
      if (place.getScheme().equals("file") && Files.isRegularFile(Path.of(place))) {
        return Path.of(place);
      }
      throw new IOException("The driver for PostgreSQL is no file that can be copied: " + place);
    } catch (SQLException | URISyntaxException e) {
      throw new IOException("The driver for PostgreSQL was not found", e);
    }
  }

  private Path config() {
    return folder.resolve("haproxy.cfg");
  }

  private Path socket() {
    return folder.resolve("haproxy.sock");
  }

  private String balancer() {
    return String.join(
        "\n",
        "global",
        "  stats socket " + socket() + " mode 600 level admin",
        "defaults",
        "  mode http",
        "  retries 0",
        "  timeout connect 1s",
        "  timeout client 5s",
        "  timeout server 5s",
        "frontend in",
        "  bind " + LocalEnvironment.LOOPBACK + ":" + front,
        "  default_backend " + BACKEND,
        "backend " + BACKEND,
        "  server " + FIRST + " " + LocalEnvironment.LOOPBACK + ":" + current.port(),
        "  server " + NEXT + " " + LocalEnvironment.LOOPBACK + ":" + next.port() + " disabled",
        "");
  }

  /** What of HAProxy's and the application's files leads away from this host; nothing must. */
  List<String> elsewhere() throws IOException {
    try (Stream<String> lines = balancer().lines()) {
      return lines
          .map(String::strip)
          .filter(line -> line.startsWith("bind ") || line.startsWith("server "))
          .filter(line -> !line.contains(" " + LocalEnvironment.LOOPBACK + ":"))
          .toList();
    }
  }

  private Process spawn(String name, int port, Path files) throws IOException {
    return spawner.spawn(
        folder,
        name,
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx64m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            files.resolve("classes") + ":" + files.resolve("driver.jar"),
            Application.class.getName(),
            Integer.toString(port),
            files.toString()),
        Map.of(Application.PASSWORD, password));
  }

  /** Ends the process where it stands, and removes its files. */
  void kill() throws IOException {
    Process running = process;
    if (running == null || !running.isAlive()) {
      throw new IOException("The application does not run: nothing to kill");
    }
    running.descendants().forEach(ProcessHandle::destroyForcibly);
    running.destroyForcibly();
    Leftover.remove(current.folder());
  }

  /** Ends the instance that took the other's place. */
  void killNext() throws IOException {
    Process running = successor;
    if (running == null) {
      throw new IOException("The application does not run: nothing to kill");
    }
    running.descendants().forEach(ProcessHandle::destroyForcibly);
    try {
      int unused = running.destroyForcibly().waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while an application ended");
    }
  }

  /** Lays down what the backup of the application holds. What an attempt has left goes first. */
  Path restore() throws IOException {
    Leftover.remove(next.folder());
    Path files = keeper.restore(folder.resolve("kept"), next.folder());
    restored = files;
    return files;
  }

  /** Where the restored files lie; empty while none do. */
  Optional<Path> restored() {
    return Optional.ofNullable(restored);
  }

  /** Starts what was restored, unless it runs. */
  void startNext() throws IOException {
    Process running = successor;
    if (running == null || !running.isAlive()) {
      successor = spawn(next.name(), next.port(), restored().orElseThrow());
    }
  }

  /** Whether the process of what was restored is there. */
  boolean nextRuns() {
    Process running = successor;
    return running != null && running.isAlive();
  }

  /** Whether the first process is there. */
  boolean runs() {
    Process running = process;
    return running != null && running.isAlive();
  }

  /** Whether something listens at an instance's port. */
  static boolean listens(Instance instance) throws IOException {
    try (Socket unused = new Socket()) {
      unused.connect(
          new InetSocketAddress(InetAddress.getLoopbackAddress(), instance.port()), CONNECT_MILLIS);
      return true;
    } catch (ConnectException e) {
      return false;
    }
  }

  /** What its clients reach it by. */
  URI url() {
    return URI.create("http://" + LocalEnvironment.LOOPBACK + ":" + front);
  }

  /** The instance that serves at first. */
  Instance current() {
    return current;
  }

  /** The instance that takes its place. */
  Instance next() {
    return next;
  }

  /** Whether all endpoints of it answer. */
  EndpointProbe endpoints() {
    return EndpointProbe.of(url(), EndpointProbe.STANDARD, Duration.ofSeconds(2));
  }

  HaProxySwitch balancerSwitch() {
    return HaProxySwitch.builder()
        .socket(socket())
        .backend(BACKEND)
        .timeout(Duration.ofSeconds(5))
        .build();
  }

  /** How HAProxy leads clients, as its switch says it. */
  String place(boolean moved) {
    return FIRST
        + "="
        + LocalEnvironment.LOOPBACK
        + ":"
        + current.port()
        + (moved ? " maint, " : " ready, ")
        + NEXT
        + "="
        + LocalEnvironment.LOOPBACK
        + ":"
        + next.port()
        + (moved ? " ready" : " maint");
  }
}
