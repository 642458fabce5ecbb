package com.thorbis.backup.application.files;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupReader.FileOutput;
import com.thorbis.backup.spi.repository.FileNode;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Lays the files of a backup into a folder that is new or empty. Nothing is written through a link:
 * links are made when all files are there. Attributes of folders come last. A file in the folder
 * says, until all is durable, that it is not whole. Used by one thread, once.
 */
public final class TreeRestore {
  /** The file that says that a restore has not ended. */
  static final String UNFINISHED = "thorbis.unfinished";

  private static final Set<StandardOpenOption> CREATE =
      Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
  private static final int SET_ID = 06000;
  private static final int WRITABLE = 022;
  private static final int STICKY = 01000;

  private final BackupReader reader;
  private final Path target;
  private final RunControl control;
  private final List<Glob> includes = new ArrayList<>();
  private final boolean unix;
  private final OptionalInt sole;

  /** Where the content goes of a file that has a wanted name and is not wanted under its first. */
  private final Map<String, String> moved = new HashMap<>();

  private final Set<Path> implied = new LinkedHashSet<>();
  private final AtomicLong files = new AtomicLong();
  private final AtomicLong written = new AtomicLong();
  private final AtomicBoolean othersOwn = new AtomicBoolean();
  private long expectedBytes;
  private long ourUid;
  private long ourGid;

  /**
   * What lays a backup down.
   *
   * @param includes patterns of what is wanted, with all below it; empty for all
   * @throws BackupException of kind CONFIGURATION if one of them is no pattern
   */
  public TreeRestore(BackupReader reader, Path target, List<String> includes, RunControl control) {
    this(reader, target, includes, control, root() ? OptionalInt.of(0) : OptionalInt.empty());
  }

  /**
   * Restores for one account.
   *
   * @param sole whose folders alone, beside those of root, are written into; empty for any
   */
  TreeRestore(
      BackupReader reader,
      Path target,
      List<String> includes,
      RunControl control,
      OptionalInt sole) {
    this.sole = sole;
    this.reader = reader;
    this.target = target.toAbsolutePath().normalize();
    this.control = control;
    this.unix = target.getFileSystem().supportedFileAttributeViews().contains("unix");
    includes.forEach(text -> this.includes.add(Glob.parse("include", text)));
  }

  private static boolean root() {
    try {
      return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
    } catch (IOException | UnsupportedOperationException | IllegalArgumentException e) {
      return "root".equals(System.getProperty("user.name"));
    }
  }

  /**
   * What would be laid.
   *
   * @param files files, further names of one not counted
   * @param folders folders
   * @param links symbolic links, and further names of files
   * @param bytes of the files
   * @param problem what is wrong with the folder; empty if nothing
   */
  public record Survey(
      long files, long folders, long links, long bytes, Optional<String> problem) {}

