package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** What is said when something did not work. */
record Failure(
    String code,
    FailureKind kind,
    String message,
    String remedy,
    Map<String, String> details,
    Throwable cause) {

  static Failure of(Throwable failure) {
    if (failure instanceof ClassifiedFailure known) {
      return new Failure(
          known.code(),
          known.kind(),
          String.valueOf(failure.getMessage()),
          known.code().equals("configuration.provider-missing")
              ? known.remedy() + " bin/thorbis builds in what THORBIS_WITH names."
              : known.remedy(),
          new TreeMap<>(known.details()),
          failure);
    }
    if (failure instanceof IOException io) {
      return of(BackupException.from(io));
    }
    if (failure instanceof OutOfMemoryError) {
      return new Failure(
          "memory",
          FailureKind.TRANSIENT,
          "The memory of the virtual machine is used up",
          "Give it more, such as THORBIS_JAVA_OPTS=-Xmx512m.",
          Map.of(),
          failure);
    }
    return new Failure(
        "internal",
        FailureKind.PERMANENT,
        "Unexpected: " + failure,
        "Run it again with --debug and report what it prints.",
        Map.of(),
        failure);
  }

  static Failure ofUsage(ParameterException failure) {
    String command = failure.getCommandLine().getCommandSpec().qualifiedName();
    String remedy = "See " + command + " --help.";
    if (failure instanceof UnmatchedArgumentException unmatched) {
      String suggestions = String.join(" or ", unmatched.getSuggestions());
      if (!suggestions.isEmpty()) {
        remedy = "Did you mean " + suggestions + "? " + remedy;
      }
    }
    return new Failure(
        "usage",
        FailureKind.CONFIGURATION,
        String.valueOf(failure.getMessage()),
        remedy,
        Map.of(),
        failure);
  }

  /** A wrong option or operand. */
  static BackupException usage(String message, String remedy) {
    return BackupException.of("usage", FailureKind.CONFIGURATION, message).remedy(remedy).build();
  }

  int exitCode() {
    return Exit.of(kind);
  }

  void print(Host host, boolean json, boolean debug) {
    if (json) {
      host.out()
          .println(
              Json.text(
                  Json.object(
                      "error",
                      Json.object(
                          "code", code,
                          "message", message,
                          "remedy", remedy.isEmpty() ? null : remedy,
                          "details", details))));
      host.out().flush();
    } else {
      host.err().println("thorbis: " + message);
      if (!remedy.isEmpty()) {
        host.err().println("  " + remedy);
      }
    }
    if (debug) {
      cause.printStackTrace(host.err());
    }
  }
}
