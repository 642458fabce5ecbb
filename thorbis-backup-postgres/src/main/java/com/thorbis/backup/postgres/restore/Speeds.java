package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.RestorePlan.Estimate;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.postgres.settings.OwnerOnly;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How fast earlier restores on this host were, kept in the state directory: a line each, of files,
 * bytes laid or kept, bytes fetched, milliseconds for them, bytes replayed and milliseconds for
 * those. The file may be lost at any time.
 */
final class Speeds {
  private static final String NAME = "restore-speeds";
  private static final int MOST = 16;
  private static final int COLUMNS = 6;

  /** From docs: a restore of 4.8 GiB in 13,000 files on two cores. */
  private static final double BYTES_PER_MILLI = 400_000;

  private static final double MILLIS_PER_FILE = 0.1;
  private static final double WAL_BYTES_PER_MILLI = 100_000;
  private static final long START_MILLIS = 500;

  private final Path file;

  Speeds(PostgresSettings settings) {
    this.file = settings.stateDirectory().resolve(NAME);
  }

  /** What one restore did. */
  record Run(long files, long bytes, long fetched, long millis, long walBytes, long walMillis) {}

  /** What a restore may take. */
  Estimate estimate(long files, long bytes, List<WalRange> wal, boolean start) {
    List<Run> runs = read();
    long seenFiles = 0;
    long seenBytes = 0;
    long fetched = 0;
    long millis = 0;
    long walBytes = 0;
    long walMillis = 0;
    for (Run run : runs) {
      seenFiles += run.files();
      seenBytes += run.bytes();
      fetched += run.fetched();
      millis += run.millis();
      walBytes += run.walBytes();
      walMillis += run.walMillis();
    }
    // What the figures of another machine say of those restores, against what they took here.
    double slower = runs.isEmpty() ? 1 : millis / (double) model(seenFiles, seenBytes, runs.size());
    double walRate = walMillis > 0 && walBytes > 0 ? walBytes / (double) walMillis : 0;
    long replayed = wal.stream().mapToLong(r -> r.end().value() - r.start().value()).sum();
    return new Estimate(
        Duration.ofMillis(Math.round(slower * model(files, bytes, 1))),
        start
            ? Optional.of(
                Duration.ofMillis(
                    Math.round(replayed / (walRate > 0 ? walRate : WAL_BYTES_PER_MILLI))))
            : Optional.empty(),
        seenBytes > 0
            ? OptionalLong.of(Math.round(bytes * (fetched / (double) seenBytes)))
            : OptionalLong.empty(),
        runs.size());
  }

  private static long model(long files, long bytes, int runs) {
    return Math.round(
        (double) START_MILLIS * runs + bytes / BYTES_PER_MILLI + files * MILLIS_PER_FILE);
  }

  /** Remembers a restore; one that cannot be remembered is as good. */
  void add(Run run) {
    List<Run> runs = new ArrayList<>(read());
    runs.add(run);
    StringBuilder text = new StringBuilder();
    for (Run each : runs.subList(Math.max(0, runs.size() - MOST), runs.size())) {
      text.append(each.files()).append(' ');
      text.append(each.bytes()).append(' ');
      text.append(each.fetched()).append(' ');
      text.append(each.millis()).append(' ');
      text.append(each.walBytes()).append(' ');
      text.append(each.walMillis()).append('\n');
    }
    try {
      Files.createDirectories(file.getParent(), OwnerOnly.FOLDER);
      Path fresh = Files.createTempFile(file.getParent(), NAME, ".tmp");
      Files.writeString(fresh, text);
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      return; // only an estimate is less good for it
    }
  }

  private List<Run> read() {
    List<Run> runs = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(file, StandardCharsets.US_ASCII)) {
        String[] words = line.split(" ", -1);
        if (words.length == COLUMNS) {
          runs.add(
              new Run(
                  Long.parseLong(words[0]),
                  Long.parseLong(words[1]),
                  Long.parseLong(words[2]),
                  Long.parseLong(words[3]),
                  Long.parseLong(words[4]),
                  Long.parseLong(words[5])));
        }
      }
    } catch (NoSuchFileException e) {
      return List.of(); // nothing was restored here yet
    } catch (IOException | NumberFormatException e) {
      return List.of(); // only an estimate is less good for it
    }
    return runs;
  }
}
