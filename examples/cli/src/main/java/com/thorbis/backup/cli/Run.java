package com.thorbis.backup.cli;

import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Arrays;
import picocli.CommandLine;

/** One run of the command: parses, executes, and turns what comes out into an exit code. */
final class Run {
  private final Host host;
  private final Cancellation cancellation;
  private final Clock clock;
  private volatile boolean stopsCleanly;

  Run(Host host, Cancellation cancellation) {
    this(host, cancellation, Clock.systemUTC());
  }

  /**
   * @param clock what schedules go by
   */
  Run(Host host, Cancellation cancellation, Clock clock) {
    this.host = host;
    this.cancellation = cancellation;
    this.clock = clock;
  }

  Clock clock() {
    return clock;
  }

  Host host() {
    return host;
  }

  int execute(String... args) {
    Thorbis root = new Thorbis(this);
    CommandLine line =
        new CommandLine(root)
            .setUsageHelpAutoWidth(false)
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setAbbreviatedOptionsAllowed(false);
    boolean json = Arrays.asList(args).contains("--json");
    line.setOut(new PrintWriter(host.out(), true, StandardCharsets.UTF_8))
        .setErr(new PrintWriter(host.err(), true, StandardCharsets.UTF_8))
        .setParameterExceptionHandler(
            (failure, ignored) -> {
              Failure shown = Failure.ofUsage(failure);
              shown.print(host, json, false);
              return exitCode(failure.getCommandLine(), shown);
            })
        .setExecutionExceptionHandler(
            (failure, command, parsed) -> {
              Failure shown = Failure.of(failure);
              shown.print(host, json, root.debug);
              return exitCode(command, shown);
            });
    int code = line.execute(args);
    host.out().flush();
    return code;
  }

  /** Asks the work to stop; ends the process at once where it cannot, or when asked again. */
  void stop() {
    if (!stopsCleanly) {
      System.exit(Exit.FAILED);
    }
    if (cancellation.requested()) {
      host.err().println("thorbis: stopped without waiting");
      Runtime.getRuntime().halt(Exit.FAILED);
    }
    cancellation.cancel();
  }

  /** For work that ends cleanly when it is told to stop. */
  RunControl control(ProgressDisplay progress) {
    stopsCleanly = true;
    return new RunControl(cancellation, progress);
  }

  /** Whether somebody asked to stop. */
  boolean stopped() {
    return cancellation.requested();
  }

  private static int exitCode(CommandLine command, Failure failure) {
    return command.getCommand() instanceof WalGetCommand ? Exit.WAL_TROUBLE : failure.exitCode();
  }
}
