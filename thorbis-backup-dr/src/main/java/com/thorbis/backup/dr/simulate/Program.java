package com.thorbis.backup.dr.simulate;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Programs of this host, run without a shell. */
final class Program {
  private static final int MOST_OUTPUT = 1 << 20;
  private static final long MOST_SECONDS = 60;

  private Program() {}

  /** A process that does not inherit what this one's environment tells such programs. */
  static ProcessBuilder builder(List<String> words) {
    ProcessBuilder builder = new ProcessBuilder(words);
    builder.environment().keySet().removeIf(name -> name.startsWith("PG"));
    builder.environment().put("LC_ALL", "C");
    builder.directory(new File("/"));
    builder.redirectInput(new File("/dev/null"));
    return builder;
  }

  /** What it printed. Any end but 0 is a failure that shows it. */
  static String run(List<String> words) throws IOException {
    return run(words, MOST_SECONDS);
  }

  static String run(List<String> words, long mostSeconds) throws IOException {
    Process process = builder(words).redirectErrorStream(true).start();
    // What it prints is read to the end, which comes when it is killed at the latest.
    CompletableFuture.delayedExecutor(mostSeconds, TimeUnit.SECONDS)
        .execute(process::destroyForcibly);
    try (InputStream output = process.getInputStream()) {
      String said = new String(output.readNBytes(MOST_OUTPUT), StandardCharsets.UTF_8);
      if (!process.waitFor(mostSeconds, TimeUnit.SECONDS)) {
        throw new IOException(words.get(0) + " does not end");
      }
      if (process.exitValue() != 0) {
        throw new IOException(
            String.join(" ", words)
                + " ended with "
                + process.exitValue()
                + ": "
                + said.stripTrailing());
      }
      return said;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while " + words.get(0) + " ran");
    } finally {
      process.destroyForcibly();
    }
  }

  /** The newest PostgreSQL that distributions have installed, or what the path has. */
  static Optional<Path> postgres() throws IOException {
    List<Path> places = new ArrayList<>();
    for (String[] each : new String[][] {{"/usr/lib/postgresql", "*"}, {"/usr", "pgsql-*"}}) {
      Path parent = Path.of(each[0]);
      if (Files.isDirectory(parent)) {
        try (DirectoryStream<Path> found = Files.newDirectoryStream(parent, each[1])) {
          found.forEach(version -> places.add(version.resolve("bin")));
        }
      }
    }
    places.sort(Comparator.comparingInt(Program::version).reversed());
    places.addAll(path());
    return places.stream()
        .filter(
            place ->
                List.of("postgres", "initdb").stream()
                    .allMatch(name -> Files.isExecutable(place.resolve(name))))
        .findFirst();
  }

  private static int version(Path bin) {
    String digits = bin.toString().replaceAll("[^0-9]", "");
    return digits.isEmpty() || digits.length() > 4 ? 0 : Integer.parseInt(digits);
  }

  /** A program of the path, or of where daemons lie. */
  static Optional<Path> find(String name) {
    List<Path> places = path();
    places.addAll(List.of(Path.of("/usr/sbin"), Path.of("/usr/local/sbin")));
    return places.stream()
        .map(place -> place.resolve(name))
        .filter(Files::isExecutable)
        .findFirst();
  }

  private static List<Path> path() {
    List<Path> places = new ArrayList<>();
    String search = System.getenv("PATH");
    if (search != null) {
      for (String each : search.split(File.pathSeparator, -1)) {
        if (each.startsWith("/")) {
          places.add(Path.of(each));
        }
      }
    }
    return places;
  }
}
