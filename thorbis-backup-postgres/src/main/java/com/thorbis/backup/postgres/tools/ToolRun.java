package com.thorbis.backup.postgres.tools;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/**
 * A client program that runs. Used by one thread; being cancelled ends the program, and with it
 * what waits for its output. What it did counts only once {@link #finish} returns.
 */
public final class ToolRun implements AutoCloseable {
  private static final long PATIENCE_SECONDS = 5;

  private final String name;
  private final Process process;
  private final PrivateFiles files;
  private final Cancellation cancellation;
  private final Cancellation.Registration registration;
  private final UnaryOperator<String> scrubber;
  private final Complaints complaints;

  ToolRun(
      String name,
      Process process,
      PrivateFiles files,
      Cancellation cancellation,
      UnaryOperator<String> scrubber) {
    this.name = name;
    this.process = process;
    this.files = files;
    this.cancellation = cancellation;
    this.scrubber = scrubber;
    this.complaints = new Complaints(name, process.getErrorStream());
    // Process.destroy would close the streams under whoever reads them.
    this.registration = cancellation.onCancel(() -> process.toHandle().destroy());
  }

  /** What it prints. Read to its end before {@link #finish} where it matters. */
  public InputStream output() {
    return process.getInputStream();
  }

  /**
   * What it is fed with; closed to say that this was all. A {@code psql} takes input that ended
   * half-way for a whole script, and commits it; a {@code pg_restore} may end well without having
   * read all of it. So where writing fails, {@link #finish} tells what that means.
   */
  public OutputStream input() {
    return process.getOutputStream();
  }

  /**
   * Lets go of the rest of its output and waits for its end.
   *
   * @return what it complained about, bounded, without secrets
   * @throws BackupException code {@code tools.failed} with that, unless it ended well; kind
   *     CANCELLED where that is why. What ended well is done, however late it was cancelled
   */
  public List<String> finish() throws IOException {
    process.getInputStream().transferTo(OutputStream.nullOutputStream());
    int end;
    try {
      end = process.waitFor();
      complaints.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while " + name + " ran");
    }
    String said = scrubber.apply(complaints.text());
    if (end != 0) {
      cancellation.check();
      throw failed("ended with " + end, said);
    }
    return said.lines().filter(line -> !line.isBlank()).toList();
  }

  /** Ends it, if it has not ended, and removes what it was given to read. */
  @Override
  public void close() throws IOException {
    registration.close();
    try {
      process.destroy();
      if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    } finally {
      files.close();
    }
  }

  private BackupException failed(String end, String said) {
    return BackupException.of(
            "tools.failed",
            FailureKind.PERMANENT,
            name + " " + end + (said.isBlank() ? "" : ": " + said.strip()))
        .remedy("Mend what " + name + " says, and try again.")
        .detail("program", name)
        .build();
  }

  /** The first and the last of what it says on standard error. */
  private static final class Complaints {
    private static final int HALF = 4096;

    private final StringBuilder head = new StringBuilder();
    private final StringBuilder tail = new StringBuilder();
    private final Thread reader;

    Complaints(String name, InputStream stream) {
      this.reader = new Thread(() -> read(stream), "thorbis-" + name + "-stderr");
      reader.setDaemon(true);
      reader.start();
    }

    void join() throws InterruptedException {
      reader.join();
    }

    synchronized String text() {
      return head.toString() + tail;
    }

    private void read(InputStream stream) {
      byte[] buffer = new byte[HALF];
      try (stream) {
        for (int length = stream.read(buffer); length >= 0; length = stream.read(buffer)) {
          add(new String(buffer, 0, length, StandardCharsets.UTF_8));
        }
      } catch (IOException e) {
        add("(the rest of its words was lost: " + e.getMessage() + ")");
      }
    }

    private synchronized void add(String text) {
      int room = Math.min(Math.max(0, HALF - head.length()), text.length());
      head.append(text, 0, room);
      tail.append(text, room, text.length());
      if (tail.length() > HALF) {
        tail.delete(0, tail.length() - HALF);
      }
    }
  }
}
