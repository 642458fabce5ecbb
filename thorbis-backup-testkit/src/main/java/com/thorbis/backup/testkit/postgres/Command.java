package com.thorbis.backup.testkit.postgres;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A program that runs to its end. */
final class Command {
  private static final Duration LONGEST = Duration.ofMinutes(10);

  private final List<String> words;
  private final ProcessBuilder builder;

  private Command(List<String> words) {
    this.words = words;
    this.builder = builder(words);
  }

  static Command of(String... words) {
    return new Command(List.of(words));
  }

  static Command of(List<String> words) {
    return new Command(List.copyOf(words));
  }

  /** A process without the settings that this one's environment has for PostgreSQL's programs. */
  static ProcessBuilder builder(List<String> words) {
    ProcessBuilder builder = new ProcessBuilder(new ArrayList<>(words));
    builder.environment().keySet().removeIf(name -> name.startsWith("PG"));
    builder.environment().put("LC_ALL", "C");
    builder.directory(Path.of("/").toFile()); // initdb complains where it may not look
    return builder;
  }

  Command environment(String name, String value) {
    builder.environment().put(name, value);
    return this;
  }

  /** What it printed, on both streams. Any exit but 0 is a failure that shows it. */
  String run() throws IOException {
    Path output = Files.createTempFile("thorbis", ".out");
    try {
      Process process =
          builder
              .redirectErrorStream(true)
              .redirectInput(Path.of("/dev/null").toFile())
              .redirectOutput(output.toFile())
              .start();
      try {
        if (!process.waitFor(LONGEST.toSeconds(), TimeUnit.SECONDS)) {
          throw new IOException("Still running after " + LONGEST + ": " + this);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedIOException("Interrupted while running " + this);
      } finally {
        process.destroyForcibly();
      }
      String said = Files.readString(output, StandardCharsets.UTF_8);
      if (process.exitValue() != 0) {
        throw new IOException(
            this + " ended with " + process.exitValue() + ":\n" + said.stripTrailing());
      }
      return said;
    } finally {
      Files.deleteIfExists(output);
    }
  }

  @Override
  public String toString() {
    return String.join(" ", words);
  }
}
