package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.plan.Scenario;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The application itself changes and deletes every row, as after a release that forgot a WHERE. */
final class WrongStatement implements Fault {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  private @Nullable Instant begun;
  private @Nullable Instant ended;

  @Override
  public String label() {
    return Scenario.Simulation.DATA_CORRUPTION.label();
  }

  @Override
  public boolean corrupts() {
    return true;
  }

  @Override
  public Map<String, String> undoing(LocalEnvironment there) {
    return Map.of("restore", "to before it", "remove", there.primary().dataDirectory().toString());
  }

  @Override
  public void make(LocalEnvironment there) throws IOException {
    begun = there.now();
    try (Connection session = there.client(PATIENCE);
        Statement statement = session.createStatement()) {
      session.setAutoCommit(false);
      statement.execute("LOCK TABLE " + Probe.ACCOUNTS + " IN SHARE ROW EXCLUSIVE MODE");
      statement.executeUpdate("UPDATE " + Probe.ACCOUNTS + " SET balance = 100");
      statement.executeUpdate("DELETE FROM " + Probe.TABLE);
      session.commit();
    } catch (SQLException e) {
      throw new IOException("The statement was not carried out: " + e.getMessage(), e);
    }
    ended = there.now();
  }

  @Override
  public void undo(LocalEnvironment there) {
    // The environment's removal undoes it, also where this process is killed before.
  }

  @Override
  public Spoiled spoil(LocalEnvironment there) {
    Instant now = there.now();
    there.point(there.point().orElseThrow().at(now));
    return new Spoiled("the moment is after the damage", "recovered to " + now);
  }

  /** What was found has to enclose what nobody was told. */
  @Override
  public Optional<Seen> seen(LocalEnvironment there) {
    Instant from = begun;
    Instant to = ended;
    if (from == null || to == null) {
      return Optional.empty();
    }
    String truth = "the damage was committed between " + from + " and " + to;
    return Optional.of(
        there
            .point()
            .filter(point -> point.moment().isPresent() && point.damaged().isPresent())
            .map(
                point ->
                    new Seen(
                        "moment",
                        point.moment().get().isBefore(to) && point.damaged().get().isAfter(from),
                        "recovered to " + point.moment().get() + "; " + truth))
            .orElseGet(() -> new Seen("moment", false, "no moment was found; " + truth)));
  }
}
