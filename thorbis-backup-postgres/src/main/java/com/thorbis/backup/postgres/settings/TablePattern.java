package com.thorbis.backup.postgres.settings;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Names of tables: {@code schema.name}, or {@code name} for one in any schema. An asterisk stands
 * for any characters, a question mark for one; what stands in double quotes stands for itself, a
 * double quote being two there.
 */
public final class TablePattern {
  private final Optional<Pattern> schema;
  private final Pattern name;

  private TablePattern(Optional<Pattern> schema, Pattern name) {
    this.schema = schema;
    this.name = name;
  }

  /**
   * Reads one.
   *
   * @param where how messages name the place where it is written
   * @throws BackupException of kind CONFIGURATION if it is none
   */
  public static TablePattern parse(String where, String text) {
    return parse(where, text, "table", "schema.name or name, such as cache_* or \"a.b\".*");
  }

  /**
   * Reads one that has no schema in it, for names of something else.
   *
   * @param where how messages name the place where it is written
   * @param what what it is the name of
   * @throws BackupException of kind CONFIGURATION if it is none
   */
  public static TablePattern ofName(String where, String text, String what) {
    String expected = "a name, such as app_* or \"a.b\"";
    TablePattern parsed = parse(where, text, what, expected);
    if (parsed.schema.isPresent()) {
      throw wrong(where, text, what, expected);
    }
    return parsed;
  }

  private static TablePattern parse(String where, String text, String what, String expected) {
    List<String> parts = new ArrayList<>();
    StringBuilder part = new StringBuilder();
    boolean quoted = false;
    boolean empty = true;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (quoted && c == '"' && i + 1 < text.length() && text.charAt(i + 1) == '"') {
        part.append(Pattern.quote("\""));
        i++;
      } else if (c == '"') {
        quoted = !quoted;
      } else if (!quoted && c == '.') {
        parts.add(empty ? "" : part.toString());
        part.setLength(0);
        empty = true;
        continue;
      } else if (!quoted && c == '*') {
        part.append(".*");
      } else if (!quoted && c == '?') {
        part.append('.');
      } else {
        int character = text.codePointAt(i);
        part.append(Pattern.quote(Character.toString(character)));
        i += Character.charCount(character) - 1;
      }
      empty = false;
    }
    parts.add(empty ? "" : part.toString());
    if (quoted || parts.size() > 2 || parts.contains("")) {
      throw wrong(where, text, what, expected);
    }
    Pattern last = Pattern.compile(parts.get(parts.size() - 1), Pattern.DOTALL);
    return new TablePattern(
        parts.size() == 1
            ? Optional.empty()
            : Optional.of(Pattern.compile(parts.get(0), Pattern.DOTALL)),
        last);
  }

  private static BackupException wrong(String where, String text, String what, String expected) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            where + ": \"" + text + "\" names no " + what)
        .remedy("Write " + expected + " with its quotes.")
        .build();
  }

  /** Takes a list apart: commas between, but none within quotes. */
  public static List<String> split(String list) {
    List<String> found = new ArrayList<>();
    StringBuilder one = new StringBuilder();
    boolean quoted = false;
    for (int i = 0; i < list.length(); i++) {
      char c = list.charAt(i);
      if (c == '"') {
        quoted = !quoted;
      }
      if (c == ',' && !quoted) {
        found.add(one.toString().strip());
        one.setLength(0);
      } else {
        one.append(c);
      }
    }
    found.add(one.toString().strip());
    found.removeIf(String::isEmpty);
    return List.copyOf(found);
  }

  /** Whether this name is meant, in whatever schema. */
  public boolean matches(String ofName) {
    return name.matcher(ofName).matches();
  }

  /** Whether a table of these names is meant. */
  public boolean matches(String ofSchema, String ofName) {
    return name.matcher(ofName).matches()
        && schema.map(pattern -> pattern.matcher(ofSchema).matches()).orElse(true);
  }
}
