package com.thorbis.backup.dr.failover;

import java.time.Duration;

/** Nothing here reaches the server: a person takes it away, and says so. */
final class HandFence implements Fence {
  private final ServerAccess server;

  HandFence(ServerAccess server) {
    this.server = server;
  }

  @Override
  public String kind() {
    return FailoverFacts.PERSON;
  }

  @Override
  public Finding look() {
    return Finding.cannotTell("nothing from here reaches the host of " + server);
  }

  @Override
  public Finding close(Mode mode, Duration patience) {
    return look();
  }

  @Override
  public String describe() {
    return "ask a person to make sure that " + server + " takes no writes and stays so";
  }
}
