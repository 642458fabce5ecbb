package com.thorbis.backup.application.files;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Names of files as text, and stored paths as names. */
final class Names {
  private static final int MOST_BYTES = 16 << 10;

  private Names() {}

  /**
   * The text of a name or of a link's target.
   *
   * @throws CharacterCodingException if it is one that this process cannot write as text and read
   *     again
   */
  static String text(Path path) throws CharacterCodingException {
    String text = path.toString();
    if (text.chars().allMatch(c -> c < 0x80)) {
      return text;
    }
    try {
      if (path.getFileSystem().getPath(text).equals(path)
          && StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
        return text;
      }
    } catch (InvalidPathException e) {
      // Said below.
    }
    throw new CharacterCodingException();
  }

  /** By the bytes of their UTF-8. */
  static int compare(String one, String other) {
    int length = Math.min(one.length(), other.length());
    for (int i = 0; i < length; i++) {
      char a = one.charAt(i);
      char b = other.charAt(i);
      if (a != b) {
        boolean pair = Character.isSurrogate(a);
        return pair == Character.isSurrogate(b) ? Character.compare(a, b) : pair ? 1 : -1;
      }
    }
    return Integer.compare(one.length(), other.length());
  }

  /**
   * The names on the way from the target's root to a stored entry, each of them one name on this
   * system.
   *
   * @throws BackupException code {@code restore.hostile-path} if the path might lead anywhere else,
   *     {@code restore.name-impossible} if this system, or this process, has no such names
   */
  static List<String> split(String path, Path root) {
    if (path.isEmpty() || path.startsWith("/")) {
      throw hostile(path, path.isEmpty() ? "has no path" : "is absolute");
    }
    if (path.indexOf('\0') >= 0) {
      throw hostile(path, "has a NUL character in its path");
    }
    if (path.length() > MOST_BYTES) {
      throw hostile(path, "has a path longer than " + MOST_BYTES + " characters");
    }
    List<String> names = new ArrayList<>();
    for (int from = 0; from <= path.length(); ) {
      int slash = path.indexOf('/', from);
      int to = slash < 0 ? path.length() : slash;
      String name = path.substring(from, to);
      if (name.isEmpty()) {
        throw hostile(path, "has an empty name in its path");
      }
      if (name.equals(".") || name.equals("..")) {
        throw hostile(path, "has a step to another folder");
      }
      requirePossible(path, name, root);
      names.add(name);
      from = to + 1;
    }
    return names;
  }

  private static void requirePossible(String path, String name, Path root) {
    try {
      Path one = root.getFileSystem().getPath(name);
      if (!one.isAbsolute()
          && one.getRoot() == null
          && one.getNameCount() == 1
          && one.toString().equals(name)) {
        return;
      }
    } catch (InvalidPathException e) {
      // Said below.
    }
    throw BackupException.of(
            "restore.name-impossible",
            FailureKind.REFUSED,
            "The backup's entry \""
                + printable(path)
                + "\" has a name that this system or this process cannot give a file")
        .remedy(
            "Run it under a locale of UTF-8 on a system like the source's, or choose with"
                + " --include what comes back.")
        .detail("path", printable(path))
        .build();
  }

  static BackupException hostile(String path, String problem) {
    return BackupException.of(
            "restore.hostile-path",
            FailureKind.DAMAGED,
            "The backup's entry \"" + printable(path) + "\" " + problem)
        .remedy("No backup is made with such an entry. Use another one.")
        .detail("path", printable(path))
        .build();
  }

  /** A name for messages: on one line, and with nothing that a terminal obeys. */
  static String printable(String path) {
    StringBuilder text = new StringBuilder();
    path.codePoints()
        .limit(300)
        .forEach(
            c -> {
              int type = Character.getType(c);
              if (Character.isISOControl(c)
                  || type == Character.SURROGATE
                  || type == Character.FORMAT
                  || type == Character.LINE_SEPARATOR
                  || type == Character.PARAGRAPH_SEPARATOR) {
                text.append("\\u{%X}".formatted(c));
              } else {
                text.appendCodePoint(c);
              }
            });
    return text.toString();
  }
}
