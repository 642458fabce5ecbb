package com.thorbis.backup.dr.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConnectionFileTest {
  private static final String SERVICES =
      "# who reads this\n[other]\nhost=x\n\n[app]\r\nhost=db1\r\nport=5432\r\nuser=app\r\n[last]\nhost=y";

  @TempDir Path folder;

  @Test
  void aServiceIsMovedAndBroughtBackAndTheRestStays() throws IOException {
    Path file = write(SERVICES);
    ConnectionFile service = ConnectionFile.service(file, "app");
    assertThat(service.current()).isEqualTo("db1:5432");
    assertThat(service.set("db1:5432", "db2:5433")).isEqualTo(Duration.ZERO);
    assertThat(Files.readString(file))
        .isEqualTo(SERVICES.replace("host=db1", "host=db2").replace("port=5432", "port=5433"));
    assertThat(service.points("db2:5433")).isTrue();
    assertThat(service.points("db1:5432")).isFalse();
    service.set("db2:5433", "db1:5432");
    assertThat(Files.readString(file)).isEqualTo(SERVICES);
  }

  @Test
  void whatWasNotSaidIsNotSaidAfterUndo() throws IOException {
    Path file = write("[app]\nuser=app\n");
    ConnectionFile service = ConnectionFile.service(file, "app");
    String before = service.current();
    assertThat(before).isEmpty();
    service.set(before, "[::1]:6000");
    assertThat(Files.readString(file)).isEqualTo("[app]\nhost=::1\nport=6000\nuser=app\n");
    service.set("[::1]:6000", before);
    assertThat(Files.readString(file)).isEqualTo("[app]\nuser=app\n");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "db.url=jdbc:postgresql://db1:5432/app?user=a&password=p#x|db.url=jdbc:postgresql://db2/app?user=a&password=p#x",
        "db.url = jdbc\\:postgresql\\://db1\\:5432/app|db.url = jdbc\\:postgresql\\://db2/app",
        "db.url: db1:5432|db.url: db2",
      })
  void aPropertyKeepsAllButThePlace(String before, String after) throws IOException {
    Path file = write("a=b\n" + before + "\ndb.urls=c\n");
    ConnectionFile property = ConnectionFile.property(file, "db.url");
    assertThat(property.current()).isEqualTo("db1:5432");
    property.set("db1:5432", "db2");
    assertThat(Files.readString(file)).isEqualTo("a=b\n" + after + "\ndb.urls=c\n");
  }

  @Test
  void repeatedItDoesNothing() throws IOException {
    Path file = write("db1:5432\n");
    ConnectionFile line = ConnectionFile.line(file);
    line.set("db1:5432", "db2:5432");
    Object written = Files.getAttribute(file, "unix:ino");
    line.set("db1:5432", "db2:5432");
    assertThat(Files.getAttribute(file, "unix:ino")).isEqualTo(written);
    assertThat(Files.readString(file)).isEqualTo("db2:5432\n");
  }

  @Test
  void whatSomebodyElseHasMovedStays() throws IOException {
    Path file = write("db3:5432\n");
    ConnectionFile line = ConnectionFile.line(file);
    assertThatThrownBy(() -> line.set("db1:5432", "db2:5432"))
        .isInstanceOfSatisfying(
            SwitchException.class,
            e -> {
              assertThat(e.code()).isEqualTo("traffic.changed");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
            });
    assertThat(Files.readString(file)).isEqualTo("db3:5432\n");
  }

  @Test
  void aFileThatChangesAfterTheLookIsNotReplaced() throws IOException {
    Path file = write("db1:5432\n");
    EditedFile edited = new EditedFile("x", file);
    String seen = edited.read();
    Files.writeString(file, "db1:5432 \n");
    assertThatThrownBy(() -> edited.replace(seen, "db2:5432\n"))
        .hasMessageContaining("changed while it was looked at");
    assertThat(Files.readString(file)).isEqualTo("db1:5432 \n");
    assertNothingBeside(file);
  }

  @Test
  void modeAndLinkStayAndWhatACrashLeftBesideIsTaken() throws IOException {
    Path file = write("db1:5432\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    Files.writeString(folder.resolve(".connection.thorbis"), "half of something longer than that");
    Path link = Files.createSymbolicLink(folder.resolve("link"), file);
    ConnectionFile.line(link).set("db1:5432", "db2:5432");
    assertThat(Files.isSymbolicLink(link)).isTrue();
    assertThat(Files.readString(file)).isEqualTo("db2:5432\n");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-r-----");
    assertNothingBeside(file);
  }

  @Test
  void twoAtATimeAreNotBothLetIn() throws IOException {
    Path file = write("db1:5432\n");
    try (FileChannel other =
        FileChannel.open(
            folder.resolve(".connection.thorbis-lock"),
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE)) {
      other.lock();
      assertThatThrownBy(() -> ConnectionFile.line(file).set("db1:5432", "db2:5432"))
          .isInstanceOfSatisfying(
              SwitchException.class, e -> assertThat(e.code()).isEqualTo("traffic.busy"));
    }
    assertThat(Files.readString(file)).isEqualTo("db1:5432\n");
  }

  /** Two steps may move two values of one file at once: neither takes the other's move back. */
  @Test
  void noMoveIsLostToAnother() throws Exception {
    Path file = write("a.url=db0:5432\nb.url=db0:5432\n");
    try (var threads = new Closing(Executors.newFixedThreadPool(2))) {
      List<Future<?>> both = new ArrayList<>();
      for (String key : List.of("a.url", "b.url")) {
        both.add(threads.pool().submit(() -> moveOften(ConnectionFile.property(file, key))));
      }
      for (Future<?> one : both) {
        one.get(1, TimeUnit.MINUTES);
      }
    }
    assertThat(Files.readString(file)).isEqualTo("a.url=db100:5432\nb.url=db100:5432\n");
    assertNothingBeside(file);
  }

  private record Closing(ExecutorService pool) implements AutoCloseable {
    @Override
    public void close() {
      pool.shutdownNow();
    }
  }

  private static Void moveOften(ConnectionFile file) throws IOException {
    for (int i = 0; i < 100; i++) {
      boolean moved = false;
      while (!moved) {
        try {
          file.set("db" + i + ":5432", "db" + (i + 1) + ":5432");
          moved = true;
        } catch (SwitchException e) {
          // The other one was faster; nothing was changed.
          assertThat(e.code()).isIn("traffic.busy", "traffic.changed");
          assertThat(e).hasMessageNotContaining("points to");
        }
      }
    }
    return null;
  }

  @Test
  void whatCannotBeLookedAtIsNoAnswer() {
    ConnectionFile line = ConnectionFile.line(folder.resolve("missing"));
    assertThatThrownBy(() -> line.points("db1:5432"))
        .isInstanceOfSatisfying(
            SwitchException.class, e -> assertThat(e.code()).isEqualTo("traffic.unavailable"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "host=a|no section [app]",
        "[app]\\nhost=a\\nhost=b|two lines",
        "[app]\\n[app]|more than one section",
        "[app]\\nhostaddr=10.0.0.1|hostaddr",
        "[app]\\nhost=a b|is not a place",
      })
  void whatHasTwoMeaningsIsRefused(String text, String problem) throws IOException {
    Path file = write(text.replace("\\n", "\n"));
    assertThatThrownBy(() -> ConnectionFile.service(file, "app").current())
        .isInstanceOf(SwitchException.class)
        .hasMessageContaining(problem);
  }

  @Test
  void aValueThatIsNotUnderstoodIsNotShown() throws IOException {
    Path file = write("db.url=jdbc:oracle:thin:scott/tiger@//h\n");
    assertThatThrownBy(() -> ConnectionFile.property(file, "db.url").current())
        .isInstanceOf(SwitchException.class)
        .hasMessageNotContaining("tiger");
  }

  private Path write(String text) throws IOException {
    return Files.write(folder.resolve("connection"), text.getBytes(StandardCharsets.UTF_8));
  }

  private void assertNothingBeside(Path file) {
    assertThat(file.resolveSibling(".connection.thorbis")).doesNotExist();
  }
}
