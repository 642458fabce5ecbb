package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.dump.Contents.DumpedTable;
import com.thorbis.backup.postgres.dump.Contents.Part;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What {@code pg_restore --list} says, and which of its entries are to be loaded. An entry is known
 * by the object ids in it. Some have none, and are known by names, which have lost their quotes.
 */
final class TableOfContents {
  private static final Pattern ENTRY =
      Pattern.compile("[0-9]+; ([0-9]+) ([0-9]+) (.*)", Pattern.DOTALL);
  private static final long RELATIONS = 1259;
  private static final List<String> NAMED =
      List.of("INDEX ATTACH ", "SEQUENCE SET ", "SEQUENCE OWNED BY ");
  private static final long EVENT_TRIGGERS = 3466;

  /** What acts upon changes, or looks at rows that they change; and what is said of those. */
  private static final List<String> BEHIND_CHANGES =
      List.of(
          "FK CONSTRAINT ",
          "TRIGGER ",
          "EVENT TRIGGER ",
          "RULE ",
          "POLICY ",
          "ROW SECURITY ",
          "MATERIALIZED VIEW DATA ",
          "PUBLICATION ",
          "SUBSCRIPTION ",
          "COMMENT ",
          "SECURITY LABEL ");

  private final List<String> entries;
  private final List<String> leftOut = new ArrayList<>();

  private TableOfContents(List<String> entries) {
    this.entries = entries;
  }

  /**
   * Takes it apart. Nothing is passed over: what is not in the list that {@code pg_restore} gets is
   * not loaded.
   *
   * @throws BackupException code {@code load.unknown-entry} for a line that is none
   */
  static TableOfContents parse(String list) {
    List<String> entries = new ArrayList<>();
    for (String line : list.split("\n")) {
      if (ENTRY.matcher(line).matches()) {
        entries.add(line);
      } else if (!line.isBlank() && !line.startsWith(";")) {
        throw BackupException.of(
                "load.unknown-entry",
                FailureKind.PERMANENT,
                "pg_restore --list says what is no entry: " + line)
            .remedy("Use another version's pg_restore, or load by hand with --output.")
            .build();
      }
    }
    return new TableOfContents(entries);
  }

  /**
   * Entries that a role like this could not load, in words; known after the entries were chosen.
   */
  List<String> leftOut() {
    return List.copyOf(leftOut);
  }

  /** Everything, but what only a superuser may make. */
  List<String> all(boolean superuser) {
    List<String> chosen = new ArrayList<>();
    for (String line : entries) {
      Matcher entry = entry(line);
      String what = entry.group(3);
      if (superuser) {
        chosen.add(line);
      } else if (Long.parseLong(entry.group(1)) == EVENT_TRIGGERS) {
        leftOut.add(what);
      } else if (!what.startsWith("COMMENT - EXTENSION ")) {
        chosen.add(line); // an extension that is there already is somebody else's to comment on
      }
    }
    return chosen;
  }

  /**
   * Some tables with what belongs to them: keys, indexes, defaults, and sequences they own.
   *
   * @param all every table of the dump
   */
  List<String> of(List<DumpedTable> tables, List<DumpedTable> all) {
    Set<Part> parts = new HashSet<>();
    Set<Long> rows = new HashSet<>();
    Set<String> named = new HashSet<>();
    for (DumpedTable each : tables) {
      parts.add(new Part(RELATIONS, each.oid(), ""));
      rows.add(each.oid());
      each.parts().forEach(part -> parts.add(new Part(part.catalog(), part.oid(), "")));
      named.addAll(names(each));
    }
    Set<String> others = new HashSet<>();
    all.stream().filter(each -> !rows.contains(each.oid())).forEach(e -> others.addAll(names(e)));
    List<String> chosen = new ArrayList<>();
    for (String line : entries) {
      Matcher entry = entry(line);
      long catalog = Long.parseLong(entry.group(1));
      long oid = Long.parseLong(entry.group(2));
      String what = entry.group(3);
      if (parts.contains(new Part(catalog, oid, ""))
          || catalog == 0 && what.startsWith("TABLE DATA ") && rows.contains(oid)
          || catalog == 0 && oid == 0 && named(what, named, others)) {
        chosen.add(line);
      }
    }
    return chosen;
  }

  /** Whether an entry is loaded once changes are applied, not before. */
  static boolean behindChanges(String line) {
    String what = entry(line).group(3);
    return BEHIND_CHANGES.stream().anyMatch(what::startsWith);
  }

  /** How the entries begin that are known by the names of a table and of what belongs to it. */
  private static List<String> names(DumpedTable table) {
    List<String> names = new ArrayList<>();
    String schema = table.table().schema();
    names.add("TABLE ATTACH " + listed(schema, table.table().name()));
    for (Part part : table.parts()) {
      if (!part.name().isEmpty()) {
        NAMED.forEach(kind -> names.add(kind + listed(schema, part.name())));
      }
    }
    return names;
  }

  /** As the list has names: one line, without quotes. */
  private static String listed(String schema, String name) {
    return (schema + " " + name + " ").replaceAll("[\\r\\n]", " ");
  }

  /**
   * Whether an entry begins with one of the names, and with no longer one that somebody else has:
   * without quotes a name with blanks in it begins as a shorter one does.
   */
  private static boolean named(String what, Set<String> wanted, Set<String> others) {
    int longest = longest(what, wanted);
    return longest > 0 && longest >= longest(what, others);
  }

  private static int longest(String what, Set<String> names) {
    int longest = 0;
    for (int end = what.indexOf(' '); end >= 0; end = what.indexOf(' ', end + 1)) {
      if (names.contains(what.substring(0, end + 1))) {
        longest = end + 1;
      }
    }
    return longest;
  }

  private static Matcher entry(String line) {
    Matcher entry = ENTRY.matcher(line);
    if (!entry.matches()) {
      throw new IllegalStateException("Not an entry: " + line);
    }
    return entry;
  }

  /** The tables of these names, with the partitions of those that have some. */
  static List<DumpedTable> withPartitions(Contents contents, List<Table> wanted) {
    Set<Long> oids = new HashSet<>();
    for (DumpedTable each : contents.tables()) {
      if (wanted.contains(each.table())) {
        oids.add(each.oid());
      }
    }
    boolean more = !oids.isEmpty();
    while (more) {
      more = false;
      for (DumpedTable each : contents.tables()) {
        if (each.parent().isPresent() && oids.contains(each.parent().getAsLong())) {
          more |= oids.add(each.oid());
        }
      }
    }
    return contents.tables().stream().filter(each -> oids.contains(each.oid())).toList();
  }
}
