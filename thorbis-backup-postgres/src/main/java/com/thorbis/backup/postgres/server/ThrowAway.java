package com.thorbis.backup.postgres.server;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.postgres.settings.OwnerOnly;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What one run makes and removes again: a folder for the server, one for its socket, a file that is
 * not whole yet, and a database of another server that is not whole yet. All of it is written down
 * in the state directory before it is made, in a file that is locked for as long as the run lives:
 * whoever gets the lock knows that nobody lives, in whatever container that was, and removes what
 * the file names.
 */
public final class ThrowAway implements AutoCloseable {
  private static final String SUFFIX = ".run";
  private static final String FOLDER = "folder ";
  private static final String SOCKETS = "sockets ";
  private static final String FILE = "file ";
  private static final String DATABASE_ON = "database-on ";
  private static final String NAME = "thorbis-";
  private static final String OURS = NAME + "[0-9a-f]+";
  private static final int MOST_BYTES = 1 << 16;

  /** A server that recovers keeps restored log until its next restart point. */
  private static final long MOST_LOG_BYTES = 1L << 30;

  private static final long SPARE_BYTES = 128L << 20;
  private static final SecureRandom RANDOM = new SecureRandom();

  private final PostgresSettings settings;
  private final Path marker;
  private final FileChannel lock;
  private final Path folder;
  private final Path sockets;
  private final Optional<Path> unfinished;
  private boolean databaseLeft;

  private ThrowAway(
      PostgresSettings settings,
      Path marker,
      FileChannel lock,
      Path folder,
      Path sockets,
      Optional<Path> unfinished) {
    this.settings = settings;
    this.marker = marker;
    this.lock = lock;
    this.folder = folder;
    this.sockets = sockets;
    this.unfinished = unfinished;
  }

  /** Drops unfinished databases of other servers. */
  @FunctionalInterface
  public interface Databases {
    /** Reaches no server. */
    Databases NONE = (address, name) -> Dropped.unknown("no server is asked");

    /**
     * Drops one.
     *
     * @param address the server, as {@link #make} was told
     * @param name the database, which may be gone
     */
    Dropped drop(String address, String name);
  }

  /**
   * What became of an unfinished database.
   *
   * @param settled whether it is known not to be there
   * @param why why that is not known; empty where it was dropped, or was not there at all
   * @param found whether it was there
   */
  public record Dropped(boolean settled, String why, boolean found) {
    /** It was there, and is not any more. */
    public static final Dropped GONE = new Dropped(true, "", true);

    /** It was not there. */
    public static final Dropped ABSENT = new Dropped(true, "", false);

    /** It may be there. */
    public static Dropped unknown(String why) {
      return new Dropped(false, why, false);
    }
  }

  /**
   * Where the folders go: below {@code wanted}, else where the account that the server runs as gets
   * to, the state directory if it is ours.
   */
  public static Path parent(PostgresSettings settings, Optional<Path> wanted) throws IOException {
    if (wanted.isPresent()) {
      Path place = wanted.get().toAbsolutePath().normalize();
      if (!Files.isDirectory(place)) {
        throw BackupException.of(
                "restore.no-work-directory", FailureKind.CONFIGURATION, place + " is no folder")
            .remedy("Make it, or name another one.")
            .build();
      }
      return place.toRealPath();
    }
    Path state = settings.stateDirectory().toAbsolutePath().normalize();
    return ours(settings, state.resolve(NAME)) ? state : Path.of("/var/tmp");
  }

  /** Whether the server would run as the account that we are. */
  private static boolean ours(PostgresSettings settings, Path folder) throws IOException {
    return ServerUser.choose(settings.serverUser(), folder)
        .name()
        .equals(System.getProperty("user.name"));
  }

