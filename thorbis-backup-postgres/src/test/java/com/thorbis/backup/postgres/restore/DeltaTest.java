package com.thorbis.backup.postgres.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile.Area;
import com.thorbis.backup.spi.repository.StoredFile.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A restore over what is there: what changes, what goes, what is refused. */
class DeltaTest {
  private static final int PAGES = 300;
  private static final BackupFacts.Tablespace FAST =
      new BackupFacts.Tablespace(16385, "fast", "/srv/not there/fast");

  @TempDir Path folder;

  private FolderRepository repository;
  private Path target;
  private Path fast;
  private byte[] heap;

  @BeforeEach
  void restoreOnce() throws IOException {
    folder = folder.toRealPath();
    target = folder.resolve("target");
    fast = folder.resolve("fast");
    heap = new byte[PAGES * 8192 + 100];
    new Random(1).nextBytes(heap);
    Arrays.fill(heap, 40 * 8192, 60 * 8192, (byte) 0);
    repository = Clusters.small(folder);
    repository.facts(Clusters.facts(FAST));
    repository
        .add(Area.DATA, "base/5/16400", Kind.FILE, heap)
        .add(Area.DATA, "pg_tblspc/16385/PG_15/5/16390", Kind.FILE, Clusters.bytes("rows"));
    restore(request().delta(false).tablespace("fast", fast).build());
  }

  @Test
  void whatIsRightIsNotWritten() throws IOException {
    Map<String, String> before = tree();
    RestoreReport report = restore(request().build());
    assertThat(tree()).isEqualTo(before);
    // Its own files, which are made anew.
    assertThat(report.bytesWritten()).isLessThan(20_000);
    assertThat(report.bytesKept()).isGreaterThan(heap.length);
    assertThat(report.removed()).isEqualTo(2); // where the log of the run before was to come
  }

  @Test
  void damageOfTheSameLengthAndTimeIsFoundAndOnlyItsPagesAreWritten() throws IOException {
    Path file = target.resolve("base/5/16400");
    FileTime time = Files.getLastModifiedTime(file);
    byte[] damaged = heap.clone();
    for (int page : new int[] {0, 7, 8, 50, PAGES - 1, PAGES}) {
      damaged[page * 8192 + 99] ^= 1;
    }
    Files.write(file, damaged);
    Files.setLastModifiedTime(file, time);
    RestoreReport clean = restore(request().build());
    assertThat(file).hasBinaryContent(heap);
    RestoreReport report = restore(request().build());
    assertThat(clean.bytesWritten() - report.bytesWritten()).isEqualTo(5 * 8192 + 100);
    assertThat(clean.files() - report.files()).isEqualTo(1);
  }

  @Test
  void aFileThatIsTooLongOrTooShortGetsItsLength() throws IOException {
    Path file = target.resolve("base/5/16400");
    for (int length : new int[] {0, 1, 8192, 45 * 8192, 60 * 8192, heap.length + 9000}) {
      Files.write(file, Arrays.copyOf(heap, length));
      restore(request().build());
      assertThat(file).hasBinaryContent(heap);
    }
    Files.delete(file);
    restore(request().build());
    assertThat(file).hasBinaryContent(heap);
  }

  @Test
  void whatDoesNotBelongThereGoesAndThePlanSaysSo() throws IOException {
    Map<String, String> before = tree();
    Files.createDirectories(target.resolve("base/16999/deep"));
    Files.writeString(target.resolve("base/16999/deep/1"), "old");
    Files.writeString(target.resolve("base/5/99999"), "old");
    Files.writeString(target.resolve("backup_label.old"), "old");
    Files.writeString(target.resolve("standby.signal"), "");
    Files.writeString(target.resolve("pg_wal/00000001000000000000000A"), "old");
    Files.createDirectories(target.resolve("pg_replslot/mine"));
    Files.writeString(fast.resolve("PG_15/5/77777"), "old");
    RestorePlan plan = look(request().build());
    assertThat(plan.notes().toString()).contains("11 files and folders").contains("are removed");
    assertThat(target.resolve("base/5/99999")).exists();
    assertThat(restore(request().build()).removed()).isEqualTo(11);
    assertThat(tree()).isEqualTo(before);
  }

  @Test
  void nothingOutsideIsTouchedWhereverLinksLead() throws IOException {
    Path outside = Files.createDirectory(folder.resolve("outside"));
    Files.writeString(outside.resolve("16400"), "mine");
    Files.writeString(outside.resolve("1259"), "mine");
    Files.createSymbolicLink(outside.resolve("pg_control"), outside.resolve("1259"));
    Map<String, String> before = tree();
    Files.delete(target.resolve("base/5/16400"));
    Files.createSymbolicLink(target.resolve("base/5/16400"), outside.resolve("16400"));
    Clusters.remove(target.resolve("pg_wal"));
    Files.createSymbolicLink(target.resolve("pg_wal"), outside);
    Files.createSymbolicLink(target.resolve("pg_tblspc/77"), outside);
    restore(request().build());
    assertThat(tree()).isEqualTo(before);
    assertThat(outside.resolve("16400")).hasContent("mine");
    assertThat(outside.resolve("1259")).hasContent("mine");
    assertThat(target.resolve("pg_wal")).isDirectory();
    assertThat(Files.isSymbolicLink(target.resolve("pg_wal"))).isFalse();
  }

