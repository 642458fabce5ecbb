package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.internal.Program;
import java.io.File;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Programs of this host, run without a shell. */
final class Programs {
  private static final long MOST_SECONDS = 60;

  private Programs() {}

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
    Program.Ended ended;
    try {
      ended = Program.run(words, builder(words).environment(), Duration.ofSeconds(mostSeconds));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while " + words.get(0) + " ran");
    }
    if (ended.code() != 0) {
      throw new IOException(
          String.join(" ", words) + " ended with " + ended.code() + ": " + ended.said());
    }
    return ended.output();
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
    places.sort(Comparator.comparingInt(Programs::version).reversed());
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
