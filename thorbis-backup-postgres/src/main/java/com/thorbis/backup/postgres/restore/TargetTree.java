package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.server.ServerUser;
import com.thorbis.backup.postgres.settings.OwnerOnly;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NotDirectoryException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A folder that was new or empty and is filled by us alone, or a cluster's that is brought to a
 * backup: private while we work on it, its owner's when it is whole. Links in it are never
 * followed. Safe for several threads after {@link #open}.
 */
final class TargetTree {
  static final ByteBuffer ZEROS = ByteBuffer.allocate(1 << 16).asReadOnlyBuffer();

  private static final Set<StandardOpenOption> CREATE =
      Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
  private static final Set<OpenOption> READ =
      Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
  private static final Set<OpenOption> CHANGE =
      Set.of(StandardOpenOption.READ, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS);

  private final Path root;
  private final ServerUser owner;
  private final boolean reused;
  private final Set<List<String>> folders = ConcurrentHashMap.newKeySet();

  private TargetTree(Path root, ServerUser owner, boolean reused) {
    this.root = root;
    this.owner = owner;
    this.reused = reused;
  }

  /**
   * Refuses a folder that holds anything, whatever was asked for. Changes nothing.
   *
   * @param what how messages call it
   * @return where it is, without links in the part that exists
   */
  static Path checkFree(String what, Path place) throws IOException {
    Path absolute = place.toAbsolutePath().normalize();
    if (!Files.exists(absolute, LinkOption.NOFOLLOW_LINKS)) {
      return resolved(absolute);
    }
    Path real;
    try {
      real = absolute.toRealPath();
    } catch (IOException e) {
      throw notFree(what, absolute, "is a link that leads nowhere", e);
    }
    try (DirectoryStream<Path> content = Files.newDirectoryStream(real)) {
      if (content.iterator().hasNext()) {
        throw notFree(what, absolute, "is not empty", null);
      }
    } catch (NotDirectoryException e) {
      throw notFree(what, absolute, "is not a folder", e);
    }
    return real;
  }

  private static Path resolved(Path absolute) throws IOException {
    Deque<Path> missing = new ArrayDeque<>();
    Path existing = absolute;
    while (existing.getParent() != null && !Files.exists(existing, LinkOption.NOFOLLOW_LINKS)) {
      missing.push(existing.getFileName());
      existing = existing.getParent();
    }
    Path result = existing.toRealPath();
    for (Path name : missing) {
      result = result.resolve(name);
    }
    return result;
  }

  private static BackupException notFree(
      String what, Path place, String problem, @Nullable Exception cause) {
    return BackupException.of(
            "restore.target-not-empty", FailureKind.REFUSED, what + " " + place + " " + problem)
        .remedy(
            "Name a folder that is new or empty. A stopped cluster of this source in the target"
                + " folder is brought to the backup with --delta.")
        .detail("path", place.toString())
        .cause(cause)
        .build();
  }

  /** Makes the folder, or takes an empty one, so that nobody else can enter until it is given. */
  static TargetTree open(String what, Path place, ServerUser owner) throws IOException {
    Path root = checkFree(what, place);
    if (Files.exists(root)) {
      owner.take(root);
      Files.setPosixFilePermissions(root, OwnerOnly.FOLDER.value());
      checkFree(what, root); // what was put in before it became ours
    } else {
      createParents(root.getParent(), owner);
      Files.createDirectory(root, OwnerOnly.FOLDER);
    }
    TargetTree tree = new TargetTree(root, owner, false);
    tree.folders.add(List.of());
    return tree;
  }

  /** Takes a folder that was found to be this cluster's, so that nobody else can enter it. */
  static TargetTree reuse(Path root, ServerUser owner) throws IOException {
    owner.take(root);
    Files.setPosixFilePermissions(root, OwnerOnly.FOLDER.value());
    TargetTree tree = new TargetTree(root, owner, true);
    tree.folders.add(List.of());
    return tree;
  }

  /** Whether it may hold files that were there before. */
  boolean reused() {
    return reused;
  }

  private static void createParents(@Nullable Path folder, ServerUser owner) throws IOException {
    if (folder == null || Files.isDirectory(folder)) {
      return;
    }
    createParents(folder.getParent(), owner);
    try {
      Files.createDirectory(folder, OwnerOnly.FOLDER);
    } catch (FileAlreadyExistsException e) {
      if (!Files.isDirectory(folder)) {
        throw e;
      }
      return;
    }
    owner.give(folder);
  }

  Path root() {
    return root;
  }

  Path path(List<String> names) {
    Path path = root;
    for (String name : names) {
      path = path.resolve(name);
    }
    return path;
  }

  /** Makes a folder and those above it, unless this run has made them. */
  void folder(List<String> names) throws IOException {
    if (folders.contains(names)) {
      return;
    }
    synchronized (folders) {
      if (folders.contains(names)) {
        return;
      }
      folder(names.subList(0, names.size() - 1));
      Path path = path(names);
      try {
        Files.createDirectory(path, OwnerOnly.FOLDER);
      } catch (FileAlreadyExistsException e) {
        if (!reused || !Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
          throw EntryPath.hostile(String.join("/", names), "is both a file and a folder");
        }
      }
      owner.give(path);
      folders.add(List.copyOf(names));
    }
  }

  /** Makes a file that was not there. Its folder is made if this run has not made it. */
  FileChannel create(List<String> names) throws IOException {
    folder(names.subList(0, names.size() - 1));
    Path path = path(names);
    FileChannel channel;
    try {
      channel = FileChannel.open(path, CREATE, OwnerOnly.FILE);
    } catch (FileAlreadyExistsException e) {
      throw EntryPath.hostile(String.join("/", names), "comes twice");
    }
    try {
      owner.give(path);
    } catch (IOException e) {
      channel.close();
      throw e;
    }
    return channel;
  }

  /**
   * Opens a file that was there, to read it. Empty if nothing is there, or something else, or a
   * file that has other names too and is not ours alone to change.
   */
  Optional<FileChannel> read(List<String> names) throws IOException {
    return existing(names, READ);
  }

  /** Opens a file that was there, to change it; empty where {@link #read} is. */
  Optional<FileChannel> change(List<String> names) throws IOException {
    folder(names.subList(0, names.size() - 1));
    Optional<FileChannel> found = existing(names, CHANGE);
    if (found.isPresent()) {
      owner.give(path(names));
    }
    return found;
  }

  private Optional<FileChannel> existing(List<String> names, Set<OpenOption> how)
      throws IOException {
    Path path = path(names);
    if (!reused || !Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
      return Optional.empty();
    }
    Object links = Files.getAttribute(path, "unix:nlink", LinkOption.NOFOLLOW_LINKS);
    return links.equals(1) ? Optional.of(FileChannel.open(path, how)) : Optional.empty();
  }

  /** Removes a file or link that may be there. */
  void discard(List<String> names) throws IOException {
    if (reused) {
      Files.deleteIfExists(path(names));
    }
  }

  /** Makes a small file, durable but for its name; replaces one that was there before this run. */
  void write(List<String> names, byte[] content) throws IOException {
    discard(names);
    try (FileChannel channel = create(names)) {
      writeFully(channel, ByteBuffer.wrap(content));
      channel.force(true);
    }
  }

  /** Makes a symbolic link. */
  void link(List<String> names, Path to) throws IOException {
    folder(names.subList(0, names.size() - 1));
    discard(names);
    Path path = path(names);
    Files.createSymbolicLink(path, to);
    owner.give(path);
  }

  /** Every folder made, deepest last. */
  List<Path> folders() {
    List<Path> paths = new ArrayList<>();
    folders.stream()
        .sorted((a, b) -> Integer.compare(a.size(), b.size()))
        .forEach(names -> paths.add(path(names)));
    return paths;
  }

  /** Makes the names in a folder durable. */
  static void force(Path folder) throws IOException {
    try (FileChannel channel = FileChannel.open(folder)) {
      channel.force(true);
    }
  }

  /** Hands the whole to its owner, durably. */
  void give() throws IOException {
    owner.give(root);
    force(root);
    Path parent = root.getParent();
    if (parent != null) {
      force(parent);
    }
  }

  static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** Reads until the buffer is full or the file ends. */
  static void readFully(FileChannel channel, long offset, ByteBuffer into) throws IOException {
    int from = into.position();
    while (into.hasRemaining()) {
      if (channel.read(into, offset + into.position() - from) < 0) {
        return;
      }
    }
  }

  /** Leaves a hole in a file that was made empty, and that ends with {@link #endHole}. */
  static void skip(FileChannel channel, long length) throws IOException {
    channel.position(channel.position() + length);
  }

  /** Makes a file reach as far as it was skipped. */
  static void endHole(FileChannel channel) throws IOException {
    long end = channel.position();
    if (channel.size() < end) {
      writeFully(channel.position(end - 1), ByteBuffer.allocate(1));
    }
  }
}
