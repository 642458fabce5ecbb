package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.File;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/** Patterns of paths, with {@code *}, {@code ?} and {@code **}, apart from any file system. */
final class Globs {
  private final List<Pattern> patterns;

  private Globs(List<Pattern> patterns) {
    this.patterns = patterns;
  }

  /** Separated by commas, each from the root on. */
  static Globs parse(String text) {
    return new Globs(
        Arrays.stream(text.split(",", -1))
            .map(String::strip)
            .filter(one -> !one.isEmpty())
            .map(one -> Pattern.compile(regex(one), Pattern.DOTALL))
            .toList());
  }

  /** Separated by commas, each at any depth. */
  static Globs anywhere(String text) {
    return new Globs(
        Arrays.stream(text.split(",", -1))
            .map(String::strip)
            .filter(one -> !one.isEmpty())
            .map(one -> Pattern.compile("(.*/)?" + regex(one), Pattern.DOTALL))
            .toList());
  }

  private static String regex(String glob) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < glob.length(); i++) {
      char one = glob.charAt(i);
      if (one == '*' && i + 1 < glob.length() && glob.charAt(i + 1) == '*') {
        boolean folder = i + 2 < glob.length() && glob.charAt(i + 2) == '/';
        out.append(folder ? "(.*/)?" : ".*");
        i += folder ? 2 : 1;
      } else if (one == '*') {
        out.append("[^/]*");
      } else if (one == '?') {
        out.append("[^/]");
      } else {
        out.append(Pattern.quote(String.valueOf(one)));
      }
    }
    return out.toString();
  }

  boolean match(String path) {
    return patterns.stream().anyMatch(pattern -> pattern.matcher(path).matches());
  }

  /**
   * Where a stored name goes below a folder.
   *
   * @throws BackupException if it would lead out of it
   */
  static Path below(Path folder, String name) {
    for (String part : name.split("/", -1)) {
      if (part.isEmpty()
          || part.equals(".")
          || part.equals("..")
          || part.indexOf('\0') >= 0
          || part.indexOf(File.separatorChar) >= 0) {
        throw BackupException.of(
                "application.unsafe-name",
                FailureKind.REFUSED,
                "\"" + name + "\" is no name of a file below a folder")
            .remedy("Read it with another tool, if it is to be had at all.")
            .build();
      }
    }
    return folder.resolve(name);
  }
}
