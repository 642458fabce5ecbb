package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.EndpointProbe;
import com.thorbis.backup.dr.drill.Plant;
import com.thorbis.backup.dr.drill.Plant.Result;
import com.thorbis.backup.dr.drill.ServerChecks;
import com.thorbis.backup.dr.simulate.Aftermath.Look;
import com.thorbis.backup.dr.simulate.Aftermath.Said;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The negative control of a simulation: what each check is for is made to be untrue in the
 * environment, which is removed afterwards, and the very check has to say so.
 */
final class Controls {
  private static final String BOOKINGS = "public." + Probe.TABLE;
  private static final String ACCOUNTS = "public." + Probe.ACCOUNTS;

  private final LocalEnvironment there;
  private final Fault fault;
  private final Aftermath aftermath;
  private final RunControl control;
  private final List<Plant> plants = new ArrayList<>();

  Controls(LocalEnvironment there, Fault fault, Aftermath aftermath, RunControl control) {
    this.there = there;
    this.fault = fault;
    this.aftermath = aftermath;
    this.control = control;
  }

  /** Breaks one thing after the other, and undoes it where the next one needs that. */
  List<Plant> plants() throws IOException, SQLException {
    LocalEnvironment.Node server = aftermath.writable().get(0);
    judged(
        Aftermath.COMMITS,
        "what clients booked after the disaster is left out",
        () -> Aftermath.commits(unmended()),
        "nothing was committed");
    judged(
        Aftermath.PACE,
        "a commit takes longer than it may",
        () -> aftermath.pace(new Pace(1, aftermath.mostMicros() + 1, aftermath.mostMicros() + 1)),
        "a commit takes");
    try (SecretValue right = there.password()) {
      judged(
          Aftermath.PASSWORD,
          "the password that is tried is the right one",
          () -> aftermath.password(right.useChars(String::new)),
          "was let in");
    }
    try (Connection session = there.connect(server, LocalEnvironment.DATABASE)) {
      rows(session);
      execute(session, "ALTER ROLE " + LocalEnvironment.ROLE + " CREATEROLE");
      judged(Aftermath.ROLE, "the role may make roles", aftermath::role, "has power");
      execute(session, "ALTER ROLE " + LocalEnvironment.ROLE + " NOCREATEROLE");
      execute(session, "UPDATE " + ACCOUNTS + " SET balance = balance + 1 WHERE id = 1");
      judged(
          Aftermath.BALANCES, "one account has more", aftermath::balances, "balances add up to 1");
      execute(session, "UPDATE " + ACCOUNTS + " SET balance = balance - 1 WHERE id = 1");
    }
    plants.addAll(
        ServerChecks.plants(
            database -> there.connect(server, database),
            LocalEnvironment.DATABASE,
            control,
            Aftermath.READING));
    if (fault.served()) {
      there.site().killNext();
      judged(
          EndpointProbe.NAME,
          "the application is killed again",
          aftermath::endpoints,
          "/api/health answers 50");
    }
    if (aftermath.seen().isPresent()) {
      String check = aftermath.seen().get().check();
      Optional<RecoveredPoint> point = there.point();
      Fault.Spoiled made = fault.spoil(there);
      judged(check, made.damage(), () -> aftermath.seen().orElseThrow().said(), made.named());
      point.ifPresent(there::point);
    }
    another(server);
    return plants;
  }

  /** What clients had seen if nobody had recovered it. */
  private Outage unmended() {
    Instant first = aftermath.outage().firstSuccess().orElseThrow();
    return Outage.of(
        aftermath.attempts().stream().filter(it -> it.ended().isBefore(first)).toList(),
        aftermath.outage().lastSuccess());
  }

  private void rows(Connection session) throws SQLException {
    long first;
    try (Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery("SELECT min(number) FROM " + BOOKINGS)) {
      if (!row.next()) {
        throw new SQLException("No answer");
      }
      first = row.getLong(1);
    }
    execute(session, "DELETE FROM " + BOOKINGS + " WHERE number = " + first);
    judged(Aftermath.PROMISED_ROWS, "a row is gone", aftermath::promisedRows, "gone");
    execute(session, "INSERT INTO " + BOOKINGS + " VALUES (" + first + ")");
    execute(session, "INSERT INTO " + BOOKINGS + " VALUES (-1)");
    judged(
        Aftermath.PROMISED_ROWS,
        "a row is there that nobody asked for",
        aftermath::promisedRows,
        "must not be");
    execute(session, "DELETE FROM " + BOOKINGS + " WHERE number = -1");
  }

  /** The other server takes commits, too. */
  private void another(LocalEnvironment.Node server) throws SQLException {
    LocalEnvironment.Node other =
        server.equals(there.primary()) ? there.successor() : there.primary();
    String damage = "the " + other.name() + " takes commits, too";
    try {
      if (there.process(other).isEmpty()) {
        there.start(other);
      }
      if (!there.writable(other)) {
        try (Connection session = there.connect(other, "postgres")) {
          execute(session, "SELECT pg_promote(true, 20)");
        }
      }
    } catch (IOException | SQLException e) {
      plants.add(
          new Plant(
              Aftermath.ONE_PRIMARY, damage, Result.NOT_PLANTED, String.valueOf(e.getMessage())));
      return;
    }
    judged(
        Aftermath.ONE_PRIMARY,
        damage,
        () -> Aftermath.onePrimary(aftermath.writable()),
        "2 servers take commits");
  }

  private void judged(String check, String damage, Look look, String named) throws SQLException {
    Said said = look.look();
    plants.add(
        new Plant(
            check,
            damage,
            said.outcome() == DrillCheck.Outcome.FAILED && said.detail().contains(named)
                ? Result.DETECTED
                : Result.UNDETECTED,
            said.detail()));
  }

  private static void execute(Connection session, String sql) throws SQLException {
    try (Statement statement = session.createStatement()) {
      statement.execute(sql);
    }
  }
}
