package com.thorbis.backup.cli;

import java.io.PrintStream;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import org.jspecify.annotations.Nullable;

/** Sends what libraries log to stderr: warnings, or everything of ours for {@code --debug}. */
final class Logging {
  // A logger that nobody holds is collected, with its level.
  private static final Logger OURS = Logger.getLogger("com.thorbis.backup");

  private Logging() {}

  static void start(PrintStream err, boolean debug) {
    LogManager.getLogManager().reset();
    Logger root = Logger.getLogger("");
    root.setLevel(Level.WARNING);
    OURS.setLevel(debug ? Level.FINE : Level.WARNING);
    root.addHandler(new Lines(err, debug));
  }

  private static final class Lines extends Handler {
    private final PrintStream err;
    private final boolean debug;
    private final SimpleFormatter formatter = new SimpleFormatter();

    Lines(PrintStream err, boolean debug) {
      this.err = err;
      this.debug = debug;
    }

    @Override
    public void publish(@Nullable LogRecord record) {
      if (record == null) {
        return;
      }
      StringBuilder line = new StringBuilder();
      if (debug) {
        line.append(record.getInstant()).append(' ').append(record.getLoggerName()).append(' ');
      }
      line.append(record.getLevel().intValue() >= Level.WARNING.intValue() ? "warning: " : "");
      line.append(formatter.formatMessage(record));
      Throwable thrown = record.getThrown();
      if (thrown != null) {
        line.append(": ").append(thrown.getMessage());
      }
      err.println(line);
      if (thrown != null && debug) {
        thrown.printStackTrace(err);
      }
    }

    @Override
    public void flush() {
      err.flush();
    }

    @Override
    public void close() {}
  }
}
