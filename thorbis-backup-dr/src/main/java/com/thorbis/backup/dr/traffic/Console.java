package com.thorbis.backup.dr.traffic;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** The administration console of a pooler. Each question has a connection of its own. */
@FunctionalInterface
interface Console {
  /**
   * Gives a command and returns the rows of the answer, by column; what is NULL is not in them.
   *
   * @throws Late if there was no whole answer in time: the command may still be carried out
   * @throws Refused if the console has answered that it does not do it
   */
  List<Map<String, String>> ask(String command, Duration longest) throws IOException;

  /** There was no answer in time. */
  final class Late extends IOException {
    private static final long serialVersionUID = 1L;

    Late(Duration longest) {
      super("no whole answer within " + longest);
    }
  }

  /** The console said no. */
  final class Refused extends IOException {
    private static final long serialVersionUID = 1L;

    Refused(String reason) {
      super(reason);
    }
  }
}
