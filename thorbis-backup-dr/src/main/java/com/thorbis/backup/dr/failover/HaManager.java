package com.thorbis.backup.dr.failover;

import java.io.IOException;
import java.util.List;
import java.util.Optional;

/**
 * Whatever is in charge of which server is the primary. Where one is, everything goes through it
 * and nothing beside it. Calls come from one thread at a time. Failures are {@link HaException}.
 */
public interface HaManager {
  /**
   * How it sees its servers.
   *
   * @param leader who is the primary; empty: nobody
   * @param members all of them
   * @param paused whether it lets happen what happens, so that it keeps nobody from writing
   */
  record Status(Optional<String> leader, List<Member> members, boolean paused) {
    /** Copies the list. */
    public Status {
      members = List.copyOf(members);
    }
  }

  /**
   * One server.
   *
   * @param name its name there
   * @param lag how many bytes of log it is behind; empty: not known
   */
  record Member(String name, Optional<Long> lag) {}

  /** For people. */
  String describe();

  /** Looks. */
  Status status() throws IOException, InterruptedException;

  /** Changes the primary while it works, so that nothing is lost. */
  void switchover(String from, String to) throws IOException, InterruptedException;

  /** Makes one the primary although the old one may be gone, and with it what it had alone. */
  void failover(String to) throws IOException, InterruptedException;
}
