package com.thorbis.backup.dr.schedule;

import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What one host remembers of each job, a file for each: for jobs that leave no trace, and so that a
 * moment that was missed is reported once. May be lost: then a job is done once more.
 */
final class ScheduleState {
  private static final System.Logger LOG = System.getLogger(ScheduleState.class.getName());
  private static final String FORMAT = "thorbis-schedule 1";
  private static final String SINCE = "since ";
  private static final String DONE = "done ";
  private static final String MISSED = "missed ";

  private final Path folder;

  ScheduleState(Path folder) {
    this.folder = folder;
  }

  /**
   * What is known of a job.
   *
   * @param since when this host first knew of it
   * @param done when the last run began that succeeded
   * @param missed the last moment that was reported as missed
   */
  record Known(Optional<Instant> since, Optional<Instant> done, Optional<Instant> missed) {
    static final Known NOTHING = new Known(Optional.empty(), Optional.empty(), Optional.empty());

    Known since(Instant at) {
      return new Known(Optional.of(at), done, missed);
    }

    Known done(Instant at) {
      return new Known(since, Optional.of(at), missed);
    }

    Known missed(Instant at) {
      return new Known(since, done, Optional.of(at));
    }
  }

  Known of(Job job) {
    Path file = folder.resolve(job.name());
    try {
      return parse(Files.readAllLines(file, StandardCharsets.UTF_8));
    } catch (NoSuchFileException e) {
      return Known.NOTHING;
    } catch (IOException | IllegalArgumentException | DateTimeException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "Nobody knows when " + job.name() + " ran last: " + file + " cannot be read: " + e);
      return Known.NOTHING;
    }
  }

  void put(Job job, Known known) {
    StringBuilder text = new StringBuilder(FORMAT).append('\n');
    known.since().ifPresent(at -> text.append(SINCE).append(at).append('\n'));
    known.done().ifPresent(at -> text.append(DONE).append(at).append('\n'));
    known.missed().ifPresent(at -> text.append(MISSED).append(at).append('\n'));
    Path file = folder.resolve(job.name());
    try {
      StateFile.write(file, text.toString().getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          file
              + " cannot be written: when "
              + job.name()
              + " ran is forgotten with this process: "
              + e);
    }
  }

  private static Known parse(List<String> lines) {
    if (lines.isEmpty() || !lines.get(0).equals(FORMAT)) {
      throw new IllegalArgumentException("It does not begin with \"" + FORMAT + "\"");
    }
    @Nullable Instant since = null;
    @Nullable Instant done = null;
    @Nullable Instant missed = null;
    for (String line : lines.subList(1, lines.size())) {
      if (line.startsWith(SINCE)) {
        since = Instant.parse(line.substring(SINCE.length()));
      } else if (line.startsWith(DONE)) {
        done = Instant.parse(line.substring(DONE.length()));
      } else if (line.startsWith(MISSED)) {
        missed = Instant.parse(line.substring(MISSED.length()));
      } else {
        throw new IllegalArgumentException("\"" + line + "\" is unknown");
      }
    }
    return new Known(
        Optional.ofNullable(since), Optional.ofNullable(done), Optional.ofNullable(missed));
  }
}
