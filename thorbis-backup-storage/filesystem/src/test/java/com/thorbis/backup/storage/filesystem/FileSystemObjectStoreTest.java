package com.thorbis.backup.storage.filesystem;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileSystemObjectStoreTest {
  private static final ObjectKey KEY = new ObjectKey("a/b/object");
  private static final ObjectSource CONTENT = ObjectSource.of(new byte[] {1, 2, 3});

  @TempDir Path folder;
  private Path root;

  @BeforeEach
  void nameRoot() {
    root = folder.resolve("root");
  }

  @Test
  void openingChangesNothing() throws IOException {
    FileSystemObjectStore.builder().root(root).build();
    assertThat(root).doesNotExist();
    Files.createDirectory(root);
    FileSystemObjectStore.builder().root(root).build();
    assertThat(root).isEmptyDirectory();
  }

  @Test
  void rootIsMadeOnRequestOnly() throws IOException {
    FileSystemObjectStore store = FileSystemObjectStore.builder().root(root).build();
    assertFails(() -> store.put(KEY, CONTENT), "storage.place-missing", FailureKind.PERMANENT);
    assertThat(root).doesNotExist();
    store.createPlace();
    store.createPlace();
    assertThat(store.head(KEY)).isEmpty();
    assertThat(store.put(KEY, CONTENT).length()).isEqualTo(3);
    assertModes();
  }

  @Test
  void rootIsNotCreatedWhereItsFolderIsMissing() throws IOException {
    FileSystemObjectStore store =
        FileSystemObjectStore.builder().root(root.resolve("deeper")).build();
    assertFails(store::createPlace, "storage.place-missing", FailureKind.PERMANENT);
    assertThat(root).doesNotExist();
  }

  @Test
  void missingRootIsNotAnAbsentObject() throws IOException {
    FileSystemObjectStore store = FileSystemObjectStore.builder().root(root).build();
    for (ThrowingCallable call : reads(store)) {
      assertFails(call, "storage.place-missing", FailureKind.PERMANENT);
    }
  }

  @Test
  void rootThatIsGoneIsNeitherEmptyNorMadeAgain() throws IOException {
    FileSystemObjectStore store = open();
    store.put(new ObjectKey("other"), CONTENT);
    Path elsewhere = folder.resolve("elsewhere");
    Files.move(root, elsewhere);

    for (ThrowingCallable call : reads(store)) {
      assertFails(call, "storage.place-changed", FailureKind.TRANSIENT);
    }
    assertFails(() -> store.put(KEY, CONTENT), "storage.place-changed", FailureKind.TRANSIENT);
    assertFails(store::createPlace, "storage.place-changed", FailureKind.TRANSIENT);
    assertThat(root).doesNotExist();

    Files.createDirectory(root); // the mount point below what was mounted
    for (ThrowingCallable call : reads(store)) {
      assertFails(call, "storage.place-changed", FailureKind.TRANSIENT);
    }
    assertFails(() -> store.put(KEY, CONTENT), "storage.place-changed", FailureKind.TRANSIENT);
    assertThat(root).isEmptyDirectory();

    Files.delete(root);
    Files.move(elsewhere, root);
    assertThat(store.head(KEY)).isEmpty();
    assertThat(store.head(new ObjectKey("other"))).isPresent();
    store.put(KEY, CONTENT);
  }

  @Test
  void rootThatVanishesDuringAWriteFailsTheWrite() throws IOException {
    FileSystemObjectStore store = open();
    store.put(new ObjectKey("other"), CONTENT);
    try (ObjectUpload upload = store.startUpload(KEY)) {
      upload.body().write(1);
      Files.move(root, folder.resolve("elsewhere"));
      assertFails(upload::commit, "storage.place-changed", FailureKind.TRANSIENT);
    }
    assertThat(root).doesNotExist();
  }

  @Test
  void fileInPlaceOfTheRootIsRefused() throws IOException {
    Files.createFile(root);
    assertFails(this::open, "storage.not-a-folder", FailureKind.PERMANENT);
  }

  @Test
  void filesAndFoldersAreForTheOwnerOnly() throws IOException {
    FileSystemObjectStore store = open();
    store.put(KEY, CONTENT);
    try (ObjectUpload upload = store.startUpload(new ObjectKey("a/c/upload"))) {
      upload.body().write(1);
      assertModes(); // and the temporary file with them
      upload.commit();
    }
    assertModes();
  }

  @Test
  void nothingTemporaryStays() throws IOException {
    FileSystemObjectStore store = open();
    store.put(KEY, CONTENT);
    store.startUpload(new ObjectKey("discarded")).close();
    assertThatThrownBy(() -> store.put(KEY, CONTENT))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThat(root.resolve(FileSystemObjectStore.UPLOADS)).isEmptyDirectory();
    assertThat((Integer) Files.getAttribute(root.resolve("a/b/object"), "unix:nlink")).isEqualTo(1);
  }

  @Test
  void contentIsDurableBeforeItsNameIsAndFoldersAreForcedOnce() throws IOException {
    Files.createDirectory(root);
    RecordingDisk disk = new RecordingDisk();
    FileSystemObjectStore store = store(disk);

    store.put(KEY, CONTENT);
    assertThat(disk.steps)
        .containsExactly(
            "directory ", // the folder of uploads
            "file",
            "directory ", // the name a
            "directory a", // the name b
            "link a/b/object",
            "directory a/b");

    disk.steps.clear();
    store.put(new ObjectKey("a/b/next"), CONTENT);
    assertThat(disk.steps).containsExactly("file", "link a/b/next", "directory a/b");

    disk.steps.clear();
    // Another process may have died between making the folders and making them durable.
    store(disk).put(new ObjectKey("a/b/third"), CONTENT);
    assertThat(disk.steps)
        .containsExactly("file", "directory ", "directory a", "link a/b/third", "directory a/b");
  }

  @Test
  void s2ContentTheDiskDidNotConfirmIsDiscardedAndNotForcedAgain() throws IOException {
    Files.createDirectory(root);
    List<String> forced = new ArrayList<>();
    FileSystemObjectStore store =
        store(
            new Disk() {
              @Override
              void force(Path file, FileChannel channel) throws IOException {
                forced.add("file");
                if (forced.size() == 1) {
                  throw new IOException("Input/output error");
                }
                super.force(file, channel);
              }
            });

    assertFails(() -> store.put(KEY, CONTENT), "storage.sync-failed", FailureKind.TRANSIENT);
    assertThat(forced).hasSize(1);
    assertThat(store.head(KEY)).isEmpty();
    assertThat(root.resolve(FileSystemObjectStore.UPLOADS)).isEmptyDirectory();

    store.put(KEY, CONTENT);
    assertThat(store.head(KEY)).isPresent();
  }

  @Test
  void s3AFailureOfTheLastStepIsNoSuccess() throws IOException {
    Files.createDirectory(root);
    for (int failing = 1; failing <= 3; failing++) {
      int step = failing;
      FileSystemObjectStore store =
          store(
              new Disk() {
                private int writes;

                @Override
                void write(Path file, FileChannel to, ByteBuffer bytes) throws IOException {
                  writes++;
                  if (writes == step) { // the third is what was buffered, on its way at the end
                    throw new IOException("Input/output error");
                  }
                  super.write(file, to, bytes);
                }
              });
      assertFails(
          () -> store.put(KEY, ObjectSource.of(new byte[300_000])),
          "storage.unavailable",
          FailureKind.TRANSIENT);
      assertThat(store.head(KEY)).isEmpty();
      assertThat(root.resolve(FileSystemObjectStore.UPLOADS)).isEmptyDirectory();
    }
  }

  @Test
  void nameTheDiskDidNotConfirmIsNoSuccessAndStays() throws IOException {
    Files.createDirectory(root);
    FileSystemObjectStore store =
        store(
            new Disk() {
              @Override
              void forceDirectory(Path directory) throws IOException {
                if (directory.endsWith("a/b")) {
                  throw new IOException("Input/output error");
                }
              }
            });
    // Those who settle an OutcomeUnknown or an AlreadyExists by looking would find the object.
    for (int attempt = 0; attempt < 2; attempt++) {
      assertThatThrownBy(() -> store.put(KEY, CONTENT))
          .isExactlyInstanceOf(StorageException.class)
          .hasMessageContaining("did not confirm the name");
      assertFails(
          () -> store.put(KEY, CONTENT), "storage.sync-failed", FailureKind.OUTCOME_UNKNOWN);
      assertThat(store.head(KEY)).isPresent();
    }
  }

  @Test
  void takenNameIsMadeDurableBeforeItCounts() throws IOException {
    Files.createDirectory(root);
    List<Path> forced = new ArrayList<>();
    FileSystemObjectStore store =
        store(
            new Disk() {
              @Override
              void forceDirectory(Path directory) throws IOException {
                forced.add(directory);
                super.forceDirectory(directory);
              }
            });
    store.put(KEY, CONTENT);
    forced.clear();
    assertThatThrownBy(() -> store.put(KEY, CONTENT))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThat(forced).containsExactly(root.resolve("a/b"));

    ObjectKey raced = new ObjectKey("a/b/raced");
    try (ObjectUpload upload = store.startUpload(raced)) {
      upload.body().write(1);
      open().put(raced, CONTENT);
      forced.clear();
      assertThatThrownBy(upload::commit).isInstanceOf(StorageException.AlreadyExists.class);
      assertThat(forced).containsExactly(root.resolve("a/b"));
    }
  }

  @Test
  void linkThatAnsweredItsOwnRepetitionIsASuccess() throws IOException {
    FileSystemObjectStore store =
        store(
            new Disk() {
              @Override
              void link(Path target, Path existing) throws IOException {
                super.link(target, existing);
                super.link(target, existing);
              }
            });
    assertThat(store.put(KEY, CONTENT).length()).isEqualTo(3);
  }

  @Test
  void fileSystemWithoutHardLinksIsRefused() throws IOException {
    Files.createDirectory(root);
    for (Exception refusal :
        List.of(
            new UnsupportedOperationException(),
            new FileSystemException("x", "y", "Operation not permitted"),
            new FileSystemException("x", "y", "Operation not supported"))) {
      FileSystemObjectStore store = store(failingLink(refusal));
      assertFails(() -> store.put(KEY, CONTENT), "storage.no-hard-links", FailureKind.PERMANENT);
      assertThat(store.head(KEY)).isEmpty();
    }
  }

  @Test
  void fullAndReadOnlyDisksAreNamed() throws IOException {
    Files.createDirectory(root);
    assertFails(
        () ->
            store(failingLink(new FileSystemException("x", null, "No space left on device")))
                .put(KEY, CONTENT),
        "storage.full",
        FailureKind.PERMANENT);
    assertFails(
        () ->
            store(failingLink(new FileSystemException("x", null, "Disk quota exceeded")))
                .put(KEY, CONTENT),
        "storage.full",
        FailureKind.PERMANENT);
    assertFails(
        () ->
            store(failingLink(new FileSystemException("x", null, "Read-only file system")))
                .put(KEY, CONTENT),
        "storage.read-only",
        FailureKind.PERMANENT);
  }

  @Test
  void foldersThatSomebodyRemovedAreMadeAgain() throws IOException {
    FileSystemObjectStore store = open();
    store.put(KEY, CONTENT);
    store.delete(KEY);
    Files.delete(root.resolve("a/b"));
    Files.delete(root.resolve("a"));
    Files.delete(root.resolve(FileSystemObjectStore.UPLOADS));
    // Now the root's number is all that tells it from another one.
    store.put(KEY, CONTENT);
    assertThat(store.head(KEY)).isPresent();
  }

  @Test
  void objectsBeyondTwoGibibytesAreAddressed() throws IOException {
    Files.createDirectory(root);
    long length = 5L << 30;
    try (RandomAccessFile sparse = new RandomAccessFile(root.resolve("large").toFile(), "rw")) {
      sparse.setLength(length);
      sparse.seek(length - 3);
      sparse.write(new byte[] {7, 8, 9});
    }
    ObjectKey large = new ObjectKey("large");
    FileSystemObjectStore store = open();
    assertThat(store.head(large).orElseThrow().length()).isEqualTo(length);
    assertThat(store.list("", Optional.empty()).objects().get(0).length()).isEqualTo(length);
    try (ObjectRead read = store.get(large, new ByteRange(length - 2, 100))) {
      assertThat(read.body().readAllBytes()).containsExactly(8, 9);
    }
    try (ObjectRead read = store.get(large)) {
      read.body().skipNBytes(length - 3);
      assertThat(read.body().readAllBytes()).containsExactly(7, 8, 9);
    }
  }

  @Test
  void objectThatShrinksWhileReadIsDamageNotTheEnd() throws IOException {
    FileSystemObjectStore store = open();
    store.put(KEY, ObjectSource.of(new byte[100]));
    try (ObjectRead read = store.get(KEY)) {
      read.body().readNBytes(10);
      try (FileChannel file =
          FileChannel.open(root.resolve(KEY.value()), java.nio.file.StandardOpenOption.WRITE)) {
        file.truncate(20);
      }
      assertFails(() -> read.body().readAllBytes(), "storage.shrunk", FailureKind.DAMAGED);
    }
  }

  @Test
  void linksAndForeignFilesAreNeitherSeenNorTouched() throws IOException {
    FileSystemObjectStore store = open();
    store.put(KEY, CONTENT);
    Path outside = Files.writeString(folder.resolve("outside"), "secret");
    Files.createSymbolicLink(root.resolve("a/link"), outside);
    Files.createSymbolicLink(root.resolve("linked"), root.resolve("a"));
    Files.createSymbolicLink(root.resolve("dangling"), folder.resolve("nothing"));
    Files.writeString(root.resolve("a/.fuse_hidden 0001"), "foreign");
    Files.createDirectory(root.resolve("lost+found"));
    Files.writeString(root.resolve("lost+found/x"), "foreign");

    assertThat(store.list("", Optional.empty()).objects())
        .extracting(ObjectInfo::key)
        .containsExactly(KEY);
    for (String key : List.of("a/link", "linked", "linked/b/object", "dangling", "a", "a/b")) {
      assertThat(store.head(new ObjectKey(key))).as(key).isEmpty();
      assertThatThrownBy(() -> store.get(new ObjectKey(key)).close())
          .isInstanceOf(StorageException.NotFound.class);
      store.delete(new ObjectKey(key));
    }
    assertThat(root.resolve("a/link")).isSymbolicLink();
    assertThatThrownBy(() -> store.put(new ObjectKey("dangling"), CONTENT))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertThatThrownBy(() -> store.put(new ObjectKey("a/b"), CONTENT))
        .isInstanceOf(StorageException.AlreadyExists.class);
    assertFails(
        () -> store.put(new ObjectKey("linked/new"), CONTENT),
        "storage.not-a-folder",
        FailureKind.PERMANENT);
    assertFails(
        () -> store.put(new ObjectKey("a/b/object/below"), CONTENT),
        "storage.not-a-folder",
        FailureKind.PERMANENT);
    assertThat(outside).hasContent("secret");
    assertThat(folder.resolve("nothing")).doesNotExist();
  }

  @Test
  void nameThatNoFileCanHaveIsRefused() throws IOException {
    ObjectKey key = new ObjectKey("x".repeat(256));
    Files.createDirectory(root);
    assertFails(() -> open().head(key), "storage.name-too-long", FailureKind.PERMANENT);
    assertFails(() -> open().put(key, CONTENT), "storage.name-too-long", FailureKind.PERMANENT);
  }

  @Test
  void s11UploadsThatDiedLongAgoAreRemovedAndNoOthers() throws IOException {
    Instant now = Instant.parse("2030-01-01T00:00:00Z");
    Path other = folder.resolve("other");
    Files.createDirectory(other);
    Path ofAnother = leave(other, now.minus(Duration.ofDays(400)));
    Path old = leave(root, now.minus(Duration.ofDays(4)));
    Path recent = leave(root, now.minus(Duration.ofDays(2)));
    Path deeper = Files.createDirectory(root.resolve(FileSystemObjectStore.UPLOADS + "/foreign"));
    Files.setLastModifiedTime(deeper, FileTime.from(now.minus(Duration.ofDays(400))));
    FileSystemObjectStore store = open();
    try (ObjectUpload slow = store.startUpload(new ObjectKey("slow"))) {
      slow.body().write(1);
      // It began long ago, and was written to just now.
      uploads(root).stream()
          .filter(file -> !Set.of(old, recent, deeper).contains(file))
          .forEach(file -> assertThat(file.toFile().setLastModified(now.toEpochMilli())).isTrue());

      FileSystemObjectStore next =
          FileSystemObjectStore.builder().root(root).clock(SettableClock.at(now)).build();
      next.put(new ObjectKey("next"), CONTENT);

      assertThat(old).doesNotExist();
      assertThat(recent).exists();
      assertThat(deeper).exists();
      assertThat(ofAnother).exists();
      slow.body().write(2);
      slow.commit();
    }
    try (ObjectRead read = store.get(new ObjectKey("slow"))) {
      assertThat(read.body().readAllBytes()).containsExactly(1, 2);
    }
  }

  /** What a writer leaves that is killed between two parts; when it wrote last. */
  private Path leave(Path where, Instant at) throws IOException {
    FileSystemObjectStore store = FileSystemObjectStore.builder().root(where).build();
    store.createPlace();
    Set<Path> before =
        Files.exists(where.resolve(FileSystemObjectStore.UPLOADS)) ? uploads(where) : Set.of();
    ObjectUpload upload = store.startUpload(new ObjectKey("killed"));
    upload.body().write(new byte[100_000]);
    Set<Path> made = uploads(where);
    made.removeAll(before);
    assertThat(made).hasSize(1);
    Path left = made.iterator().next();
    Files.setLastModifiedTime(left, FileTime.from(at));
    return left;
  }

  private static Set<Path> uploads(Path where) throws IOException {
    try (Stream<Path> files = Files.list(where.resolve(FileSystemObjectStore.UPLOADS))) {
      return files.collect(Collectors.toCollection(HashSet::new));
    }
  }

  @Test
  void writeThatFailedCannotBeCommitted() throws IOException {
    FileSystemObjectStore store = open();
    try (ObjectUpload upload = store.startUpload(KEY)) {
      Thread.currentThread().interrupt();
      assertFails(
          () -> upload.body().write(new byte[1 << 20]),
          "storage.interrupted",
          FailureKind.CANCELLED);
      assertThat(Thread.interrupted()).isTrue();
      assertFails(upload::commit, "storage.interrupted", FailureKind.CANCELLED);
    }
    assertThat(store.head(KEY)).isEmpty();
  }

  private FileSystemObjectStore open() throws IOException {
    FileSystemObjectStore store = FileSystemObjectStore.builder().root(root).build();
    store.createPlace();
    return store;
  }

  private FileSystemObjectStore store(Disk disk) throws IOException {
    Files.createDirectories(root);
    return new FileSystemObjectStore(root, Clock.systemUTC(), disk);
  }

  private static Disk failingLink(Exception failure) {
    return new Disk() {
      @Override
      void link(Path target, Path existing) throws IOException {
        if (failure instanceof IOException checked) {
          throw checked;
        }
        throw (RuntimeException) failure;
      }
    };
  }

  private static List<ThrowingCallable> reads(FileSystemObjectStore store) {
    return List.of(
        () -> store.head(KEY),
        () -> store.get(KEY).close(),
        () -> store.get(KEY, new ByteRange(0, 1)).close(),
        () -> store.list("", Optional.empty()),
        () -> store.delete(KEY));
  }

  private static void assertFails(ThrowingCallable call, String code, FailureKind kind) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            StorageException.class,
            e -> {
              assertThat(e.code()).isEqualTo(code);
              assertThat(e.kind()).isEqualTo(kind);
            });
  }

  private void assertModes() throws IOException {
    try (Stream<Path> tree = Files.walk(root)) {
      for (Path path : tree.toList()) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
            .as(path.toString())
            .isEqualTo(Files.isDirectory(path) ? "rwx------" : "rw-------");
      }
    }
  }

  private final class RecordingDisk extends Disk {
    private final List<String> steps = new ArrayList<>();

    @Override
    void force(Path file, FileChannel channel) throws IOException {
      steps.add("file");
      super.force(file, channel);
    }

    @Override
    void forceDirectory(Path directory) throws IOException {
      steps.add("directory " + root.relativize(directory));
      super.forceDirectory(directory);
    }

    @Override
    void link(Path target, Path existing) throws IOException {
      steps.add("link " + root.relativize(target));
      super.link(target, existing);
    }
  }
}
