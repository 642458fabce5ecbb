package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.internal.Program;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Any manager that has a command. Programs are given by their words, no shell. They end with 0 if
 * it is done, 1 if it is refused and nothing was changed, and anything else if that is not known.
 */
public final class CommandManager implements HaManager {
  private final List<String> status;
  private final List<String> switchover;
  private final List<String> failover;
  private final Duration patience;

  /**
   * Describes them.
   *
   * @param status prints {@code leader NAME}, {@code member NAME} and the word paused, each on a
   *     line of its own, and where it applies
   * @param switchover gets the old and the new primary as last words
   * @param failover gets the new primary as last word
   * @param patience how long each may take
   */
  public CommandManager(
      List<String> status, List<String> switchover, List<String> failover, Duration patience) {
    this.status = List.copyOf(status);
    this.switchover = List.copyOf(switchover);
    this.failover = List.copyOf(failover);
    this.patience = patience;
    if (status.isEmpty() || failover.isEmpty()) {
      throw new IllegalArgumentException("Needs a program that looks, and one that fails over");
    }
  }

  @Override
  public String describe() {
    return "the manager behind " + status.get(0);
  }

  @Override
  public Status status() throws IOException, InterruptedException {
    Program.Ended ended;
    try {
      ended = Program.run(status, Map.of(), patience);
    } catch (IOException e) {
      throw HaException.unavailable(describe(), String.valueOf(e.getMessage()), e);
    }
    if (ended.code() != 0) {
      throw HaException.unavailable(
          describe(), "ended with " + ended.code() + " " + ended.said(), null);
    }
    String leader = null;
    boolean paused = false;
    List<Member> members = new ArrayList<>();
    for (String line : ended.output().lines().toList()) {
      String[] words = line.strip().split("\\s+");
      if (words[0].equals("leader") && words.length == 2 && leader == null) {
        leader = words[1];
        members.add(new Member(words[1], Optional.empty()));
      } else if (words[0].equals("member") && words.length == 2) {
        members.add(new Member(words[1], Optional.empty()));
      } else if (words[0].equals("paused") && words.length == 1) {
        paused = true;
      } else if (!line.isBlank()) {
        throw HaException.unavailable(describe(), "says what is not understood: " + line, null);
      }
    }
    return new Status(Optional.ofNullable(leader), members, paused);
  }

  @Override
  public void switchover(String from, String to) throws IOException, InterruptedException {
    run(switchover, from, to);
  }

  @Override
  public void failover(String to) throws IOException, InterruptedException {
    run(failover, to);
  }

  private void run(List<String> program, String... last) throws IOException, InterruptedException {
    if (program.isEmpty()) {
      throw HaException.refused(describe(), "no program is given for that");
    }
    List<String> words = new ArrayList<>(program);
    words.addAll(List.of(last));
    Program.Ended ended;
    try {
      ended = Program.run(words, Map.of(), patience);
    } catch (IOException e) {
      throw HaException.outcomeUnknown(describe(), String.valueOf(e.getMessage()), e);
    }
    String said = program.get(0) + " ended with " + ended.code() + " " + ended.said();
    switch (ended.code()) {
      case 0 -> {
        return;
      }
      case 1 -> throw HaException.refused(describe(), said);
      default -> throw HaException.outcomeUnknown(describe(), said, null);
    }
  }
}
