package com.thorbis.backup.postgres.serve;

import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.postgres.settings.OwnerOnly;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The folder in which a server's scripts and a resident process meet. Safe for several threads and
 * several processes.
 */
public final class Exchange implements AutoCloseable {
  /** Where it lies, seen from the data directory. */
  public static final String FOLDER = "pg_wal/thorbis";

  private static final String ALIVE = "alive";
  private static final String RESTORE = "restore";
  private static final int MOST_MARKER_BYTES = 4096;
  private static final AtomicLong TEMPORARY = new AtomicLong();
  private static final Set<OpenOption> CREATE =
      Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);
  private static final Set<OpenOption> READ =
      Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);

  private final Path dataDirectory;
  private final SecureDirectoryStream<Path> folder;
  private final UserPrincipal owner;

  private Exchange(Path dataDirectory, SecureDirectoryStream<Path> folder, UserPrincipal owner) {
    this.dataDirectory = dataDirectory;
    this.folder = folder;
    this.owner = owner;
  }

  /**
   * Makes the folder in a data directory, if it is not there.
   *
   * @param account whom it belongs to
   */
  public static void create(Path dataDirectory, ServerUser account) throws IOException {
    Path log = log(dataDirectory);
    Path folder = log.resolve(Path.of(FOLDER).getFileName());
    if (Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    Files.createDirectory(folder, OwnerOnly.FOLDER);
    // Whoever owns the folders above could have put others in their places meanwhile: what is given
    // away is the folder that was looked at.
    try (DirectoryStream<Path> parent = Files.newDirectoryStream(log)) {
      SecureDirectoryStream<Path> above = secure(parent);
      checkOwner(dataDirectory, log, ownerOf(above));
      try (SecureDirectoryStream<Path> made =
          above.newDirectoryStream(folder.getFileName(), LinkOption.NOFOLLOW_LINKS)) {
        account.give(made.getFileAttributeView(PosixFileAttributeView.class));
      }
    }
  }

  /** The folder that {@code pg_wal} is or leads to, if it is one of the data directory's owner. */
  private static Path log(Path dataDirectory) throws IOException {
    Path log = dataDirectory.resolve("pg_wal").toRealPath();
    checkOwner(dataDirectory, log, Files.getOwner(log, LinkOption.NOFOLLOW_LINKS));
    return log;
  }

  private static void checkOwner(Path dataDirectory, Path log, UserPrincipal found)
      throws IOException {
    UserPrincipal owner = Files.getOwner(dataDirectory);
    // Nobody else can change where our own data directory leads.
    boolean ours = owner.getName().equals(System.getProperty("user.name"));
    if (!ours && !found.equals(owner)) {
      throw foreign(log, found, owner);
    }
  }

  private static UserPrincipal ownerOf(SecureDirectoryStream<Path> stream) throws IOException {
    return stream.getFileAttributeView(PosixFileAttributeView.class).readAttributes().owner();
  }

  private static IOException foreign(Path path, UserPrincipal found, UserPrincipal owner) {
    return new IOException(path + " belongs to " + found + ", but the data directory to " + owner);
  }

  /** Notes in a new folder whose log a restored cluster follows. */
  public static void follow(Path dataDirectory, String incarnation, ServerUser account)
      throws IOException {
    Path marker = dataDirectory.resolve(FOLDER).resolve(RESTORE);
    try (FileChannel channel =
        FileChannel.open(
            marker,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            OwnerOnly.FILE)) {
      channel.write(ByteBuffer.wrap((incarnation + "\n").getBytes(StandardCharsets.UTF_8)));
      channel.force(true);
    }
    account.give(marker);
  }

  /**
   * Opens the folder of a data directory.
   *
   * @throws IOException if it is not there, or is not the data directory's owner's
   */
  public static Exchange open(Path dataDirectory) throws IOException {
    UserPrincipal owner = Files.getOwner(dataDirectory);
    Path path = dataDirectory.resolve(FOLDER);
    try (DirectoryStream<Path> parent = Files.newDirectoryStream(log(dataDirectory))) {
      SecureDirectoryStream<Path> folder =
          secure(parent).newDirectoryStream(path.getFileName(), LinkOption.NOFOLLOW_LINKS);
      try {
        UserPrincipal found = ownerOf(folder);
        if (!found.equals(owner)) {
          throw foreign(path, found, owner);
        }
        return new Exchange(dataDirectory, folder, owner);
      } catch (IOException | RuntimeException e) {
        folder.close();
        throw e;
      }
    }
  }

  private static SecureDirectoryStream<Path> secure(DirectoryStream<Path> stream)
      throws IOException {
    if (stream instanceof SecureDirectoryStream<Path> secure) {
      return secure;
    }
    throw new IOException("This system cannot open files relative to a folder");
  }

  /** The data directory it lies in. */
  public Path dataDirectory() {
    return dataDirectory;
  }

  /** The incarnation whose log the cluster follows; empty if this is no restored cluster. */
  public Optional<String> incarnation() throws IOException {
    return read(RESTORE).map(String::strip).filter(text -> !text.isEmpty());
  }

  /** The same, seen from the place that a segment is to be delivered to. */
  static Optional<String> incarnationBeside(Path destination) throws IOException {
    Path absolute = destination.toAbsolutePath().normalize();
    Path marker = absolute.resolveSibling(Path.of(FOLDER).getFileName()).resolve(RESTORE);
    try {
      BasicFileAttributes attributes =
          Files.readAttributes(marker, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      if (!attributes.isRegularFile() || attributes.size() > MOST_MARKER_BYTES) {
        throw new IOException(marker + " is not ours");
      }
      String text = Files.readString(marker, StandardCharsets.UTF_8).strip();
      return text.isEmpty() ? Optional.empty() : Optional.of(text);
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  /** Shows that somebody serves the folder. */
  void beat(long count) throws IOException {
    publish(ALIVE, ByteBuffer.wrap((count + "\n").getBytes(StandardCharsets.US_ASCII)), 0, false);
  }

  /** Shows that nobody does. */
  void rest() throws IOException {
    delete(ALIVE);
  }

  /** The names in it now. */
  List<String> list() throws IOException {
    List<String> names = new ArrayList<>();
    try (DirectoryStream<Path> now =
        folder.newDirectoryStream(Path.of("."), LinkOption.NOFOLLOW_LINKS)) {
      for (Path path : now) {
        names.add(path.getFileName().toString());
      }
    } catch (java.nio.file.DirectoryIteratorException e) {
      throw e.getCause();
    }
    return names;
  }

  /**
   * Lays a file out whole.
   *
   * @param length its length; what {@code content} lacks is filled with zeros
   */
  void publish(String name, ByteBuffer content, long length, boolean durable) throws IOException {
    Path temporary =
        Path.of("." + ProcessHandle.current().pid() + "." + TEMPORARY.incrementAndGet());
    boolean published = false;
    try {
      try (SeekableByteChannel channel = folder.newByteChannel(temporary, CREATE, OwnerOnly.FILE)) {
        WalFiles.write(channel, content);
        if (channel.size() < length) {
          channel.position(length - 1);
          channel.write(ByteBuffer.allocate(1));
        }
        if (durable && channel instanceof FileChannel file) {
          file.force(true);
        }
      }
      PosixFileAttributeView view =
          folder.getFileAttributeView(
              temporary, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
      if (!view.readAttributes().owner().equals(owner)) {
        view.setOwner(owner);
      }
      folder.move(temporary, folder, Path.of(name));
      published = true;
    } finally {
      if (!published) {
        delete(temporary.toString());
      }
    }
  }

  /** Removes a file, if it is there. */
  void delete(String name) throws IOException {
    try {
      folder.deleteFile(Path.of(name));
    } catch (NoSuchFileException e) {
      // Whoever took it was faster.
    }
  }

  /** Whether a plain file is there; anything else of the name, which might block, is refused. */
  private boolean regular(String name) throws IOException {
    try {
      boolean regular =
          folder
              .getFileAttributeView(
                  Path.of(name), PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
              .readAttributes()
              .isRegularFile();
      if (!regular) {
        throw new IOException(dataDirectory.resolve(FOLDER).resolve(name) + " is no plain file");
      }
      return true;
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  /** When a file was written; empty if it is gone. */
  Optional<FileTime> modified(String name) throws IOException {
    try {
      PosixFileAttributes attributes =
          folder
              .getFileAttributeView(
                  Path.of(name), PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
              .readAttributes();
      return Optional.of(attributes.lastModifiedTime());
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  private Optional<String> read(String name) throws IOException {
    if (!regular(name)) {
      return Optional.empty();
    }
    try (SeekableByteChannel channel = folder.newByteChannel(Path.of(name), READ)) {
      ByteBuffer bytes = ByteBuffer.allocate(MOST_MARKER_BYTES);
      while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
        // until its end
      }
      return Optional.of(StandardCharsets.UTF_8.decode(bytes.flip()).toString());
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  @Override
  public void close() throws IOException {
    folder.close();
  }
}
