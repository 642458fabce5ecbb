package com.thorbis.backup.storage.filesystem;

import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Objects as files below a folder, the root. An object is written under a name of its own in the
 * folder {@value #UPLOADS}, made durable, and given its key as a second name, which fails if the
 * key is taken. So the file system must have hard links; the first write finds out. Files get mode
 * 0600, folders 0700.
 *
 * <p>A root that is missing is never "no such object": reads and writes then fail with the code
 * {@code storage.place-missing}. {@link #createPlace} makes it, if the folder above exists. A root
 * that was there and is gone, or is another folder now because something was unmounted, fails with
 * {@code storage.place-changed} until it is back.
 *
 * <p>Symbolic links and files whose names are no keys are left alone and not seen. A key that is a
 * folder on the way to other keys is taken, but is no object.
 */
public final class FileSystemObjectStore implements ObjectStore {
  /** Contains a character that no key has. */
  static final String UPLOADS = ".uploads~";

  static final int PAGE = 1000;

  private static final Duration STALE = Duration.ofDays(3);
  private static final int LONGEST_NAME = 255;
  private static final int BUFFER = 1 << 17;
  private static final int MANY_DIRECTORIES = 10_000;

  private final Path root;
  private final Path uploads;
  private final Clock clock;
  private final Disk disk;
  private final Failures failures;
  private final SecureRandom random = new SecureRandom();
  // Folders whose own names are known to be durable, so that they are forced once, not each time.
  private final Set<Path> durable = ConcurrentHashMap.newKeySet();
  private volatile @Nullable Object identity;

  FileSystemObjectStore(Path root, Clock clock, Disk disk) throws StorageException {
    this.root = root;
    this.uploads = root.resolve(UPLOADS);
    this.clock = clock;
    this.disk = disk;
    this.failures = new Failures(root);
    try {
      BasicFileAttributes attributes = Files.readAttributes(root, BasicFileAttributes.class);
      if (!attributes.isDirectory()) {
        throw failures.notDirectory(root, root.toString());
      }
      identity = attributes.fileKey();
    } catch (NoSuchFileException e) {
      identity = null;
    } catch (IOException e) {
      throw failures.reading("Open", root.toString(), e);
    }
  }

  /** A builder without a root. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public String describe() {
    return "file:" + root;
  }

  @Override
  public void createPlace() throws IOException {
    Path above = root.getParent();
    if (identity == null && above != null) {
      try {
        if (createDirectory(root)) {
          disk.forceDirectory(above);
        }
      } catch (NoSuchFileException e) {
        throw failures.placeMissing(above);
      } catch (IOException e) {
        throw failures.writing("Create", root.toString(), e);
      }
    }
    requireRoot();
  }

  @Override
  public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
    try (Upload upload = begin(key)) {
      upload.copy(content);
      return upload.commit();
    }
  }

  @Override
  public ObjectUpload startUpload(ObjectKey key) throws IOException {
    return begin(key);
  }

  @Override
  public ObjectRead get(ObjectKey key) throws IOException {
    return open(key, 0, Long.MAX_VALUE);
  }

  @Override
  public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
    return open(key, range.offset(), range.length());
  }

  @Override
  public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
    BasicFileAttributes attributes = find(key);
    return attributes == null ? Optional.empty() : Optional.of(info(key, attributes));
  }

  @Override
  public ListPage list(String prefix, Optional<String> after) throws IOException {
    try {
      ListPage page = new Listing(root, prefix, after.orElse(""), PAGE).run();
      requireRoot(); // a folder that was unmounted meanwhile has listed nothing
      return page;
    } catch (IOException e) {
      throw failures.reading("List", prefix, e);
    }
  }

  @Override
  public void delete(ObjectKey key) throws IOException {
    if (find(key) == null) {
      return;
    }
    Path path = path(key);
    try {
      disk.delete(path);
      disk.forceDirectory(above(path));
    } catch (NoSuchFileException e) {
      requireRoot();
    } catch (IOException e) {
      throw failures.writing("Delete", key.value(), e);
    }
  }

  @Override
  public Instant now() throws IOException {
    byte[] name = new byte[16];
    random.nextBytes(name);
    Path file = uploads.resolve(HexFormat.of().formatHex(name));
    try {
      if (!durable.contains(uploads)) {
        prepare();
      }
      disk.create(file).close();
      try {
        return attributes(file).lastModifiedTime().toInstant();
      } finally {
        disk.delete(file);
      }
    } catch (IOException e) {
      throw failures.writing("Ask for the time", UPLOADS, e);
    }
  }

  @Override
  public void close() {}

  private Path path(ObjectKey key) throws StorageException {
    for (String segment : key.value().split("/", -1)) {
      if (segment.length() > LONGEST_NAME) {
        throw failures.nameTooLong(key);
      }
    }
    return root.resolve(key.value());
  }

  private static ObjectInfo info(ObjectKey key, BasicFileAttributes attributes) {
    return ObjectInfo.of(key, attributes.size(), attributes.lastModifiedTime().toInstant());
  }

  /** The object's file, or null if there positively is none. */
  private @Nullable BasicFileAttributes find(ObjectKey key) throws StorageException {
    Path path = path(key);
    try {
      if (hasFolder(path)) {
        BasicFileAttributes attributes = attributes(path);
        if (attributes.isRegularFile()) {
          return attributes;
        }
      }
      requireRoot();
      return null;
    } catch (NoSuchFileException e) {
      requireRoot();
      return null;
    } catch (IOException e) {
      throw failures.reading("Look for", key.value(), e);
    }
  }

  private boolean hasFolder(Path path) throws IOException {
    Path parent = above(path);
    return parent.equals(root) || (hasFolder(parent) && attributes(parent).isDirectory());
  }

  private static Path above(Path path) {
    return Objects.requireNonNull(path.getParent(), "the root of the file system");
  }

  private static BasicFileAttributes attributes(Path path) throws IOException {
    return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
  }

  /** Returns if "not there" is a statement about the root that was opened. */
  private void requireRoot() throws StorageException {
    Object known = identity;
    try {
      Object now = Files.readAttributes(root, BasicFileAttributes.class).fileKey();
      if (known != null && !Objects.equals(known, now) && !Files.isDirectory(uploads)) {
        throw failures.placeChanged();
      }
      identity = now; // mounted again under another number
    } catch (NoSuchFileException | NotDirectoryException e) {
      throw known == null ? failures.placeMissing(root) : failures.placeChanged();
    } catch (IOException e) {
      throw failures.reading("Look at", root.toString(), e);
    }
  }

  private ObjectRead open(ObjectKey key, long offset, long length) throws StorageException {
    BasicFileAttributes attributes = find(key);
    if (attributes == null) {
      throw new StorageException.NotFound(key, null);
    }
    try {
      FileChannel channel =
          FileChannel.open(path(key), StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS);
      return new Read(info(key, attributes), channel, offset, length);
    } catch (NoSuchFileException e) {
      requireRoot();
      throw new StorageException.NotFound(key, e);
    } catch (IOException e) {
      throw failures.reading("Read", key.value(), e);
    }
  }

  private Upload begin(ObjectKey key) throws StorageException {
    Path target = path(key);
    if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
      throw taken(key, target, null);
    }
    byte[] name = new byte[16];
    random.nextBytes(name);
    Path file = uploads.resolve(HexFormat.of().formatHex(name));
    try {
      if (!durable.contains(uploads)) {
        prepare();
      }
      try {
        return new Upload(key, target, file, disk.create(file));
      } catch (NoSuchFileException e) { // removed by somebody, or the root is no longer there
        prepare();
        return new Upload(key, target, file, disk.create(file));
      }
    } catch (IOException e) {
      throw failures.writing("Write", key.value(), e);
    }
  }

  private void prepare() throws IOException {
    requireRoot();
    if (createDirectory(uploads)) {
      disk.forceDirectory(root);
    } else {
      discardStale();
    }
    durable.add(uploads);
  }

  private boolean createDirectory(Path directory) throws IOException {
    try {
      disk.createDirectory(directory);
      return true;
    } catch (FileAlreadyExistsException e) {
      boolean followed = directory.equals(root);
      if (followed ? Files.isDirectory(directory) : attributes(directory).isDirectory()) {
        return false;
      }
      throw failures.notDirectory(directory, root.relativize(directory).toString());
    }
  }

  /** Removes what writers left that ended long ago without removing it themselves. */
  private void discardStale() {
    Instant bound = clock.instant().minus(STALE);
    try (DirectoryStream<Path> left = Files.newDirectoryStream(uploads)) {
      for (Path file : left) {
        BasicFileAttributes attributes = attributes(file);
        if (attributes.isRegularFile()
            && attributes.lastModifiedTime().toInstant().isBefore(bound)) {
          disk.delete(file);
        }
      }
    } catch (IOException | java.nio.file.DirectoryIteratorException e) {
      return; // Space is lost until somebody's next start; no reason to fail a backup.
    }
  }

  /** Makes the folders above an object, durably. Another writer may just be making them too. */
  private void createParents(Path target) throws IOException {
    Path parent = above(target);
    if (durable.contains(parent) || parent.equals(root)) {
      return;
    }
    createParents(parent);
    createDirectory(parent);
    disk.forceDirectory(above(parent));
    if (durable.size() > MANY_DIRECTORIES) {
      durable.clear();
    }
    durable.add(parent);
  }

  private void publish(ObjectKey key, Path target, Path file) throws IOException {
    try {
      createParents(target);
      link(key, target, file);
    } catch (NoSuchFileException e) { // a folder that was made before is gone
      requireRoot();
      durable.clear();
      createParents(target);
      link(key, target, file);
    }
    confirm(key, target);
  }

  /** What lies there may be taken for the caller's own, so its name must last before it counts. */
  private StorageException taken(ObjectKey key, Path target, @Nullable IOException cause)
      throws StorageException {
    confirm(key, target);
    return new StorageException.AlreadyExists(key, cause);
  }

  /** Makes the name of a visible object durable. An interrupt must not break this last step. */
  private void confirm(ObjectKey key, Path target) throws StorageException {
    boolean interrupted = Thread.interrupted();
    try {
      disk.forceDirectory(above(target));
    } catch (IOException e) {
      // Not an OutcomeUnknown: that is settled by looking, and looking finds what is only cached.
      throw failures.nameNotConfirmed(key, e);
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void link(ObjectKey key, Path target, Path file) throws IOException {
    try {
      disk.link(target, file);
    } catch (UnsupportedOperationException e) {
      throw failures.noHardLinks(key, e);
    } catch (NoSuchFileException e) {
      throw e;
    } catch (IOException e) {
      if (isLinked(key, target, file)) {
        return;
      }
      if (e instanceof FileAlreadyExistsException) {
        throw taken(key, target, e);
      }
      throw refusesLinks(e) ? failures.noHardLinks(key, e) : e;
    }
  }

  /** Whether the link is there after all: a network file system may answer its own repetition. */
  private static boolean isLinked(ObjectKey key, Path target, Path file) throws StorageException {
    try {
      return Objects.equals(attributes(target).fileKey(), attributes(file).fileKey());
    } catch (NoSuchFileException e) {
      return false;
    } catch (IOException e) {
      throw new StorageException.OutcomeUnknown(key, e);
    }
  }

  private static boolean refusesLinks(IOException e) {
    String reason = e instanceof FileSystemException system ? system.getReason() : null;
    return reason != null && (reason.contains("not permitted") || reason.contains("not supported"));
  }

  /** A file that has no key yet. */
  private final class Upload implements ObjectUpload {
    private final ObjectKey key;
    private final Path target;
    private final Path file;
    private final FileChannel channel;
    private final Body body;
    private boolean ended;

    Upload(ObjectKey key, Path target, Path file, FileChannel channel) {
      this.key = key;
      this.target = target;
      this.file = file;
      this.channel = channel;
      this.body = new Body(key, file, channel);
    }

    void copy(ObjectSource content) throws StorageException {
      long length = content.length();
      byte[] buffer = new byte[(int) Math.max(1, Math.min(BUFFER, length))];
      long copied = 0;
      try (InputStream in = content.open()) {
        for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
          copied += count;
          if (copied > length) {
            break;
          }
          body.write(buffer, 0, count);
        }
      } catch (StorageException e) {
        throw e;
      } catch (IOException e) {
        throw failures.sourceFailed(key, e);
      }
      if (copied != length) {
        throw StorageException.sourceLength(key, length);
      }
    }

    @Override
    public OutputStream body() {
      return body;
    }

    @Override
    public ObjectInfo commit() throws StorageException {
      if (ended) {
        throw new IllegalStateException("The upload has ended: " + key);
      }
      try {
        body.finish();
        force();
        BasicFileAttributes written = attributes(file);
        publish(key, target, file);
        return info(key, written);
      } catch (NoSuchFileException e) {
        requireRoot();
        throw failures.writing("Write", key.value(), e);
      } catch (IOException e) {
        throw failures.writing("Write", key.value(), e);
      } finally {
        close();
      }
    }

    private void force() throws StorageException {
      try {
        disk.force(file, channel);
      } catch (IOException e) {
        // The kernel may have dropped the pages: a second attempt could claim what is lost.
        throw failures.syncFailed(key, e);
      }
    }

    @Override
    public void close() throws StorageException {
      if (ended) {
        return;
      }
      ended = true;
      body.ended = true;
      try {
        channel.close();
        disk.delete(file);
      } catch (IOException e) {
        // Invisible to readers; removed as stale some day.
        return;
      }
    }
  }

  private final class Body extends OutputStream {
    private final ObjectKey key;
    private final OutputStream out;
    private boolean ended;
    private @Nullable StorageException failure;

    Body(ObjectKey key, Path file, FileChannel channel) {
      this.key = key;
      this.out =
          new BufferedOutputStream(
              new OutputStream() {
                @Override
                public void write(int b) throws IOException {
                  write(new byte[] {(byte) b}, 0, 1);
                }

                @Override
                public void write(byte[] bytes, int offset, int length) throws IOException {
                  disk.write(file, channel, ByteBuffer.wrap(bytes, offset, length));
                }
              },
              BUFFER);
    }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      if (ended) {
        throw new IOException("The content has ended: " + key);
      }
      try {
        out.write(bytes, offset, length);
      } catch (IOException e) {
        throw fail(e);
      }
    }

    @Override
    public void close() {
      ended = true;
    }

    void finish() throws StorageException {
      if (failure != null) {
        throw failure; // bytes are missing, whatever was written after them
      }
      ended = true;
      try {
        out.flush();
      } catch (IOException e) {
        throw fail(e);
      }
    }

    private StorageException fail(IOException e) {
      failure = failures.writing("Write", key.value(), e);
      return failure;
    }
  }

  private final class Read implements ObjectRead {
    private final ObjectInfo info;
    private final FileChannel channel;
    private final InputStream body;

    Read(ObjectInfo info, FileChannel channel, long offset, long length) {
      this.info = info;
      this.channel = channel;
      long from = Math.min(offset, info.length());
      this.body = new FileBody(from, from + Math.min(length, info.length() - from));
    }

    @Override
    public ObjectInfo info() {
      return info;
    }

    @Override
    public InputStream body() {
      return body;
    }

    @Override
    public void close() throws StorageException {
      try {
        channel.close();
      } catch (IOException e) {
        throw failures.reading("Read", info.key().value(), e);
      }
    }

    private final class FileBody extends InputStream {
      private final long end;
      private long position;

      FileBody(long from, long end) {
        this.position = from;
        this.end = end;
      }

      @Override
      public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
      }

      @Override
      public int read(byte[] buffer, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, buffer.length);
        if (length == 0) {
          return 0;
        }
        if (position == end) {
          return -1;
        }
        int most = (int) Math.min(length, end - position);
        int count;
        try {
          count = channel.read(ByteBuffer.wrap(buffer, offset, most), position);
        } catch (IOException e) {
          throw failures.reading("Read", info.key().value(), e);
        }
        if (count < 0) {
          throw failures.shrunk(info.key(), info.length());
        }
        position += count;
        return count;
      }

      @Override
      public long skip(long count) {
        long skipped = Math.max(0, Math.min(count, end - position));
        position += skipped;
        return skipped;
      }

      @Override
      public int available() {
        return (int) Math.min(Integer.MAX_VALUE, end - position);
      }
    }
  }

  /** Says where the objects lie. */
  public static final class Builder {
    private @Nullable Path root;
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /** The folder. Required. */
    public Builder root(Path folder) {
      root = folder.toAbsolutePath().normalize();
      return this;
    }

    /** Tells which files of broken writers are old; the system's otherwise. */
    public Builder clock(Clock time) {
      clock = time;
      return this;
    }

    /**
     * Opens the folder. Changes nothing there.
     *
     * @throws StorageException if something other than a folder lies there, or it cannot be reached
     */
    public FileSystemObjectStore build() throws IOException {
      if (root == null) {
        throw new IllegalStateException("The root is missing");
      }
      return new FileSystemObjectStore(root, clock, new Disk());
    }
  }
}
