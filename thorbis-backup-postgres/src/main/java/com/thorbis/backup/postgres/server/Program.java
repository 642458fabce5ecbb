package com.thorbis.backup.postgres.server;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A program that runs to its end, without a shell. */
final class Program {
  private static final int MOST_OUTPUT = 1 << 20;
  private static final long MOST_MINUTES = 10;

  private Program() {}

  /** A process that does not inherit what this one's environment tells PostgreSQL's programs. */
  static ProcessBuilder builder(List<String> words) {
    ProcessBuilder builder = new ProcessBuilder(words);
    builder.environment().keySet().removeIf(name -> name.startsWith("PG"));
    builder.environment().put("LC_ALL", "C");
    builder.directory(Path.of("/").toFile());
    builder.redirectInput(Path.of("/dev/null").toFile());
    return builder;
  }

  /** What it printed. Any end but 0 is a failure that shows it. */
  static String run(List<String> words) throws IOException {
    Process process = builder(words).redirectErrorStream(true).start();
    try (InputStream output = process.getInputStream()) {
      String said = new String(output.readNBytes(MOST_OUTPUT), StandardCharsets.UTF_8);
      if (!process.waitFor(MOST_MINUTES, TimeUnit.MINUTES)) {
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
}
