package com.thorbis.backup.dr.notify;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.Program;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * Runs a program for notices: JSON on its standard input, no shell, and an environment that holds
 * nothing but {@code PATH}, {@code LANG} and {@code LC_ALL}. Exit 0 says that they were taken. What
 * it prints is dropped; when it takes too long it is killed, with whatever it started.
 */
public final class ExecNotifier implements Notifier {
  private static final Map<String, String> ENVIRONMENT =
      Map.of("PATH", "/usr/bin:/bin", "LANG", "C.UTF-8", "LC_ALL", "C.UTF-8");

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
    try {
      Program.Ended ended = Program.run(command, ENVIRONMENT, NoticeJson.of(notices), timeout);
      if (ended.code() != 0) {
        throw new IOException(command.get(0) + " ended with " + ended.code());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(command.get(0) + " was waited for too long, and was killed", e);
    }
  }
}
