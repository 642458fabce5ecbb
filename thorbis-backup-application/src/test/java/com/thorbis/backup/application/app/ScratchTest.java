package com.thorbis.backup.application.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ScratchTest {
  @TempDir Path parent;

  @Test
  void itIsPrivateAndGoesWithAllThatItHolds() throws IOException {
    Path path;
    try (Scratch scratch = Scratch.below(parent.resolve("state"))) {
      path = scratch.path();
      assertThat(Files.getPosixFilePermissions(path))
          .isEqualTo(PosixFilePermissions.fromString("rwx------"));
      Files.createDirectories(path.resolve("mirror.git/refs"));
    }
    assertThat(path).doesNotExist();
  }

  @Test
  void whatAKilledRunLeftGoesAndWhatIsInUseStays() throws IOException {
    Path left = Files.createDirectories(parent.resolve("application-1/mirror.git"));
    Files.createFile(parent.resolve("application-1/in-use"));
    Path beingMade = Files.createDirectory(parent.resolve("application-2"));
    Path others = Files.createDirectory(parent.resolve("other"));
    try (Scratch first = Scratch.below(parent);
        Scratch second = Scratch.below(parent)) {
      assertThat(left.getParent()).doesNotExist();
      assertThat(first.path()).isDirectory().isNotEqualTo(second.path());
      try (Scratch third = Scratch.below(parent)) {
        assertThat(third.path()).isDirectory();
        assertThat(first.path().resolve("in-use")).isRegularFile();
      }
    }
    assertThat(beingMade).isDirectory();
    assertThat(others).isDirectory();
    assertThat(parent).isDirectoryNotContaining("glob:**/application-?????*");
  }
}
