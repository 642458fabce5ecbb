package com.thorbis.backup.postgres.cluster;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.FileContent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The files of a data directory that this host sees. */
public final class LocalFiles implements ClusterFiles {
  private static final Set<OpenOption> READ =
      Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
  private static final int PRIVATE_FOLDER = 0700;
  private static final int PRIVATE_FILE = 0600;
  private static final String TABLESPACES = "pg_tblspc";

  /** From the lowest bit. */
  private static final List<PosixFilePermission> MODE_BITS =
      List.of(
          PosixFilePermission.OTHERS_EXECUTE,
          PosixFilePermission.OTHERS_WRITE,
          PosixFilePermission.OTHERS_READ,
          PosixFilePermission.GROUP_EXECUTE,
          PosixFilePermission.GROUP_WRITE,
          PosixFilePermission.GROUP_READ,
          PosixFilePermission.OWNER_EXECUTE,
          PosixFilePermission.OWNER_WRITE,
          PosixFilePermission.OWNER_READ);

  private final Path root;

  private LocalFiles(Path root) {
    this.root = root;
  }

  /**
   * Looks whether a data directory is there and can be read.
   *
   * @throws BackupException code {@code postgres.data-directory} if it is not one; {@code
   *     postgres.unreadable} if this account may not read it
   */
  public static LocalFiles open(Path dataDirectory) throws IOException {
    Path root;
    try {
      root = dataDirectory.toRealPath();
    } catch (NoSuchFileException | NotDirectoryException e) {
      throw noDataDirectory(dataDirectory, "does not exist", e);
    } catch (AccessDeniedException e) {
      throw unreadable(dataDirectory, e);
    }
    LocalFiles files = new LocalFiles(root);
    if (files.read(ControlData.PATH, ControlData.MOST_BYTES).isEmpty()) {
      throw noDataDirectory(dataDirectory, "has no " + ControlData.PATH, null);
    }
    return files;
  }

  /**
   * Looks whether this account may read every folder of databases.
   *
   * @throws BackupException code {@code postgres.unreadable} that names the one that it may not
   */
  public void requireReadable() throws IOException {
    List<String> folders = new ArrayList<>(List.of("global", "base"));
    names("base", name -> folders.add("base/" + name));
    for (Tablespace tablespace : tablespaces()) {
      folders.add(TABLESPACES + "/" + tablespace.oid());
    }
    for (String folder : folders) {
      names(folder, name -> {});
    }
  }

  /** The folder, with all links resolved. */
  public Path root() {
    return root;
  }

  @Override
  public boolean list(String folder, Visitor<Entry> visitor) throws IOException {
    return each(
        folder,
        path -> {
          Optional<Entry> entry = entry(path);
          if (entry.isPresent()) {
            visitor.visit(entry.get());
          }
        });
  }

  @Override
  public boolean names(String folder, Visitor<String> visitor) throws IOException {
    return each(folder, path -> visitor.visit(path.getFileName().toString()));
  }

