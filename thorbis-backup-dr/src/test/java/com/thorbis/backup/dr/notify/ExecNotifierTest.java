package com.thorbis.backup.dr.notify;

import static com.thorbis.backup.dr.notify.Notices.notice;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExecNotifierTest {
  @TempDir Path folder;

  private Path script(String text) throws IOException {
    Path script = folder.resolve("script");
    Files.writeString(script, "#!/bin/sh\n" + text + "\n");
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
    return script;
  }

  private Notifier open(String command) {
    return Notifiers.open(
        "exec",
        Settings.of("notify.exec", Map.of("command", command, "timeout", "2s")),
        folder,
        Clock.systemUTC(),
        ProviderLoader.serviceLoader(getClass().getClassLoader()));
  }

  @Test
  void aProgramGetsJsonAndNeitherAShellNorOurEnvironment() throws IOException {
    Path out = folder.resolve("out");
    Path script = script("cat > \"$1\"; env >> \"$1\"; echo \"$2\" >> \"$1\"");
    open(script + "\n" + out + "\n$(id); rm *").tell(List.of(notice()));
    String seen = Files.readString(out);
    assertThat(seen)
        .startsWith(
            new String(NoticeJson.of(List.of(notice())), java.nio.charset.StandardCharsets.UTF_8))
        .contains("PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "$(id); rm *")
        .doesNotContain("HOME=", "USER=");
  }

  @Test
  void howItEndsTellsWhetherItTookThem() throws IOException {
    assertThatThrownBy(() -> open(script("exit 3").toString()).tell(List.of(notice())))
        .hasMessageContaining("ended with 3");
    assertThatThrownBy(() -> open(folder.resolve("none").toString()).tell(List.of(notice())))
        .isInstanceOf(IOException.class);
    open(script("exit 0").toString()).tell(List.of(notice()));
  }

  @Test
  void oneThatDoesNotEndIsKilledWithWhatItStarted() throws Exception {
    Path pid = folder.resolve("pid");
    Path script = script("sleep 600 & echo $! > \"" + pid + "\"; wait");
    Notifier notifier = new ExecNotifier(List.of(script.toString()), Duration.ofMillis(500));
    assertThatThrownBy(() -> notifier.tell(List.of(notice()))).hasMessageContaining("killed");
    long child = Long.parseLong(Files.readString(pid).strip());
    for (int i = 0; i < 500 && runs(child); i++) {
      Thread.sleep(10);
    }
    assertThat(runs(child)).isFalse();
  }

  /** One that ended and that nobody has waited for yet has no command any more. */
  private static boolean runs(long pid) {
    return ProcessHandle.of(pid)
        .filter(ProcessHandle::isAlive)
        .flatMap(process -> process.info().command())
        .isPresent();
  }

  @Test
  void aNameWithoutAPlaceIsRefused() {
    assertThatThrownBy(() -> open("mail\n-s"))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("notify.exec.command");
    assertThatThrownBy(
            () ->
                Notifiers.open(
                    "log",
                    Settings.of("notify.log", Map.of("levl", "x")),
                    folder,
                    Clock.systemUTC(),
                    ProviderLoader.serviceLoader(getClass().getClassLoader())))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("levl");
  }

  @Test
  void aLineOfTheLogIsOneLine() throws IOException {
    assertThat(notice().line()).doesNotContain("\r", "\n", "\u202E").contains("backup.late orders");
    Notifiers.open(
            "log",
            Settings.none(),
            folder,
            Clock.systemUTC(),
            ProviderLoader.serviceLoader(getClass().getClassLoader()))
        .tell(List.of(notice()));
  }
}