  /**
   * What was laid.
   *
   * @param files files, further names of one not counted
   * @param bytesWritten plain bytes of them, holes left out
   * @param bytesFetched sealed bytes read from the repository
   * @param stages how long each stage took, in milliseconds
   * @param notes what a person should know
   */
  public record Laid(
      long files,
      long bytesWritten,
      long bytesFetched,
      Map<String, Long> stages,
      List<String> notes) {
    /** Copies the collections. */
    public Laid {
      stages = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(stages));
      notes = List.copyOf(notes);
    }
  }

  /**
   * Looks at every entry and at the folder, and changes nothing.
   *
   * @throws BackupException code {@code restore.hostile-path} for an entry that might be written
   *     elsewhere, {@code restore.nothing-matches} if nothing is wanted
   */
  public Survey survey() throws IOException {
    long[] counts = new long[4];
    moved.clear();
    reader.entries(
        entry -> {
          control.cancellation().check();
          if (entry.area() != StoredFile.Area.DATA) {
            return;
          }
          List<String> names = Names.split(entry.path(), target);
          if (names.size() == 1 && names.get(0).equals(UNFINISHED)) {
            throw Names.hostile(entry.path(), "has the name of the mark of restores");
          }
          if (!wanted(entry)) {
            return;
          }
          switch (entry.kind()) {
            case FILE -> {
              counts[0]++;
              counts[3] += entry.length();
            }
            case DIRECTORY -> counts[1]++;
            case HARD_LINK -> {
              String first = entry.target().orElseThrow();
              Names.split(first, target);
              if (!wanted(first, false)) {
                moved.putIfAbsent(first, entry.path());
              }
              counts[2]++;
            }
            case SYMBOLIC_LINK -> counts[2]++;
          }
        });
    if (!moved.isEmpty()) {
      reader.entries(
          entry -> {
            if (entry.kind() == Kind.FILE && moved.containsKey(entry.path())) {
              counts[0]++;
              counts[2]--;
              counts[3] += entry.length();
            }
          });
    }
    if (!includes.isEmpty() && counts[0] + counts[1] + counts[2] == 0) {
      throw BackupException.of(
              "restore.nothing-matches",
              FailureKind.NOT_FOUND,
              "Backup " + reader.descriptor().id() + " has nothing that --include matches")
          .remedy("See what it has with show " + reader.descriptor().id() + " --files.")
          .build();
    }
    expectedBytes = counts[3];
    Optional<String> problem = Optional.empty();
    try {
      free();
    } catch (BackupException e) {
      problem = Optional.of(String.valueOf(e.getMessage()));
    }
    return new Survey(counts[0], counts[1], counts[2], counts[3], problem);
  }

  /**
   * Lays it.
   *
   * @throws BackupException code {@code restore.target-not-empty} of kind REFUSED if the folder
   *     holds anything; {@code restore.target-not-private} of kind REFUSED if root is to write
   *     where other accounts could send files elsewhere; {@code restore.hostile-path} as {@link
   *     #survey} does, and for an entry that meets another one
   */
  public Laid run() throws IOException {
    Map<String, Long> stages = new LinkedHashMap<>();
    long began = System.nanoTime();
    Path root = free();
    Survey survey = survey();
    root = open(root);
    began = stage(stages, "prepare", began);
    control.progress().begin("restore", expectedBytes);
    long fetched;
    Path place = root;
    try (Syncer syncer = new Syncer()) {
      folders(place);
      fetched =
          reader.extract(
              entry ->
                  entry.area() == StoredFile.Area.DATA
                      && entry.kind() == Kind.FILE
                      && (wanted(entry) || moved.containsKey(entry.path())),
              entry -> begin(place, entry, syncer),
              control);
      began = stage(stages, "files", began);
      if (survey.links() > 0 || !moved.isEmpty()) {
        links(place, Kind.HARD_LINK);
        links(place, Kind.SYMBOLIC_LINK);
      }
      began = stage(stages, "links", began);
      syncer.finish();
    }
    attributes(place);
    for (Path folder : implied) {
      force(folder);
    }
    force(place);
    Files.delete(place.resolve(UNFINISHED));
    force(place);
    Path parent = place.getParent();
    if (parent != null) {
      force(parent);
    }
    stage(stages, "folders", began);
    control.progress().end("restore");
    List<String> notes = new ArrayList<>();
    if (othersOwn.get()) {
      notes.add(
          "Owners were not restored, nor set-user-id and set-group-id bits: run it as root for"
              + " that");
    }
    return new Laid(files.get(), written.get(), fetched, stages, notes);
  }

  private static long stage(Map<String, Long> stages, String name, long began) {
    long now = System.nanoTime();
    stages.put(name, (now - began) / 1_000_000);
    return now;
  }

  private boolean wanted(StoredFile entry) {
    return wanted(entry.path(), entry.kind() == Kind.DIRECTORY);
  }

  /** Whether a pattern matches it, or a folder that it is in. */
  private boolean wanted(String path, boolean folder) {
    if (includes.isEmpty()) {
      return true;
    }
    for (int from = 0; from <= path.length(); ) {
      int slash = path.indexOf('/', from);
      int to = slash < 0 ? path.length() : slash;
      String whole = path.substring(0, to);
      String name = path.substring(from, to);
      for (Glob glob : includes) {
        if (glob.matches(whole, whole, name, slash >= 0 || folder)) {
          return true;
        }
      }
      from = to + 1;
    }
    return false;
  }

  /** Where the target is, if it is new or empty. */
  private Path free() throws IOException {
    requirePrivate(target);
    if (!Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
      return target;
    }
    Path real;
    try {
      real = target.toRealPath();
    } catch (IOException e) {
      throw notFree("is a link that leads nowhere", e);
    }
    requirePrivate(real);
    try (DirectoryStream<Path> content = Files.newDirectoryStream(real)) {
      if (content.iterator().hasNext()) {
        throw notFree(
            Files.exists(real.resolve(UNFINISHED), LinkOption.NOFOLLOW_LINKS)
                ? "holds what a restore left that did not end"
                : "is not empty",
            null);
      }
    } catch (NotDirectoryException e) {
      throw notFree("is not a folder", e);
    }
    return real;
  }

  /**
   * Root writes only where nobody else can put a link in a folder's place: a folder of another
   * account, or one that others may write, on the way there lets them send files elsewhere.
   */
  private void requirePrivate(Path path) throws IOException {
    if (!unix || sole.isEmpty()) {
      return;
    }
    for (Path folder = path; folder != null; folder = folder.getParent()) {
      int uid;
      int mode;
      try {
        uid = (Integer) Files.getAttribute(folder, "unix:uid", LinkOption.NOFOLLOW_LINKS);
        if (uid == 0 || uid == sole.getAsInt()) { // else it may be a link of another account
          uid = (Integer) Files.getAttribute(folder, "unix:uid");
        }
        mode = (Integer) Files.getAttribute(folder, "unix:mode");
      } catch (NoSuchFileException e) {
        continue; // looked at again when it was made
      }
      boolean others = uid != 0 && uid != sole.getAsInt();
      if (others || ((mode & WRITABLE) != 0 && (mode & STICKY) == 0)) {
        throw BackupException.of(
                "restore.target-not-private",
                FailureKind.REFUSED,
                "The target folder "
                    + target
                    + " is not safe to write as root: "
                    + (others
                        ? folder + " belongs to account " + Integer.toUnsignedString(uid)
                        : folder + " may be written by other accounts")
                    + ", which could send files elsewhere")
            .remedy("Name a folder below folders that only root can change, such as one in /root.")
            .detail("path", folder.toString())
            .build();
      }
    }
  }

  private BackupException notFree(String problem, @Nullable Exception cause) {
    return BackupException.of(
            "restore.target-not-empty",
            FailureKind.REFUSED,
            "The target folder " + target + " " + problem)
        .remedy("Name a folder that is new or empty.")
        .detail("path", target.toString())
        .cause(cause)
        .build();
  }

  private FileAttribute<?>[] mode(String permissions) {
    return unix
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
        }
        : new FileAttribute<?>[0];
  }

  /** Makes the folder, and in it the mark, durably. */
  private Path open(Path root) throws IOException {
    if (!Files.exists(root)) {
      Path parent = root.getParent();
      if (parent != null) {
        Files.createDirectories(parent);
      }
      Files.createDirectory(root, mode("rwx------"));
    }
    Path place = root.toRealPath();
    requirePrivate(target); // also what was made, or found, on the way meanwhile
    requirePrivate(place);
    Path mark = place.resolve(UNFINISHED);
    try (FileChannel channel = FileChannel.open(mark, CREATE, mode("rw-------"))) {
      write(
          channel,
          ByteBuffer.wrap(
              """
              Thorbis Backup has not finished restoring here: these files are not whole.
              Restore into another folder, or remove all of this one.
              """
                  .getBytes(StandardCharsets.UTF_8)));
      channel.force(true);
    }
    force(place);
    if (unix) {
      ourUid = Integer.toUnsignedLong((Integer) Files.getAttribute(mark, "unix:uid"));
      ourGid = Integer.toUnsignedLong((Integer) Files.getAttribute(mark, "unix:gid"));
    }
    return place;
  }

  private void folders(Path root) throws IOException {
    reader.entries(
        entry -> {
          control.cancellation().check();
          if (entry.area() == StoredFile.Area.DATA
              && entry.kind() == Kind.DIRECTORY
              && wanted(entry)) {
            make(
                root,
                entry.path(),
                path -> {
                  Files.createDirectory(path, mode("rwx------"));
                  return path;
                });
          }
        });
  }

  @FunctionalInterface
  private interface Make<T> {
    T at(Path path) throws IOException;
  }

  /** Makes an entry where nothing is, and before it the folders that have no entries. */
  private <T> T make(Path root, String stored, Make<T> make) throws IOException {
    Path path = root;
    for (String name : Names.split(stored, root)) {
      path = path.resolve(name);
    }
    try {
      try {
        return make.at(path);
      } catch (NoSuchFileException e) {
        parents(root, path.getParent());
        return make.at(path);
      }
    } catch (FileAlreadyExistsException e) {
      throw Names.hostile(
          stored, "comes twice, or meets one that this file system takes for the same name");
    } catch (java.nio.file.FileSystemException e) {
      if (String.valueOf(e.getReason()).contains("Not a directory")) {
        throw Names.hostile(stored, "lies in what is a file");
      }
      throw e;
    }
  }

  private void parents(Path root, @Nullable Path folder) throws IOException {
    if (folder == null || folder.equals(root)) {
      return;
    }
    synchronized (implied) {
      if (Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
        return;
      }
      parents(root, folder.getParent());
      Files.createDirectory(folder, mode("rwx------"));
      implied.add(folder);
    }
  }

  private FileOutput begin(Path root, StoredFile entry, Syncer syncer) throws IOException {
    String stored = wanted(entry) ? entry.path() : moved.getOrDefault(entry.path(), entry.path());
    return make(
        root,
        stored,
        path -> new Output(path, entry, FileChannel.open(path, CREATE, mode("rw-------")), syncer));
  }

  private final class Output implements FileOutput {
    private final Path path;
    private final StoredFile entry;
    private final Syncer syncer;
    private @Nullable FileChannel channel;
    private long position;

    Output(Path path, StoredFile entry, FileChannel channel, Syncer syncer) {
      this.path = path;
      this.entry = entry;
      this.channel = channel;
      this.syncer = syncer;
    }

    private FileChannel channel() {
      if (channel == null) {
        throw new IllegalStateException("The file is finished");
      }
      return channel;
    }

    @Override
    public void write(ByteBuffer plain) throws IOException {
      int count = plain.remaining();
      TreeRestore.write(channel(), plain);
      position += count;
      control.progress().advance(written.addAndGet(count), expectedBytes);
    }

    @Override
    public void zeros(long length) throws IOException {
      position += length;
      channel().position(position);
    }

    @Override
    public void finish(int crc32c) throws IOException {
      FileChannel open = channel();
      if (open.size() < position) {
        TreeRestore.write(open.position(position - 1), ByteBuffer.allocate(1));
      }
      apply(path, entry);
      files.incrementAndGet();
      channel = null;
      syncer.submit(open);
    }

    @Override
    public void close() throws IOException {
      if (channel != null) {
        channel.close();
      }
    }
  }

  private void links(Path root, Kind kind) throws IOException {
    reader.entries(
        entry -> {
          control.cancellation().check();
          if (entry.area() == StoredFile.Area.DATA && entry.kind() == kind && wanted(entry)) {
            link(root, entry);
          }
        });
  }

  private void link(Path root, StoredFile entry) throws IOException {
    String to = entry.target().orElseThrow();
    if (entry.kind() == Kind.SYMBOLIC_LINK) {
      Path leads;
      try {
        leads = root.getFileSystem().getPath(to);
      } catch (InvalidPathException e) {
        throw Names.hostile(entry.path(), "leads to what cannot be a path");
      }
      if (to.isEmpty()) {
        throw Names.hostile(entry.path(), "leads nowhere");
      }
      apply(make(root, entry.path(), path -> Files.createSymbolicLink(path, leads)), entry);
      return;
    }
    String first = moved.getOrDefault(to, to);
    if (first.equals(entry.path())) {
      return; // the content went here
    }
    Path existing = root;
    for (String name : Names.split(first, root)) {
      existing = existing.resolve(name);
    }
    if (!Files.isRegularFile(existing, LinkOption.NOFOLLOW_LINKS)) {
      throw Names.hostile(entry.path(), "is a further name of what is no file of the backup");
    }
    Path file = existing;
    make(root, entry.path(), path -> Files.createLink(path, file));
  }

  /** Gives folders what was recorded of them, and makes them durable, the deepest first. */
  private void attributes(Path root) throws IOException {
    Deque<StoredFile> open = new ArrayDeque<>();
    reader.entries(
        entry -> {
          control.cancellation().check();
          if (entry.area() != StoredFile.Area.DATA || entry.kind() != Kind.DIRECTORY) {
            return;
          }
          while (!open.isEmpty() && !entry.path().startsWith(open.peek().path() + "/")) {
            seal(root, open.pop());
          }
          open.push(entry);
        });
    while (!open.isEmpty()) {
      seal(root, open.pop());
    }
  }

  private void seal(Path root, StoredFile entry) throws IOException {
    Path path = root;
    for (String name : Names.split(entry.path(), root)) {
      path = path.resolve(name);
    }
    if (!Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
      return; // nothing in it was wanted
    }
    implied.remove(path);
    if (!unix) {
      apply(path, entry);
      return;
    }
    try (FileChannel folder = FileChannel.open(path)) { // its mode may forbid that afterwards
      apply(path, entry);
      folder.force(true);
    }
  }

  private void apply(Path path, StoredFile entry) throws IOException {
    if (unix) {
      boolean owned = own(path, entry);
      if (entry.kind() != Kind.SYMBOLIC_LINK) {
        Files.setAttribute(
            path,
            "unix:mode",
            owned ? entry.mode() : entry.mode() & ~SET_ID,
            LinkOption.NOFOLLOW_LINKS);
      }
    }
    Files.getFileAttributeView(path, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
        .setTimes(FileTime.from(entry.modifiedAt()), null, null);
  }

  /** Gives it its owner, by number; false if it has another one then. */
  private boolean own(Path path, StoredFile entry) throws IOException {
    if (entry.node().isEmpty()) {
      return false;
    }
    FileNode node = entry.node().get();
    if (node.uid() == ourUid && node.gid() == ourGid) {
      return true;
    }
    if (ourUid != 0) {
      othersOwn.set(true);
      return false;
    }
    Files.setAttribute(path, "unix:uid", (int) node.uid(), LinkOption.NOFOLLOW_LINKS);
    Files.setAttribute(path, "unix:gid", (int) node.gid(), LinkOption.NOFOLLOW_LINKS);
    return true;
  }

  private void force(Path folder) throws IOException {
    if (unix) {
      try (FileChannel channel = FileChannel.open(folder)) {
        channel.force(true);
      }
    }
  }

  private static void write(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
