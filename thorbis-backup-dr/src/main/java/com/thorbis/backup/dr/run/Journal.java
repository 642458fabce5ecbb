package com.thorbis.backup.dr.run;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.storage.ObjectKey;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What a run did, in two places: a local file and a store. A record counts when one of them has it.
 * The store is asked first, and decides who goes on: whoever finds the next number taken by another
 * is no longer the owner. While it does not answer, the run goes on with the file, {@link #proven}
 * is false, and the store gets what it missed later. Safe for several threads.
 */
final class Journal implements AutoCloseable {
  private static final Duration ASK_AGAIN = Duration.ofSeconds(30);
  private static final String ENGINE = "thorbis";

  /** Sees each record as soon as it counts. */
  @FunctionalInterface
  interface Reader {
    /** In order. */
    void read(JournalRecord record);
  }

  private final String run;
  private final JournalFile file;
  private final JournalStore store;
  private final Clock clock;
  private final List<JournalRecord> records = new ArrayList<>();
  private final List<byte[]> lines = new ArrayList<>();
  private Reader reader = record -> {};
  private long fence;
  private int inFile;
  private int inStore;
  private boolean fileWell = true;
  private boolean fileKnown = true;
  private boolean storeWell = true;
  private long fileLength;
  private @Nullable Instant askAgain;
  private @Nullable BackupException ended;

  private Journal(String run, JournalFile file, JournalStore store, Clock clock) {
    this.run = run;
    this.file = file;
    this.store = store;
    this.clock = clock;
  }

  /**
   * Opens it to write; both halves get what only the other has.
   *
   * @throws BackupException code {@code journal.damaged} or {@code journal.forked}
   */
  static Journal open(String run, JournalFile file, JournalStore store, Clock clock) {
    Journal journal = new Journal(run, file, store, clock);
    journal.load();
    return journal;
  }

  /**
   * What there is.
   *
   * @param proven whether the store has all of it
   */
  record Look(List<JournalRecord> records, boolean proven) {}

  /** Reads what there is and changes nothing. The store may not answer; the file may be missing. */
  static Look look(String run, Path folder, JournalStore store) {
    byte[] local;
    try {
      local = JournalFile.look(folder);
    } catch (IOException e) {
      local = new byte[0];
    }
    Halves halves = Halves.of(run, folder.toString(), local);
    int stored = -1;
    try {
      SortedMap<Long, byte[]> there = store.records(run);
      halves.join(there);
      stored = there.size();
    } catch (IOException e) {
      halves.missing(run, e);
    }
    List<JournalRecord> records = halves.records(run);
    return new Look(records, stored == records.size());
  }

  private void load() {
    byte[] local = new byte[0];
    String place = "the local file of run " + run;
    try {
      local = file.content();
    } catch (IOException e) {
      fileWell = false;
      fileKnown = false; // what it holds must not be written over
    }
    Halves halves = Halves.of(run, place, local);
    if (halves.whole < local.length) {
      try {
        file.cut(halves.whole);
      } catch (IOException e) {
        fileWell = false;
      }
    }
    fileLength = halves.whole;
    inFile = halves.local.size();
    try {
      SortedMap<Long, byte[]> stored = store.records(run);
      halves.join(stored);
      while (stored.containsKey(inStore + 1L)) {
        inStore++;
      }
    } catch (IOException e) {
      storeAway();
      halves.missing(run, e);
    }
    records.addAll(halves.records(run));
    for (JournalRecord record : records) {
      lines.add(record.encode());
      fence = Math.max(fence, record.fence());
    }
    fill();
    if (storeWell) {
      try {
        catchUp(lines.size());
      } catch (IOException e) {
        storeAway();
      }
    }
  }

  /** What the two halves hold. */
  private static final class Halves {
    final List<byte[]> local = new ArrayList<>();
    final TreeMap<Long, byte[]> all = new TreeMap<>();
    long whole;

    static Halves of(String run, String place, byte[] file) {
      Halves halves = new Halves();
      int from = 0;
      for (int i = 0; i < file.length; i++) {
        if (file[i] == '\n') {
          byte[] line = Arrays.copyOfRange(file, from, i);
          long sequence = halves.local.size() + 1L;
          JournalRecord record = JournalRecord.read(line, sequence + " in " + place);
          if (record.sequence() != sequence || !record.run().equals(run)) {
            throw JournalRecord.damaged(sequence + " in " + place, "is another one");
          }
          halves.local.add(line);
          halves.all.put(sequence, line);
          from = i + 1;
        }
      }
      halves.whole = from; // what follows has no end: it was being written
      return halves;
    }

    void join(SortedMap<Long, byte[]> stored) {
      stored.forEach(
          (sequence, bytes) -> {
            int length = bytes.length > 0 && bytes[bytes.length - 1] == '\n' ? bytes.length - 1 : 0;
            byte[] line = Arrays.copyOf(bytes, length);
            byte[] known = all.putIfAbsent(sequence, line);
            if (known != null && !Arrays.equals(known, line)) {
              JournalRecord.read(line, sequence + " in the store"); // damage is no fork
              throw BackupException.of(
                      "journal.forked",
                      FailureKind.REFUSED,
                      "Record "
                          + sequence
                          + " of the local half of the journal is not that of the store: another"
                          + " went on with the run while this one had no store")
                  .remedy(
                      "The store's half is the run. Keep the local one for whoever looks into it:"
                          + " move its folder aside.")
                  .detail("sequence", Long.toString(sequence))
                  .build();
            }
          });
    }

    void missing(String run, IOException failure) {
      if (all.isEmpty()) {
        throw BackupException.of(
                "journal.unreachable",
                FailureKind.TRANSIENT,
                "Nothing is here of run " + run + ", and the store does not answer: " + failure)
            .remedy("Go on where its local half lies, or when the store answers.")
            .cause(failure)
            .build();
      }
    }

    List<JournalRecord> records(String run) {
      List<JournalRecord> records = new ArrayList<>();
      String previous = JournalRecord.NOTHING;
      long fence = 0;
      for (Map.Entry<Long, byte[]> entry : all.entrySet()) {
        String place = entry.getKey() + " of run " + run;
        long sequence = records.size() + 1L;
        if (entry.getKey() != sequence) {
          throw JournalRecord.damaged(sequence + " of run " + run, "is missing");
        }
        JournalRecord record = JournalRecord.read(entry.getValue(), place);
        if (record.sequence() != sequence
            || !record.run().equals(run)
            || !record.previous().equals(previous)
            || record.fence() < fence) {
          throw JournalRecord.damaged(place, "does not follow the one before it");
        }
        RunState.requireKnown(record, place);
        records.add(record);
        previous = record.digest();
        fence = record.fence();
      }
      return records;
    }
  }

  /** Has every record read, those there are and those to come. */
  synchronized void readBy(Reader each) {
    records.forEach(each::read);
    reader = each;
  }

  synchronized List<JournalRecord> records() {
    return List.copyOf(records);
  }

  synchronized long fence() {
    return fence;
  }

  /** Whether the store has taken all of it: nobody else can own the run. */
  synchronized boolean proven() {
    return storeWell && inStore == lines.size() && ended == null;
  }

  /** The same, after asking the store even if it did not answer lately. */
  synchronized boolean prove() {
    if (ended == null && !proven()) {
      askAgain = null;
      offer(lines.size());
      noteWells();
    }
    return proven();
  }

  /** The next owner writes under a higher number than any before. */
  synchronized void takeOver() {
    fence++;
  }

  /**
   * Adds a record.
   *
   * @throws BackupException code {@code run.fenced} if another owns the run now, {@code
   *     journal.unwritable} if neither half takes it
   */
  synchronized JournalRecord append(String actor, String kind, Map<String, Object> data) {
    JournalRecord record = add(actor, kind, data);
    noteWells();
    return record;
  }

  private boolean storeNoted = true;
  private boolean fileNoted = true;

  /** Whoever reads it later sees under what certainty it was written. */
  private void noteWells() {
    while (storeNoted != storeWell || fileNoted != fileWell) {
      if (storeNoted != storeWell) {
        storeNoted = storeWell;
        add(
            ENGINE,
            storeWell ? "store.back" : "store.away",
            Json.object("since", (long) (storeWell ? lines.size() : inStore + 1)));
      } else {
        fileNoted = fileWell;
        add(
            ENGINE,
            fileWell ? "file.back" : "file.away",
            Json.object("since", (long) (fileWell ? lines.size() : inFile + 1)));
      }
    }
  }

  private JournalRecord add(String actor, String kind, Map<String, Object> data) {
    if (ended != null) {
      throw ended;
    }
    String previous =
        records.isEmpty() ? JournalRecord.NOTHING : records.get(records.size() - 1).digest();
    JournalRecord record =
        JournalRecord.of(
            run, records.size() + 1L, previous, clock.instant(), fence, actor, kind, data);
    RunState.requireKnown(record, "to be written");
    lines.add(record.encode());
    boolean stored;
    try {
      stored = offer(lines.size());
    } catch (BackupException e) {
      lines.remove(lines.size() - 1);
      throw e;
    }
    fill();
    if (!stored && inFile < lines.size()) {
      ended =
          BackupException.of(
                  "journal.unwritable",
                  FailureKind.TRANSIENT,
                  "Neither the local file nor "
                      + store.describe()
                      + " takes record "
                      + record.sequence()
                      + " of run "
                      + run)
              .remedy("Nothing was done after it. Make room for one of them and resume the run.")
              .build();
      throw ended;
    }
    records.add(record);
    reader.read(record);
    return record;
  }

  /** Gives the store what it has not got. */
  private boolean offer(int upTo) {
    Instant again = askAgain;
    if (again != null && clock.instant().isBefore(again)) {
      return false;
    }
    try {
      catchUp(upTo);
      storeWell = true;
      askAgain = null;
      return true;
    } catch (IOException e) {
      storeAway();
      return false;
    }
  }

  private void storeAway() {
    storeWell = false;
    askAgain = clock.instant().plus(ASK_AGAIN);
  }

  private void catchUp(int upTo) throws IOException {
    while (inStore < upTo) {
      ObjectKey key = JournalStore.key(run, inStore + 1L);
      if (store.put(key, lines.get(inStore)) == JournalStore.Put.TAKEN) {
        ended =
            BackupException.of(
                    "run.fenced",
                    FailureKind.REFUSED,
                    "Another process owns run "
                        + run
                        + " now: it has written record "
                        + (inStore + 1)
                        + (inStore < inFile ? ", while this one had no store to ask" : ""))
                .remedy("This one has stopped; look at the run for who goes on with it.")
                .detail("sequence", Long.toString(inStore + 1L))
                .build();
        throw ended;
      }
      inStore++;
    }
  }

  /** Gives the file what it has not got. */
  private void fill() {
    if (!fileKnown) {
      return;
    }
    try {
      if (!fileWell) {
        file.cut(fileLength);
        fileWell = true;
      }
      if (inFile < lines.size()) {
        ByteArrayOutputStream missing = new ByteArrayOutputStream();
        for (byte[] line : lines.subList(inFile, lines.size())) {
          missing.writeBytes(line);
        }
        file.append(missing.toByteArray());
        fileLength += missing.size();
        inFile = lines.size();
      }
    } catch (IOException e) {
      fileWell = false;
    }
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
