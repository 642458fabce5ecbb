package com.thorbis.backup.dr.failover;

import java.io.IOException;
import java.time.Duration;
import java.util.Map;

/**
 * Keeps one server from accepting writes, and proves that it does not. To take rights or
 * connections away inside the database is no fence: it is replicated to the standby, sessions that
 * are there stay, and a superuser goes on. Calls come from one thread at a time; each may be
 * repeated.
 */
public interface Fence {
  /** How a server is stopped. */
  enum Mode {
    /**
     * Only if it lets itself be stopped with all its log written and sent: for a planned change.
     */
    GRACEFUL("graceful"),
    /** First so, and then by every means. */
    FORCE("force");

    private final String label;

    Mode(String label) {
      this.label = label;
    }

    /** Its name in plans. */
    public String label() {
      return label;
    }
  }

  /** What is known about the fence. */
  enum State {
    /** It is proven that the server accepts no writes, and will accept none by itself. */
    CLOSED,
    /** The server accepts writes, or may accept some without anybody's doing. */
    OPEN,
    /** Neither could be found out. */
    CANNOT_TELL
  }

  /**
   * What a look found.
   *
   * @param state which of the three
   * @param detail why, for people; never a secret
   * @param facts what was learned of the server: {@link FailoverFacts}
   */
  record Finding(State state, String detail, Map<String, String> facts) {
    /** Copies the map. */
    public Finding {
      facts = Map.copyOf(facts);
    }

    /** It accepts no writes. */
    public static Finding closed(String detail, Map<String, String> facts) {
      return new Finding(State.CLOSED, detail, facts);
    }

    /** It accepts writes, or may. */
    public static Finding open(String detail) {
      return new Finding(State.OPEN, detail, Map.of());
    }

    /** Neither could be found out. */
    public static Finding cannotTell(String detail) {
      return new Finding(State.CANNOT_TELL, detail, Map.of());
    }
  }

  /** The kind of its proof, as journals name it. */
  String kind();

  /** Looks, and changes nothing. */
  Finding look() throws IOException, InterruptedException;

  /**
   * Closes it, and looks.
   *
   * @param patience how long the server has to end by itself
   */
  Finding close(Mode mode, Duration patience) throws IOException, InterruptedException;

  /** Whether {@link #lift} can do anything. */
  default boolean lifts() {
    return false;
  }

  /** Lets the server be started again; does not start it. May be called when it is lifted. */
  default void lift() throws IOException, InterruptedException {
    throw new UnsupportedOperationException();
  }

  /** What it does, for people. */
  String describe();
}
