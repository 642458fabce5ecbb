package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.internal.Program;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * Programs that take a server away, such as by its power supply, and look whether it is gone. No
 * shell; the server's name, host and port are in {@code THORBIS_SERVER}, {@code THORBIS_HOST} and
 * {@code THORBIS_PORT}. That the server does not come back by itself is theirs to see to.
 */
public final class CommandFence implements Fence {
  private final ServerAccess server;
  private final List<String> command;
  private final List<String> check;
  private final List<String> lift;
  private final Duration patience;

  /**
   * One for a server.
   *
   * @param command takes it away; may be run when that is done
   * @param check ends with 0 if it is proven that the server is gone, 1 if it is not gone, and
   *     anything else if it could not look
   * @param lift lets it be started again; empty: nothing does
   * @param patience how long each may take
   */
  public CommandFence(
      ServerAccess server,
      List<String> command,
      List<String> check,
      List<String> lift,
      Duration patience) {
    if (command.isEmpty() || check.isEmpty()) {
      throw new IllegalArgumentException(
          "A fence needs a program that closes it, and one that proves it");
    }
    this.server = server;
    this.command = List.copyOf(command);
    this.check = List.copyOf(check);
    this.lift = List.copyOf(lift);
    this.patience = patience;
  }

  @Override
  public String kind() {
    return "command";
  }

  @Override
  public String describe() {
    return "run " + String.join(" ", command) + " for " + server;
  }

  @Override
  public Finding look() throws InterruptedException {
    try {
      Program.Ended ended = run(check);
      String detail = (check.get(0) + " ended with " + ended.code() + " " + ended.said()).strip();
      return switch (ended.code()) {
        case 0 -> Finding.closed(detail, Map.of());
        case 1 -> Finding.open(detail);
        default -> Finding.cannotTell(detail);
      };
    } catch (IOException e) {
      return Finding.cannotTell(String.valueOf(e.getMessage()));
    }
  }

  /** Whatever the program says about itself, it is the look that tells. */
  @Override
  public Finding close(Mode mode, Duration within) throws InterruptedException {
    String said;
    try {
      Program.Ended ended = run(command);
      said = (command.get(0) + " ended with " + ended.code() + " " + ended.said()).strip();
    } catch (IOException e) {
      said = String.valueOf(e.getMessage());
    }
    Finding found = look();
    return new Finding(found.state(), said + "; " + found.detail(), found.facts());
  }

  @Override
  public boolean lifts() {
    return !lift.isEmpty();
  }

  @Override
  public void lift() throws IOException, InterruptedException {
    Program.Ended ended = run(lift);
    if (ended.code() != 0) {
      throw new IOException(lift.get(0) + " ended with " + ended.code() + " " + ended.said());
    }
  }

  private Program.Ended run(List<String> words) throws IOException, InterruptedException {
    return Program.run(
        words,
        Map.of(
            "THORBIS_SERVER", server.name(),
            "THORBIS_HOST", server.host(),
            "THORBIS_PORT", Integer.toString(server.port())),
        patience);
  }
}
