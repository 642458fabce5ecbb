package com.thorbis.backup.dr.notify;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Runs a program for notices: JSON on its standard input, no shell, and an environment that holds
 * nothing but {@code PATH} and {@code LANG}. Exit 0 says that they were taken. What it prints is
 * dropped; when it takes too long it is killed, with whatever it started.
 */
public final class ExecNotifier implements Notifier {
  private final List<String> command;
  private final Duration timeout;

  /**
   * One for a program.
   *
   * @param command its absolute path, then each argument
   * @param timeout how long it may take
   */
  public ExecNotifier(List<String> command, Duration timeout) {
    this.command = List.copyOf(command);
    this.timeout = timeout;
  }

  /** Makes them by name. */
  public static final class Factory implements NotifierFactory {
    /** For the service loader. */
    public Factory() {}

    @Override
    public String kind() {
      return "exec";
    }

    @Override
    public Notifier open(ProviderContext context) {
      Settings settings = context.settings();
      List<String> command = List.of(settings.require("command").split("\n", -1));
      if (!Path.of(command.get(0)).isAbsolute()) {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                settings.describe("command") + " does not begin with an absolute path")
            .remedy("Write it as a list: the path of the program, then each argument.")
            .build();
      }
      return new ExecNotifier(command, settings.duration("timeout", Duration.ofSeconds(10)));
    }
  }

  @Override
  public void tell(List<Notice> notices) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(Path.of("/").toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    builder.environment().clear();
    builder.environment().put("PATH", "/usr/bin:/bin");
    builder.environment().put("LANG", "C.UTF-8");
    Process process = builder.start();
    try {
      // Aside, as a program that reads nothing would hold it up.
      Thread writer = new Thread(() -> write(process, NoticeJson.of(notices)), "notices");
      writer.setDaemon(true);
      writer.start();
      if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new IOException(
            command.get(0) + " did not end within " + timeout.toMillis() + " ms, and was killed");
      }
      if (process.exitValue() != 0) {
        throw new IOException(command.get(0) + " ended with " + process.exitValue());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(command.get(0) + " was waited for too long, and was killed", e);
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
  }

  private static void write(Process process, byte[] json) {
    try (OutputStream in = process.getOutputStream()) {
      in.write(json);
    } catch (IOException e) {
      // It need not read all of it; how it ends tells whether it was well.
    }
  }
}
