package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * What surrounds one run of the command.
 *
 * @param environment variables, read only where a file or an option says so
 * @param folder where relative paths start
 * @param home the account's, from the password database
 * @param in what a person types
 * @param out results, and nothing else
 * @param err everything else
 * @param asks whether a person reads {@code err} and can answer
 * @param draws whether {@code err} is a terminal
 * @param launcher the file that started this process, for commands that others are to run
 */
record Host(
    Map<String, String> environment,
    Path folder,
    String home,
    InputStream in,
    PrintStream out,
    PrintStream err,
    boolean asks,
    boolean draws,
    Optional<Path> launcher) {

  static Host system() {
    // The launcher looks: Java cannot tell about each stream.
    String terminals = System.getProperty("thorbis.terminals", "");
    return new Host(
        System.getenv(),
        Path.of("").toAbsolutePath(),
        // The virtual machine takes it from the password database and not from $HOME.
        System.getProperty("user.home", ""),
        System.in,
        new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
        terminals.contains("i") && terminals.contains("e"),
        terminals.contains("e"),
        Optional.ofNullable(System.getProperty("thorbis.launcher")).map(Path::of));
  }

  /**
   * Lets a person say yes.
   *
   * @param code of the failure if nobody does
   * @param plan the words that show what would be done
   */
  void confirm(String code, String plan) {
    confirm(code, "Do it? Type yes: ", "yes", "Look at " + plan + ", then run it with --yes.");
  }

  /**
   * Lets a person type one word.
   *
   * @param code of the failure if nobody does
   * @param question what is asked
   * @param word what has to be typed
   * @param remedy how else it can be said
   */
  void confirm(String code, String question, String word, String remedy) {
    if (asks) {
      err.print(question);
      err.flush();
      try {
        String answer =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8)).readLine();
        if (word.equals(answer)) {
          return;
        }
      } catch (IOException e) {
        // Nobody said so.
      }
    }
    throw BackupException.of(code, FailureKind.REFUSED, "Nobody confirmed it: nothing was changed")
        .remedy(remedy)
        .build();
  }
}
