package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.plan.Scenario;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.Optional;

/** The application's process is killed, and its files are gone with it; the database goes on. */
final class KilledApplication implements Fault {
  private static final String CHECK = "database-untouched";

  private String before = "";

  @Override
  public String label() {
    return Scenario.Simulation.APPLICATION_FAILURE.label();
  }

  @Override
  public boolean served() {
    return true;
  }

  @Override
  public Map<String, String> undoing(LocalEnvironment there) {
    return Map.of(
        "application", there.site().current().folder().toString(), "restore", "elsewhere");
  }

  @Override
  public void make(LocalEnvironment there) throws IOException {
    try {
      before = server(there);
    } catch (SQLException e) {
      throw new IOException("The database does not answer: " + e.getMessage(), e);
    }
    there.site().kill();
  }

  /** What a restart, a promotion or another cluster would change. */
  private static String server(LocalEnvironment there) throws SQLException {
    try (Connection session = there.connect(there.primary(), "postgres");
        Statement statement = session.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT 'cluster ' || system_identifier || ', timeline ' || (SELECT timeline_id"
                    + " FROM pg_control_checkpoint()) || ', started ' || pg_postmaster_start_time()"
                    + " FROM pg_control_system()")) {
      if (!row.next()) {
        throw new SQLException("No answer");
      }
      return row.getString(1);
    }
  }

  @Override
  public void undo(LocalEnvironment there) {
    // The environment's removal undoes it, also where this process is killed before.
  }

  @Override
  public Optional<Seen> seen(LocalEnvironment there) {
    try {
      String now = server(there);
      return Optional.of(
          now.equals(before)
              ? new Seen(CHECK, true, "is as it was: " + now)
              : new Seen(CHECK, false, "was " + before + "; is " + now));
    } catch (SQLException e) {
      return Optional.of(new Seen(CHECK, false, "does not answer: " + e.getMessage()));
    }
  }

  @Override
  public Spoiled spoil(LocalEnvironment there) throws IOException {
    there.stop(there.primary());
    there.start(there.primary());
    return new Spoiled("the server was started again", "; is cluster");
  }
}
