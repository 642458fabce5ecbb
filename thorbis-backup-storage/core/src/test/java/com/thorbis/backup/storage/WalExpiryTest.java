package com.thorbis.backup.storage;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.PruneReport;
import com.thorbis.backup.api.RetentionPlan;
import com.thorbis.backup.api.RetentionPlan.WalKeep;
import com.thorbis.backup.api.VerifyReport;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import com.thorbis.backup.spi.repository.WalMarks;
import com.thorbis.backup.storage.internal.catalog.Catalog;
import com.thorbis.backup.storage.internal.prune.Pruner;
import com.thorbis.backup.testkit.FaultyObjectStore;
import com.thorbis.backup.testkit.FaultyObjectStore.Fault;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Log is given up and removed as backups are, and what a backup needs of it stays. */
class WalExpiryTest {
  private static final int LAST = 10;

  @TempDir Path state;

  private final SettableClock clock = SettableClock.at(TestRepository.NOW);
  private MemoryObjectStore store = MemoryObjectStore.create(clock, 4);
  private final List<BackupId> backups = new ArrayList<>();

  /** Log of ten segments, the last in parts; backups in the first, the fifth and the eighth. */
  private Site history() throws IOException {
    Site site = Site.create(store, state, clock);
    WalArchive wal = site.repository.wal("orders");
    for (int number = 2; number < LAST; number++) {
      WalSegment segment = TestRepository.segment(1, number);
      wal.storeSegment(
          segment, ByteBuffer.wrap(TestRepository.wal(segment, number)), WalMarks.NONE);
    }
    WalSegment open = TestRepository.segment(1, LAST);
    byte[] bytes = TestRepository.wal(open, LAST);
    wal.storePart(open, 0, ByteBuffer.wrap(bytes, 0, 5000), WalMarks.NONE);
    wal.storePart(open, 5000, ByteBuffer.wrap(bytes, 5000, 5000), WalMarks.NONE);
    wal.storeHistory(TestRepository.TIMELINE, new byte[] {1});
    for (int number : new int[] {1, 5, 8}) {
      backups.add(backUp(site, number));
    }
    return site;
  }

  private static BackupId backUp(Site site, int segment) throws IOException {
    Lsn start = TestRepository.segment(1, segment).start().plus(0x28);
    BackupFacts like = TestRepository.facts();
    try (BackupWriter writer = TestRepository.begin(site.repository)) {
      TestRepository.write(writer, "PG_VERSION", new byte[] {'1', '5'});
      return writer
          .commit(
              new BackupFacts(
                  start,
                  start.plus(0x110),
                  like.timeline(),
                  like.startedAt(),
                  like.stoppedAt(),
                  like.tablespaces(),
                  like.attributes(),
                  like.warnings()),
              BackupStatus.COMPLETE)
          .id();
    }
  }

  @Test
  void logBeforeTheOldestKeptBackupGoesAfterItsGrace() throws IOException {
    try (Site site = history()) {
      site.prune(1, Site.DAY);
      assertThat(segments()).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
      assertThat(site.verify().damaged()).isEmpty();
      clock.advance(Site.DAY);
      PruneReport report = site.prune(1, Site.DAY);
      assertThat(segments()).containsExactly(8, 9, 10);
      assertThat(report.objectsRemoved()).isEqualTo(7 + 2 * 3);
      assertThat(store.contents().keySet()).anyMatch(key -> key.endsWith("00000001.history"));
      assertThat(site.verify().damaged()).isEmpty();
      assertThat(site.prune(1, Site.DAY).objectsRemoved()).isZero();
      // Once more from nothing but the store.
      try (Site blank = Site.open(store, state.resolve("blank"), clock)) {
        assertThat(blank.verify().damaged()).isEmpty();
      }
    }
  }

  @Test
  void aSummaryGoesWithTheLogThatItIsNamedAfter() throws IOException {
    try (Site site = history()) {
      site.repository
          .wal("orders")
          .storeSummary(TestRepository.TIMELINE, new Lsn(0), new byte[] {1});
      assertThat(site.verify().damaged()).isEmpty();
      site.prune(1, Site.DAY);
      assertThat(store.contents().keySet()).anyMatch(key -> key.endsWith(".map"));
      clock.advance(Site.DAY);
      PruneReport report = site.prune(1, Site.DAY);
      assertThat(report.unknown()).isEmpty();
      assertThat(store.contents().keySet()).noneMatch(key -> key.endsWith(".map"));
    }
  }

