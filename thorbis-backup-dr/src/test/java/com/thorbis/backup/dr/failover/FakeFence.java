package com.thorbis.backup.dr.failover;

import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/** A fence that is what the test says. */
final class FakeFence implements Fence {
  State state = State.OPEN;
  State afterwards = State.CLOSED;
  final Map<String, String> facts =
      new HashMap<>(
          Map.of(
              FailoverFacts.SYSTEM, "7000",
              FailoverFacts.TIMELINE, "1",
              FailoverFacts.LSN, "0/3000000"));
  int closed;
  int lifted;
  boolean broken;
  boolean hangs;

  @Override
  public String kind() {
    return "fake";
  }

  @Override
  public Finding look() throws IOException {
    if (hangs) {
      try {
        Thread.sleep(60_000);
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
    }
    if (broken) {
      throw new IOException("nobody may look");
    }
    return switch (state) {
      case CLOSED -> Finding.closed("is gone", facts);
      case OPEN -> Finding.open("is there");
      case CANNOT_TELL -> Finding.cannotTell("is out of sight");
    };
  }

  @Override
  public Finding close(Mode mode, Duration patience) throws IOException {
    closed++;
    state = afterwards;
    return look();
  }

  @Override
  public boolean lifts() {
    return true;
  }

  @Override
  public void lift() {
    lifted++;
    state = State.OPEN;
  }

  @Override
  public String describe() {
    return "pretend";
  }
}
