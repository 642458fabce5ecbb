package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.plan.Scenario;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The primary goes on, and nobody reaches it but a client on its own side, who goes on to commit
 * there. None of that may be promised: the standby does not get it.
 */
final class CutNetwork implements Fault {
  private static final Duration PATIENCE = Duration.ofSeconds(2);
  private static final String CHECK = "left-behind";
  private static final long PAUSE_MILLIS = 20;

  private final AtomicLong asked = new AtomicLong();
  private final AtomicLong promised = new AtomicLong();
  private volatile boolean enough;
  private @Nullable Thread inside;

  @Override
  public String label() {
    return Scenario.Simulation.NETWORK_PARTITION.label();
  }

  @Override
  public boolean relayed() {
    return true;
  }

  @Override
  public Map<String, String> undoing(LocalEnvironment there) {
    return Map.of("join", there.front().address(), "to", there.primary().address());
  }

  @Override
  public void make(LocalEnvironment there) throws IOException {
    there.relay().cut();
    Thread client = new Thread(() -> commit(there), "probe-inside");
    client.setDaemon(true);
    client.start();
    inside = client;
  }

  private void commit(LocalEnvironment there) {
    while (!enough) {
      try (Connection session = there.inside(PATIENCE);
          Statement statement = session.createStatement()) {
        long number = -asked.incrementAndGet(); // rows that nobody may ever find
        statement.executeUpdate("INSERT INTO " + Probe.TABLE + " (number) VALUES (" + number + ")");
        SQLWarning warning = statement.getWarnings();
        if (warning == null) {
          promised.incrementAndGet();
        }
      } catch (SQLException e) {
        // It was promised nothing.
      }
      try {
        TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  @Override
  public void undo(LocalEnvironment there) throws IOException {
    enough = true;
    Thread client = inside;
    if (client != null) {
      client.interrupt();
    }
    there.relay().join();
  }

  @Override
  public Spoiled spoil(LocalEnvironment there) {
    promised.incrementAndGet();
    return new Spoiled("a commit was promised on the side cut off", "1 of ");
  }

  /** Nobody was promised a commit on the side that was left behind. */
  @Override
  public Optional<Seen> seen(LocalEnvironment there) {
    long tried = asked.get();
    return Optional.of(
        tried == 0
            ? new Seen(
                CHECK, false, "no client got to the primary on its own side: nothing was tried")
            : new Seen(
                CHECK,
                promised.get() == 0,
                promised.get() + " of " + tried + " commits were promised on the side cut off"));
  }
}
