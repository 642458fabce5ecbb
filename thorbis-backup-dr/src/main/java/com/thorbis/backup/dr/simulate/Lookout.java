package com.thorbis.backup.dr.simulate;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Asks again and again, as a client, whether the application's data is sound, and keeps when it
 * last was and when it first was not. A look that nobody answered counts as none.
 */
final class Lookout implements AutoCloseable {
  private static final long PAUSE_MILLIS = 50;

  private final Probe.Sessions sessions;
  private final Clock clock;
  private final Thread thread;
  private Seen seen = new Seen(Optional.empty(), Optional.empty(), Optional.empty());

  /**
   * What it has seen.
   *
   * @param firstSound before the first look that found it sound
   * @param lastSound before the last such look that no other came before
   * @param firstDamaged after the first look that found it damaged
   */
  record Seen(
      Optional<Instant> firstSound, Optional<Instant> lastSound, Optional<Instant> firstDamaged) {
    Seen with(Instant begun, Instant ended, boolean sound) {
      if (firstDamaged.isPresent()) {
        return this;
      }
      return sound
          ? new Seen(firstSound.or(() -> Optional.of(begun)), Optional.of(begun), firstDamaged)
          : new Seen(firstSound, lastSound, Optional.of(ended));
    }
  }

  private Lookout(Probe.Sessions sessions, Clock clock) {
    this.sessions = sessions;
    this.clock = clock;
    this.thread = new Thread(this::look, "lookout");
    this.thread.setDaemon(true);
  }

  static Lookout start(Probe.Sessions sessions, Clock clock) {
    Lookout lookout = new Lookout(sessions, clock);
    lookout.thread.start();
    return lookout;
  }

  private void look() {
    @Nullable Connection session = null;
    try {
      while (true) {
        Instant begun = clock.instant();
        try {
          if (session == null) {
            session = sessions.open();
          }
          boolean sound = Soundness.problem(session).isEmpty();
          note(begun, sound);
        } catch (SQLException e) {
          close(session); // nobody answered
          session = null;
        }
        TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
      }
    } catch (InterruptedException e) {
      return; // it was closed
    } finally {
      close(session);
    }
  }

  private synchronized void note(Instant begun, boolean sound) {
    seen = seen.with(begun, clock.instant(), sound);
  }

  private static void close(@Nullable Connection session) {
    if (session != null) {
      try {
        session.close();
      } catch (SQLException e) {
        return; // it is gone either way
      }
    }
  }

  /** What it has seen so far. */
  synchronized Seen seen() {
    return seen;
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
