package com.thorbis.backup.postgres.server;

import java.io.IOException;

/** Looks at how a server would run, before it does. */
@FunctionalInterface
public interface StartProof {
  /** Throws if it must not be started. */
  void prove(Effective settings) throws IOException;

  /** What would be in force, of all that files and the command line say. */
  @FunctionalInterface
  interface Effective {
    /** The value of a setting, as the server's own program gives it. */
    String of(String setting) throws IOException;
  }
}
