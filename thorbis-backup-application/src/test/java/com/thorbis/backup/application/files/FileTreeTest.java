package com.thorbis.backup.application.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a walk finds, leaves out, and says. */
class FileTreeTest {
  @TempDir Path temp;
  private Path root;
  private MemoryBackup backup = new MemoryBackup();
  private FileSelection selection = FileSelection.builder().build();

  @BeforeEach
  void init() throws IOException {
    root = Files.createDirectory(temp.resolve("root"));
  }

  private Path file(String path, String content) throws IOException {
    Path file = root.resolve(path);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, content);
  }

  private FileTree.Outcome walk() throws IOException {
    return walk(new Disk());
  }

  private FileTree.Outcome walk(Disk disk) throws IOException {
    FileTree tree =
        new FileTree(selection, backup, RunControl.unattended(), Clock.systemUTC(), disk);
    assertThat(tree.add(root, "p")).isTrue();
    return tree.outcome();
  }

  private String content(String path) {
    return new String(backup.contents.get(path), StandardCharsets.UTF_8);
  }

  /** A disk on which something happens at a name. */
  private static final class Trouble extends Disk {
    private final Map<String, IOException> opening = new HashMap<>();
    private final List<String> opened = new ArrayList<>();
    private Consumer<Path> looked = path -> {};
    private Consumer<String> reading = name -> {};

    @Override
    Entry look(Path path) throws IOException {
      looked.accept(path);
      return super.look(path);
    }

    @Override
    Folder open(Path folder) throws IOException {
      IOException failure = opening.get(folder.toString());
      if (failure != null) {
        throw failure;
      }
      return wrap(super.open(folder));
    }

    private Folder wrap(Folder inner) {
      return new OtherFolder(inner) {
        @Override
        public Folder open(Path name) throws IOException {
          fail(name);
          return wrap(inner.open(name));
        }

        @Override
        public SeekableByteChannel read(Path name) throws IOException {
          fail(name);
          opened.add(name.toString());
          SeekableByteChannel channel = inner.read(name);
          reading.accept(name.toString());
          return channel;
        }

        private void fail(Path name) throws IOException {
          IOException failure = opening.get(name.toString());
          if (failure != null) {
            throw failure;
          }
        }
      };
    }
  }

  private static void unchecked(Action action) {
    try {
      action.run();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @FunctionalInterface
  private interface Action {
    void run() throws IOException;
  }

  @Test
  void foldersComeBeforeTheirContentAndNamesInTheOrderOfTheirBytes() throws IOException {
    file("b/z", "1");
    file("b.txt", "2");
    file("B", "3");
    file("\uD83D\uDE00", "4");
    file("\uFF21", "5");
    file("a\nb", "6");
    Files.createDirectory(root.resolve("empty"));
    FileTree.Outcome outcome = walk();
    assertThat(backup.paths())
        .containsExactly(
            "p",
            "p/B",
            "p/a\nb",
            "p/b",
            "p/b/z",
            "p/b.txt",
            "p/empty",
            "p/\uFF21",
            "p/\uD83D\uDE00");
    assertThat(content("p/a\nb")).isEqualTo("6");
    assertThat(outcome.files()).isEqualTo(6);
    assertThat(outcome.folders()).isEqualTo(3);
    assertThat(outcome.whole()).isTrue();
    assertThat(outcome.warnings()).isEmpty();
  }

  @Test
  void attributesAreThoseOfTheFileSystem() throws IOException {
    Path file = file("f", "content");
    Files.setAttribute(file, "unix:mode", 04751);
    Instant time = Instant.ofEpochSecond(1_234_567_890, 123_456_789);
    Files.setLastModifiedTime(file, FileTime.from(time));
    walk();
    StoredFile stored = backup.entry("p/f");
    assertThat(stored.mode()).isEqualTo(04751);
    assertThat(stored.modifiedAt()).isEqualTo(time);
    assertThat(stored.length()).isEqualTo(7);
    assertThat(stored.node().orElseThrow().inode()).isEqualTo(Files.getAttribute(file, "unix:ino"));
    assertThat(stored.node().orElseThrow().owner()).isEqualTo(Files.getOwner(file).getName());
    assertThat(stored.node().orElseThrow().changedAt())
        .isEqualTo(((FileTime) Files.getAttribute(file, "unix:ctime")).toInstant());
  }

  @Test
  void linksAreStoredAndNeverFollowed() throws IOException {
    Path outside = Files.createDirectory(temp.resolve("outside"));
    Files.writeString(outside.resolve("secret"), "s");
    file("d/f", "1");
    Files.createSymbolicLink(root.resolve("d/loop"), Path.of(".."));
    Files.createSymbolicLink(root.resolve("out"), outside);
    Files.createSymbolicLink(root.resolve("dead"), Path.of("nowhere at all"));
    FileTree.Outcome outcome = walk();
    assertThat(backup.paths()).containsExactly("p", "p/d", "p/d/f", "p/d/loop", "p/dead", "p/out");
    assertThat(backup.entry("p/d/loop").target()).contains("..");
    assertThat(backup.entry("p/dead").target()).contains("nowhere at all");
    assertThat(outcome.links()).isEqualTo(3);
    assertThat(outcome.whole()).isTrue();
  }

  /** Puts a link to another folder in a folder's place as soon as something is looked at. */
  private Trouble swap(String folder, Path outside, String when) {
    Trouble disk = new Trouble();
    disk.looked =
        path -> {
          if (path.endsWith(when) && !Files.exists(temp.resolve("away"))) {
            unchecked(
                () -> {
                  Files.move(root.resolve(folder), temp.resolve("away"));
                  Files.createSymbolicLink(root.resolve(folder), outside);
                });
          }
        };
    return disk;
  }

  @Test
  void aFolderThatIsSwappedForALinkIsNotFollowed() throws IOException {
    Path outside = Files.createDirectory(temp.resolve("outside"));
    Files.setAttribute(Files.writeString(outside.resolve("f"), "secret"), "unix:mode", 04755);
    Files.setAttribute(Files.createDirectory(outside.resolve("g")), "unix:mode", 01777);
    Files.createSymbolicLink(outside.resolve("l"), Path.of("secret"));
    Files.createLink(outside.resolve("z"), file("a", "2"));
    file("d/e", "1");
    file("d/f", "1");
    file("d/g/h", "1");
    Files.createSymbolicLink(root.resolve("d/l"), Path.of("own"));
    file("d/z", "1");
    FileTree.Outcome outcome = walk(swap("d", outside, "d/f"));
    assertThat(backup.paths()).containsExactly("p", "p/a", "p/d", "p/d/e");
    assertThat(content("p/d/e")).isEqualTo("1");
    assertThat(outcome.whole()).isFalse();
    assertThat(outcome.warnings())
        .singleElement()
        .asString()
        .contains("could not be read: 4")
        .contains("d/f (was exchanged while it was read)");
  }

  @Test
  void aLinkThatIsReadElsewhereIsNotStored() throws IOException {
    Path outside = Files.createDirectory(temp.resolve("outside"));
    Files.createSymbolicLink(outside.resolve("l"), Path.of("secret"));
    Files.createDirectory(root.resolve("d"));
    Files.createSymbolicLink(root.resolve("d/l"), Path.of("own"));
    Disk disk =
        new Disk() {
          @Override
          String target(Path link) throws IOException {
            Files.move(root.resolve("d"), temp.resolve("away"));
            Files.createSymbolicLink(root.resolve("d"), outside);
            return super.target(link);
          }
        };
    FileTree.Outcome outcome = walk(disk);
    assertThat(backup.paths()).containsExactly("p", "p/d");
    assertThat(outcome.warnings()).singleElement().asString().contains("exchanged");
  }

  @Test
  void aFileThatIsReplacedWhileItIsReadIsReadAgain() throws IOException {
    file("f", "old");
    Trouble disk = new Trouble();
    disk.reading =
        name -> {
          if (disk.opened.size() == 1) {
            unchecked(
                () ->
                    Files.move(
                        Files.writeString(temp.resolve("new"), "newer"),
                        root.resolve("f"),
                        java.nio.file.StandardCopyOption.REPLACE_EXISTING));
          }
        };
    FileTree.Outcome outcome = walk(disk);
    assertThat(content("p/f")).isEqualTo("newer");
    assertThat(outcome.whole()).isTrue();
  }

  @Test
  void aFolderThatMayBePassedAndNotListedIsPassed() throws IOException {
    file("d/f", "1");
    Trouble disk = new Trouble();
    disk.opening.put(temp.toString(), new AccessDeniedException(temp.toString()));
    FileTree.Outcome outcome = walk(disk);
    assertThat(outcome.whole()).isTrue();
    assertThat(content("p/d/f")).isEqualTo("1");
    disk.opening.put(root.toString(), new AccessDeniedException(root.toString()));
    FileTree tree =
        new FileTree(selection, backup, RunControl.unattended(), Clock.systemUTC(), disk);
    assertThat(tree.add(file("g", "2"), "q")).isTrue();
    assertThat(content("q")).isEqualTo("2");
  }

  @Test
  void furtherNamesOfAFileAreLinksToTheFirst() throws IOException {
    Path first = file("a/one", "1");
    Files.createDirectory(root.resolve("b"));
    Files.createLink(root.resolve("b/two"), first);
    Files.createLink(root.resolve("c"), first);
    FileTree.Outcome outcome = walk();
    assertThat(backup.entry("p/a/one").kind()).isEqualTo(Kind.FILE);
    assertThat(backup.entry("p/b/two").kind()).isEqualTo(Kind.HARD_LINK);
    assertThat(backup.entry("p/b/two").target()).contains("p/a/one");
    assertThat(backup.entry("p/c").target()).contains("p/a/one");
    assertThat(outcome.files()).isEqualTo(1);
    assertThat(outcome.links()).isEqualTo(2);
  }

  @Test
  void whereTheFirstNameCannotBeReadTheSecondIsTheFile() throws IOException {
    Path first = file("one", "1");
    Files.createLink(root.resolve("two"), first);
    Trouble disk = new Trouble();
    disk.opening.put("one", new AccessDeniedException("one"));
    FileTree.Outcome outcome = walk(disk);
    assertThat(backup.entry("p/two").kind()).isEqualTo(Kind.FILE);
    assertThat(content("p/two")).isEqualTo("1");
    assertThat(outcome.whole()).isFalse();
  }

  @Test
  void whatCannotBeReadIsNamedAndTheRestIsThere() throws IOException {
    file("closed/f", "1");
    file("secret", "2");
    file("open", "3");
    Trouble disk = new Trouble();
    disk.opening.put("closed", new AccessDeniedException("closed"));
    disk.opening.put("secret", new AccessDeniedException("secret"));
    FileTree.Outcome outcome = walk(disk);
    assertThat(backup.paths()).containsExactly("p", "p/closed", "p/open");
    assertThat(outcome.whole()).isFalse();
    assertThat(outcome.warnings())
        .singleElement()
        .asString()
        .contains("could not be read: 2")
        .contains(root.resolve("closed").toString())
        .contains(root.resolve("secret").toString())
        .contains("AccessDenied");
  }

  @Test
  void whatVanishesIsCountedAndNoMore() throws IOException {
    file("a", "1");
    file("b", "2");
    file("c", "3");
    Trouble disk = new Trouble();
    disk.looked =
        path -> {
          if (path.endsWith("a")) {
            unchecked(() -> Files.deleteIfExists(root.resolve("b")));
          }
        };
    FileTree.Outcome outcome = walk(disk);
    assertThat(backup.paths()).containsExactly("p", "p/a", "p/c");
    assertThat(outcome.vanished()).isEqualTo(1);
    assertThat(outcome.whole()).isTrue();
  }

  @Test
  void aFileThatChangesWhileItIsReadIsReadAgain() throws IOException {
    file("f", "before");
    Trouble disk = new Trouble();
    disk.reading =
        name -> {
          if (disk.opened.size() == 1) {
            unchecked(() -> Files.writeString(root.resolve("f"), "longer than before"));
          }
        };
    FileTree.Outcome outcome = walk(disk);
    assertThat(disk.opened).containsExactly("f", "f");
    assertThat(content("p/f")).isEqualTo("longer than before");
    assertThat(backup.entry("p/f").length()).isEqualTo(18);
    assertThat(outcome.whole()).isTrue();
  }

  @Test
  void aFileThatNeverRestsIsStoredWithAWarning() throws IOException {
    file("log", "x");
    Trouble disk = new Trouble();
    disk.reading =
        name ->
            unchecked(
                () -> Files.writeString(root.resolve("log"), "x".repeat(disk.opened.size() + 1)));
    FileTree.Outcome outcome = walk(disk);
    assertThat(disk.opened).hasSize(3);
    assertThat(content("p/log")).matches("x+");
    assertThat(outcome.files()).isEqualTo(1);
    assertThat(outcome.whole()).isFalse();
    assertThat(outcome.warnings()).singleElement().asString().contains("log");
  }

  @Test
  void whatDidNotChangeIsNotOpened() throws IOException {
    file("same", "1");
    file("changed", "2");
    walk();
    backup = new MemoryBackup(backup);
    file("changed", "3");
    Trouble disk = new Trouble();
    FileTree.Outcome outcome = walk(disk);
    assertThat(disk.opened).containsExactly("changed");
    assertThat(backup.kept).containsExactly("p/same");
    assertThat(outcome.unchanged()).isEqualTo(1);
    assertThat(content("p/same")).isEqualTo("1");
    assertThat(content("p/changed")).isEqualTo("3");
  }

  @Test
  void aChangeOfTheSameLengthAndTimeIsSeen() throws IOException {
    Path file = file("f", "1");
    FileTime time = Files.getLastModifiedTime(file);
    walk();
    backup = new MemoryBackup(backup);
    Files.writeString(file, "2");
    Files.setLastModifiedTime(file, time);
    walk();
    assertThat(content("p/f")).isEqualTo("2");
  }

  @Test
  void aChangeWithinOneTickOfTheClockIsSeen() throws IOException {
    for (int round = 0; round < 20; round++) {
      backup = new MemoryBackup();
      Path file = file("f", "1");
      FileTime time = Files.getLastModifiedTime(file);
      walk();
      Files.writeString(file, "2");
      Files.setLastModifiedTime(file, time);
      backup = new MemoryBackup(backup);
      walk();
      assertThat(content("p/f")).isEqualTo("2");
    }
  }

  @Test
  void exclusionsLeaveOutWhatTheyMatchAndAllBelow() throws IOException {
    file("a/x.tmp", "1");
    file("a/keep", "2");
    file("node_modules/m/f", "3");
    file("build/out/f", "4");
    file("src/build/f", "5");
    selection =
        FileSelection.builder()
            .exclude("*.tmp")
            .exclude("node_modules/")
            .exclude("build/out")
            .exclude(root + "/src/build")
            .build();
    FileTree.Outcome outcome = walk();
    assertThat(backup.paths()).containsExactly("p", "p/a", "p/a/keep", "p/build", "p/src");
    assertThat(outcome.excluded()).isEqualTo(4);
  }

  @Test
  void cachesAreLeftOutByTheirSignatureAlone() throws IOException {
    file("c/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# cache");
    file("c/f", "1");
    file("d/CACHEDIR.TAG", "Signature: something else");
    file("d/f", "2");
    selection = FileSelection.builder().excludeCaches(true).build();
    walk();
    assertThat(backup.paths())
        .containsExactly("p", "p/c", "p/c/CACHEDIR.TAG", "p/d", "p/d/CACHEDIR.TAG", "p/d/f");
  }

  @Test
  void pipesAreLeftOutWithAWarning() throws IOException, InterruptedException {
    file("f", "1");
    Process made = new ProcessBuilder("mkfifo", root.resolve("pipe").toString()).start();
    assertThat(made.waitFor()).isZero();
    FileTree.Outcome outcome = walk();
    assertThat(backup.paths()).containsExactly("p", "p/f");
    assertThat(outcome.warnings()).singleElement().asString().contains("pipe");
    assertThat(outcome.whole()).isTrue();
  }

  @Test
  void aNameThatIsNoTextIsSaidToBeMissing() throws IOException, InterruptedException {
    file("f", "1");
    Process made =
        new ProcessBuilder("sh", "-c", "echo 1 > \"$(printf 'bad\\377name')\"")
            .directory(root.toFile())
            .start();
    assertThat(made.waitFor()).isZero();
    FileTree.Outcome outcome = walk();
    assertThat(backup.paths()).containsExactly("p", "p/f");
    assertThat(outcome.whole()).isFalse();
    assertThat(outcome.warnings()).singleElement().asString().contains("names").contains("bad");
  }

  @Test
  void oneFileCanBeAdded() throws IOException {
    Path file = file("f", "1");
    FileTree tree =
        new FileTree(selection, backup, RunControl.unattended(), Clock.systemUTC(), new Disk());
    assertThat(tree.add(file, "etc/f")).isTrue();
    assertThat(tree.add(root.resolve("none"), "etc/none")).isFalse();
    assertThat(backup.paths()).containsExactly("etc/f");
  }

  @Test
  void aCancelledWalkStops() throws IOException {
    file("f", "1");
    Cancellation cancellation = new Cancellation();
    cancellation.cancel();
    FileTree tree =
        new FileTree(
            selection,
            backup,
            new RunControl(cancellation, Progress.NONE),
            Clock.systemUTC(),
            new Disk());
    assertThatThrownBy(() -> tree.add(root, "p"))
        .isInstanceOf(BackupException.class)
        .hasMessage("Cancelled");
  }

  @Test
  void modesAreReadAndWrittenTheSame() {
    for (int mode = 0; mode <= 0777; mode++) {
      assertThat(
              Modes.of(
                  PosixFilePermissions.fromString(
                      PosixFilePermissions.toString(Modes.permissions(mode)))))
          .isEqualTo(mode);
    }
    assertThat(Optional.of(Modes.permissions(0640)).map(PosixFilePermissions::toString))
        .contains("rw-r-----");
  }
}
