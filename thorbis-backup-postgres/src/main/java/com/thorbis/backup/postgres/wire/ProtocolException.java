package com.thorbis.backup.postgres.wire;

import java.io.IOException;

/** What came from the server is not the protocol. The connection is of no further use. */
public final class ProtocolException extends IOException {
  private static final long serialVersionUID = 1L;

  /** Says what was wrong. */
  public ProtocolException(String problem) {
    super("The server does not keep to the protocol: " + problem);
  }
}
