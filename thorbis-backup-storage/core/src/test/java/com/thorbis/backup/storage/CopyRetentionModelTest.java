package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.PruneRequest;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Any sequence of backups and prunes, where some copies keep less than others. */
class CopyRetentionModelTest {
  private static final int RUNS = FaultSuite.RELEASE ? 400 : 8;
  private static final int STEPS = 24;

  @TempDir Path state;

  private final AtomicInteger machines = new AtomicInteger();

  @Test
  void whatIsKeptReadsFromAllCopiesTogetherAndFromTheOneThatLetsGoOfNothing() throws Exception {
    FaultSuite suite = new FaultSuite("copy-retention", "histories");
    suite.forEachSeed(
        RUNS, random -> FaultSuite.Labelled.of("history", () -> new History(random).run()));
    suite.report();
  }

  private final class History {
    private final Random random;
    private final SettableClock clock = SettableClock.at(TestRepository.NOW.plusSeconds(60));
    private final List<MemoryObjectStore> disks = new ArrayList<>();
    private final List<Optional<RetentionPolicy>> policies = new ArrayList<>();
    private final WritePolicy writes;
    private final int whole;
    private final Path machine = state.resolve("m" + machines.incrementAndGet());
    private final Map<BackupId, Map<String, byte[]>> truth = new HashMap<>();
    private final Set<Integer> log = new HashSet<>();
    private Map<String, byte[]> files = new TreeMap<>();
    private int segment = 1;

    History(Random random) {
      this.random = random;
      this.writes = random.nextBoolean() ? WritePolicy.ALL : WritePolicy.PRIMARY;
      int copies = 2 + random.nextInt(2);
      this.whole = random.nextInt(copies);
      for (int i = 0; i < copies; i++) {
        disks.add(MemoryObjectStore.create(clock, 1 + random.nextInt(20)));
        policies.add(i == whole ? Optional.empty() : Optional.of(policy()));
      }
    }

    void run() throws IOException {
      TestRepository.FACTORY.init(setup());
      try (Site site = site(setup())) {
        site.repository.register("orders", "postgres", TestRepository.CLUSTER);
        storeLog(site);
        backUp(site, Optional.empty());
        for (int step = 0; step < STEPS; step++) {
          step(site);
        }
        check(site);
      }
    }

    private void step(Site site) throws IOException {
      switch (random.nextInt(10)) {
        case 0, 1 -> backUp(site, Optional.empty());
        case 2, 3, 4 -> backUp(site, newestBase(site));
        case 5 -> {
          site.repository.syncCopies(RunControl.unattended());
          site.verify();
        }
        case 6, 7 -> prune(site);
        case 8 -> hold(site);
        default -> clock.advance(Duration.ofHours(1 + random.nextInt(30)));
      }
      if (random.nextInt(8) == 0) {
        policies.replaceAll(policy -> policy.map(any -> policy()));
        check(site);
      }
    }

    private RetentionPolicy policy() {
      RetentionPolicy.Builder policy = RetentionPolicy.builder().daily(1 + random.nextInt(3));
      return (random.nextBoolean() ? policy.pitr(Duration.ofHours(random.nextInt(50) + 1)) : policy)
          .build();
    }

    private void prune(Site old) throws IOException {
      try (Site site = site(setup())) { // with the policies of today
        RetentionPolicy policy =
            random.nextInt(3) == 0
                ? RetentionPolicy.builder().daily(4).pitr(Duration.ofDays(3)).build()
                : RetentionPolicy.builder().build();
        site.repository.prune(
            PruneRequest.builder("orders", policy)
                .grace(Duration.ofHours(random.nextInt(3)))
                .confirmed(true)
                .build(),
            RunControl.unattended());
      }
      old.repository.refresh();
    }

    private void hold(Site site) throws IOException {
      List<BackupDescriptor> all = site.repository.backups(Optional.empty());
      BackupId id = all.get(random.nextInt(all.size())).id();
      site.repository.hold(
          id, "case " + random.nextInt(3), Optional.of(clock.instant().plusSeconds(100_000)));
    }

