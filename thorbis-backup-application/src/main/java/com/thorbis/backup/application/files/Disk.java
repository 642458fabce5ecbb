package com.thorbis.backup.application.files;

import com.thorbis.backup.spi.repository.FileNode;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NotDirectoryException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFileAttributes;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What a walk asks the file system. Follows no link but in the way to where it begins. */
class Disk {
  private static final Set<OpenOption> READ =
      Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
  private static final String NEEDED =
      "unix:mode,ino,dev,nlink,uid,gid,size,lastModifiedTime,ctime,fileKey";
  private static final int TYPE = 0170000;
  private static final int PERMISSIONS = 07777;

  private final Map<Integer, String> owners = new HashMap<>();
  private final Map<Integer, String> groups = new HashMap<>();

  /**
   * What lies somewhere.
   *
   * @param kind empty for what is neither file, folder nor symbolic link
   * @param device which file system it is on; 0 where that is not known
   * @param links how many names it has
   * @param node empty where the system has no such thing
   * @param key what tells it from all else that is there; empty where the system has no such thing
   */
  record Entry(
      Optional<StoredFile.Kind> kind,
      long length,
      int mode,
      Instant modifiedAt,
      long device,
      long links,
      Optional<FileNode> node,
      Optional<Object> key) {
    StoredFile stored(String path, StoredFile.Kind as, Optional<String> target) {
      return new StoredFile(
          StoredFile.Area.DATA,
          path,
          as,
          as == StoredFile.Kind.FILE ? length : 0,
          mode,
          modifiedAt,
          target,
          node);
    }
  }

  /** A folder that is open: what is opened in it lies in it, whatever its path leads to by now. */
  interface Folder extends Closeable {
    /** Hands out what is in it, in any order. */
    void list(Consumer<Path> each) throws IOException;

    /** Opens a folder in it. */
    Folder open(Path name) throws IOException;

    /** Opens a file in it. */
    SeekableByteChannel read(Path name) throws IOException;

    /** The key of what is in it under a name by now. */
    Optional<Object> key(Path name) throws IOException;

    /** Its own key. */
    Optional<Object> key() throws IOException;
  }

  Entry look(Path path) throws IOException {
    if (!path.getFileSystem().supportedFileAttributeViews().contains("unix")) {
      return lookElsewhere(path);
    }
    Map<String, Object> found = Files.readAttributes(path, NEEDED, LinkOption.NOFOLLOW_LINKS);
    int mode = known(found, "mode", Integer.class);
    int uid = known(found, "uid", Integer.class);
    int gid = known(found, "gid", Integer.class);
    FileNode node =
        new FileNode(
            Integer.toUnsignedLong(uid),
            Integer.toUnsignedLong(gid),
            name(owners, path, "unix:owner", uid),
            name(groups, path, "unix:group", gid),
            known(found, "ino", Long.class),
            known(found, "ctime", FileTime.class).toInstant());
    StoredFile.Kind kind =
        switch (mode & TYPE) {
          case 0100000 -> StoredFile.Kind.FILE;
          case 0040000 -> StoredFile.Kind.DIRECTORY;
          case 0120000 -> StoredFile.Kind.SYMBOLIC_LINK;
          default -> null;
        };
    return new Entry(
        Optional.ofNullable(kind),
        known(found, "size", Long.class),
        mode & PERMISSIONS,
        known(found, "lastModifiedTime", FileTime.class).toInstant(),
        known(found, "dev", Long.class),
        known(found, "nlink", Integer.class),
        Optional.of(node),
        Optional.ofNullable(found.get("fileKey")));
  }

  private static <T> T known(Map<String, Object> found, String name, Class<T> type) {
    return type.cast(Objects.requireNonNull(found.get(name), name));
  }

