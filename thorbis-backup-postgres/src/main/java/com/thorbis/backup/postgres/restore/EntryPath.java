package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The path of a stored entry, checked before it touches a file system. It was said by a server and
 * is trusted no further than that it names something below a folder.
 */
public final class EntryPath {
  private static final int MOST_BYTES = 4096;
  private static final int MOST_BYTES_OF_A_NAME = 255;
  private static final Pattern DRIVE = Pattern.compile("[A-Za-z]:.*", Pattern.DOTALL);

  private EntryPath() {}

  /**
   * The names on the way from the root to the entry.
   *
   * @throws BackupException code {@code restore.hostile-path} if it might lead anywhere else
   */
  static List<String> names(String path) {
    if (path.length() > MOST_BYTES || utf8Length(path) > MOST_BYTES) {
      throw hostile(path.substring(0, 64) + "...", "is longer than " + MOST_BYTES + " bytes");
    }
    if (path.indexOf('\\') >= 0) {
      throw hostile(path, "has a backslash");
    }
    if (DRIVE.matcher(path).matches()) {
      throw hostile(path, "starts with a drive");
    }
    if (path.codePoints().anyMatch(EntryPath::unprintable)) {
      throw hostile(path, "has a character that no file of a server has");
    }
    List<String> names = List.of(path.split("/", -1));
    for (String name : names) {
      if (name.isEmpty()) {
        throw hostile(path, path.startsWith("/") ? "is absolute" : "has an empty name");
      }
      // A file system may fold compatibility forms, such as a one-dot leader, to what they mean.
      String folded = Normalizer.normalize(name, Normalizer.Form.NFKC);
      if (folded.equals(".") || folded.equals("..")) {
        throw hostile(path, "has a step to another folder");
      }
      if (folded.indexOf('/') >= 0 || folded.indexOf('\\') >= 0) {
        throw hostile(path, "has a hidden separator");
      }
      if (utf8Length(name) > MOST_BYTES_OF_A_NAME) {
        throw hostile(
            path.substring(0, 64) + "...",
            "has a name longer than " + MOST_BYTES_OF_A_NAME + " bytes");
      }
    }
    return names;
  }

  /** Whether a restore takes an entry of this path. */
  public static boolean isLawful(String path) {
    try {
      names(path);
      return true;
    } catch (BackupException e) {
      return false;
    }
  }

  static BackupException hostile(String path, String problem) {
    return BackupException.of(
            "restore.hostile-path",
            FailureKind.DAMAGED,
            "The backup's entry \"" + printable(path) + "\" " + problem)
        .remedy("No server writes such a name. Nothing was written for it; use another backup.")
        .detail("path", printable(path))
        .build();
  }

  private static boolean unprintable(int c) {
    return Character.isISOControl(c)
        || Character.getType(c) == Character.SURROGATE
        || Character.getType(c) == Character.FORMAT
        || Character.getType(c) == Character.LINE_SEPARATOR
        || Character.getType(c) == Character.PARAGRAPH_SEPARATOR
        || !Character.isDefined(c);
  }

  private static int utf8Length(String text) {
    return text.getBytes(StandardCharsets.UTF_8).length;
  }

  private static String printable(String path) {
    StringBuilder text = new StringBuilder();
    path.codePoints()
        .forEach(
            c -> {
              if (unprintable(c)) {
                text.append("\\u{%X}".formatted(c));
              } else {
                text.appendCodePoint(c);
              }
            });
    return text.toString();
  }
}
