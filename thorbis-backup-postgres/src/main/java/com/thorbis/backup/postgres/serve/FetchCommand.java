package com.thorbis.backup.postgres.serve;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.BinaryOperator;

/**
 * The commands that a server runs to fetch and to ship a segment: small scripts for the POSIX shell
 * that the server starts anyway. The package says how they talk to the resident process.
 *
 * <p>A script ends with the status in {@code s} whatever happens to it, and {@code s} is trouble
 * until the opposite was proven: the trap on EXIT also catches a shell that cannot fork, which
 * would end with 2, and 1 to 125 would be the end of the log to the server.
 */
public final class FetchCommand {
  /** What a fetch ends with if it neither delivered nor learned of absence. */
  static final int TROUBLE = 126;

  private static final String HEAD =
      """
      trap 'exit $s' EXIT; f='%f'; p='%p'; d=DIRECTORY; q=$d/$f.$$; b=; n=0; w=; i=0;
      """;

  /** The resident process may have been started a moment after the server was. */
  private static final String SECOND_CHANCE =
      """
      if [ $t = 2 ]; then exit; fi; n=0;
      while [ ! -f "$d/alive" ]; do
      if [ $n -ge PATIENCE ]; then exit; fi; n=$((n+1));
      sleep 0.02 || sleep 1; done 2>/dev/null; b=; n=0; w=; done""";

  private static final String FETCH =
      """
      s=126; HEAD
      if [ -f "$d/$f" ] && mv -f "$d/$f" "$p"; then s=0; exit; fi;
      for t in 1 2; do
      LOOP
      if [ -f "$q.file" ]; then mv -f "$q.file" "$p" && s=0; rm -f "$q".*; exit; fi;
      if [ -f "$d/$f" ] && mv -f "$d/$f" "$p"; then s=0; rm -f "$q".*; exit; fi;
      if [ -f "$q.absent" ]; then s=1; rm -f "$q".*; exit; fi;
      if [ -f "$q.failed" ]; then cat "$q.failed"; rm -f "$q".*; exit; fi;
      if [ ! -f "$q.want" ]; then echo "$f" >"$q.want" || break; fi;
      TICK
      DIRECTLY
      SECOND_CHANCE""";

  private static final String SHIP =
      """
      s=1; HEAD
      LOOP
      if [ -f "$q.done" ]; then s=0; rm -f "$q".*; exit; fi;
      if [ -f "$q.failed" ]; then cat "$q.failed"; rm -f "$q".*; exit; fi;
      if [ ! -f "$q.push" ]; then echo "$f" >"$q.push" || break; fi;
      TICK
      DIRECTLY exit""";

  private static final String LOOP =
      """
      while [ $n -lt PATIENCE ] && read a <"$d/alive"; do
      if [ -z "$w" ]; then for o in "$q".*; do if [ -f "$o" ]; then rm -f "$o"; fi; done; w=1; fi;
      """;

  /**
   * Each look costs a process. What comes next is being worked on meanwhile, so that long naps cost
   * no throughput; the first ones are short for what is ready already.
   */
  private static final String TICK =
      """
      if [ "$a" = "$b" ]; then n=$((n+1)); else n=0; b=$a; fi; i=$((i+1));
      if [ $i -lt 3 ]; then sleep 0.002; else sleep 0.02; fi || sleep 1; done 2>/dev/null;
      if [ "$w" ]; then rm -f "$q".*; if [ $n -ge PATIENCE ]; then rm -f "$d/alive"; fi; fi;
      """;

  /** How many rounds of 20 ms the resident process may show no life. */
  private static final int PATIENCE = 500;

  /** Longer where nobody else could be asked. */
  private static final int PATIENCE_WITHOUT_LAUNCHER = 1500;

  private FetchCommand() {}

  /** The value of {@code restore_command}. */
  public static String restoreCommand(PostgresSettings settings) {
    return restoreCommand(settings, patience(settings));
  }

  /**
   * The same.
   *
   * @param patience how many rounds of 20 ms the resident process may show no life
   */
  static String restoreCommand(PostgresSettings settings, int patience) {
    return command(
        settings,
        patience,
        FETCH,
        " wal get ",
        (before, after) ->
            "a=$("
                + before
                + after
                + " \"$f\" \"$p\"); c=$?; case $c in 0) if [ -f \"$p\" ]; then s=0; exit; fi;; "
                + "1|81) if [ \"$a\" = \"absent $f\" ]; then s=1; exit; fi;; esac;");
  }

  /** The value of {@code archive_command}. */
  public static String archiveCommand(PostgresSettings settings) {
    return archiveCommand(settings, patience(settings));
  }

  /**
   * The same.
   *
   * @param patience how many rounds of 20 ms the resident process may show no life
   */
  static String archiveCommand(PostgresSettings settings, int patience) {
    return command(
        settings,
        patience,
        SHIP,
        " wal push ",
        (before, after) -> "if " + before + after + " \"$p\" >/dev/null; then s=0; fi;");
  }

  private static String command(
      PostgresSettings settings,
      int patience,
      String script,
      String verb,
      BinaryOperator<String> directly) {
    String direct =
        launcher(settings)
            .map(words -> directly.apply(words + verb, word(settings.source())))
            .orElse("echo \"nobody serves WAL for this server\" >&2;");
    String text =
        script
            .replace("HEAD", HEAD)
            .replace("LOOP", LOOP)
            .replace("TICK", TICK)
            .replace("SECOND_CHANCE", SECOND_CHANCE)
            .replace("DIRECTORY", Exchange.FOLDER)
            .replace("PATIENCE", Integer.toString(patience))
            .replaceAll("\n+", " ");
    int place = text.indexOf("DIRECTLY"); // last, for paths may hold any of these words
    return text.substring(0, place) + direct + text.substring(place + "DIRECTLY".length());
  }

  private static int patience(PostgresSettings settings) {
    return settings.launcher().isPresent() ? PATIENCE : PATIENCE_WITHOUT_LAUNCHER;
  }

  private static Optional<String> launcher(PostgresSettings settings) {
    return settings
        .launcher()
        .map(
            launcher ->
                word(launcher.toString())
                    + settings.configFile().map(file -> " -c " + word(file.toString())).orElse(""));
  }

  /** A word for the shell, in a setting where a percent sign is special to the server. */
  private static String word(String text) {
    if (text.chars().anyMatch(Character::isISOControl)) {
      throw BackupException.of(
              "configuration.invalid",
              FailureKind.CONFIGURATION,
              "A path with a control character cannot be part of a server's configuration")
          .remedy("Move " + Path.of(text).getFileName() + " to a plain path.")
          .build();
    }
    return "'" + text.replace("'", "'\\''").replace("%", "%%") + "'";
  }
}
