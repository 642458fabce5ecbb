package com.thorbis.backup.postgres.server;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A server that goes on in a data directory whose owner was killed. */
public final class StrayServer {
  private static final Path PROCESSES = Path.of("/proc");
  private static final long PATIENCE_MILLIS = 30_000;
  private static final long LOOK_MILLIS = 20;

  private StrayServer() {}

  /**
   * Ends it, and returns when no process of it is left.
   *
   * @throws IOException if some do not end
   */
  public static void stop(PostgresSettings settings, Path dataDirectory) throws IOException {
    if (!Files.isDirectory(dataDirectory) || processes(dataDirectory).isEmpty()) {
      return;
    }
    ask(settings, dataDirectory);
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MILLIS);
    boolean forced = false;
    List<Long> left = processes(dataDirectory);
    while (!left.isEmpty()) {
      if (System.nanoTime() - deadline > 0) {
        if (forced) {
          throw new IOException("Processes " + left + " in " + dataDirectory + " do not end");
        }
        left.forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
        forced = true;
        deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PATIENCE_MILLIS);
      }
      try {
        TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Interrupted while a server ended");
      }
      left = processes(dataDirectory);
    }
  }

  /** In its own way, so that it gives back the memory it shares. */
  private static void ask(PostgresSettings settings, Path dataDirectory) throws IOException {
    try {
      int major =
          Integer.parseInt(
              Files.readString(dataDirectory.resolve("PG_VERSION"), StandardCharsets.US_ASCII)
                  .strip());
      String control = ServerPrograms.find(settings.binDirectory(), major).program("pg_ctl");
      Program.run(
          ServerUser.owning(dataDirectory)
              .command(
                  List.of(
                      control, "stop", "-m", "immediate", "-w", "-D", dataDirectory.toString())));
    } catch (IOException | BackupException | NumberFormatException e) {
      // It has only begun, or is about to end: the loop waits, and then is less polite.
    }
  }

  /** Those that work in the folder, or were told of it and have not gone there yet. */
  static List<Long> processes(Path dataDirectory) throws IOException {
    List<Long> found = new ArrayList<>();
    if (!Files.isDirectory(PROCESSES)) {
      return found;
    }
    long self = ProcessHandle.current().pid();
    try (DirectoryStream<Path> all =
        Files.newDirectoryStream(
            PROCESSES, entry -> String.valueOf(entry.getFileName()).matches("[0-9]+"))) {
      for (Path process : all) {
        long pid = Long.parseLong(String.valueOf(process.getFileName()));
        if (pid != self && (worksIn(process, dataDirectory) || serves(process, dataDirectory))) {
          found.add(pid);
        }
      }
    }
    return found;
  }

  private static boolean worksIn(Path process, Path folder) {
    try {
      return Files.readSymbolicLink(process.resolve("cwd")).equals(folder);
    } catch (IOException e) {
      return false; // it ended, or is another account's
    }
  }

  private static boolean serves(Path process, Path folder) {
    try {
      List<String> words =
          Arrays.asList(Files.readString(process.resolve("cmdline")).split("\0", -1));
      int at = words.indexOf("-D");
      return at >= 0 && at + 1 < words.size() && words.get(at + 1).equals(folder.toString());
    } catch (IOException e) {
      return false; // it ended, or its words are not text
    }
  }
}
