package com.thorbis.backup.dr.monitor;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.internal.StateFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * Remembers backups that were tried on this host, a file for each source in the state directory, so
 * that whoever looks later knows of failures: a repository holds only what succeeded. Keeps the
 * last success and the last failures since. May be lost. Safe for several threads; of two processes
 * that write of one source at once, one may be forgotten.
 */
public final class RunLog implements Supplier<List<RunFact>> {
  private static final String FORMAT = "thorbis-runs 1";
  private static final int MOST = 20;
  private static final int MOST_OUTCOME = 1000;

  private final Path folder;

  /** Of a state directory; what is needed in it is made when something is written. */
  public RunLog(Path stateDirectory) {
    this.folder = stateDirectory.resolve("runs");
  }

  /** Notes how a run ended. */
  public synchronized void add(RunFact run) {
    if (!run.source().matches("[a-z0-9][a-z0-9_-]*")) {
      throw new IllegalArgumentException("Not the name of a source: " + run.source());
    }
    try {
      List<RunFact> facts =
          run.succeeded() ? new ArrayList<>() : new ArrayList<>(read(folder.resolve(run.source())));
      facts.add(run);
      StringBuilder text = new StringBuilder(FORMAT).append('\n');
      for (RunFact fact : facts.subList(Math.max(0, facts.size() - MOST), facts.size())) {
        String outcome = fact.outcome().replaceAll("\\p{Cc}", " ");
        text.append(fact.succeeded() ? "succeeded " : "failed ")
            .append(fact.endedAt())
            .append(' ')
            .append(outcome, 0, Math.min(outcome.length(), MOST_OUTCOME))
            .append('\n');
      }
      StateFile.write(
          folder.resolve(run.source()), text.toString().getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  /**
   * All that is known.
   *
   * @throws BackupException if it cannot be read
   */
  @Override
  public synchronized List<RunFact> get() {
    List<RunFact> all = new ArrayList<>();
    try (var files =
        Files.newDirectoryStream(folder, file -> !file.getFileName().toString().startsWith("."))) {
      for (Path file : files) {
        all.addAll(read(file));
      }
      return all;
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  private static List<RunFact> read(Path file) throws IOException {
    List<RunFact> facts = new ArrayList<>();
    List<String> lines;
    try {
      lines = Files.readAllLines(file, StandardCharsets.UTF_8);
    } catch (NoSuchFileException e) {
      return facts;
    }
    if (lines.isEmpty() || !lines.get(0).equals(FORMAT)) {
      throw new IOException(
          file + " is not of this version: take it away, and runs are noted anew");
    }
    for (String line : lines.subList(1, lines.size())) {
      String[] parts = line.split(" ", 3);
      boolean succeeded = parts[0].equals("succeeded");
      try {
        if (parts.length < 3 || !succeeded && !parts[0].equals("failed")) {
          throw new IOException(file + " is damaged: take it away, and runs are noted anew");
        }
        facts.add(
            new RunFact(
                file.getFileName().toString(), Instant.parse(parts[1]), succeeded, parts[2]));
      } catch (DateTimeException e) {
        throw new IOException(file + " is damaged: take it away, and runs are noted anew", e);
      }
    }
    return facts;
  }
}