  @Test
  void whatAnOldBackupNeedsToBecomeConsistentStaysBetweenHoles() throws IOException {
    try (Site site = history()) {
      Pruner.Planner planner = keeping(Set.of(backups.get(0), backups.get(2)), true);
      run(site, planner, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      run(site, planner, Duration.ZERO);
      assertThat(segments()).containsExactly(1, 8, 9, 10);
      assertThat(site.listed()).containsExactly(backups.get(0), backups.get(2));
      assertThat(site.verify().damaged()).isEmpty();
      // When the old one goes, so does its log, though the position is the same.
      Pruner.Planner less = keeping(Set.of(backups.get(2)), true);
      run(site, less, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      run(site, less, Duration.ZERO);
      assertThat(segments()).containsExactly(8, 9, 10);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void aPlanThatForgetsWhatABackupNeedsCostsItNothing() throws IOException {
    try (Site site = history()) {
      Pruner.Planner planner = keeping(Set.of(backups.get(0), backups.get(2)), false);
      run(site, planner, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      run(site, planner, Duration.ZERO);
      assertThat(segments()).containsExactly(1, 8, 9, 10);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void aBackupThatComesBackKeepsTheLogBehindIt() throws IOException {
    try (Site site = history()) {
      site.prune(1, Site.DAY);
      site.repository.undelete(backups.get(1));
      clock.advance(Site.DAY);
      site.prune(2, Site.DAY);
      assertThat(segments()).containsExactly(5, 6, 7, 8, 9, 10);
      assertThat(site.listed()).containsExactly(backups.get(1), backups.get(2));
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void aBackupWhoseLogWentWhileItRanIsRefused() throws IOException {
    try (Site site = history()) {
      BackupFacts like = TestRepository.facts();
      try (BackupWriter writer = TestRepository.begin(site.repository)) {
        TestRepository.write(writer, "PG_VERSION", new byte[] {'1', '5'});
        site.prune(1, Duration.ZERO);
        clock.advance(Duration.ofSeconds(1));
        site.prune(1, Duration.ZERO);
        PruneTest.assertRefused(
            () -> writer.commit(like, BackupStatus.COMPLETE),
            "backup.lease-lost",
            FailureKind.REFUSED);
      }
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  /** A dump taken where the log stands in this segment. */
  private static BackupId dump(Site site, int segment) throws IOException {
    try (BackupWriter writer = beginDump(site)) {
      TestRepository.write(writer, "database.dump", new byte[] {4, 2});
      return writer.commit(dumped(segment), BackupStatus.COMPLETE).id();
    }
  }

  private static BackupWriter beginDump(Site site) throws IOException {
    return site.repository.begin(
        new BackupStart("orders", BackupType.DUMP, Optional.empty(), TestRepository.NOW));
  }

  private static BackupFacts dumped(int segment) {
    Lsn at = TestRepository.segment(1, segment).start().plus(0x4000);
    return new BackupFacts(
        at,
        at,
        TestRepository.TIMELINE,
        TestRepository.NOW,
        TestRepository.NOW.plusSeconds(1),
        List.of(),
        Map.of(),
        List.of());
  }

  @Test
  void aDumpIsWholeWithoutAnyLog() throws IOException {
    try (Site site = Site.create(store, state, clock)) {
      BackupId dump = dump(site, 700);
      VerifyReport report = site.verify();
      assertThat(report.damaged()).isEmpty();
      assertThat(site.repository.states(Optional.of("orders")))
          .singleElement()
          .satisfies(one -> assertThat(one.verifiedAt()).isPresent());
      TestRepository.assertReads(site.repository, dump, Map.of("database.dump", new byte[] {4, 2}));
    }
  }

  @Test
  void aDumpKeepsNoLog() throws IOException {
    try (Site site = history()) {
      BackupId dump = dump(site, 3);
      Pruner.Planner planner = keeping(Set.of(backups.get(2), dump), false);
      run(site, planner, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      run(site, planner, Duration.ZERO);
      assertThat(segments()).containsExactly(8, 9, 10);
      assertThat(site.listed()).containsExactly(backups.get(2), dump);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void aDumpThatComesBackBringsNoLogBack() throws IOException {
    try (Site site = history()) {
      BackupId dump = dump(site, 3);
      Pruner.Planner planner = keeping(Set.of(backups.get(2)), false);
      run(site, planner, Site.DAY);
      site.repository.undelete(dump);
      clock.advance(Site.DAY);
      run(site, keeping(Set.of(backups.get(2), dump), false), Site.DAY);
      assertThat(segments()).containsExactly(8, 9, 10);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void aDumpNeedsNoneOfTheLogThatWentWhileItRan() throws IOException {
    try (Site site = history()) {
      try (BackupWriter writer = beginDump(site)) {
        TestRepository.write(writer, "database.dump", new byte[] {4, 2});
        site.prune(1, Duration.ZERO);
        clock.advance(Duration.ofSeconds(1));
        site.prune(1, Duration.ZERO);
        writer.commit(dumped(1), BackupStatus.COMPLETE);
      }
      assertThat(segments()).containsExactly(8, 9, 10);
      assertThat(site.verify().damaged()).isEmpty();
    }
  }

  @Test
  void aTimelineThatMayStillGrowIsNeverGivenUpToItsEnd() throws IOException {
    try (Site site = history()) {
      String incarnation = site.repository.wal("orders").incarnation();
      Pruner.Planner nothing =
          (all, now) ->
              new RetentionPlan(
                  "orders",
                  now,
                  "",
                  all.stream()
                      .map(kept -> kept.entry().backup().id())
                      .map(id -> new RetentionPlan.Decision(id, true, List.of("test")))
                      .toList(),
                  List.of(new WalKeep(incarnation, TestRepository.TIMELINE, WalKeep.END)),
                  List.of());
      run(site, nothing, Duration.ZERO);
      clock.advance(Duration.ofSeconds(1));
      run(site, nothing, Duration.ZERO);
      assertThat(segments()).hasSize(LAST);
    }
  }

  /** At every call before a release; otherwise at one in four, which are others with each seed. */
  @ParameterizedTest
  @EnumSource(Fault.class)
  void r14WhateverEndsTheRemovalOfLogTheNextRunFinishesIt(Fault fault) throws IOException {
    history().close();
    MemoryObjectStore prepared = store;
    try (Site site = Site.open(prepared, state, clock)) {
      site.prune(1, Duration.ZERO);
    }
    clock.advance(Duration.ofSeconds(1));
    int stride = FaultSuite.RELEASE ? 1 : 4;
    for (int call = 1 + (int) (FaultSuite.SEED % stride); ; call += stride) {
      store = prepared.copy();
      FaultyObjectStore faulty = FaultyObjectStore.over(store).failAtCall(call, fault);
      Path local = state.resolve(fault + "-" + call);
      boolean failed = false;
      try (Site site = Site.open(faulty, local, clock)) {
        site.prune(1, Duration.ZERO);
      } catch (FaultyObjectStore.Died | IOException e) {
        failed = true;
      }
      Thread.interrupted();
      clock.advance(Duration.ofHours(1));
      try (Site site = Site.open(store, local, clock)) {
        assertThat(site.verify().damaged()).as("call %d", call).isEmpty();
        site.prune(1, Duration.ZERO);
        assertThat(segments()).as("call %d", call).containsExactly(8, 9, 10);
        assertThat(site.verify().damaged()).isEmpty();
      }
      if (!failed && call > faulty.calls().size()) {
        break;
      }
    }
  }

  private static void run(Site site, Pruner.Planner planner, Duration grace) throws IOException {
    new Pruner(site.services, "orders", planner)
        .prune(
            new Pruner.Terms(Optional.empty(), grace, 100, 1000, false), RunControl.unattended());
  }

  /** Keeps these, with all log from the newest on; the log that the others need if asked for. */
  private static Pruner.Planner keeping(Set<BackupId> stay, boolean stretches) {
    return (all, now) -> {
      List<RetentionPlan.Decision> decisions = new ArrayList<>();
      List<WalRange> needed = new ArrayList<>();
      BackupDescriptor last =
          all.stream()
              .map(kept -> (BackupDescriptor) kept.entry().backup())
              .filter(backup -> backup.physical())
              .reduce((one, other) -> other)
              .orElseThrow();
      for (Catalog.Kept kept : all) {
        BackupDescriptor backup = kept.entry().backup();
        boolean keep = stay.contains(backup.id());
        decisions.add(new RetentionPlan.Decision(backup.id(), keep, List.of("test")));
        if (keep && stretches && backup != last) {
          needed.add(new WalRange(backup.timeline(), backup.startLsn(), backup.stopLsn()));
        }
      }
      needed.add(new WalRange(last.timeline(), last.startLsn(), WalKeep.END));
      WalKeep wal = new WalKeep(last.incarnation(), last.timeline(), needed.get(0).start(), needed);
      return new RetentionPlan("orders", now, "test", decisions, List.of(wal), List.of());
    };
  }

  private Set<Integer> segments() {
    Set<Integer> numbers = new TreeSet<>();
    for (Map.Entry<String, byte[]> object : store.contents().entrySet()) {
      String name = object.getKey().substring(object.getKey().lastIndexOf('/') + 1);
      if (object.getKey().startsWith("wal/") && name.length() >= 24) {
        numbers.add(Integer.parseInt(name.substring(16, 24), 16));
      }
    }
    return numbers;
  }
}