  @Test
  void aFolderOfTheClusterThatIsALinkIsReplacedAndWhatItLeadsToStays() throws IOException {
    Path outside = Files.createDirectory(folder.resolve("outside"));
    Files.move(target.resolve("base"), outside.resolve("base"));
    Files.writeString(outside.resolve("base/5/16400"), "mine");
    Files.createSymbolicLink(target.resolve("base"), outside.resolve("base"));
    restore(request().build());
    assertThat(outside.resolve("base/5/16400")).hasContent("mine");
    assertThat(target.resolve("base/5/16400")).hasBinaryContent(heap);
    assertThat(Files.isSymbolicLink(target.resolve("base"))).isFalse();
  }

  @Test
  void aFileWithAnotherNameElsewhereIsNotChangedThere() throws IOException {
    Path other = Files.createLink(folder.resolve("snapshot"), target.resolve("base/5/16400"));
    byte[] damaged = heap.clone();
    damaged[5] ^= 1;
    Files.write(other, damaged);
    restore(request().build());
    assertThat(other).hasBinaryContent(damaged);
    assertThat(target.resolve("base/5/16400")).hasBinaryContent(heap);
  }

  @Test
  void whatIsInTheWayOfAFileOrFolderGoes() throws IOException {
    Map<String, String> before = tree();
    Files.delete(target.resolve("base/5/16400"));
    Files.createDirectories(target.resolve("base/5/16400/inner"));
    Clusters.remove(target.resolve("pg_xact"));
    Files.writeString(target.resolve("pg_xact"), "a file");
    restore(request().build());
    assertThat(tree()).isEqualTo(before);
  }

  @Test
  void anotherClustersPartOfATablespaceStays() throws IOException {
    Files.createDirectories(fast.resolve("PG_16/5"));
    Files.writeString(fast.resolve("PG_16/5/1"), "of a cluster of version 16");
    assertThat(look(request().build()).notes().toString()).contains("stay");
    restore(request().build());
    assertThat(fast.resolve("PG_16/5/1")).hasContent("of a cluster of version 16");
  }

  @Test
  void aTablespaceThatIsMappedElsewhereLeavesItsOldPlace() throws IOException {
    restore(request().tablespace("fast", folder.resolve("new")).build());
    assertThat(folder.resolve("new/PG_15/5/16390")).hasContent("rows");
    assertThat(fast.resolve("PG_15/5/16390")).hasContent("rows");
    assertThat(Files.readSymbolicLink(target.resolve("pg_tblspc/16385")))
        .isEqualTo(folder.resolve("new"));
  }

  @Test
  void aTablespaceThatTheRunningOriginalOfACopyUsesIsRefused() throws Exception {
    Path original = Files.createDirectories(folder.resolve("original/pg_tblspc"));
    Files.createSymbolicLink(original.resolve("16385"), fast);
    Path home = folder.resolve("original");
    Files.createDirectory(home.resolve("global"));
    Files.write(home.resolve("global/pg_control"), new byte[8192]);
    Process server = new ProcessBuilder("sleep", "600").directory(home.toFile()).start();
    try {
      assertRefused("restore.tablespace-in-use", FailureKind.REFUSED);
    } finally {
      server.destroyForcibly().waitFor();
    }
    restore(request().build());
  }

  @Test
  void w1ADirectoryThatAServerUsesIsRefused() throws Exception {
    Files.writeString(target.resolve("postmaster.pid"), "999999999\n" + target + "\n");
    restore(request().build()); // left by one that crashed
    assertThat(target.resolve("postmaster.pid")).doesNotExist();
    Process server = new ProcessBuilder("sleep", "600").start();
    try {
      Files.writeString(target.resolve("postmaster.pid"), server.pid() + "\n" + target + "\n");
      assertRefused("restore.target-running", FailureKind.REFUSED);
    } finally {
      server.destroyForcibly().waitFor();
    }
    Process orphan = new ProcessBuilder("sleep", "600").directory(target.toFile()).start();
    try {
      Files.delete(target.resolve("postmaster.pid"));
      assertRefused("restore.target-running", FailureKind.REFUSED);
    } finally {
      orphan.destroyForcibly().waitFor();
    }
    restore(request().build());
  }

  @Test
  void w14WhatAnEarlierRestoreFetchedAheadIsNotUsedByTheNextOne() throws IOException {
    Path exchange = target.resolve("pg_wal/thorbis");
    for (String name :
        List.of("000000010000000000000003", "000000010000000000000003.77.file", "alive")) {
      Files.writeString(exchange.resolve(name), "of another repository");
    }
    Files.writeString(exchange.resolve("restore"), "ffffffffffffffff\n");
    Files.writeString(target.resolve("pg_wal/000000010000000000000003"), "of another repository");
    restore(request().build());
    try (Stream<Path> left = Files.list(exchange)) {
      assertThat(left).containsExactly(exchange.resolve("restore"));
    }
    assertThat(exchange.resolve("restore")).hasContent(FolderRepository.INCARNATION);
    assertThat(target.resolve("pg_wal/000000010000000000000003")).doesNotExist();
  }

