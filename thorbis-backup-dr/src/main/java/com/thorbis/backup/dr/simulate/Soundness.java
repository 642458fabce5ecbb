package com.thorbis.backup.dr.simulate;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;
import java.util.Set;

/** What must be so of the application's data, on whatever server it lies. */
final class Soundness {
  /** What PostgreSQL says of pages and indexes that are not what it wrote. */
  private static final Set<String> DAMAGE = Set.of("XX001", "XX002");

  /** One statement sees one moment. The column makes it read every page of the table itself. */
  private static final String ASK =
      "SELECT sum(balance), coalesce(sum(balance) FILTER (WHERE balance > 0), 0),"
          + " (SELECT count(xmin) FROM public."
          + Probe.TABLE
          + ") FROM public."
          + Probe.ACCOUNTS;

  private Soundness() {}

  /**
   * What is wrong; empty if nothing is.
   *
   * @throws SQLException if nobody could look
   */
  static Optional<String> problem(Connection session) throws SQLException {
    try (Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery(ASK)) {
      if (!row.next()) {
        throw new SQLException("No answer");
      }
      long sum = row.getLong(1);
      long moved = row.getLong(2);
      long bookings = row.getLong(3);
      return sum == 0 && moved == bookings
          ? Optional.empty()
          : Optional.of(
              "balances add up to "
                  + sum
                  + "; "
                  + moved
                  + " was moved by "
                  + bookings
                  + " bookings");
    } catch (SQLException e) {
      if (DAMAGE.contains(String.valueOf(e.getSQLState()))) {
        return Optional.of(String.valueOf(e.getMessage()));
      }
      throw e;
    }
  }
}