  private boolean each(String folder, Visitor<Path> visitor) throws IOException {
    Path path = root.resolve(folder);
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
      for (Path each : entries) {
        visitor.visit(each);
      }
      return true;
    } catch (NoSuchFileException e) {
      if (!path.toString().equals(e.getFile())) {
        throw e; // of something else, by the visitor
      }
      return false;
    } catch (NotDirectoryException e) {
      return false;
    } catch (AccessDeniedException e) {
      throw unreadable(path, e);
    } catch (DirectoryIteratorException e) {
      throw e.getCause();
    }
  }

  private static Optional<Entry> entry(Path path) throws IOException {
    String name = path.getFileName().toString();
    try {
      PosixFileAttributes found =
          Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      return Optional.of(entry(path, name, found, mode(found.permissions())));
    } catch (UnsupportedOperationException e) {
      BasicFileAttributes found =
          Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      int mode = found.isDirectory() ? PRIVATE_FOLDER : PRIVATE_FILE;
      return Optional.of(entry(path, name, found, mode));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (AccessDeniedException e) {
      throw unreadable(path, e);
    }
  }

  private static Entry entry(Path path, String name, BasicFileAttributes found, int mode) {
    Kind kind =
        !namesItself(path, name)
            ? Kind.OTHER
            : found.isRegularFile()
                ? Kind.FILE
                : found.isDirectory()
                    ? Kind.DIRECTORY
                    : found.isSymbolicLink() ? Kind.LINK : Kind.OTHER;
    Instant modifiedAt = found.lastModifiedTime().toInstant();
    return new Entry(name, kind, kind == Kind.FILE ? found.size() : 0, mode, modifiedAt);
  }

  /** Not so where the name is in an encoding that this process does not speak. */
  private static boolean namesItself(Path path, String name) {
    try {
      return path.resolveSibling(name).equals(path);
    } catch (InvalidPathException e) {
      return false;
    }
  }

  private static int mode(Set<PosixFilePermission> permissions) {
    int mode = 0;
    for (PosixFilePermission permission : permissions) {
      mode |= 1 << MODE_BITS.indexOf(permission);
    }
    return mode;
  }

  @Override
  public List<Tablespace> tablespaces() throws IOException {
    List<Tablespace> found = new ArrayList<>();
    list(
        TABLESPACES,
        entry -> {
          if (!entry.name().matches("[1-9][0-9]{0,9}")) {
            return;
          }
          long oid = Long.parseLong(entry.name());
          String path = TABLESPACES + "/" + entry.name();
          if (entry.kind() == Kind.DIRECTORY) {
            found.add(new Tablespace(oid, path));
          } else if (entry.kind() == Kind.LINK) {
            try {
              found.add(new Tablespace(oid, Files.readSymbolicLink(root.resolve(path)).toString()));
            } catch (NoSuchFileException e) {
              // Dropped this moment.
              return;
            }
          }
        });
    return found;
  }

  @Override
  public FileContent content(String path) {
    return new Content(root.resolve(path));
  }

  @Override
  public Optional<byte[]> read(String path, int most) throws IOException {
    Path file = root.resolve(path);
    try (FileChannel channel = FileChannel.open(file, READ)) {
      ByteBuffer bytes = ByteBuffer.allocate(most + 1);
      while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
        // Until it is full or the file is over.
      }
      if (!bytes.hasRemaining()) {
        throw new IOException(file + " is longer than " + most + " bytes");
      }
      return Optional.of(Arrays.copyOf(bytes.array(), bytes.position()));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (AccessDeniedException e) {
      throw unreadable(file, e);
    }
  }

  @Override
  public void close() {}

  private static BackupException noDataDirectory(
      Path path, String problem, @Nullable Exception cause) {
    return BackupException.of(
            "postgres.data-directory",
            FailureKind.CONFIGURATION,
            "data-directory: " + path + " " + problem)
        .remedy("Name what SHOW data_directory says, as this host sees it.")
        .detail("path", path.toString())
        .cause(cause)
        .build();
  }

  private static BackupException unreadable(Path path, Exception cause) {
    String account = System.getProperty("user.name", "this account");
    return BackupException.of(
            "postgres.unreadable",
            FailureKind.PERMANENT,
            "Account " + account + " may not read " + path)
        .remedy(
            "Run as the server's account, or let its group read (initdb --allow-group-access) and"
                + " add "
                + account
                + " to it.")
        .detail("path", path.toString())
        .detail("account", account)
        .cause(cause)
        .build();
  }

  /** A file that stays open from when it is first read. */
  private static final class Content implements FileContent {
    private final Path file;
    private @Nullable FileChannel channel;
    private boolean gone;

    Content(Path file) {
      this.file = file;
    }

    @Override
    public boolean read(long offset, byte[] into, int at, int length) throws IOException {
      FileChannel from = opened();
      if (from == null) {
        return false;
      }
      ByteBuffer target = ByteBuffer.wrap(into, at, length);
      long position = offset;
      while (target.hasRemaining()) {
        int count = from.read(target, position);
        if (count < 0) {
          Arrays.fill(into, target.position(), at + length, (byte) 0);
          return true;
        }
        position += count;
      }
      return true;
    }

    private synchronized @Nullable FileChannel opened() throws IOException {
      if (channel == null && !gone) {
        try {
          channel = FileChannel.open(file, READ);
        } catch (NoSuchFileException e) {
          gone = true;
        } catch (AccessDeniedException e) {
          throw unreadable(file, e);
        }
      }
      return channel;
    }

    @Override
    public synchronized void close() throws IOException {
      if (channel != null) {
        channel.close();
      }
    }
  }
}
