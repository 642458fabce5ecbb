package com.thorbis.backup.storage.filesystem;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Writers that are killed where they stand. */
class FileSystemCrashIT {
  private static final int KILLS = Boolean.getBoolean("thorbis.release") ? 200 : 15;

  @TempDir Path folder;

  @Test
  void s5KilledWriterLeavesWholeObjectsAndAStoreThatWorks() throws Exception {
    long seed = Long.getLong("thorbis.seed", new Random().nextLong(1_000_000));
    Random random = new Random(seed);
    Path root = folder.resolve("root");
    Set<String> acknowledged = new HashSet<>();
    for (int kill = 0; kill < KILLS; kill++) {
      runAndKill(root, "run" + kill, "022", random.nextInt(60), acknowledged);

      Set<String> visible = new HashSet<>();
      try (ObjectStore store = open(root)) {
        Optional<String> after = Optional.empty();
        do {
          ListPage page = store.list("", after);
          for (ObjectInfo info : page.objects()) {
            visible.add(info.key().value());
            try (ObjectRead read = store.get(info.key())) {
              assertThat(read.body().readAllBytes())
                  .as("seed %d, %s", seed, info.key())
                  .isEqualTo(content(info.key()));
            }
          }
          after = page.next();
        } while (after.isPresent());
        assertThat(visible).as("seed %d", seed).containsAll(acknowledged);

        ObjectKey next = new ObjectKey("after/kill" + kill);
        store.put(next, ObjectSource.of(content(next)));
      }
    }
    assertThat(acknowledged).isNotEmpty();
    String line =
        String.format(
            Locale.ROOT,
            "store-kills: writers killed: %d, objects acknowledged: %d, violations: 0, seed: %d",
            KILLS,
            acknowledged.size(),
            seed);
    System.out.println(line);
    if (KILLS > 15) {
      Path report = Files.createDirectories(Path.of("target", "release-report"));
      Files.writeString(report.resolve("store-kills.md"), "* " + line + "\n");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"000", "022", "077"})
  void whateverTheMaskFilesAreForTheOwnerOnly(String mask) throws Exception {
    Path root = folder.resolve("root");
    runAndKill(root, "run", mask, 5, new HashSet<>());
    try (Stream<Path> tree = Files.walk(root)) {
      for (Path path : tree.toList()) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
            .as(path.toString())
            .isEqualTo(Files.isDirectory(path) ? "rwx------" : "rw-------");
      }
    }
  }

  /** Reads what the writer has done, and kills it amid what it does next. */
  private static void runAndKill(
      Path root, String run, String mask, int after, Set<String> acknowledged)
      throws IOException, InterruptedException {
    Process writer =
        new ProcessBuilder(
                List.of(
                    "sh",
                    "-c",
                    "umask $0 && exec \"$@\"",
                    mask,
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:TieredStopAtLevel=1",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Writer.class.getName(),
                    root.toString(),
                    run))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader done =
        new BufferedReader(new InputStreamReader(writer.getInputStream(), UTF_8))) {
      for (int i = 0; i < after; i++) {
        acknowledged.add(done.readLine());
      }
      writer.toHandle().destroyForcibly(); // the process's own method closes what we still read
      writer.waitFor();
      for (String rest = done.readLine(); rest != null; rest = done.readLine()) {
        acknowledged.add(rest);
      }
    } finally {
      writer.destroyForcibly().waitFor();
    }
    assertThat(writer.exitValue()).as("killed by a signal").isEqualTo(137);
  }

  private static ObjectStore open(Path root) throws IOException {
    return FileSystemObjectStore.builder().root(root).build();
  }

  private static byte[] content(ObjectKey key) {
    Random random = new Random(key.value().hashCode());
    byte[] content = new byte[random.nextInt(400_000)];
    random.nextBytes(content);
    return content;
  }

  /** Writes objects for ever and prints the key of each that is done. */
  static final class Writer {
    private Writer() {}

    public static void main(String[] arguments) throws IOException {
      try (ObjectStore store = open(Path.of(arguments[0]))) {
        store.createPlace();
        for (int i = 0; ; i++) {
          ObjectKey key = new ObjectKey(arguments[1] + "/d" + i % 5 + "/o" + i);
          byte[] content = content(key);
          if (i % 2 == 0) {
            store.put(key, ObjectSource.of(content));
          } else {
            try (ObjectUpload upload = store.startUpload(key)) {
              upload.body().write(content);
              upload.commit();
            }
          }
          System.out.write((key + "\n").getBytes(UTF_8)); // in one piece, which a kill cannot cut
          System.out.flush();
        }
      }
    }
  }
}
