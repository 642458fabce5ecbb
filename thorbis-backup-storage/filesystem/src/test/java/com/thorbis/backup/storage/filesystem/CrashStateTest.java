package com.thorbis.backup.storage.filesystem;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.testkit.CrashingTree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The power fails after each step that the store takes on the disk: whatever the disk may then
 * hold, acknowledged objects are whole, no object is half there, and the store works.
 */
class CrashStateTest {
  private static final boolean RELEASE = Boolean.getBoolean("thorbis.release");
  private static final long SEED =
      Long.getLong("thorbis.seed", new Random().nextLong(1_000_000_000));
  private static final int STATES = RELEASE ? 24_000 : 1_500;
  private static final int STATES_A_STEP = 60;

  @TempDir Path folder;

  private final Set<String> seen = new HashSet<>();
  private final Map<ObjectKey, byte[]> written = new HashMap<>();
  private final Set<ObjectKey> acknowledged = new HashSet<>();
  private final Set<ObjectKey> unsure = new HashSet<>();
  private final List<String> violations = new ArrayList<>();
  private Path memory;
  private String forgotten = "";
  private long checked;
  private long steps;

  /** States are laid out where that costs no disk, if there is such a place. */
  @BeforeEach
  void findPlace() throws IOException {
    Path shared = Path.of("/dev/shm");
    memory =
        Files.isWritable(shared)
            ? Files.createTempDirectory(shared, "thorbis-states")
            : Files.createDirectory(folder.resolve("states"));
  }

  @AfterEach
  void removePlace() {
    delete(memory);
  }

  @Test
  void s1EveryStateThatAPowerCutMayLeave() throws IOException {
    for (long run = 0; checked < STATES; run++) {
      workload(new Random(SEED + run), folder.resolve("run" + run));
    }
    String line =
        String.format(
            Locale.ROOT,
            "crash-states: distinct states after %d steps: %d, violations: %d, seed: %d",
            steps,
            checked,
            violations.size(),
            SEED);
    System.out.println(line);
    if (RELEASE) {
      Path report = Files.createDirectories(Path.of("target", "release-report"));
      Files.writeString(report.resolve("crash-states.md"), "* " + line + "\n");
    }
    assertThat(violations).isEmpty();
  }

  /** The simulator does not hide what is wrong: a store that forgets a step is found out. */
  @Test
  void aForgottenStepIsFoundOut() throws IOException {
    for (String forgotten : List.of("content", "name", "folder")) {
      violations.clear();
      seen.clear();
      for (long run = 0; violations.isEmpty() && run < 20; run++) {
        workload(new Random(run), folder.resolve(forgotten + run), forgotten);
      }
      assertThat(violations).as("without forcing the %s", forgotten).isNotEmpty();
    }
  }

  private void workload(Random random, Path root) throws IOException {
    workload(random, root, "");
  }

  private void workload(Random random, Path root, String forgets) throws IOException {
    forgotten = forgets;
    written.clear();
    acknowledged.clear();
    unsure.clear();
    Files.createDirectory(root);
    CrashingTree tree = new CrashingTree();
    Runnable lookAtAll =
        () -> {
          steps++;
          if (checked < STATES || !forgotten.isEmpty()) {
            tree.states(SEED + steps, STATES_A_STEP, seen, this::check);
          }
        };
    SimulatedDisk disk =
        new SimulatedDisk(root, tree, lookAtAll) {
          @Override
          void force(Path file, FileChannel channel) throws IOException {
            if (!forgotten.equals("content")) {
              super.force(file, channel);
            }
          }

          @Override
          void forceDirectory(Path directory) throws IOException {
            boolean above = !directory.equals(root) && Files.isDirectory(directory.resolve("d"));
            if (!forgotten.equals("name") && !(forgotten.equals("folder") && above)) {
              super.forceDirectory(directory);
            }
          }
        };
    try (ObjectStore store = new FileSystemObjectStore(root, Clock.systemUTC(), disk)) {
      for (int i = 0; i < 8; i++) {
        step(random, store, i);
      }
    }
  }

  private void step(Random random, ObjectStore store, int number) throws IOException {
    if (random.nextInt(5) == 0 && !acknowledged.isEmpty()) {
      List<ObjectKey> all = new ArrayList<>(acknowledged);
      all.sort(Comparator.comparing(ObjectKey::value));
      ObjectKey gone = all.get(random.nextInt(all.size()));
      acknowledged.remove(gone);
      unsure.add(gone);
      store.delete(gone);
      unsure.remove(gone);
      return;
    }
    ObjectKey key =
        new ObjectKey(
            List.of("a", "b/d", "b/d/e", "c").get(random.nextInt(4)) + "/object" + number);
    byte[] content = new byte[random.nextInt(random.nextInt(4) == 0 ? 200_000 : 9000)];
    random.nextBytes(content);
    written.put(key, content);
    unsure.add(key);
    if (random.nextBoolean()) {
      store.put(key, ObjectSource.of(content));
    } else {
      try (ObjectUpload upload = store.startUpload(key)) {
        upload.body().write(content);
        if (random.nextInt(6) == 0) {
          return; // given up
        }
        upload.commit();
      }
    }
    unsure.remove(key);
    acknowledged.add(key);
  }

  private void check(CrashingTree.State state) {
    checked++;
    if (!forgotten.isEmpty() && !violations.isEmpty()) {
      return; // found out
    }
    Path place = memory.resolve("state");
    try {
      Files.createDirectory(place);
      state.layOut(place);
      check(place);
    } catch (IOException | AssertionError e) {
      violations.add("step " + steps + ", seed " + SEED + ": " + e);
    } finally {
      delete(place);
    }
  }

  private void check(Path place) throws IOException {
    try (ObjectStore fresh =
        new FileSystemObjectStore(place, Clock.systemUTC(), new UnforcedDisk())) {
      Set<ObjectKey> visible = new HashSet<>();
      Optional<String> after = Optional.empty();
      do {
        ListPage page = fresh.list("", after);
        for (ObjectInfo info : page.objects()) {
          visible.add(info.key());
          assertThat(acknowledged.contains(info.key()) || unsure.contains(info.key()))
              .as("%s may be there", info.key())
              .isTrue();
          try (ObjectRead read = fresh.get(info.key())) {
            assertThat(read.body().readAllBytes())
                .as("%s is whole", info.key())
                .isEqualTo(written.get(info.key()));
          }
        }
        after = page.next();
      } while (after.isPresent());
      assertThat(visible).containsAll(acknowledged);
      ObjectKey next = new ObjectKey("b/d/next");
      fresh.put(next, ObjectSource.of(new byte[] {1}));
      assertThat(fresh.head(next)).isPresent();
    }
  }

  private static void delete(Path tree) {
    try (Stream<Path> paths = Files.walk(tree)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