  /** Asked once for each number: the system looks into its database of accounts. */
  private static String name(Map<Integer, String> known, Path path, String attribute, int number)
      throws IOException {
    String name = known.get(number);
    if (name == null) {
      Object principal = Files.getAttribute(path, attribute, LinkOption.NOFOLLOW_LINKS);
      name = ((java.security.Principal) principal).getName();
      if (name.equals(Integer.toUnsignedString(number)) || name.equals("" + number)) {
        name = "";
      }
      known.put(number, name);
    }
    return name;
  }

  private static Entry lookElsewhere(Path path) throws IOException {
    BasicFileAttributes basic;
    int mode;
    if (path.getFileSystem().supportedFileAttributeViews().contains("posix")) {
      PosixFileAttributes posix =
          Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      basic = posix;
      mode = Modes.of(posix.permissions());
    } else {
      basic = Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      mode = basic.isDirectory() ? 0755 : 0644;
    }
    StoredFile.Kind kind =
        basic.isSymbolicLink()
            ? StoredFile.Kind.SYMBOLIC_LINK
            : basic.isDirectory()
                ? StoredFile.Kind.DIRECTORY
                : basic.isRegularFile() ? StoredFile.Kind.FILE : null;
    return new Entry(
        Optional.ofNullable(kind),
        basic.size(),
        mode,
        basic.lastModifiedTime().toInstant(),
        0,
        1,
        Optional.empty(),
        Optional.ofNullable(basic.fileKey()));
  }

  String target(Path link) throws IOException {
    return Names.text(Files.readSymbolicLink(link));
  }

  @SuppressWarnings("StreamResourceLeak") // closed with the folder
  Folder open(Path folder) throws IOException {
    return new OpenFolder(folder, Files.newDirectoryStream(folder));
  }

  /** A folder that may be passed and not listed: what is asked of it is asked by path. */
  Folder pass(Path folder) {
    return new OpenFolder(folder, null);
  }

  private static final class OpenFolder implements Folder {
    private final Path path;
    private final @Nullable DirectoryStream<Path> stream;
    private final @Nullable SecureDirectoryStream<Path> secure;

    OpenFolder(Path path, @Nullable DirectoryStream<Path> stream) {
      this.path = path;
      this.stream = stream;
      this.secure = stream instanceof SecureDirectoryStream<Path> found ? found : null;
    }

    @Override
    public void list(Consumer<Path> each) throws IOException {
      if (stream == null) {
        throw new AccessDeniedException(path.toString());
      }
      try {
        stream.forEach(each);
      } catch (java.nio.file.DirectoryIteratorException e) {
        throw e.getCause();
      }
    }

    @Override
    @SuppressWarnings("StreamResourceLeak") // closed with the folder
    public Folder open(Path name) throws IOException {
      Path place = path.resolve(name);
      if (secure != null) {
        return new OpenFolder(place, secure.newDirectoryStream(name, LinkOption.NOFOLLOW_LINKS));
      }
      if (!Files.isDirectory(place, LinkOption.NOFOLLOW_LINKS)) {
        throw new NotDirectoryException(place.toString());
      }
      return new OpenFolder(place, Files.newDirectoryStream(place));
    }

    @Override
    public SeekableByteChannel read(Path name) throws IOException {
      return secure != null
          ? secure.newByteChannel(name, READ)
          : Files.newByteChannel(path.resolve(name), READ);
    }

    @Override
    public Optional<Object> key(Path name) throws IOException {
      return key(
          secure != null
              ? secure.getFileAttributeView(
                  name, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
              : Files.getFileAttributeView(
                  path.resolve(name), BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS));
    }

    @Override
    public Optional<Object> key() throws IOException {
      return key(
          secure != null
              ? secure.getFileAttributeView(BasicFileAttributeView.class)
              : Files.getFileAttributeView(
                  path, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS));
    }

    private static Optional<Object> key(BasicFileAttributeView view) throws IOException {
      return Optional.ofNullable(view.readAttributes().fileKey());
    }

    @Override
    public void close() throws IOException {
      if (stream != null) {
        stream.close();
      }
    }
  }
}
