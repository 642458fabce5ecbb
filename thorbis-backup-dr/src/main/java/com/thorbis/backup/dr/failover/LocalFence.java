package com.thorbis.backup.dr.failover;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.dr.internal.Program;
import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Stops a server whose files lie on this host, and sees to it that a later start makes a standby of
 * it, which takes no writes. The proof: no process works in its data directory, nothing answers at
 * its port, and {@code standby.signal} is there. Processes that this host does not show, such as
 * those of another container or of a host that shares the files, are seen by the port alone;
 * whoever removes the file or promotes the server opens the fence.
 */
final class LocalFence implements Fence {
  /** What says in a data directory that the server is fenced. */
  public static final String MARKER = "thorbis.fenced";

  private static final String SIGNAL = "standby.signal";
  private static final String SIGNAL_KEPT = "standby.signal was there before";
  private static final String ROOT = "root";
  private static final Path PROCESSES = Path.of("/proc");
  private static final Duration PROBE = Duration.ofSeconds(3);
  private static final Duration KILL = Duration.ofSeconds(20);
  private static final Duration CONTROL = Duration.ofSeconds(30);
  private static final long POLL_MILLIS = 20;

  private final ServerAccess server;
  private final Path data;
  private final Path binaries;

  private LocalFence(ServerAccess server, ServerAccess.Cluster cluster) {
    this.server = server;
    this.data = cluster.dataDirectory();
    this.binaries = cluster.binDirectory();
  }

  /**
   * One for a server.
   *
   * @throws IllegalArgumentException if its files are not on this host
   */
  static LocalFence of(ServerAccess server) {
    return new LocalFence(
        server,
        server
            .cluster()
            .orElseThrow(
                () -> new IllegalArgumentException(server + " has no files on this host")));
  }

  @Override
  public String kind() {
    return "stopped";
  }

  @Override
  public String describe() {
    return "stop " + server + " over " + data + ", and let it start as nothing but a standby";
  }

  @Override
  public Finding look() throws IOException, InterruptedException {
    if (!Files.isReadable(data.resolve("PG_VERSION"))) {
      return Finding.cannotTell("no data directory can be seen at " + data);
    }
    List<Long> processes = processes(data);
    boolean signal = Files.exists(data.resolve(SIGNAL), LinkOption.NOFOLLOW_LINKS);
    if (!processes.isEmpty()) {
      return signal ? running(processes.get(0)) : Finding.open(worksIn(processes.get(0)));
    }
    if (!signal) {
      return Finding.open("it is stopped, and takes writes when somebody starts it");
    }
    Sighting port = Signals.port(server.host(), server.port(), PROBE);
    if (port.reading() == Sighting.Reading.UP) {
      return Finding.cannotTell(
          "no process works in " + data + ", and still " + port.detail() + ", whoever that is");
    }
    Map<String, String> facts = new TreeMap<>();
    String how = control(facts);
    return Finding.closed(
        "no process works in " + data + how + "; " + SIGNAL + " is there; " + port.detail(), facts);
  }

  /** Somebody may have started it again meanwhile, as the standby that it is now. */
  private Finding running(long process) {
    try {
      // One that hangs is not waited for as long as a session may take.
      boolean answers =
          Signals.port(server.host(), server.port(), PROBE).reading() == Sighting.Reading.UP;
      ServerView view = answers ? ServerView.of(server) : null;
      if (view != null && view.standby()) {
        return Finding.closed(
            server + " runs as a standby, by " + SIGNAL,
            Map.of(
                FailoverFacts.SYSTEM, Long.toUnsignedString(view.system()),
                FailoverFacts.TIMELINE, Long.toString(view.timeline())));
      }
    } catch (SQLException e) {
      // Whatever it is doing, it is not known to take no writes.
    }
    return Finding.open(worksIn(process) + "; when it ends, " + SIGNAL + " makes a standby of it");
  }

  private String worksIn(long process) {
    return "process " + process + " works in " + data;
  }

