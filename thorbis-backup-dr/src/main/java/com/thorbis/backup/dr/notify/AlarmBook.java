package com.thorbis.backup.dr.notify;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.StateFile;
import com.thorbis.backup.dr.monitor.Alarm;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What people were told of, and what they acknowledged: two files below {@code alarms} in the state
 * directory. Both may be lost: then every alarm is raised once more. One that cannot be read is set
 * aside under another name, which comes to the same. Safe for several processes.
 */
public final class AlarmBook {
  private static final System.Logger LOG = System.getLogger(AlarmBook.class.getName());
  private static final String BOOK = "thorbis-alarms 1";
  private static final String ACKNOWLEDGED = "thorbis-acknowledgements 1";
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final Path folder;
  private final Clock clock;

  /**
   * Of a state directory.
   *
   * @param stateDirectory that of the host; what is needed in it is made when something is written
   */
  public AlarmBook(Path stateDirectory, Clock clock) {
    this.folder = stateDirectory.resolve("alarms");
    this.clock = clock;
  }

  /** One alarm in the book. */
  static final class Entry {
    Alarm alarm;

    /** When people were first told of it, or anew: steps of the ladder count from here. */
    Instant raisedAt;

    /** When this round of telling began, or the alarm ended. */
    Instant toldAt;

    Notice.Event event = Notice.Event.RAISED;
    boolean cleared;

    /** Who was told in this round. */
    final Set<String> told = new LinkedHashSet<>();

    /** Who was ever told: they will want to know that it is over. */
    final Set<String> knows = new LinkedHashSet<>();

    Entry(Alarm alarm, Instant raisedAt) {
      this.alarm = alarm;
      this.raisedAt = raisedAt;
      this.toldAt = raisedAt;
    }

    void again(Notice.Event why, Instant now) {
      event = why;
      raisedAt = now;
      toldAt = now;
      told.clear();
    }

    void repeat(Instant now) {
      event = Notice.Event.STILL;
      toldAt = now;
      told.clear();
    }
  }

  /** A notifier that failed last time. */
  record Failed(String notifier, Instant since, String reason) {}

  /** All that is in the book. */
  static final class Pages {
    final Map<String, Entry> entries = new LinkedHashMap<>();
    final Map<String, Failed> failed = new LinkedHashMap<>();
  }

  /** Alarms that people were, or are to be, told of, by the last look of whoever tells them. */
  public List<Standing> standing() {
    Map<String, Acknowledgement> acknowledged = acknowledgements();
    return read().entries.values().stream()
        .filter(entry -> !entry.cleared)
        .map(
            entry ->
                new Standing(
                    entry.alarm,
                    entry.raisedAt,
                    List.copyOf(entry.knows),
                    Optional.ofNullable(acknowledged.get(entry.alarm.id()))
                        .filter(ack -> counts(ack, entry.alarm, entry.raisedAt))))
        .toList();
  }

  /** When whoever tells people of alarms last looked; empty: never, or what he found is lost. */
  public Optional<Instant> writtenAt() {
    try {
      return Optional.of(Files.getLastModifiedTime(folder.resolve("book")).toInstant());
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException e) {
      throw unusable(e);
    }
  }

  /** What stands acknowledged of an alarm that was seen just now. */
  public Optional<Acknowledgement> acknowledged(Alarm alarm) {
    return Optional.ofNullable(acknowledgements().get(alarm.id()))
        .filter(ack -> counts(ack, alarm, alarm.since().orElse(Instant.MIN)));
  }

  /**
   * Notes that somebody sees to an alarm: nobody else is told of it, until it gets worse, or that
   * moment comes.
   *
   * @param by who, for the record
   */
  public Acknowledgement acknowledge(Alarm alarm, String by, Optional<Instant> until) {
    if (by.isBlank()) {
      throw BackupException.of(
              "alarms.nobody", FailureKind.CONFIGURATION, "An acknowledgement names nobody")
          .remedy("Say who sees to it.")
          .build();
    }
    Instant now = clock.instant();
    if (until.isPresent() && !until.get().isAfter(now)) {
      throw BackupException.of(
              "alarms.past",
              FailureKind.CONFIGURATION,
              "An acknowledgement until " + until.get() + " is over already")
          .remedy("Name a moment to come.")
          .build();
    }
    Acknowledgement ack = new Acknowledgement(alarm.id(), by, now, until, alarm.severity());
    try (Lock held = lock("acknowledged.lock")) {
      Map<String, Acknowledgement> all = acknowledgements();
      all.put(alarm.id(), ack);
      writeAcknowledgements(all);
    } catch (IOException e) {
      throw unusable(e);
    }
    return ack;
  }

  /** One from before an alarm came back says nothing of it, nor one of something less urgent. */
  boolean counts(Acknowledgement ack, Alarm alarm, Instant raisedAt) {
    return ack.severity().compareTo(alarm.severity()) >= 0
        && !ack.at()
            .isBefore(alarm.since().filter(since -> since.isBefore(raisedAt)).orElse(raisedAt))
        && ack.until().filter(until -> !until.isAfter(clock.instant())).isEmpty();
  }

  Map<String, Acknowledgement> acknowledgements() {
    Map<String, Acknowledgement> all = new LinkedHashMap<>();
    for (BookLine line : records("acknowledged", ACKNOWLEDGED)) {
      try {
        Acknowledgement ack =
            new Acknowledgement(
                line.take("id"),
                line.take("by"),
                line.time("at"),
                line.findTime("until"),
                line.severity());
        line.finish();
        all.put(ack.id(), ack);
      } catch (BookLine.UnreadableException e) {
        setAside("acknowledged", e);
        return new LinkedHashMap<>();
      }
    }
    return all;
  }

