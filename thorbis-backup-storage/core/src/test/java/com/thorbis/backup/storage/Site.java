package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.PrunePlan;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.VerifyRequest;
import com.thorbis.backup.spi.repository.Compression;
import com.thorbis.backup.spi.repository.Copy;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RepositoryException;
import com.thorbis.backup.spi.repository.RepositorySetup;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.spi.repository.WritePolicy;
import com.thorbis.backup.spi.storage.ByteRange;
import com.thorbis.backup.spi.storage.ListPage;
import com.thorbis.backup.spi.storage.ObjectInfo;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.spi.storage.ObjectRead;
import com.thorbis.backup.spi.storage.ObjectSource;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.ObjectUpload;
import com.thorbis.backup.spi.storage.StorageException;
import com.thorbis.backup.storage.internal.Pause;
import com.thorbis.backup.storage.internal.SealedRepository;
import com.thorbis.backup.storage.internal.Services;
import com.thorbis.backup.storage.internal.Tuning;
import com.thorbis.backup.storage.internal.backup.Rebuilt;
import com.thorbis.backup.storage.internal.catalog.Bootstrap;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.lease.Heartbeat;
import com.thorbis.backup.storage.internal.pack.PieceCodec;
import com.thorbis.backup.storage.internal.prune.Pruner;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;

/** One process at a repository, with its insides, for tests of what several do to each other. */
final class Site implements AutoCloseable {
  static final Duration DAY = Duration.ofDays(1);

  final Services services;
  final Repository repository;
  final Beats beats;

  private Site(Services services, Repository repository, Beats beats) {
    this.services = services;
    this.repository = repository;
    this.beats = beats;
  }

  /** Runs when it is told to. */
  static final class Beats implements Heartbeat {
    private final List<Runnable> running = new CopyOnWriteArrayList<>();

    @Override
    public Beating every(Duration period, Runnable beat) {
      running.add(beat);
      return () -> running.remove(beat);
    }

    void beat() {
      running.forEach(Runnable::run);
    }
  }

  static Tuning tuning(Beats beats, int checkpointEvery, int sweepBatch) {
    return tuning(beats, checkpointEvery, sweepBatch, Pause.REAL);
  }

  private static Tuning tuning(Beats beats, int checkpointEvery, int sweepBatch, Pause pause) {
    return new Tuning(checkpointEvery, sweepBatch, 1, Duration.ofMinutes(30), beats, pause, true);
  }

  static RepositorySetup setup(ObjectStore store, Path state, Clock clock) {
    return TestRepository.setup(store, state)
        .parallelism(1)
        .compression(new Compression("none", 0))
        .clock(clock)
        .build();
  }

  static RepositorySetup setup(Path state, Clock clock, WritePolicy policy, List<Copy> copies) {
    RepositorySetup.Builder setup =
        RepositorySetup.builder()
            .recipient(TestRepository.RECIPIENT)
            .acceptSingleKeyRisk(true)
            .parallelism(1)
            .compression(new Compression("none", 0))
            .stateDirectory(state)
            .writePolicy(policy)
            .clock(clock);
    copies.forEach(setup::copy);
    return setup.build();
  }

  /** Opens what was initialised. */
  static Site open(ObjectStore store, Path state, Clock clock) throws IOException {
    return open(store, state, clock, 1000, 1000);
  }

  static Site open(ObjectStore store, Path state, Clock clock, int checkpointEvery, int sweepBatch)
      throws IOException {
    return open(setup(store, state, clock), checkpointEvery, sweepBatch);
  }

  static Site open(RepositorySetup setup, int checkpointEvery, int sweepBatch) throws IOException {
    return open(setup, checkpointEvery, sweepBatch, Pause.REAL);
  }

  static Site open(RepositorySetup setup, int checkpointEvery, int sweepBatch, Pause pause)
      throws IOException {
    Beats beats = new Beats();
    SecureRandom random = new SecureRandom();
    Bootstrap.Opened opened = Bootstrap.open(setup, checkpointEvery, random);
    Services services =
        new Services(
            opened.header().id(),
            opened.store(),
            opened.keys(),
            opened.log(),
            PieceCodec.of(setup.compression()),
            setup.parallelism(),
            setup.clock(),
            random,
            tuning(beats, checkpointEvery, sweepBatch, pause));
    return new Site(services, new SealedRepository(services, opened, setup), beats);
  }

  /** Creates it, with the source "orders". */
  static Site create(ObjectStore store, Path state, Clock clock) throws IOException {
    TestRepository.FACTORY.init(setup(store, state, clock));
    Site site = open(store, state, clock);
    site.repository.register("orders", "postgres", TestRepository.CLUSTER);
    byte[] wal = TestRepository.wal(TestRepository.segment(1, 1), 1);
    site.repository
        .wal("orders")
        .storeSegment(TestRepository.segment(1, 1), ByteBuffer.wrap(wal), WalMarks.NONE);
    return site;
  }

  BackupId backUp(long seed) throws IOException {
    return TestRepository.backUp(repository, TestRepository.fewFiles(seed)).id();
  }

  Pruner keeping(int newest) {
    return new Pruner(services, "orders", keepNewest(newest));
  }

