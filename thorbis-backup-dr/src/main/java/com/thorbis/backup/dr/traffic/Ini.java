package com.thorbis.backup.dr.traffic;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The lines of one section of a file with {@code [sections]}; all other lines stay as they are. */
final class Ini {
  private static final Pattern LINES = Pattern.compile("[^\r\n]*(?:\r\n|\r|\n|$)");
  private static final Pattern HEADER = Pattern.compile("\\s*\\[([^]]*)]\\s*");

  private final String thing;
  private final List<String> lines;
  private final int from;
  private int to;

  private Ini(String thing, List<String> lines, int from, int to) {
    this.thing = thing;
    this.lines = lines;
    this.from = from;
    this.to = to;
  }

  static Ini section(String thing, String text, String name) throws SwitchException {
    List<String> lines = lines(text);
    int from = -1;
    int to = lines.size();
    for (int i = 0; i < lines.size(); i++) {
      Matcher header = HEADER.matcher(lines.get(i).stripTrailing());
      if (!header.matches()) {
        continue;
      }
      if (header.group(1).equals(name)) {
        if (from >= 0) {
          throw SwitchException.invalid(thing, "has more than one section [" + name + "]");
        }
        from = i + 1;
        to = lines.size();
      } else if (from >= 0 && to == lines.size()) {
        to = i;
      }
    }
    if (from < 0) {
      throw SwitchException.invalid(thing, "has no section [" + name + "]");
    }
    return new Ini(thing, lines, from, to);
  }

  static List<String> lines(String text) {
    List<String> lines = new ArrayList<>();
    Matcher matcher = LINES.matcher(text);
    while (matcher.find() && !matcher.group().isEmpty()) {
      lines.add(matcher.group());
    }
    return lines;
  }

  /** The number of the only line of this key, or -1. */
  int find(Pattern key) throws SwitchException {
    int found = -1;
    for (int i = from; i < to; i++) {
      if (key.matcher(lines.get(i)).lookingAt()) {
        if (found >= 0) {
          throw SwitchException.invalid(
              thing, "has two lines for the same, " + (found + 1) + " and " + (i + 1));
        }
        found = i;
      }
    }
    return found;
  }

  /** A line without what ends it. */
  String line(int number) {
    return content(lines.get(number));
  }

  void set(int number, String content) {
    String before = lines.get(number);
    lines.set(number, content + before.substring(content(before).length()));
  }

  void remove(int number) {
    lines.remove(number);
    to--;
  }

  void insertFirst(String content) {
    String header = lines.get(from - 1);
    String end = header.substring(content(header).length());
    if (end.isEmpty()) {
      lines.set(from - 1, header + "\n");
    }
    lines.add(from, content + (end.isEmpty() ? "\n" : end));
    to++;
  }

  @Override
  public String toString() {
    return String.join("", lines);
  }

  private static String content(String line) {
    int end = line.length();
    while (end > 0 && (line.charAt(end - 1) == '\n' || line.charAt(end - 1) == '\r')) {
      end--;
    }
    return line.substring(0, end);
  }
}
