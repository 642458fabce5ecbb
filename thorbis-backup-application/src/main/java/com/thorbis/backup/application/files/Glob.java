package com.thorbis.backup.application.files;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A pattern of names or paths. Without a slash, or with one at its end alone, it stands for a name
 * at any depth; else for a whole path, and a slash at its start changes nothing. A slash at its end
 * lets it match folders alone. {@code *} stands for any characters of a name, {@code ?} for one,
 * {@code [a-z]} for one of several and {@code [!a-z]} for one of all others, {@code **} between
 * slashes for any number of folders, and at the end for all that is below; a backslash takes from
 * the next character what it stands for.
 */
final class Glob {
  private final boolean rooted;
  private final boolean whole;
  private final boolean foldersOnly;
  private final Pattern form;

  private Glob(boolean rooted, boolean whole, boolean foldersOnly, Pattern form) {
    this.rooted = rooted;
    this.whole = whole;
    this.foldersOnly = foldersOnly;
    this.form = form;
  }

  /**
   * Reads one.
   *
   * @param where how messages name what it was given for
   * @throws BackupException of kind CONFIGURATION if it is none
   */
  static Glob parse(String where, String text) {
    boolean folders = text.endsWith("/") && !text.endsWith("\\/");
    String body = folders ? text.substring(0, text.length() - 1) : text;
    boolean rooted = body.startsWith("/");
    boolean whole = body.indexOf('/') >= 0;
    if (rooted) {
      body = body.substring(1);
    }
    if (body.isEmpty()) {
      throw wrong(where, text, "names nothing");
    }
    if (text.startsWith("!")) {
      throw wrong(where, text, "begins with \"!\", which takes nothing back here");
    }
    StringBuilder regex = new StringBuilder();
    String[] steps = body.split("/", -1);
    for (int i = 0; i < steps.length; i++) {
      String step = steps[i];
      boolean last = i == steps.length - 1;
      if (step.isEmpty() || step.equals(".") || step.equals("..")) {
        throw wrong(where, text, "has an empty name, \".\" or \"..\" between slashes");
      }
      if (step.equals("**")) {
        regex.append(last ? ".+" : "(?:[^/]+/)*");
        continue;
      }
      if (step.contains("**")) {
        throw wrong(where, text, "has \"**\" beside other characters of a name");
      }
      step(where, text, step, regex);
      if (!last) {
        regex.append('/');
      }
    }
    try {
      return new Glob(rooted, whole, folders, Pattern.compile(regex.toString(), Pattern.DOTALL));
    } catch (PatternSyntaxException e) {
      throw wrong(where, text, "has brackets that mean nothing");
    }
  }

  private static void step(String where, String text, String step, StringBuilder regex) {
    for (int i = 0; i < step.length(); i++) {
      char c = step.charAt(i);
      switch (c) {
        case '*' -> regex.append("[^/]*");
        case '?' -> regex.append("[^/]");
        case '[' -> {
          int end = step.indexOf(']', i + 2);
          if (end < 0) {
            throw wrong(where, text, "has a \"[\" without \"]\"");
          }
          String inner = step.substring(i + 1, end);
          boolean not = inner.startsWith("!") || inner.startsWith("^");
          regex.append(not ? "[^/" : "[");
          inner
              .substring(not ? 1 : 0)
              .chars()
              .forEach(
                  one -> regex.append("\\[]&^~|".indexOf(one) >= 0 ? "\\" : "").append((char) one));
          regex.append(']');
          i = end;
        }
        case '\\' -> {
          i++;
          if (i == step.length()) {
            throw wrong(where, text, "ends a name with a backslash");
          }
          quote(step.charAt(i), regex);
        }
        default -> quote(c, regex);
      }
    }
  }

  private static void quote(char c, StringBuilder regex) {
    if ("\\.^$|+(){}[]*?&~#-".indexOf(c) >= 0) {
      regex.append('\\');
    }
    regex.append(c);
  }

  /**
   * Whether it matches.
   *
   * @param path from the root of the file system, without the slash in front
   * @param below from where the walk began
   * @param name the last name of both
   */
  boolean matches(String path, String below, String name, boolean folder) {
    if (foldersOnly && !folder) {
      return false;
    }
    String subject = rooted ? path : whole ? below : name;
    return form.matcher(subject).matches();
  }

  private static BackupException wrong(String where, String text, String problem) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            where + ": \"" + text + "\" " + problem)
        .remedy("Write such as *.tmp, /var/cache/ or build/**/*.o.")
        .detail("pattern", text)
        .build();
  }
}