  /** Keeps so many, whatever holds say, and log from the oldest of those on. */
  static Pruner.Planner keepNewest(int count) {
    return (backups, now) -> {
      List<RetentionPlan.Decision> decisions = new ArrayList<>();
      List<RetentionPlan.WalKeep> wal = new ArrayList<>();
      for (int i = 0; i < backups.size(); i++) {
        boolean keep = i >= backups.size() - count;
        BackupDescriptor backup = backups.get(i).entry().backup();
        decisions.add(
            new RetentionPlan.Decision(
                backup.id(), keep, List.of(keep ? "newest" : "replaced newest")));
        if (keep && wal.isEmpty()) {
          wal.add(
              new RetentionPlan.WalKeep(
                  backup.incarnation(), backup.timeline(), backup.startLsn()));
        }
      }
      return new RetentionPlan("orders", now, "keep-" + count, decisions, wal, List.of());
    };
  }

  PruneReport prune(int keep, Duration grace) throws IOException {
    return prune(keep, grace, Optional.empty());
  }

  PruneReport prune(int keep, Duration grace, Optional<PrunePlan> plan) throws IOException {
    return keeping(keep)
        .prune(new Pruner.Terms(plan, grace, 100, 1000, false), RunControl.unattended());
  }

  VerifyReport verify() throws IOException {
    return repository.verify(
        new VerifyRequest(Optional.empty(), VerifyRequest.Level.DATA, 100),
        RunControl.unattended());
  }

  List<BackupId> listed() throws IOException {
    repository.refresh();
    return repository.backups(Optional.empty()).stream().map(BackupDescriptor::id).toList();
  }

  /** Every backup that is listed, or could come back, reads; the rest is damage of nobody's. */
  void requireAllWhole() throws IOException {
    repository.refresh();
    for (Catalog.Kept kept : services.log().catalog().kept()) {
      if (kept.fate().live()) {
        TestRepository.readAll(repository, kept.entry().backup().id());
      }
    }
    VerifyReport report = verify();
    if (!report.damaged().isEmpty()) {
      throw new RepositoryException(
          "test.damaged",
          FailureKind.DAMAGED,
          report.damaged().toString(),
          java.util.Map.of(),
          "",
          null);
    }
    assertThat(Rebuilt.differences(services)).isEmpty();
  }

  @Override
  public void close() throws IOException {
    repository.close();
  }

  /** Lets a test act before any call. */
  static class Watched implements ObjectStore {
    final ObjectStore store;

    Watched(ObjectStore store) {
      this.store = store;
    }

    void before(String call) throws IOException {}

    @Override
    public String describe() {
      return store.describe();
    }

    @Override
    public void createPlace() throws IOException {
      store.createPlace();
    }

    @Override
    public ObjectInfo put(ObjectKey key, ObjectSource content) throws IOException {
      before("put " + key);
      return store.put(key, content);
    }

    @Override
    public ObjectUpload startUpload(ObjectKey key) throws IOException {
      before("start " + key);
      ObjectUpload upload = store.startUpload(key);
      return new ObjectUpload() {
        @Override
        public OutputStream body() {
          return upload.body();
        }

        @Override
        public ObjectInfo commit() throws IOException {
          before("commit " + key);
          return upload.commit();
        }

        @Override
        public void close() throws IOException {
          upload.close();
        }
      };
    }

    @Override
    public ObjectRead get(ObjectKey key) throws IOException {
      before("get " + key);
      return store.get(key);
    }

    @Override
    public ObjectRead get(ObjectKey key, ByteRange range) throws IOException {
      before("get " + key);
      return store.get(key, range);
    }

    @Override
    public Optional<ObjectInfo> head(ObjectKey key) throws IOException {
      before("head " + key);
      return store.head(key);
    }

    @Override
    public ListPage list(String prefix, Optional<String> after) throws IOException {
      before("list " + prefix);
      return store.list(prefix, after);
    }

    @Override
    public void delete(ObjectKey key) throws IOException {
      before("delete " + key);
      store.delete(key);
    }

    @Override
    public Instant now() throws IOException {
      before("now");
      return store.now();
    }

    @Override
    public void close() throws IOException {
      store.close();
    }
  }

  /** A store that is gone, for one process, from some call on. */
  static final class Mortal extends Watched {
    private final Predicate<String> last;
    private boolean dead;

    Mortal(ObjectStore store, Predicate<String> last) {
      super(store);
      this.last = last;
    }

    synchronized boolean dead() {
      return dead;
    }

    @Override
    synchronized void before(String call) throws IOException {
      dead |= last.test(call);
      if (dead) {
        throw new StorageException.Unavailable("Die before", call, null);
      }
    }
  }

  /** Acts once, before the call of a number. */
  static class At extends Watched {
    /** What happens then. */
    interface Act {
      void run() throws IOException;
    }

    private final int number;
    private final Act act;
    private int calls;

    At(ObjectStore store, int number, Act act) {
      super(store);
      this.number = number;
      this.act = act;
    }

    int calls() {
      return calls;
    }

    @Override
    void before(String call) throws IOException {
      int now;
      synchronized (this) {
        now = ++calls;
      }
      if (now == number) {
        act.run();
      }
    }
  }
}