    private Optional<BackupId> newestBase(Site site) {
      return site.repository.backups(Optional.empty()).stream()
          .filter(backup -> backup.letGoBy().isEmpty())
          .map(BackupDescriptor::id)
          .reduce((one, other) -> other);
    }

    private void backUp(Site site, Optional<BackupId> base) throws IOException {
      if (random.nextInt(3) == 0) {
        storeLog(site);
      }
      files = new TreeMap<>(base.map(truth::get).orElse(files));
      for (int i = random.nextInt(3); i >= 0; i--) {
        files.put(
            "base/1/" + random.nextInt(5), TestRepository.text(random, random.nextInt(40_000)));
      }
      clock.advance(Duration.ofMinutes(random.nextInt(600)));
      BackupFacts log = TestRepository.facts(segment);
      try (BackupWriter writer =
          site.repository.begin(
              new BackupStart(
                  "orders",
                  base.isPresent() ? BackupType.INCREMENTAL : BackupType.FULL,
                  base,
                  Optional.empty(),
                  clock.instant()))) {
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
          byte[] content = file.getValue();
          try (BackupWriter.FileWriter out =
              writer.file(
                  TestRepository.file(file.getKey(), content.length),
                  PieceCheck.NONE,
                  base.isPresent() ? new Arrival.Compared() : new Arrival.Whole())) {
            out.write(content, 0, content.length);
            out.finish();
          }
        }
        BackupId id =
            writer
                .commit(
                    new BackupFacts(
                        log.startLsn(),
                        log.stopLsn(),
                        log.timeline(),
                        clock.instant().minusSeconds(1),
                        clock.instant(),
                        log.tablespaces(),
                        log.attributes(),
                        log.warnings()),
                    BackupStatus.COMPLETE)
                .id();
        truth.put(id, Map.copyOf(files));
      }
    }

    private void storeLog(Site site) throws IOException {
      segment = log.isEmpty() ? 1 : segment + 1;
      log.add(segment);
      byte[] content = TestLedger.content(TestRepository.segment(1, segment));
      site.repository
          .wal("orders")
          .storeSegment(
              TestRepository.segment(1, segment), ByteBuffer.wrap(content), WalMarks.NONE);
    }

    private void check(Site site) throws IOException {
      assertThat(site.repository.syncCopies(RunControl.unattended()).complete()).isTrue();
      site.repository.refresh();
      for (BackupDescriptor backup : site.repository.backups(Optional.empty())) {
        TestRepository.assertReads(site.repository, backup.id(), truth.get(backup.id()));
        assertThat(backup.copies()).as("%s is somewhere", backup.id()).isNotEmpty();
      }
      assertThat(site.verify().damaged()).isEmpty();
      for (int i = 0; i < disks.size(); i++) {
        String name = "copy-" + i;
        try (Site alone = site(setup(List.of(disks.get(i).copy()), List.of(Optional.empty())))) {
          for (BackupDescriptor backup : site.repository.backups(Optional.empty())) {
            if (!backup.letGoBy().contains(name)) {
              TestRepository.assertReads(alone.repository, backup.id(), truth.get(backup.id()));
            }
          }
          assertThat(alone.verify().damaged()).as(name).isEmpty();
        }
      }
      assertThat(site.repository.backups(Optional.empty()))
          .noneMatch(backup -> backup.letGoBy().contains("copy-" + whole));
    }

    private Site site(RepositorySetup setup) throws IOException {
      return Site.open(setup, 1 + random.nextInt(9), 1 + random.nextInt(5));
    }

    private RepositorySetup setup() {
      return setup(disks, policies);
    }

    private RepositorySetup setup(
        List<MemoryObjectStore> stores, List<Optional<RetentionPolicy>> retention) {
      List<Copy> copies = new ArrayList<>();
      for (int i = 0; i < stores.size(); i++) {
        Copy.Builder copy = Copy.builder(stores.get(i)).name("copy-" + i);
        retention.get(i).ifPresent(copy::retention);
        copies.add(copy.build());
      }
      Path local = stores == disks ? machine : state.resolve("m" + machines.incrementAndGet());
      return Site.setup(local, clock, writes, copies);
    }
  }
}
