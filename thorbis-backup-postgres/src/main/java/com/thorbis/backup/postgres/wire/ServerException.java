package com.thorbis.backup.postgres.wire;

import java.io.IOException;

/** The server said no. */
public final class ServerException extends IOException {
  private static final long serialVersionUID = 1L;

  private final ServerMessage answer;

  ServerException(ServerMessage answer) {
    super(answer.toString());
    this.answer = answer;
  }

  /** What it said. */
  public ServerMessage answer() {
    return answer;
  }

  /** Five characters that programs can take a decision on. */
  public String sqlState() {
    return answer.sqlState();
  }
}
