package com.thorbis.backup.postgres.wal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The line of timelines that leads to one, as its history file tells it. File names are
 * hexadecimal, the file's content is decimal.
 *
 * @param timeline the one it leads to
 * @param ancestors the ones before it, oldest first
 */
public record TimelineHistory(Timeline timeline, List<Ancestor> ancestors) {
  /** More than ten thousand promotions: nothing that a server wrote is longer. */
  static final int MAX_BYTES = 1 << 20;

  private static final Pattern FILE_NAME = Pattern.compile("([0-9A-F]{8})\\.history");
  private static final Pattern LINE =
      Pattern.compile(
          "[ \\t]*([0-9]{1,10})[ \\t]+([0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})(?:[ \\t](.*))?");

  /** Copies the list. */
  public TimelineHistory {
    ancestors = List.copyOf(ancestors);
  }

  /**
   * An earlier timeline.
   *
   * @param timeline the earlier one
   * @param switchPoint the first position that is not its any more
   * @param reason the server's words for it
   */
  public record Ancestor(Timeline timeline, Lsn switchPoint, String reason) {}

  /**
   * A stretch of the line that belongs to one timeline.
   *
   * @param timeline the owner
   * @param begin the first position
   * @param end the position after the last; empty for the last piece, which is open
   */
  public record Piece(Timeline timeline, Lsn begin, Optional<Lsn> end) {}

  /** The line of a timeline that has no history file: the first one. */
  public static TimelineHistory first(Timeline timeline) {
    return new TimelineHistory(timeline, List.of());
  }

  /** Whether a file name has the form of a history file's. */
  public static boolean isFileName(String name) {
    return FILE_NAME.matcher(name).matches();
  }

  /**
   * The timeline that a history file is about.
   *
   * @throws IllegalArgumentException if the name is not one
   */
  public static Timeline timelineOf(String fileName) {
    Matcher form = FILE_NAME.matcher(fileName);
    if (!form.matches()) {
      throw new IllegalArgumentException("Not a timeline history file: \"" + fileName + "\"");
    }
    return Timeline.parseHex(form.group(1));
  }

  /**
   * Reads a history file.
   *
   * @throws BackupException code {@code wal.history-invalid} if it cannot be the history of {@code
   *     timeline}
   */
  public static TimelineHistory parse(Timeline timeline, byte[] content) {
    if (content.length > MAX_BYTES) {
      throw invalid(timeline, "it has " + content.length + " bytes");
    }
    List<Ancestor> ancestors = new ArrayList<>();
    Timeline last = null;
    int number = 0;
    for (String line : new String(content, StandardCharsets.UTF_8).split("\r?\n", -1)) {
      number++;
      String text = line.strip();
      if (text.isEmpty() || text.startsWith("#")) {
        continue;
      }
      Ancestor ancestor = ancestor(timeline, number, line);
      if (last != null && ancestor.timeline().compareTo(last) <= 0) {
        throw invalid(timeline, "line " + number + ": timelines must increase");
      }
      last = ancestor.timeline();
      ancestors.add(ancestor);
    }
    if (last == null) {
      throw invalid(timeline, "it names no timeline");
    }
    if (last.compareTo(timeline) >= 0) {
      throw invalid(timeline, "timeline " + last + " cannot be its ancestor");
    }
    return new TimelineHistory(timeline, ancestors);
  }

  private static Ancestor ancestor(Timeline timeline, int number, String line) {
    Matcher form = LINE.matcher(line);
    if (!form.matches()) {
      throw invalid(timeline, "line " + number + " is not \"timeline position reason\"");
    }
    long id = Long.parseLong(form.group(1));
    if (id == 0 || id > 0xFFFF_FFFFL) {
      throw invalid(timeline, "line " + number + ": no timeline " + id);
    }
    String reason = form.group(3);
    return new Ancestor(
        new Timeline((int) id), Lsn.parse(form.group(2)), reason == null ? "" : reason.strip());
  }

  private static BackupException invalid(Timeline timeline, String problem) {
    return BackupException.of(
            "wal.history-invalid", FailureKind.DAMAGED, timeline.historyFileName() + ": " + problem)
        .remedy("Compare it with the file in the server's pg_wal folder.")
        .detail("timeline", timeline.toString())
        .build();
  }

  /** The content of the history file. */
  public byte[] format() {
    StringBuilder text = new StringBuilder();
    for (Ancestor ancestor : ancestors) {
      text.append(ancestor.timeline())
          .append('\t')
          .append(ancestor.switchPoint())
          .append('\t')
          .append(ancestor.reason())
          .append('\n');
    }
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** Whether {@code other} is on the line: an ancestor, or the timeline itself. */
  public boolean contains(Timeline other) {
    return other.equals(timeline)
        || ancestors.stream().anyMatch(ancestor -> ancestor.timeline().equals(other));
  }

  /** Where {@code ancestor} was left; empty if it is not one. */
  public Optional<Lsn> switchPoint(Timeline ancestor) {
    return pieces().stream()
        .filter(piece -> piece.timeline().equals(ancestor))
        .findFirst()
        .flatMap(Piece::end);
  }

  /** Which timeline owns the byte at {@code position} on the way to this one. */
  public Timeline owner(Lsn position) {
    for (int i = ancestors.size() - 1; i >= 0; i--) {
      if (ancestors.get(i).switchPoint().compareTo(position) <= 0) {
        return i == ancestors.size() - 1 ? timeline : ancestors.get(i + 1).timeline();
      }
    }
    return ancestors.isEmpty() ? timeline : ancestors.get(0).timeline();
  }

  /**
   * The line in pieces, oldest first, without holes; a timeline that owns nothing of it is left
   * out. A server that was recovered to a moment before the timeline it followed had begun writes
   * such a history: there the newest timeline that had begun owns a position, as recovery has it.
   */
  public List<Piece> pieces() {
    List<Piece> pieces = new ArrayList<>();
    Optional<Lsn> end = Optional.empty();
    for (int i = ancestors.size(); i >= 0; i--) {
      Timeline owner = i == ancestors.size() ? timeline : ancestors.get(i).timeline();
      Lsn begin = i == 0 ? new Lsn(0) : ancestors.get(i - 1).switchPoint();
      if (end.isEmpty() || begin.compareTo(end.get()) < 0) {
        pieces.add(0, new Piece(owner, begin, end));
        end = Optional.of(begin);
      }
    }
    return List.copyOf(pieces);
  }
}