  @Override
  public Finding close(Mode mode, Duration patience) throws IOException, InterruptedException {
    if (!Files.isReadable(data.resolve("PG_VERSION"))) {
      return look();
    }
    mark();
    if (!processes(data).isEmpty()) {
      stop("fast", patience);
    }
    if (mode == Mode.FORCE && !processes(data).isEmpty()) {
      stop("immediate", patience);
    }
    if (mode == Mode.FORCE) {
      kill();
    }
    return look();
  }

  @Override
  public boolean lifts() {
    return true;
  }

  @Override
  public void lift() throws IOException {
    Path marker = data.resolve(MARKER);
    String content;
    try {
      content = Files.readString(marker);
    } catch (NoSuchFileException e) {
      return; // nothing here was fenced by us
    }
    if (!content.contains(SIGNAL_KEPT)) {
      Files.deleteIfExists(data.resolve(SIGNAL));
    }
    Files.deleteIfExists(marker);
    StateFile.sync(data);
  }

  /** From here on it starts as a standby alone, however it was stopped. */
  private void mark() throws IOException {
    Path signal = data.resolve(SIGNAL);
    boolean there = Files.exists(signal, LinkOption.NOFOLLOW_LINKS);
    if (!Files.exists(data.resolve(MARKER), LinkOption.NOFOLLOW_LINKS)) {
      create(
          data.resolve(MARKER),
          "Another server has been, or is being, made the primary in the place of this one.\n"
              + "Do not promote this one. Make a standby of it, or restore it.\n"
              + (there ? SIGNAL_KEPT + "\n" : ""),
          data.resolve("PG_VERSION"));
    }
    create(signal, "", data.resolve("PG_VERSION"));
    StateFile.sync(data);
  }

