package com.thorbis.backup.dr.internal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Programs that run to their end: no shell, and an environment that holds {@code PATH}, {@code
 * LC_ALL} and what is given. One that takes too long is killed with whatever it started.
 */
public final class Program {
  private static final int MOST_OUTPUT = 64 << 10;
  private static final int MOST_PARTS = 64;
  private static final int MOST_SHOWN = 500;
  private static final long POLL_MILLIS = 20;

  private Program() {}

  /**
   * How one ended.
   *
   * @param code its exit code
   * @param output the beginning of what it printed, on both streams
   */
  public record Ended(int code, String output) {
    /** The end of what it printed, for people. */
    public String said() {
      String text = output.strip();
      return text.length() <= MOST_SHOWN ? text : "…" + text.substring(text.length() - MOST_SHOWN);
    }
  }

  /**
   * Runs one without input.
   *
   * @throws IOException if it cannot be started, or takes longer than {@code patience}
   */
  public static Ended run(List<String> words, Map<String, String> environment, Duration patience)
      throws IOException, InterruptedException {
    return run(words, environment, new byte[0], patience);
  }

  /**
   * Runs one, which need not read its input.
   *
   * @throws IOException if it cannot be started, or takes longer than {@code patience}
   */
  public static Ended run(
      List<String> words, Map<String, String> environment, byte[] input, Duration patience)
      throws IOException, InterruptedException {
    ProcessBuilder builder =
        new ProcessBuilder(words).directory(Path.of("/").toFile()).redirectErrorStream(true);
    builder.environment().clear();
    builder.environment().put("PATH", "/usr/local/bin:/usr/bin:/bin");
    builder.environment().put("LC_ALL", "C");
    builder.environment().putAll(environment);
    Process process = builder.start();
    try {
      feed(process, input);
      ByteArrayOutputStream said = new ByteArrayOutputStream();
      InputStream out = process.getInputStream();
      long deadline = System.nanoTime() + patience.toNanos();
      while (!process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
        drain(out, said); // a read of a pipe is not interrupted: takes what is there
        if (System.nanoTime() - deadline > 0) {
          throw new IOException(
              words.get(0) + " did not end within " + patience + ", and was killed");
        }
      }
      drain(out, said);
      return new Ended(process.exitValue(), said.toString(StandardCharsets.UTF_8));
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
  }

  private static void feed(Process process, byte[] input) throws IOException {
    if (input.length == 0) {
      process.getOutputStream().close();
      return;
    }
    // Aside, as a program that reads nothing would hold it up.
    Thread writer =
        new Thread(
            () -> {
              try (OutputStream in = process.getOutputStream()) {
                in.write(input);
              } catch (IOException e) {
                // It need not read all of it; how it ends tells whether it was well.
              }
            },
            "input");
    writer.setDaemon(true);
    writer.start();
  }

  private static void drain(InputStream from, ByteArrayOutputStream to) throws IOException {
    byte[] part = new byte[4096];
    // One that never stops printing must not keep us from looking at the time.
    for (int parts = 0; parts < MOST_PARTS && from.available() > 0; parts++) {
      int length = from.read(part);
      to.write(part, 0, Math.max(0, Math.min(length, MOST_OUTPUT - to.size())));
    }
  }
}
