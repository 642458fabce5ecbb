package com.thorbis.backup.application.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What comes back is what was there, and nothing is written anywhere else. */
class TreeRestoreTest {
  private static final Instant TIME = Instant.ofEpochSecond(1_234_567_890, 123_456_789);

  @TempDir Path temp;
  private Path root;
  private Path target;
  private final MemoryBackup backup = new MemoryBackup();

  @BeforeEach
  void init() throws IOException {
    root = Files.createDirectory(temp.resolve("root"));
    target = temp.resolve("target");
  }

  private Path file(String path, String content) throws IOException {
    Path file = root.resolve(path);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, content);
  }

  private void walk() throws IOException {
    FileTree tree =
        new FileTree(
            FileSelection.builder().build(), backup, RunControl.unattended(), Clock.systemUTC());
    assertThat(tree.add(root, "people/root")).isTrue();
    assertThat(tree.outcome().warnings()).isEmpty();
  }

  private TreeRestore.Laid restore(String... includes) throws IOException {
    return new TreeRestore(backup, target, List.of(includes), RunControl.unattended()).run();
  }

  /** Everything of every entry that must come back, by its path. */
  static Map<String, String> tree(Path root) throws IOException {
    Map<String, String> tree = new TreeMap<>();
    try (Stream<Path> all = Files.walk(root)) {
      for (Path path : all.toList()) {
        Map<String, Object> found =
            Files.readAttributes(
                path, "unix:mode,uid,gid,nlink,lastModifiedTime", LinkOption.NOFOLLOW_LINKS);
        boolean link = Files.isSymbolicLink(path);
        FileTime time = (FileTime) found.get("lastModifiedTime");
        tree.put(
            root.relativize(path).toString(),
            String.join(
                " ",
                Integer.toOctalString((Integer) found.get("mode")),
                "" + found.get("uid"),
                "" + found.get("gid"),
                Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS) ? "-" : "" + found.get("nlink"),
                // the system sets the times of links in microseconds
                link ? "" + time.toMillis() : "" + time.toInstant(),
                link
                    ? Files.readSymbolicLink(path).toString()
                    : Files.isRegularFile(path) ? Files.readString(path) : ""));
      }
    }
    return tree;
  }

  @Test
  void everyAttributeOfEveryEntryComesBack() throws IOException {
    Path f = file("a/f", "content");
    Path g = file("a/sub/g", "");
    file("b\nline/\u00e4\\x", "2");
    Files.createLink(root.resolve("hard"), f);
    Files.createSymbolicLink(root.resolve("a/link"), Path.of("../nowhere"));
    Files.createSymbolicLink(root.resolve("absolute"), Path.of("/etc"));
    Files.createDirectory(root.resolve("empty"));
    Files.setAttribute(f, "unix:mode", 0640);
    Files.setAttribute(root.resolve("empty"), "unix:mode", 01777);
    Files.setLastModifiedTime(f, FileTime.from(TIME));
    Files.setLastModifiedTime(g, FileTime.from(TIME.plusNanos(1)));
    Files.setLastModifiedTime(root.resolve("a/sub"), FileTime.from(TIME.plusNanos(2)));
    Files.setAttribute(root.resolve("a/sub"), "unix:mode", 0500);
    Files.setLastModifiedTime(root.resolve("a"), FileTime.from(TIME.plusNanos(3)));
    walk();
    TreeRestore.Laid laid = restore();
    assertThat(tree(target.resolve("people/root"))).isEqualTo(tree(root));
    assertThat(tree(root)).hasSize(11);
    assertThat(laid.files()).isEqualTo(3);
    assertThat(laid.notes()).isEmpty();
    try (Stream<Path> top = Files.list(target)) {
      assertThat(top).containsExactly(target.resolve("people"));
    }
  }

  @Test
  void holesStayHoles() throws IOException {
    Path sparse = root.resolve("sparse");
    try (FileChannel channel =
        FileChannel.open(sparse, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(new byte[] {1}), 0);
      channel.write(ByteBuffer.wrap(new byte[] {2}), 8 << 20);
      channel.write(ByteBuffer.allocate(1), (16 << 20) - 1);
    }
    walk();
    restore();
    Path laid = target.resolve("people/root/sparse");
    assertThat(Files.mismatch(sparse, laid)).isEqualTo(-1);
    assertThat(blocks(laid)).isLessThan(1000);
  }

  /** Blocks of 512 bytes. */
  private static long blocks(Path file) throws IOException {
    Process stat = new ProcessBuilder("stat", "-c", "%b", file.toString()).start();
    return Long.parseLong(
        new String(stat.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip());
  }

  @Test
  void onlyWhatIsIncludedComesBack() throws IOException {
    Path one = file("a/one.txt", "1");
    file("a/two.odt", "2");
    file("b/three.odt", "3");
    Files.createLink(root.resolve("b/four"), one);
    Files.setAttribute(root.resolve("b"), "unix:mode", 0711);
    walk();
    restore("*.odt", "/people/root/b/four");
    assertThat(tree(target).keySet())
        .containsExactly(
            "",
            "people",
            "people/root",
            "people/root/a",
            "people/root/a/two.odt",
            "people/root/b",
            "people/root/b/four",
            "people/root/b/three.odt");
    assertThat(target.resolve("people/root/b/four")).hasContent("1");
    assertThat(tree(target.resolve("people/root/b")).get(""))
        .isEqualTo(tree(root.resolve("b")).get(""));
  }

  @Test
  void aTargetThatHoldsAnythingIsRefusedAndStaysAsItIs() throws IOException {
    file("f", "1");
    walk();
    Files.createDirectory(target);
    Files.writeString(target.resolve("mine"), "x");
    assertThatThrownBy(this::restore)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("restore.target-not-empty"));
    assertThat(tree(target)).hasSize(2);
  }

  private TreeRestore sole() throws IOException {
    int us = (Integer) Files.getAttribute(temp, "unix:uid");
    return new TreeRestore(backup, target, List.of(), RunControl.unattended(), OptionalInt.of(us));
  }

  private void assertNotPrivate(TreeRestore restore, Path because) throws IOException {
    assertThatThrownBy(restore::run)
        .hasMessageContaining(because.toString())
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("restore.target-not-private");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
            });
    assertThat(restore.survey().problem())
        .hasValueSatisfying(text -> assertThat(text).contains("as root"));
  }

  @Test
  void whereOthersCouldSendFilesElsewhereRootWritesNothing() throws IOException {
    file("f", "1");
    walk();
    Path shared = Files.createDirectory(temp.resolve("shared"));
    target = shared.resolve("not/there/yet");
    Files.setAttribute(shared, "unix:mode", 0775);
    assertNotPrivate(sole(), shared);
    Files.setAttribute(shared, "unix:mode", 0757);
    assertNotPrivate(sole(), shared);
    assertThat(shared).isEmptyDirectory();

    Path link = Files.createSymbolicLink(temp.resolve("link"), shared);
    target = link;
    assertNotPrivate(sole(), link);
    Path aside = Files.createDirectory(temp.resolve("aside"));
    Files.createSymbolicLink(shared.resolve("out"), aside);
    target = shared.resolve("out");
    assertNotPrivate(sole(), shared);

    Files.setAttribute(shared, "unix:mode", 01777);
    target = shared.resolve("mine");
    sole().run();
    assertThat(target.resolve("people/root/f")).hasContent("1");
  }

  @Test
  void aFolderOfAnotherAccountIsNotWrittenInto() throws IOException {
    file("f", "1");
    walk();
    int us = (Integer) Files.getAttribute(temp, "unix:uid");
    Files.createDirectory(target);
    TreeRestore restore =
        new TreeRestore(backup, target, List.of(), RunControl.unattended(), OptionalInt.of(us + 1));
    if (us == 0) {
      Files.setAttribute(target, "unix:uid", 12_345);
    }
    assertNotPrivate(restore, target);
    assertThat(target).isEmptyDirectory();

    Path own = Files.createDirectory(temp.resolve("own"));
    target = Files.createSymbolicLink(temp.resolve("link"), own);
    if (us == 0) {
      Files.setAttribute(target, "unix:uid", 12_345, LinkOption.NOFOLLOW_LINKS);
    }
    assertNotPrivate(
        new TreeRestore(backup, target, List.of(), RunControl.unattended(), OptionalInt.of(us + 1)),
        target);
    assertThat(own).isEmptyDirectory();
  }

  @Test
  void whatAFailedRestoreLeavesIsMarkedAndRefused() throws IOException {
    file("f", "1");
    walk();
    hostile("people/root/f", Kind.FILE, Optional.empty());
    assertThatThrownBy(this::restore).isInstanceOf(BackupException.class);
    assertThat(target.resolve(TreeRestore.UNFINISHED)).exists();
    assertThatThrownBy(this::restore)
        .hasMessageContaining("did not end")
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("restore.target-not-empty"));
  }

  private void hostile(String path, Kind kind, Optional<String> to) {
    backup.put(
        new StoredFile(StoredFile.Area.DATA, path, kind, 0, 0644, TIME, to, Optional.empty()),
        "owned".getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }

  private void assertHostile() {
    assertThatThrownBy(this::restore)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("restore.hostile-path"));
    assertThat(temp.resolve("owned")).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "/owned",
        "../owned",
        "a/../../owned",
        "a//b",
        "a/",
        "./a",
        "a/.",
        "a\0b",
        "thorbis.unfinished"
      })
  void pathsThatLeadElsewhereAreRefusedBeforeAnythingIsWritten(String path) {
    hostile("fine", Kind.FILE, Optional.empty());
    hostile(path, Kind.FILE, Optional.empty());
    assertHostile();
    assertThat(target).doesNotExist();
  }

  @Test
  void nothingIsWrittenThroughALink() throws IOException {
    Path outside = Files.createDirectory(temp.resolve("outside"));
    hostile("d", Kind.SYMBOLIC_LINK, Optional.of(outside.toString()));
    hostile("d/owned", Kind.FILE, Optional.empty());
    assertHostile();
    assertThat(outside).isEmptyDirectory();
  }

  @Test
  void aFileIsNoFolder() {
    hostile("d", Kind.FILE, Optional.empty());
    hostile("d/f", Kind.FILE, Optional.empty());
    assertHostile();
  }

  @Test
  void aFileAndAFolderOfOneNameAreRefused() {
    hostile("d", Kind.DIRECTORY, Optional.empty());
    hostile("d", Kind.FILE, Optional.empty());
    assertHostile();
  }

  @Test
  void hardLinksLeadToFilesOfTheBackupAlone() throws IOException {
    Path secret = Files.writeString(temp.resolve("secret"), "s");
    hostile("s", Kind.SYMBOLIC_LINK, Optional.of(secret.toString()));
    hostile("h", Kind.HARD_LINK, Optional.of("s"));
    assertHostile();
  }

  @ParameterizedTest
  @ValueSource(strings = {"../secret", "/etc/passwd", "", "nowhere"})
  void hardLinksThatLeadOutAreRefused(String to) throws IOException {
    Files.writeString(temp.resolve("secret"), "s");
    hostile("h", Kind.HARD_LINK, Optional.of(to));
    assertHostile();
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a\0b"})
  void symbolicLinksThatCannotBeAreRefused(String to) {
    hostile("s", Kind.SYMBOLIC_LINK, Optional.of(to));
    assertHostile();
  }

  @Test
  void setUserIdNeedsTheOwner() throws IOException {
    backup.put(new StoredFile(StoredFile.Area.DATA, "f", Kind.FILE, 0, 04755, TIME), new byte[0]);
    restore();
    assertThat((Integer) Files.getAttribute(target.resolve("f"), "unix:mode") & 07777)
        .isEqualTo(0755);
  }
}
