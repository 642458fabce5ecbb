package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TriedApplicationTest {
  @TempDir Path folder;

  @Test
  void comesBackFromItsBackupWhenItsFilesAreGone() throws IOException {
    Path application = folder.resolve("application");
    Files.createDirectories(application.resolve("classes/a"));
    Files.writeString(application.resolve("classes/a/B.class"), "code");
    Files.writeString(application.resolve("application.properties"), "user=app\n");
    Path work = Files.createDirectory(folder.resolve("work"));
    TriedApplication keeper = new TriedApplication(Clock.systemUTC());
    keeper.backUp(application, work);
    Files.delete(application.resolve("classes/a/B.class"));
    Files.delete(application.resolve("application.properties"));

    Path restored = keeper.restore(work, folder.resolve("restored"));
    assertThat(restored.resolve("classes/a/B.class")).hasContent("code");
    assertThat(restored.resolve("application.properties")).hasContent("user=app\n");
  }
}