  /** A file of the account whose another one is; one that is there stays. */
  static void create(Path file, String content, Path owned) throws IOException {
    try (FileChannel out =
        FileChannel.open(
            file,
            Set.of(
                StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))) {
      out.write(ByteBuffer.wrap(content.getBytes(UTF_8)));
      out.force(true);
    } catch (FileAlreadyExistsException e) {
      return; // as it shall be
    }
    PosixFileAttributes like =
        Files.readAttributes(owned, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    PosixFileAttributeView given =
        Files.getFileAttributeView(file, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
    if (!given.readAttributes().owner().equals(like.owner())) {
      given.setGroup(like.group());
      given.setOwner(like.owner()); // the server opens it for writing
    }
  }

  /** What comes of it is seen by who is still there. */
  private void stop(String mode, Duration patience) throws IOException, InterruptedException {
    long seconds = Math.max(1, patience.toSeconds());
    Program.run(
        asOwner(
            data,
            List.of(
                binaries.resolve("pg_ctl").toString(),
                "stop",
                "-D",
                data.toString(),
                "-m",
                mode,
                "-w",
                "-t",
                Long.toString(seconds))),
        Map.of(),
        patience.plus(CONTROL));
  }

  /** A postmaster first, so that nothing new is forked; what survives it was forked meanwhile. */
  private void kill() throws IOException, InterruptedException {
    long deadline = System.nanoTime() + KILL.toNanos();
    while (true) {
      List<Long> left = processes(data);
      if (left.isEmpty() || System.nanoTime() - deadline > 0) {
        return;
      }
      left.forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
      Thread.sleep(POLL_MILLIS);
    }
  }

  /** The account that the files belong to; a server of root's runs in a namespace of its own. */
  static List<String> asOwner(Path data, List<String> words) throws IOException {
    List<String> all = new ArrayList<>();
    if (ROOT.equals(System.getProperty("user.name"))) {
      PosixFileAttributes files =
          Files.readAttributes(data.resolve("PG_VERSION"), PosixFileAttributes.class);
      if (files.owner().getName().equals(ROOT)) {
        all.addAll(List.of("unshare", "-U", "--"));
      } else {
        all.addAll(
            List.of(
                "setpriv",
                "--reuid=" + files.owner().getName(),
                "--regid=" + files.group().getName(),
                "--init-groups",
                "--"));
      }
    }
    all.addAll(words);
    return all;
  }

  /**
   * The first process of a server over a data directory and all others of it that work there.
   * Whoever else stands there, such as a person's shell, is none of them.
   *
   * @throws IOException if that cannot be seen
   */
  static List<Long> processes(Path data) throws IOException {
    Path folder = data.toRealPath();
    List<Long> found = new ArrayList<>();
    long claimed = claimed(folder);
    try (DirectoryStream<Path> all =
        Files.newDirectoryStream(
            PROCESSES, entry -> String.valueOf(entry.getFileName()).matches("[0-9]+"))) {
      for (Path process : all) {
        long pid = Long.parseLong(String.valueOf(process.getFileName()));
        if (ended(process)) {
          continue;
        }
        try {
          if (Files.readSymbolicLink(process.resolve("cwd")).equals(folder)
              && (pid == claimed || isServer(process))) {
            found.add(pid == claimed ? 0 : found.size(), pid);
          }
        } catch (NoSuchFileException e) {
          // It has ended meanwhile.
        } catch (IOException e) {
          if (pid == claimed) {
            throw new IOException(
                "process " + pid + ", which postmaster.pid names, is not ours to look at", e);
          }
        }
      }
    }
    return found;
  }

  /** Who says in the lock file that it serves the folder; 0: nobody. */
  private static long claimed(Path folder) throws IOException {
    try {
      String first = Files.readAllLines(folder.resolve("postmaster.pid")).get(0).strip();
      return Long.parseLong(first);
    } catch (NoSuchFileException e) {
      return 0;
    } catch (IndexOutOfBoundsException | NumberFormatException e) {
      return 0; // was not written to its end
    }
  }

  /** Also one whose program was replaced by a newer one since. */
  private static boolean isServer(Path process) throws IOException {
    String program = Files.readSymbolicLink(process.resolve("exe")).toString();
    return program.replaceFirst(" \\(deleted\\)$", "").endsWith("/postgres");
  }

  /** What has ended and was not collected has neither memory nor files. */
  private static boolean ended(Path process) {
    try {
      String stat = Files.readString(process.resolve("stat"), ISO_8859_1);
      return stat.startsWith(" Z ", stat.lastIndexOf(')') + 1);
    } catch (IOException e) {
      return !Files.exists(process);
    }
  }

  /** What the control file of a stopped server says. */
  private String control(Map<String, String> facts) throws IOException, InterruptedException {
    Program.Ended ended =
        Program.run(
            asOwner(
                data,
                List.of(binaries.resolve("pg_controldata").toString(), "-D", data.toString())),
            Map.of(),
            CONTROL);
    if (ended.code() != 0) {
      return ", whose control file could not be read";
    }
    Map<String, String> lines = new HashMap<>();
    ended
        .output()
        .lines()
        .map(line -> line.split(":\\s+", 2))
        .filter(parts -> parts.length == 2)
        .forEach(parts -> lines.put(parts[0], parts[1].strip()));
    String state = lines.getOrDefault("Database cluster state", "");
    put(facts, FailoverFacts.SYSTEM, lines.get("Database system identifier"));
    put(facts, FailoverFacts.TIMELINE, lines.get("Latest checkpoint's TimeLineID"));
    if (state.equals("shut down")) {
      // The checkpoint of the shutdown is the last record: what clients wrote lies before it.
      put(
          facts,
          FailoverFacts.LSN,
          Lsn.parse(lines.getOrDefault("Latest checkpoint location", "")).toString());
      return ", which was shut down with all its log written";
    }
    return ", which was " + (state.isEmpty() ? "stopped" : "last " + state);
  }

  private static void put(Map<String, String> facts, String name, @Nullable String value) {
    if (value != null) {
      facts.put(name, value);
    }
  }
}