  /** Forgets those of alarms that are over. */
  void forget(Set<String> ids) {
    if (ids.isEmpty() || acknowledgements().keySet().stream().noneMatch(ids::contains)) {
      return;
    }
    try (Lock held = lock("acknowledged.lock")) {
      Map<String, Acknowledgement> all = acknowledgements();
      all.keySet().removeAll(ids);
      writeAcknowledgements(all);
    } catch (IOException e) {
      throw unusable(e);
    }
  }

  Pages read() {
    Pages pages = new Pages();
    for (BookLine line : records("book", BOOK)) {
      try {
        if (line.word().equals("alarm")) {
          Entry entry = new Entry(line.alarm(), line.time("raisedAt"));
          entry.toldAt = line.time("toldAt");
          entry.cleared = line.find("cleared").isPresent();
          entry.event = line.event();
          entry.told.addAll(line.names("told"));
          entry.knows.addAll(line.names("knows"));
          pages.entries.put(entry.alarm.id(), entry);
        } else if (line.word().equals("failed")) {
          Failed failed =
              new Failed(line.take("notifier"), line.time("since"), line.take("reason"));
          pages.failed.put(failed.notifier(), failed);
        } else {
          throw new BookLine.UnreadableException("it has a line of " + line.word());
        }
        line.finish();
      } catch (BookLine.UnreadableException e) {
        setAside("book", e);
        return new Pages();
      }
    }
    return pages;
  }

  void write(Pages pages) {
    StringBuilder text = new StringBuilder(BOOK).append('\n');
    for (Entry entry : pages.entries.values()) {
      BookLine line =
          new BookLine("alarm")
              .put(entry.alarm)
              .put("raisedAt", entry.raisedAt)
              .put("toldAt", entry.toldAt);
      if (entry.cleared) {
        line.put("cleared", true);
      }
      line.put("event", entry.event.label())
          .put("told", String.join(",", entry.told))
          .put("knows", String.join(",", entry.knows));
      text.append(line.line());
    }
    for (Failed failed : pages.failed.values()) {
      text.append(
          new BookLine("failed")
              .put("notifier", failed.notifier())
              .put("since", failed.since())
              .put("reason", failed.reason())
              .line());
    }
    try {
      replace("book", text.toString());
    } catch (IOException e) {
      throw unusable(e);
    }
  }

  /** Keeps other processes from telling people at the same time. */
  Lock hold() {
    try {
      return lock("book.lock");
    } catch (IOException e) {
      throw unusable(e);
    }
  }

  /** Held until it is closed. */
  record Lock(FileChannel channel, FileLock lock) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      try (channel) {
        lock.release();
      }
    }
  }

  private void writeAcknowledgements(Map<String, Acknowledgement> all) throws IOException {
    StringBuilder text = new StringBuilder(ACKNOWLEDGED).append('\n');
    for (Acknowledgement ack : all.values()) {
      text.append(
          new BookLine("acknowledged")
              .put("id", ack.id())
              .put("by", ack.by())
              .put("at", ack.at())
              .put("until", ack.until())
              .put("severity", ack.severity().label())
              .line());
    }
    replace("acknowledged", text.toString());
  }

  private List<BookLine> records(String name, String header) {
    try {
      return BookLine.parse(header, Files.readString(folder.resolve(name)));
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (BookLine.UnreadableException e) {
      setAside(name, e);
      return List.of();
    } catch (IOException e) {
      throw unusable(e);
    }
  }

  /** Nobody may stay untold because of it; and what a later version wrote is not destroyed. */
  private void setAside(String name, BookLine.UnreadableException why) {
    Path file = folder.resolve(name);
    Path aside = folder.resolve(name + ".unreadable");
    try {
      Files.move(file, aside, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw unusable(e);
    }
    LOG.log(
        System.Logger.Level.WARNING,
        "{0} cannot be read, as {1}; it is now {2}, and alarms are raised once more",
        file,
        why.getMessage(),
        aside);
  }

  private void replace(String name, String text) throws IOException {
    StateFile.write(folder.resolve(name), text.getBytes(StandardCharsets.UTF_8));
  }

  private Lock lock(String name) throws IOException {
    StateFile.createFolder(folder);
    FileChannel channel =
        FileChannel.open(folder.resolve(name), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    try {
      while (true) {
        FileLock lock = null;
        try {
          lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
          // Another thread of this process has it.
        }
        if (lock != null) {
          return new Lock(channel, lock);
        }
        if (System.nanoTime() > deadline) {
          throw BackupException.of(
                  "alarms.busy",
                  FailureKind.TRANSIENT,
                  "Another process has held "
                      + folder.resolve(name)
                      + " for "
                      + PATIENCE.toSeconds()
                      + " s")
              .remedy("See what it waits for; only one process should tell people of alarms.")
              .build();
        }
        Thread.sleep(50);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      channel.close();
      throw new IOException("Interrupted while waiting for " + folder.resolve(name), e);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  private BackupException unusable(IOException e) {
    return BackupException.of(
            "alarms.state",
            FailureKind.PERMANENT,
            "What people were told of cannot be kept in " + folder + ": " + e)
        .remedy("Let this account read and write there.")
        .cause(e)
        .build();
  }
}
