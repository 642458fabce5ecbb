package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** Lets a program of this machine try a secret, which it reads from its standard input. */
final class CommandProbe implements SecretProbe {
  private static final Set<String> ENVIRONMENT = Set.of("PATH", "HOME", "LANG", "LC_ALL", "TZ");

  private static final long GIVE_UP_MILLIS = 1_000;

  private final List<String> command;
  private final Duration deadline;

  CommandProbe(List<String> command, Duration deadline) {
    this.command = List.copyOf(command);
    this.deadline = deadline;
    if (command.isEmpty() || !Path.of(command.get(0)).isAbsolute()) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "command: names no program by its whole path")
          .remedy("Write it as a list: the program's path, then its arguments.")
          .build();
    }
  }

  @Override
  public Optional<String> refusal(SecretValue value) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    builder.environment().keySet().retainAll(ENVIRONMENT);
    Process process = builder.start();
    try {
      // A pipe takes what a secret holds, and a program that reads nothing does not hold us up.
      Thread giver = new Thread(() -> give(value, process), "secret-probe");
      giver.setDaemon(true);
      giver.start();
      if (!process.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new IOException(command.get(0) + " did not end within " + deadline);
      }
      giver.join(GIVE_UP_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while " + command.get(0) + " ran");
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
    return switch (process.exitValue()) {
      case 0 -> Optional.empty();
      case 1 -> Optional.of(command.get(0) + " says that it does not work");
      default -> throw new IOException(command.get(0) + " ended with " + process.exitValue());
    };
  }

  private static void give(SecretValue value, Process process) {
    value.useBytes(
        bytes -> {
          try (OutputStream in = process.getOutputStream()) {
            in.write(bytes);
          } catch (IOException e) {
            // A program may end without reading; how it ends tells.
          }
          return true;
        });
  }
}
