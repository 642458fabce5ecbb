package com.thorbis.backup.postgres.capture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.support.MemoryWalArchive;
import com.thorbis.backup.postgres.wal.SyntheticLog;
import com.thorbis.backup.spi.repository.WalMarks;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a receiver acknowledged outlives it. */
class WalJournalTest {
  private static final WalSegmentSize SIZE = new WalSegmentSize(1 << 20);
  private static final ClusterIdentity CLUSTER = new ClusterIdentity(7, 15, SIZE);
  private static final Timeline FIRST = new Timeline(1);
  private static final Lsn START = new Lsn(3L << 20);

  @TempDir Path folder;

  private Path place;
  private byte[] log;
  private final MemoryWalArchive archive = new MemoryWalArchive("life", CLUSTER);
  private final List<String> warnings = new ArrayList<>();

  @BeforeEach
  void writeLog() {
    place = folder.resolve("journal");
    SyntheticLog written = new SyntheticLog(CLUSTER, FIRST, START);
    for (int i = 0; i < 300; i++) {
      written.commit(i + 3, Instant.parse("2026-01-01T00:00:00Z").plusSeconds(i));
      written.filler(10_000);
    }
    log = written.all();
  }

  @Test
  void w2WhatWasForcedIsReadBackAndOnlyItsOwnerMayReadIt() throws IOException {
    append(0, 5, 1000, 20_000, 1 << 20);
    assertThat(bytes()).isEqualTo(Arrays.copyOf(log, 1 << 20));
    try (Stream<Path> files = Files.list(place)) {
      assertThat(files)
          .isNotEmpty()
          .allSatisfy(
              file ->
                  assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                      .isEqualTo("rw-------"));
    }
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(place)))
        .isEqualTo("rwx------");
  }

  @Test
  void w2AnyByteOfTheLastFileThatIsWrongEndsItThereAndNothingWrongIsRead() throws IOException {
    append(0, 200, 700, 1500);
    Path file = place.resolve("0000000000000001.wal");
    byte[] sound = Arrays.copyOf(Files.readAllBytes(file), 1600);
    for (int at = 0; at < 1500 + 3 * 20; at++) {
      byte[] damaged = sound.clone();
      damaged[at] ^= 0x10;
      Files.write(file, damaged);
      byte[] found = bytes();
      int whole = at < 220 ? 0 : at < 740 ? 200 : 700;
      assertThat(found).as("byte " + at).isEqualTo(Arrays.copyOf(log, whole));
    }
    for (int length = 0; length < 1600; length += 7) {
      Files.write(file, Arrays.copyOf(sound, length));
      int whole = length < 220 ? 0 : length < 740 ? 200 : length < 1560 ? 700 : 1500;
      assertThat(bytes()).as("cut at " + length).isEqualTo(Arrays.copyOf(log, whole));
    }
  }

  @Test
  void whatIsInTheArchiveIsForgottenAndTheRestIsShippedByTheNextOne() throws IOException {
    append(0, 1 << 19, 3 << 19, log.length);
    try (WalJournal journal = WalJournal.open(place)) {
      drain(journal).shipAll();
      assertThat(journal.held()).isZero();
    }
    assertThat(WalJournal.holdsSomething(place)).isFalse();
    assertThat(stored()).isEqualTo(log);
    assertThat(warnings).isEmpty();
    // Once more over the same, as after a crash before the journal was emptied.
    append(0, log.length);
    try (WalJournal journal = WalJournal.open(place)) {
      drain(journal).shipAll();
    }
    assertThat(stored()).isEqualTo(log);
  }

  @Test
  void aJournalThatBeginsInsideASegmentNeedsWhatIsStoredOfIt() throws IOException {
    int inside = (1 << 20) + 4096;
    archive.storeSegment(
        new WalSegment(FIRST, 3, SIZE), ByteBuffer.wrap(log, 0, 1 << 20), WalMarks.NONE);
    archive.storePart(
        new WalSegment(FIRST, 4, SIZE), 0, ByteBuffer.wrap(log, 1 << 20, 4096), WalMarks.NONE);
    append(inside, log.length);
    try (WalJournal journal = WalJournal.open(place)) {
      drain(journal).shipAll();
    }
    assertThat(stored()).isEqualTo(log);
    assertThat(warnings).isEmpty();
  }

  @Test
  void w5ALostBeginningIsAGapThatIsSaidAndWhatFollowsIsShipped() throws IOException {
    append(4096, (1 << 20) + 300, log.length);
    try (WalJournal journal = WalJournal.open(place)) {
      drain(journal).shipAll();
    }
    assertThat(warnings).hasSize(2);
    assertThat(warnings.get(0)).startsWith("Gap: ");
    assertThat(warnings.get(1)).contains("is kept in " + place);
    assertThat(WalJournal.holdsSomething(place)).isFalse();
    assertThat(kept()).isNotEmpty();
    assertThat(archive.ranges(FIRST))
        .containsExactly(new WalRange(FIRST, new Lsn(4L << 20), START.plus(log.length)));
  }

  @Test
  void w5ADamagedFileThatOthersFollowIsSaid() throws IOException {
    try (WalJournal journal = WalJournal.open(place)) {
      for (int i = 0; i < 40; i++) {
        journal.append(FIRST, START.plus((long) i << 19), new byte[1 << 19], 0, 1 << 19);
      }
      journal.force();
    }
    Path first = place.resolve("0000000000000001.wal");
    byte[] bytes = Files.readAllBytes(first);
    bytes[bytes.length / 2] ^= 1;
    Files.write(first, bytes);
    try (WalJournal journal = WalJournal.open(place)) {
      assertThat(journal.damage()).hasSize(1).first().asString().contains("is damaged behind");
    }
  }

  /** A torn end was never confirmed; what is whole behind a damaged place was. */
  @Test
  void w5DamageInTheLastFileIsSaidWhereSomethingWholeFollowsAndIsKept() throws IOException {
    append(0, 1 << 19, 3 << 19, log.length);
    Path file = place.resolve("0000000000000001.wal");
    byte[] bytes = Files.readAllBytes(file);
    bytes[1 << 20] ^= 1;
    Files.write(file, bytes);
    try (WalJournal journal = WalJournal.open(place)) {
      assertThat(journal.damage()).hasSize(1).first().asString().contains("is damaged behind");
      drain(journal).shipAll();
      assertThat(journal.held()).isZero();
    }
    assertThat(stored()).isEqualTo(Arrays.copyOf(log, 1 << 19));
    assertThat(kept()).hasSize(1);
    assertThat(Files.readAllBytes(kept().get(0))).isEqualTo(bytes);
  }

  private List<Path> kept() throws IOException {
    try (Stream<Path> files = Files.list(place)) {
      return files.filter(path -> path.toString().endsWith(".kept")).toList();
    }
  }

  @Test
  void whenTheShippingDiesNothingIsConfirmedOrForgotten() throws Exception {
    try (WalJournal journal = WalJournal.open(place);
        JournalDrain drain =
            new JournalDrain(
                journal,
                archive,
                Duration.ofMillis(10),
                (timeline, end) -> {},
                warning -> {
                  throw new OutOfMemoryError("none left");
                })) {
      drain.start();
      append(journal, 4096, (1 << 20) + 300); // its beginning is missing, which is a warning
      assertThatThrownBy(
              () -> {
                while (true) {
                  drain.check();
                  Thread.onSpinWait();
                }
              })
          .isInstanceOf(IOException.class)
          .hasRootCauseInstanceOf(OutOfMemoryError.class);
      assertThatThrownBy(drain::end).isInstanceOf(IOException.class);
    }
    assertThat(WalJournal.holdsSomething(place)).isTrue();
  }

  @Test
  void aRepositoryThatCannotBeReachedStopsTheShippingAndNotTheJournal() throws Exception {
    archive.reachable = false;
    try (WalJournal journal = WalJournal.open(place);
        JournalDrain drain = drain(journal)) {
      drain.start();
      append(journal, 0, 1 << 20, log.length / 2);
      while (warnings.isEmpty()) {
        Thread.onSpinWait();
      }
      append(journal, log.length / 2, log.length);
      drain.check();
      archive.reachable = true;
      drain.end();
      assertThat(journal.held()).isZero();
    }
    assertThat(stored()).isEqualTo(log);
  }

  @Test
  void aReceiverThatEndsWithoutTheRepositoryLeavesTheJournalToTheNextOne() throws Exception {
    archive.reachable = false;
    try (WalJournal journal = WalJournal.open(place);
        JournalDrain drain = drain(journal)) {
      drain.start();
      append(journal, 0, log.length);
      assertThatThrownBy(drain::end).isInstanceOf(IOException.class);
    }
    archive.reachable = true;
    assertThat(WalJournal.holdsSomething(place)).isTrue();
    try (WalJournal journal = WalJournal.open(place)) {
      drain(journal).shipAll();
    }
    assertThat(stored()).isEqualTo(log);
  }

  @Test
  void oneProcessUsesIt() throws IOException {
    try (WalJournal journal = WalJournal.open(place)) {
      assertThat(journal.held()).isZero();
      assertThatThrownBy(() -> WalJournal.open(place))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("wal.journal-in-use"));
    }
  }

  private JournalDrain drain(WalJournal journal) {
    return new JournalDrain(
        journal, archive, Duration.ofMillis(10), (timeline, end) -> {}, warnings::add);
  }

  /** Appends the stretches between these offsets, and forces after each. */
  private void append(int... offsets) throws IOException {
    try (WalJournal journal = WalJournal.open(place)) {
      append(journal, offsets);
    }
  }

  private void append(WalJournal journal, int... offsets) throws IOException {
    for (int i = 1; i < offsets.length; i++) {
      int from = offsets[i - 1];
      journal.append(FIRST, START.plus(from), log, from, offsets[i] - from);
      journal.force();
    }
  }

  private byte[] bytes() throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    try (WalJournal journal = WalJournal.open(place)) {
      WalJournal.Cursor cursor = journal.cursor();
      for (WalJournal.Frame frame = cursor.next(0); frame != null; frame = cursor.next(0)) {
        assertThat(frame.timeline()).isEqualTo(FIRST);
        assertThat(frame.start()).isEqualTo(START.plus(all.size()));
        all.write(frame.bytes());
      }
    }
    return all.toByteArray();
  }

  private byte[] stored() {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (WalSegment segment :
        archive.segments().stream().sorted(Comparator.comparing(WalSegment::start)).toList()) {
      byte[] bytes = new byte[archive.open(segment).orElseThrow().bytes().remaining()];
      archive.open(segment).orElseThrow().bytes().get(bytes);
      all.writeBytes(bytes);
    }
    return all.toByteArray();
  }
}
