package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.storage.filesystem.FileSystemObjectStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Very many files, very long ones and much content, each in a process with a heap of 256 MiB: a
 * full backup, one in which nothing changed, one in which one page in a hundred did, both kinds of
 * verification, a restore, and the removal of the first backup. What it counts is the table in
 * {@code docs/scale.md}.
 */
class ScaleIT {
  private static final String HEAP = "-Xmx256m";

  @TempDir Path folder;

  @Test
  @Timeout(value = 60, unit = TimeUnit.MINUTES)
  void manyFilesFitASmallHeap() throws Exception {
    run("files", FaultSuite.RELEASE ? List.of("10000", "100000", "1000000") : List.of("60000"));
  }

  @Test
  @Timeout(value = 60, unit = TimeUnit.MINUTES)
  void aFileOfHolesFitsASmallHeap() throws Exception {
    run("holes", FaultSuite.RELEASE ? List.of("16", "128", "1024") : List.of("64"));
  }

  @Test
  @Timeout(value = 60, unit = TimeUnit.MINUTES)
  void muchContentFitsASmallHeap() throws Exception {
    run("content", FaultSuite.RELEASE ? List.of("128", "512", "2048") : List.of("384"));
  }

  private void run(String shape, List<String> sizes) throws IOException, InterruptedException {
    StringBuilder report = new StringBuilder();
    for (String size : sizes) {
      Path place = folder.resolve(shape + size);
      Path said = folder.resolve(shape + size + ".log");
      Path lines = folder.resolve(shape + size + ".md");
      Process process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  HEAP,
                  "-cp",
                  System.getProperty("java.class.path"),
                  Worker.class.getName(),
                  shape,
                  size,
                  place.toString(),
                  lines.toString())
              .redirectErrorStream(true)
              .redirectOutput(said.toFile())
              .start();
      try {
        int exit = process.waitFor();
        System.out.print(Files.readString(said));
        assertThat(exit).as("%s, %s: %s", shape, size, Files.readString(said)).isZero();
      } finally {
        process.destroyForcibly().waitFor();
      }
      report.append(Files.readString(lines));
      deleteAll(place);
    }
    if (FaultSuite.RELEASE) {
      Path to = Files.createDirectories(Path.of("target", "release-report"));
      Files.writeString(to.resolve("scale-" + shape + ".md"), report);
    }
  }

  private static void deleteAll(Path place) throws IOException {
    try (Stream<Path> all = Files.walk(place)) {
      for (Path path : all.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.delete(path);
      }
    }
  }

  /** Does it all, and writes down a line for each step. */
  static final class Worker {
    private static final List<String> OBJECTS = List.of("packs", "manifests", "commits");

    private final String name;
    private final SyntheticCluster cluster;
    private final Path root;
    private final CountingStore store;
    private final Site site;
    private final List<String> lines = new ArrayList<>();

    private Worker(String shape, String size, Path place) throws IOException {
      int count = Integer.parseInt(size);
      int[] changes = {0, 100};
      this.name = shape + " " + size;
      this.cluster =
          switch (shape) {
            case "files" -> new SyntheticCluster.Small(count, changes);
            case "content" -> new SyntheticCluster.Dense(count * 128L, changes);
            default -> new SyntheticCluster.Holes((long) count << 30, count * 100L, changes);
          };
      this.root = Files.createDirectories(place.resolve("root"));
      this.store = new CountingStore(FileSystemObjectStore.builder().root(root).build());
      RepositorySetup setup =
          TestRepository.setup(store, place.resolve("state")).clock(Clock.systemUTC()).build();
      TestRepository.FACTORY.init(setup);
      this.site = Site.open(setup, 100, 1000);
    }

    public static void main(String[] arguments) throws IOException {
      if (Runtime.getRuntime().maxMemory() > 256L << 20) {
        throw new IllegalStateException("A heap of " + Runtime.getRuntime().maxMemory());
      }
      Worker worker = new Worker(arguments[0], arguments[1], Path.of(arguments[2]));
      worker.work();
      Files.writeString(
          Path.of(arguments[3]),
          worker.lines.stream().map(line -> line + "\n").collect(Collectors.joining()));
    }

    private void work() throws IOException {
      try (store;
          site) {
        site.repository.register("orders", "postgres", TestRepository.CLUSTER);
        WalSegment segment = TestRepository.segment(1, 1);
        site.repository
            .wal("orders")
            .storeSegment(segment, ByteBuffer.wrap(TestRepository.wal(segment, 1)), WalMarks.NONE);
        List<BackupId> made = new ArrayList<>();
        for (int round = 0; round <= 2; round++) {
          int now = round;
          measure(
              List.of("full", "incremental, no change", "incremental, 1 % changed").get(round),
              () -> made.add(backUp(made, now)));
        }
        measure("verify objects", () -> verify(VerifyRequest.Level.OBJECTS));
        measure("verify data", () -> verify(VerifyRequest.Level.DATA));
        measure("restore", () -> restore(made.get(2)));
        site.prune(1, Duration.ZERO);
        measure("prune", () -> site.prune(1, Duration.ZERO));
        assertThat(site.listed()).containsExactly(made.get(2));
        restore(made.get(2));
      }
    }

    private BackupId backUp(List<BackupId> made, int round) throws IOException {
      try (BackupWriter writer =
          round == 0
              ? TestRepository.begin(site.repository)
              : TestRepository.begin(site.repository, made.get(made.size() - 1))) {
        cluster.write(writer, round);
        return writer.commit(TestRepository.facts(), BackupStatus.COMPLETE).id();
      }
    }

    private void verify(VerifyRequest.Level level) throws IOException {
      VerifyReport report =
          site.repository.verify(
              new VerifyRequest(Optional.empty(), level, 100), RunControl.unattended());
      assertThat(report.damaged()).isEmpty();
    }

    private void restore(BackupId id) throws IOException {
      SyntheticCluster.Sink sink = cluster.new Sink(2);
      try (BackupReader reader = site.repository.open(id)) {
        reader.extract(file -> true, sink, RunControl.unattended());
      }
      sink.requireAll();
    }

    @FunctionalInterface
    private interface Step {
      void run() throws IOException;
    }

    private void measure(String step, Step work) throws IOException {
      List<long[]> before = objects();
      long[] asked = asked();
      long started = System.nanoTime();
      work.run();
      double seconds = (System.nanoTime() - started) / 1e9;
      StringBuilder line = new StringBuilder("| " + name + " | " + step);
      List<long[]> after = objects();
      for (int i = 0; i < OBJECTS.size(); i++) {
        line.append(
            String.format(
                Locale.ROOT,
                " | %d / %d",
                after.get(i)[0] - before.get(i)[0],
                after.get(i)[1] - before.get(i)[1]));
      }
      long[] now = asked();
      for (int i = 0; i < now.length; i++) {
        line.append(" | ").append(now[i] - asked[i]);
      }
      lines.add(line + String.format(Locale.ROOT, " | %.1f |", seconds));
      System.out.println(lines.get(lines.size() - 1));
    }

    private long[] asked() {
      return Stream.of(CountingStore.Kind.values()).mapToLong(store::calls).toArray();
    }

    /** How many objects of each kind there are, and how long they are together. */
    private List<long[]> objects() throws IOException {
      List<long[]> found = new ArrayList<>();
      for (String kind : OBJECTS) {
        long[] sum = new long[2];
        if (Files.exists(root.resolve(kind))) {
          try (Stream<Path> all = Files.walk(root.resolve(kind))) {
            for (Path path : all.filter(Files::isRegularFile).toList()) {
              sum[0]++;
              sum[1] += Files.size(path);
            }
          }
        }
        found.add(sum);
      }
      return found;
    }
  }
}
