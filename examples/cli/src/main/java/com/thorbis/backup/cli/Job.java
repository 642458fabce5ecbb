package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** One command that does something. */
abstract class Job implements Callable<Integer> {
  @Spec
  @SuppressWarnings("NullAway.Init") // picocli sets it
  CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this and exit.")
  boolean help;

  Thorbis thorbis() {
    return (Thorbis) spec.root().userObject();
  }

  /** Work that fails as the repository and engines do. */
  @FunctionalInterface
  interface Work<T> {
    /** Does it. */
    T run() throws IOException;
  }

  /** Does it, and says of a failure what the host sees of it. */
  static <T> T said(Work<T> work) {
    try {
      return work.run();
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }
}
