package com.thorbis.backup.postgres.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Entry;
import com.thorbis.backup.postgres.cluster.ClusterFiles.Kind;
import com.thorbis.backup.spi.repository.FileContent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalFilesTest {
  @TempDir Path folder;

  private LocalFiles files;

  @BeforeEach
  void aDataDirectory() throws IOException {
    Files.createDirectory(folder.resolve("global"));
    Files.write(folder.resolve("global/pg_control"), TreeWalkTest.controlFile());
    files = LocalFiles.open(folder);
  }

  @Test
  void saysWhatLiesThere() throws IOException {
    Path file = Files.write(folder.resolve("one"), new byte[10]);
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r----x"));
    Files.setLastModifiedTime(file, FileTime.from(Instant.ofEpochSecond(1_700_000_000)));
    Files.createSymbolicLink(folder.resolve("two"), file);
    Map<String, Entry> found = new HashMap<>();
    assertThat(files.list("", entry -> found.put(entry.name(), entry))).isTrue();
    assertThat(found.keySet()).containsExactlyInAnyOrder("global", "one", "two");
    assertThat(found.get("one"))
        .isEqualTo(new Entry("one", Kind.FILE, 10, 0641, Instant.ofEpochSecond(1_700_000_000)));
    assertThat(found.get("two").kind()).isEqualTo(Kind.LINK);
    assertThat(found.get("global").kind()).isEqualTo(Kind.DIRECTORY);
    assertThat(files.list("nowhere", entry -> {})).isFalse();
    assertThat(files.list("one", entry -> {})).isFalse();
  }

  @Test
  void w25AFileThatWasCutReadsAsZeroBehindItsEnd() throws IOException {
    Path file = Files.write(folder.resolve("one"), new byte[] {1, 2, 3, 4, 5, 6});
    try (FileContent content = files.content("one")) {
      byte[] read = {9, 9, 9, 9};
      assertThat(content.read(0, read, 0, 4)).isTrue();
      Files.write(file, new byte[] {1, 2, 3});
      assertThat(content.read(2, read, 0, 4)).isTrue();
      assertThat(read).containsExactly(3, 0, 0, 0);
      assertThat(content.read(100, read, 1, 2)).isTrue();
      assertThat(read).containsExactly(3, 0, 0, 0);
    }
  }

  @Test
  void w24AFileThatIsGoneSaysSoAndAnOpenOneStays() throws IOException {
    Path file = Files.write(folder.resolve("one"), new byte[] {1, 2, 3});
    byte[] read = new byte[3];
    try (FileContent open = files.content("one");
        FileContent late = files.content("one")) {
      assertThat(open.read(0, read, 0, 1)).isTrue();
      Files.delete(file);
      assertThat(open.read(0, read, 0, 3)).isTrue();
      assertThat(read).containsExactly(1, 2, 3);
      assertThat(late.read(0, read, 0, 3)).isFalse();
      Files.write(file, new byte[3]);
      assertThat(late.read(0, read, 0, 3)).isFalse();
    }
  }

  @Test
  void followsNoLinkInPlaceOfAFile() throws IOException {
    Files.createSymbolicLink(folder.resolve("one"), Path.of("/etc/hostname"));
    try (FileContent content = files.content("one")) {
      assertThatThrownBy(() -> content.read(0, new byte[1], 0, 1)).isInstanceOf(IOException.class);
    }
    assertThatThrownBy(() -> files.read("one", 100)).isInstanceOf(IOException.class);
  }

  @Test
  void readsSmallFilesAndNoLargeOnes() throws IOException {
    Files.write(folder.resolve("one"), new byte[] {1, 2, 3});
    assertThat(files.read("one", 3)).hasValueSatisfying(all -> assertThat(all).hasSize(3));
    assertThat(files.read("two", 3)).isEmpty();
    assertThatThrownBy(() -> files.read("one", 2)).hasMessageContaining("longer than 2 bytes");
  }

  @Test
  void whatIsNoDataDirectoryIsNamed() throws IOException {
    Path empty = Files.createDirectory(folder.resolve("empty"));
    for (Path wrong : new Path[] {empty, folder.resolve("nowhere")}) {
      assertThatThrownBy(() -> LocalFiles.open(wrong))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("postgres.data-directory"))
          .hasMessageContaining(wrong.toString());
    }
  }
}
