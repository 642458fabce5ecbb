package com.thorbis.backup.dr.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.run.TestRuns.Disk;
import com.thorbis.backup.dr.run.TestRuns.Fate;
import com.thorbis.backup.spi.storage.ObjectKey;
import com.thorbis.backup.testkit.MemoryObjectStore;
import com.thorbis.backup.testkit.SettableClock;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JournalTest {
  private static final String RUN = "incident-1";

  private final SettableClock clock = SettableClock.at(Instant.parse("2030-01-01T00:00:00.123Z"));
  private final MemoryObjectStore store = MemoryObjectStore.create(clock, 2);
  private final JournalStore half = new JournalStore(store, Duration.ofSeconds(5));
  @TempDir Path folder;

  private Journal open() throws IOException {
    return Journal.open(RUN, JournalFile.onDisk(folder.resolve(RUN)), half, clock);
  }

  private void write() throws IOException {
    try (Journal journal = open()) {
      journal.takeOver();
      journal.append("alice", RunState.TAKEN, Json.object("owner", "one", "why", "\u0001\"é\\"));
      journal.append("one", RunState.STATE, Json.object("state", "running", "reason", ""));
      journal.append("one", RunState.RELEASED, Json.object());
    }
  }

  @Test
  void bothHalvesHoldTheSameAndNobodyElseCanReadTheLocalOne() throws IOException {
    write();
    Path own = folder.resolve(RUN);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(own)))
        .isEqualTo("rwx------");
    assertThat(
            PosixFilePermissions.toString(
                Files.getPosixFilePermissions(own.resolve("journal.jsonl"))))
        .isEqualTo("rw-------");
    StringBuilder stored = new StringBuilder();
    store.contents().values().forEach(bytes -> stored.append(new String(bytes, UTF)));
    assertThat(Files.readString(own.resolve("journal.jsonl"))).isEqualTo(stored.toString());
  }

  private static final java.nio.charset.Charset UTF = java.nio.charset.StandardCharsets.UTF_8;

  /** What this version wrote is read, and written, by every later one. */
  @Test
  void theFormIsThatOfTheKeptJournal() throws IOException {
    write();
    try (InputStream kept = JournalTest.class.getResourceAsStream("journal-2.jsonl")) {
      assertThat(Files.readAllBytes(folder.resolve(RUN).resolve("journal.jsonl")))
          .isEqualTo(kept.readAllBytes());
    }
  }

  @Test
  void aFileWithAnyByteChangedIsRefusedByNameOrEndsBeforeItsLastRecord() throws IOException {
    write();
    byte[] whole = Files.readAllBytes(folder.resolve(RUN).resolve("journal.jsonl"));
    int cut = 0;
    for (int at = 0; at < whole.length; at++) {
      for (int bit = at % 8; bit < 8; bit += 8) {
        byte[] changed = whole.clone();
        changed[at] ^= (byte) (1 << bit);
        Disk disk = new Disk();
        disk.files.put(RUN, changed);
        MemoryObjectStore empty = MemoryObjectStore.create(clock, 1000);
        try {
          Journal journal =
              Journal.open(
                  RUN,
                  disk.open(Path.of(RUN), Fate.none()),
                  new JournalStore(empty, Duration.ofSeconds(5)),
                  clock);
          assertThat(journal.records()).as("byte %s bit %s", at, bit).hasSize(2);
          assertThat(at).isEqualTo(whole.length - 1);
          cut++;
        } catch (BackupException e) {
          assertThat(e.code()).isIn("journal.damaged", "journal.version");
          assertThat(e).hasMessageMatching("(?s).*[1-3] (in|of) .*");
        }
      }
    }
    assertThat(cut).isOne();
  }

  @Test
  void aFileThatEndsAnywhereHoldsTheWholeRecordsBefore() throws IOException {
    write();
    byte[] whole = Files.readAllBytes(folder.resolve(RUN).resolve("journal.jsonl"));
    for (int length = 0; length <= whole.length; length++) {
      Disk disk = new Disk();
      disk.files.put(RUN, java.util.Arrays.copyOf(whole, length));
      Journal journal =
          Journal.open(
              RUN, disk.open(Path.of(RUN), Fate.none()), half, clock); // the store has the rest
      assertThat(journal.records()).hasSize(3);
      assertThat(disk.files.get(RUN)).isEqualTo(whole);
    }
  }

  @Test
  void aStoredRecordWithAnyByteChangedIsRefused() throws IOException {
    write();
    ObjectKey last = JournalStore.key(RUN, 3);
    byte[] content = store.content(last);
    for (int bit = 0; bit < content.length * 8; bit += 7) {
      MemoryObjectStore damaged = store.copy();
      damaged.flipBit(last, bit);
      JournalStore half = new JournalStore(damaged, Duration.ofSeconds(5));
      assertThatThrownBy(() -> Journal.look(RUN, folder.resolve("none"), half))
          .isInstanceOfSatisfying(
              BackupException.class,
              e -> assertThat(e.code()).isIn("journal.damaged", "journal.version"));
      half.close();
    }
  }

  @Test
  void aRecordThatIsMissingInBothHalvesIsNamed() throws IOException {
    write();
    store.lose(JournalStore.key(RUN, 2));
    assertThatThrownBy(() -> Journal.look(RUN, folder.resolve("none"), half))
        .hasMessageContaining("2 of run incident-1 is missing");
    try (Journal journal = open()) {
      assertThat(journal.records()).hasSize(3); // the file has it, and gives it back
    }
    assertThat(Journal.look(RUN, folder.resolve("none"), half).records()).hasSize(3);
  }

  @Test
  void recordsOfAnotherRunOrInAnotherOrderAreRefused() throws IOException {
    write();
    byte[] first = store.content(JournalStore.key(RUN, 1));
    byte[] second = store.content(JournalStore.key(RUN, 2));
    store.replace(JournalStore.key(RUN, 1), second);
    store.replace(JournalStore.key(RUN, 2), first);
    assertThatThrownBy(() -> Journal.look(RUN, folder.resolve("none"), half))
        .hasMessageContaining("does not follow");
  }

  @Test
  void theVersionBeforeIsRefusedAsSuchAndNotAsDamage() throws IOException {
    try (InputStream kept = JournalTest.class.getResourceAsStream("journal-1.jsonl")) {
      byte[] line =
          new String(kept.readAllBytes(), UTF).lines().findFirst().orElseThrow().getBytes(UTF);
      assertThatThrownBy(() -> JournalRecord.read(line, "1"))
          .isInstanceOfSatisfying(
              BackupException.class, e -> assertThat(e.code()).isEqualTo("journal.version"));
    }
  }

  @Test
  void aLaterVersionIsRefusedAsSuch() {
    JournalRecord record =
        JournalRecord.of(
            RUN,
            1,
            JournalRecord.NOTHING,
            clock.instant(),
            1,
            "a",
            RunState.RELEASED,
            Json.object());
    String line = new String(record.encode(), UTF).strip();
    assertThatThrownBy(
            () ->
                JournalRecord.read(
                    line.replace("\"version\":2", "\"version\":3").getBytes(UTF), "1"))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("journal.version"));
    JournalRecord unknown =
        JournalRecord.of(
            RUN, 1, JournalRecord.NOTHING, clock.instant(), 1, "a", "moon.full", Json.object());
    assertThatThrownBy(() -> RunState.requireKnown(unknown, "1")).hasMessageContaining("moon.full");
  }

  @Test
  void oneProcessAtATimeHasTheFolder() throws IOException {
    Journal journal = open();
    assertThatThrownBy(this::open)
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.busy"));
    journal.close();
    open().close();
  }

  @Test
  void noTwoCanWriteTheSameNumber() throws IOException {
    Journal one = open();
    Journal two = Journal.open(RUN, new Disk().open(Path.of(RUN), Fate.none()), half, clock);
    one.takeOver();
    two.takeOver();
    one.append("one", RunState.RELEASED, Json.object());
    assertThatThrownBy(() -> two.append("two", RunState.RELEASED, Json.object()))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.code()).isEqualTo("run.fenced"));
    assertThatThrownBy(() -> two.append("two", RunState.RELEASED, Json.object()))
        .hasMessageContaining("owns run");
    assertThat(two.records()).isEqualTo(List.of());
    one.close();
  }
}