  @Test
  void anotherClusterOrAnythingElseIsRefused() throws IOException {
    Files.write(target.resolve("global/pg_control"), Clusters.controlFile(Clusters.SYSTEM + 1));
    assertRefused("restore.target-other-cluster", FailureKind.REFUSED);
    Files.delete(target.resolve("global/pg_control"));
    assertRefused("restore.target-not-a-cluster", FailureKind.REFUSED);
  }

  @Test
  void withoutBeingAskedNothingThatIsThereIsTouched() throws IOException {
    Map<String, String> before = tree();
    assertThatThrownBy(() -> restore(request().delta(false).build()))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("restore.target-not-empty");
              assertThat(e.kind()).isEqualTo(FailureKind.REFUSED);
            });
    assertThat(tree()).isEqualTo(before);
  }

  @Test
  void anEmptyFolderIsFilled() throws IOException {
    target = Files.createDirectory(folder.resolve("empty"));
    restore(request().tablespace("fast", folder.resolve("fast2")).build());
    assertThat(target.resolve("base/5/16400")).hasBinaryContent(heap);
  }

  /** Wherever it ends, nothing starts on what it leaves, and the next run finishes it. */
  @Test
  void aRunThatEndsAnywhereLeavesNoClusterThatStartsAndIsGoneOnWith() throws IOException {
    for (boolean fresh : new boolean[] {false, true}) {
      boolean ended = false;
      for (int step = 1; !ended; step += 47) {
        if (fresh) {
          Clusters.remove(target);
          Clusters.remove(fast);
        } else {
          Files.write(target.resolve("base/5/16400"), new byte[10]);
        }
        ended = restoreUntil(step);
        if (!ended) {
          boolean started = Files.exists(target.resolve(Unfinished.NAME));
          if (fresh || started) {
            assertThat(target.resolve("global/pg_control")).doesNotExist();
          }
          restore(request().tablespace("fast", fast).build());
        }
        assertThat(target.resolve("base/5/16400")).hasBinaryContent(heap);
        assertThat(fast.resolve("PG_15/5/16390")).hasContent("rows");
        assertThat(target.resolve("global/pg_control")).exists();
        assertThat(target.resolve(Unfinished.NAME)).doesNotExist();
      }
    }
  }

  /** Cancels before the given page; true if the run has fewer. */
  private boolean restoreUntil(int step) throws IOException {
    Cancellation cancellation = new Cancellation();
    List<String> seen = new ArrayList<>();
    repository.onWrite(
        () -> {
          seen.add("write");
          if (seen.size() == step) {
            cancellation.cancel();
          }
        });
    try {
      restore(
          request().tablespace("fast", fast).build(), new RunControl(cancellation, Progress.NONE));
      return true;
    } catch (BackupException e) {
      assertThat(cancellation.requested()).isTrue();
      return false;
    } finally {
      repository.onWrite(() -> {});
    }
  }

  private void assertRefused(String code, FailureKind kind) throws IOException {
    Map<String, String> before = tree();
    for (boolean plan : new boolean[] {true, false}) {
      assertThatThrownBy(
              () -> {
                if (plan) {
                  look(request().build());
                } else {
                  restore(request().build());
                }
              })
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> {
                assertThat(e.code()).isEqualTo(code);
                assertThat(e.kind()).isEqualTo(kind);
              });
    }
    assertThat(tree()).isEqualTo(before);
  }

  /** What lies in the target and the tablespace, and what it holds. */
  private Map<String, String> tree() throws IOException {
    Map<String, String> found = new TreeMap<>();
    for (Path root : List.of(target, fast)) {
      try (Stream<Path> files = Files.walk(root)) {
        for (Path file : files.toList()) {
          String what =
              Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
                  ? Integer.toString(Arrays.hashCode(Files.readAllBytes(file)))
                  : Files.isSymbolicLink(file) ? Files.readSymbolicLink(file).toString() : "folder";
          found.put(file.toString(), what);
        }
      }
    }
    return found;
  }

  private RestoreRequest.Builder request() {
    return RestoreRequest.builder("orders", target).delta(true);
  }

  private RestoreReport restore(RestoreRequest request) throws IOException {
    return restore(request, RunControl.unattended());
  }

  private RestoreReport restore(RestoreRequest request, RunControl control) throws IOException {
    return new Restorer(TestSettings.of(folder.resolve("state"), Map.of()))
        .restore(request, plan(), FolderRepository.INCARNATION, repository, control);
  }

  private RestorePlan look(RestoreRequest request) throws IOException {
    return new Restorer(TestSettings.of(folder.resolve("state"), Map.of()))
        .look(request, plan(), repository);
  }

  private RestorePlan plan() {
    return new RestorePlan(
        repository.descriptor(),
        new RecoveryTarget.Latest(),
        new Timeline(1),
        List.of(),
        0,
        0,
        List.of(),
        Optional.empty(),
        Optional.empty());
  }
}
