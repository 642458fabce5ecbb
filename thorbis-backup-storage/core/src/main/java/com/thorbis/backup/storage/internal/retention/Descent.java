package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How the lines of a source descend from each other, told by timeline history files and by where
 * adopted clusters left the life before. What is not known for certain is left out: whoever plans
 * keeps more then.
 */
public final class Descent {
  private static final Pattern ANCESTOR =
      Pattern.compile("\\s*(\\d{1,10})\\s+([0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})(\\s.*)?");

  private final SourceInfo source;
  private final Set<Line> written;
  private final Map<Line, Branch> branches = new LinkedHashMap<>();

  /** An ancestor as a history file has it, and where it was left. */
  private record Ancestor(Timeline timeline, Lsn left) {}

  private Descent(SourceInfo source, Set<Line> written) {
    this.source = source;
    this.written = written;
  }

  /**
   * Every branch that is known.
   *
   * @param written the lines that backups lie on
   * @param histories the history files of lines, as stored
   */
  public static List<Branch> of(SourceInfo source, Set<Line> written, Map<Line, byte[]> histories) {
    Descent descent = new Descent(source, written);
    histories.forEach(descent::read);
    for (SourceInfo.Incarnation life : source.incarnations()) {
      life.fork().ifPresent(fork -> descent.goOn(life, fork));
    }
    return List.copyOf(descent.branches.values());
  }

  /** A life may go on with the timeline that it left: then it is another line of that number. */
  private void goOn(SourceInfo.Incarnation life, SourceInfo.Fork fork) {
    Line line = new Line(life.id(), fork.timeline());
    if (written.contains(line)) {
      resolve(fork.parent(), fork.timeline(), fork.position())
          .ifPresent(parent -> branches.put(line, branch(line, parent)));
    }
  }

  private void read(Line line, byte[] content) {
    List<Ancestor> ancestors = parse(content);
    Line at = line;
    int last = ancestors.size() - 1;
    if (last < 0 || ancestors.get(last).timeline().compareTo(line.timeline()) >= 0) {
      return;
    }
    while (last >= 0) {
      Lsn left = ancestors.get(last).left();
      // A server that was recovered to before its timeline began names that one all the same; the
      // position is owned by whichever had begun.
      int parent = last;
      while (parent > 0 && ancestors.get(parent - 1).left().compareTo(left) >= 0) {
        parent--;
      }
      Optional<Shared> found = resolve(line.incarnation(), ancestors.get(parent).timeline(), left);
      if (found.isEmpty()) {
        return;
      }
      Branch branch = branch(at, found.get());
      if (at.equals(line)) {
        branches.put(at, branch); // its own file knows best
      } else {
        branches.putIfAbsent(at, branch);
      }
      if (!found.get().line().incarnation().equals(line.incarnation())) {
        return; // the life before has files of its own
      }
      at = found.get().line();
      last = parent - 1;
    }
  }

  /** A line, and the last position that one which came from it shares with it. */
  private record Shared(Line line, Lsn position) {}

  private static Branch branch(Line line, Shared parent) {
    return new Branch(line, parent.line(), parent.position());
  }

  /** Which life wrote a timeline that another descends from. */
  private Optional<Shared> resolve(String incarnation, Timeline timeline, Lsn left) {
    String at = incarnation;
    Lsn position = left;
    for (int i = 0; i <= source.incarnations().size(); i++) {
      String id = at;
      Optional<SourceInfo.Incarnation> life =
          source.incarnations().stream().filter(one -> one.id().equals(id)).findFirst();
      if (life.isEmpty()) {
        return Optional.empty();
      }
      Line line = new Line(at, timeline);
      Optional<SourceInfo.Fork> fork = life.get().fork();
      if (fork.isEmpty()
          || timeline.compareTo(fork.get().timeline()) > 0
          || timeline.equals(fork.get().timeline()) && written.contains(line)) {
        return Optional.of(new Shared(line, position));
      }
      at = fork.get().parent();
      position = fork.get().position().compareTo(position) < 0 ? fork.get().position() : position;
    }
    return Optional.empty();
  }

  /** Nothing if it is not a history as the server writes them. */
  private static List<Ancestor> parse(byte[] content) {
    List<Ancestor> ancestors = new ArrayList<>();
    for (String text : new String(content, StandardCharsets.UTF_8).split("\r?\n", -1)) {
      if (text.isBlank() || text.strip().startsWith("#")) {
        continue;
      }
      Matcher form = ANCESTOR.matcher(text);
      long number = form.matches() ? Long.parseLong(form.group(1)) : 0;
      if (number <= 0 || number > 0xFFFF_FFFFL) {
        return List.of();
      }
      Timeline timeline = new Timeline((int) number);
      if (!ancestors.isEmpty()
          && ancestors.get(ancestors.size() - 1).timeline().compareTo(timeline) >= 0) {
        return List.of();
      }
      ancestors.add(new Ancestor(timeline, Lsn.parse(form.group(2))));
    }
    return ancestors;
  }
}