  /**
   * Writes down what will be made, and makes the folders.
   *
   * @param output a file that will be written beside under another name first
   * @param databaseOn the address of a server that will get a new database, which has a name of
   *     this run first
   */
  public static ThrowAway make(
      PostgresSettings settings, Path parent, Optional<Path> output, Optional<String> databaseOn)
      throws IOException {
    byte[] random = new byte[8];
    RANDOM.nextBytes(random);
    String id = HexFormat.of().formatHex(random);
    Path markers = folder(settings);
    Files.createDirectories(markers, OwnerOnly.FOLDER);
    Path folder = parent.toRealPath().resolve(NAME + id); // as its processes see it
    Path sockets = Path.of("/tmp", NAME + id); // a socket's path must be short
    Optional<Path> unfinished =
        output.map(file -> file.resolveSibling("." + file.getFileName() + "." + id));
    Path marker = markers.resolve(process() + "-" + id + SUFFIX);
    Path fresh = markers.resolve("." + id);
    FileChannel lock =
        FileChannel.open(
            fresh, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OwnerOnly.FILE);
    boolean made = false;
    try {
      lock.lock();
      String text =
          "# What a run of process "
              + ProcessHandle.current().pid()
              + " removes when it ends.\n"
              + FOLDER
              + folder
              + "\n"
              + SOCKETS
              + sockets
              + "\n"
              + unfinished.map(file -> FILE + file + "\n").orElse("")
              + databaseOn.map(address -> DATABASE_ON + address + "\n").orElse("");
      ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
      while (bytes.hasRemaining()) {
        lock.write(bytes);
      }
      lock.force(true);
      Files.move(fresh, marker, StandardCopyOption.ATOMIC_MOVE);
      try (FileChannel names = FileChannel.open(markers)) {
        names.force(true);
      }
      ThrowAway run = new ThrowAway(settings, marker, lock, folder, sockets, unfinished);
      // Its owner is us, so that nobody else puts something there; its server only passes through.
      Files.createDirectory(
          folder,
          PosixFilePermissions.asFileAttribute(
              PosixFilePermissions.fromString(ours(settings, folder) ? "rwx------" : "rwx--x--x")));
      Files.createDirectory(sockets, OwnerOnly.FOLDER);
      made = true;
      return run;
    } finally {
      if (!made) {
        remove(settings, folder, sockets, unfinished);
        Files.deleteIfExists(fresh);
        Files.deleteIfExists(marker);
        lock.close();
      }
    }
  }

  private static Path folder(PostgresSettings settings) {
    return settings
        .stateDirectory()
        .toAbsolutePath()
        .resolve("tables")
        .resolve(settings.source().replaceAll("[^A-Za-z0-9_-]", "_"));
  }

  /** This process among all that this machine had, in the words of a file's name. */
  private static String process() {
    ProcessHandle self = ProcessHandle.current();
    return self.pid() + "-" + self.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
  }

  /**
   * Refuses a place that has too little room.
   *
   * @param needed bytes
   * @param free bytes there
   */
  public static void requireRoom(Path parent, long needed, long free) {
    if (free < needed) {
      throw BackupException.of(
              "restore.no-room",
              FailureKind.REFUSED,
              parent
                  + " has "
                  + (free >> 20)
                  + " MiB free, and the throw-away server needs "
                  + (needed >> 20)
                  + " MiB")
          .remedy("Make room, or name a folder that has it: --work-dir, or drill.work-directory.")
          .detail("freeBytes", Long.toString(free))
          .detail("neededBytes", Long.toString(needed))
          .build();
    }
  }

  /** How many bytes a throw-away server takes. */
  public static long neededBytes(RestorePlan plan) {
    long log = plan.wal().stream().mapToLong(r -> r.end().value() - r.start().value()).sum();
    return plan.bytes() + Math.min(log, MOST_LOG_BYTES) + SPARE_BYTES;
  }

  /** How many bytes may be written below a folder, which need not exist yet. */
  public static long freeBytes(Path parent) throws IOException {
    Path existing = parent;
    while (existing.getParent() != null && !Files.exists(existing)) {
      existing = existing.getParent();
    }
    return Files.getFileStore(existing).getUsableSpace();
  }

  /** Where the server's files go; does not exist yet. */
  public Path dataDirectory() {
    return folder.resolve("data");
  }

  /** Where a tablespace goes; does not exist yet. */
  public Path tablespace(long oid) {
    return folder.resolve("tablespace-" + oid);
  }

  /** For the server's socket; ours until it is given away. */
  public Path sockets() {
    return sockets;
  }

  /** The file that becomes the output once it is whole. */
  public Path unfinished() {
    return unfinished.orElseThrow();
  }

  /** What the new database is called until it is whole: no other database has this name. */
  public String database() {
    return String.valueOf(folder.getFileName());
  }

  /** From now on there may be a database of that name. */
  public void databaseBegun() {
    databaseLeft = true;
  }

  /** No database has that name: it is whole and has its own, or is dropped. */
  public void databaseSettled() {
    databaseLeft = false;
  }

  /**
   * Removes all of it but a database, which whoever made it drops. The server must have been
   * stopped.
   */
  @Override
  public void close() throws IOException {
    try (lock) {
      remove(settings, folder, sockets, unfinished);
      if (databaseLeft) {
        // Under the name of no process that lives, so that this one finds it, too.
        Files.move(
            marker,
            marker.resolveSibling("0-0-" + database() + SUFFIX),
            StandardCopyOption.ATOMIC_MOVE);
      } else {
        Files.deleteIfExists(marker);
      }
    }
  }

  /** What killed runs left behind, in words; changes nothing. */
  public static List<String> leftovers(PostgresSettings settings) throws IOException {
    return each(settings, Optional.empty());
  }

