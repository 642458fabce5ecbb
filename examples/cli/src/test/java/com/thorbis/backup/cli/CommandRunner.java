package com.thorbis.backup.cli;

import com.thorbis.backup.api.Cancellation;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** Runs the command in this process and keeps what it prints. */
final class CommandRunner {
  private final Path folder;
  private final Map<String, String> environment = new LinkedHashMap<>();
  private String typed = "";
  private boolean terminal;
  private Optional<Path> launcher = Optional.empty();

  CommandRunner(Path folder) {
    this.folder = folder;
  }

  CommandRunner with(String name, String value) {
    environment.put(name, value);
    return this;
  }

  /** A person sits there and types this. */
  CommandRunner typing(String lines) {
    typed = lines;
    terminal = true;
    return this;
  }

  CommandRunner launchedBy(Path file) {
    launcher = Optional.of(file);
    return this;
  }

  Result run(String... args) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int code =
        new Run(
                host(
                    new PrintStream(out, false, StandardCharsets.UTF_8),
                    new PrintStream(err, true, StandardCharsets.UTF_8)),
                new Cancellation())
            .execute(args);
    return new Result(
        code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  Host host() {
    PrintStream nowhere =
        new PrintStream(new ByteArrayOutputStream(), false, StandardCharsets.UTF_8);
    return host(nowhere, nowhere);
  }

  private Host host(PrintStream out, PrintStream err) {
    return new Host(
        environment,
        folder,
        folder.toString(),
        new ByteArrayInputStream(typed.getBytes(StandardCharsets.UTF_8)),
        out,
        err,
        terminal,
        false,
        launcher);
  }

  record Result(int code, String out, String err) {}
}
