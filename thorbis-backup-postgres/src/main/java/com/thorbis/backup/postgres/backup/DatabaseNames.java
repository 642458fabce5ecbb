package com.thorbis.backup.postgres.backup;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Which database has which object id, asked by SQL when a backup ends: its copy of {@code
 * pg_database} is right only after replay, and where its rows lie depends on two more files. One
 * line for each: the id, a tab, and the name, in which a backslash is two and a newline is {@code
 * \\n}.
 */
public final class DatabaseNames {
  /** The file among what the server said of a backup. */
  public static final String FILE = "databases";

  private DatabaseNames() {}

  static byte[] format(Map<Long, String> names) {
    StringBuilder text = new StringBuilder();
    names.forEach(
        (oid, name) -> {
          text.append(oid).append('\t');
          name.codePoints()
              .forEach(
                  c -> {
                    if (c == '\n') {
                      text.append("\\n");
                    } else if (c == '\\') {
                      text.append("\\\\");
                    } else {
                      text.appendCodePoint(c);
                    }
                  });
          text.append('\n');
        });
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** The names by object id. */
  public static Map<Long, String> parse(byte[] content) {
    Map<Long, String> names = new LinkedHashMap<>();
    for (String line : new String(content, StandardCharsets.UTF_8).split("\n", -1)) {
      int tab = line.indexOf('\t');
      if (tab > 0) {
        names.put(Long.parseLong(line.substring(0, tab)), unescaped(line.substring(tab + 1)));
      }
    }
    return names;
  }

  private static String unescaped(String text) {
    StringBuilder name = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '\\' && i + 1 < text.length()) {
        i++;
        name.append(text.charAt(i) == 'n' ? '\n' : text.charAt(i));
      } else {
        name.append(c);
      }
    }
    return name.toString();
  }
}