  /**
   * Removes what killed runs left behind. What cannot be dropped stays written down.
   *
   * @return what was removed, in words
   */
  public static List<String> sweep(PostgresSettings settings, Databases databases)
      throws IOException {
    return each(settings, Optional.of(databases));
  }

  /**
   * Looks at what killed runs left.
   *
   * @param databases empty to change nothing
   */
  private static List<String> each(PostgresSettings settings, Optional<Databases> databases)
      throws IOException {
    List<String> found = new ArrayList<>();
    try (DirectoryStream<Path> markers =
        Files.newDirectoryStream(folder(settings), "[0-9]*" + SUFFIX)) {
      for (Path marker : markers) {
        // A process that opened and closed its own file again would lose the lock on it.
        if (!String.valueOf(marker.getFileName()).startsWith(process() + "-")) {
          found.addAll(dead(settings, marker, databases));
        }
      }
    } catch (NoSuchFileException e) {
      return List.of();
    }
    return found;
  }

  private static List<String> dead(
      PostgresSettings settings, Path marker, Optional<Databases> databases) throws IOException {
    try (FileChannel channel =
            FileChannel.open(
                marker,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE,
                LinkOption.NOFOLLOW_LINKS);
        FileLock lock = channel.tryLock()) {
      if (lock == null) {
        return List.of();
      }
      ByteArrayOutputStream text = new ByteArrayOutputStream();
      text.write(Channels.newInputStream(channel).readNBytes(MOST_BYTES));
      @Nullable Path folder = null;
      @Nullable Path sockets = null;
      @Nullable Path file = null;
      @Nullable String databaseOn = null;
      for (String line : text.toString(StandardCharsets.UTF_8).lines().toList()) {
        if (line.startsWith(FOLDER)) {
          folder = Path.of(line.substring(FOLDER.length()));
        } else if (line.startsWith(SOCKETS)) {
          sockets = Path.of(line.substring(SOCKETS.length()));
        } else if (line.startsWith(FILE)) {
          file = Path.of(line.substring(FILE.length()));
        } else if (line.startsWith(DATABASE_ON)) {
          databaseOn = line.substring(DATABASE_ON.length());
        }
      }
      if (folder == null
          || sockets == null
          || databaseOn != null && !String.valueOf(folder.getFileName()).matches(OURS)) {
        throw new IOException(marker + " does not say what to remove");
      }
      List<String> left = new ArrayList<>();
      if (databaseOn == null || Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
        left.add(folder.toString());
      }
      String name = String.valueOf(folder.getFileName());
      boolean found = false;
      if (databases.isPresent()) {
        remove(settings, folder, sockets, Optional.ofNullable(file));
        Dropped dropped =
            databaseOn == null ? Dropped.ABSENT : databases.get().drop(databaseOn, name);
        found = dropped.found();
        if (dropped.settled()) {
          Files.deleteIfExists(marker);
        }
      }
      if (databaseOn != null && (found || databases.isEmpty())) {
        left.add(
            "the database \"" + name + "\" on " + databaseOn + (found ? "" : ", if it was made"));
      }
      return left;
    } catch (NoSuchFileException | OverlappingFileLockException e) {
      return List.of(); // somebody else removes it, or uses it
    }
  }

  private static void remove(
      PostgresSettings settings, Path folder, Path sockets, Optional<Path> unfinished)
      throws IOException {
    StrayServer.stop(settings, folder.resolve("data"));
    removeTree(sockets);
    if (unfinished.isPresent()) {
      Files.deleteIfExists(unfinished.get());
    }
    removeTree(folder);
  }

  /**
   * Follows no link, also where the account that the server runs as puts one meanwhile: root must
   * not be led to what is not of it.
   */
  private static void removeTree(Path root) throws IOException {
    Path name = root.getFileName();
    try (DirectoryStream<Path> parent = Files.newDirectoryStream(root.getParent())) {
      if (!(parent instanceof SecureDirectoryStream<Path> above)) {
        throw new IOException("This system cannot remove files relative to a folder");
      }
      removeTree(above, name);
    } catch (NoSuchFileException e) {
      return; // gone already
    }
  }

  private static void removeTree(SecureDirectoryStream<Path> above, Path name) throws IOException {
    try (SecureDirectoryStream<Path> folder =
        above.newDirectoryStream(name, LinkOption.NOFOLLOW_LINKS)) {
      for (Path entry : folder) {
        Path inside = entry.getFileName();
        try {
          if (folder
              .getFileAttributeView(inside, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
              .readAttributes()
              .isDirectory()) {
            removeTree(folder, inside);
          } else {
            folder.deleteFile(inside);
          }
        } catch (NoSuchFileException e) {
          // Its last process was faster.
        }
      }
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
    above.deleteDirectory(name);
  }
}
