package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.drill.DrillCheck;
import com.thorbis.backup.dr.drill.DrillCheck.Category;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.dr.drill.EndpointProbe;
import com.thorbis.backup.dr.drill.ServerChecks;
import com.thorbis.backup.spi.repository.RunControl;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What is looked at after a recovery, each by itself, so that it can be looked at again. */
final class Aftermath {
  static final String COMMITS = "commits";
  static final String ONE_PRIMARY = "one-primary";
  static final String PROMISED_ROWS = "promised-rows";
  static final String PACE = "pace";
  static final String PASSWORD = "password";
  static final String ROLE = "role";
  static final String BALANCES = "balances";

  /** How long tables may be read for. */
  static final Duration READING = Duration.ofMinutes(2);

  private static final Duration PATIENCE = Duration.ofSeconds(10);

  /** Below some milliseconds a clock measures chance. */
  private static final long LEAST_MICROS = 50_000;

  private final LocalEnvironment there;
  private final Fault fault;
  private final List<Attempt> attempts;
  private final Rows rows;
  private final Outage outage;
  private long mostMicros = LEAST_MICROS;
  private Pace usual = new Pace(0, 0, 0);
  private @Nullable Loss loss;
  private @Nullable GivenUp givenUp;
  private @Nullable Pace after;

  /** Reads what clients have booked. */
  @FunctionalInterface
  interface Rows {
    Set<Long> found() throws SQLException;
  }

  /** What came of a look. */
  record Said(Outcome outcome, String detail) {
    static Said passed(String detail) {
      return new Said(Outcome.PASSED, detail);
    }

    static Said failed(String detail) {
      return new Said(Outcome.FAILED, detail);
    }

    static Said notPerformed(String reason) {
      return new Said(Outcome.NOT_PERFORMED, reason);
    }
  }

  /** Looks once. */
  @FunctionalInterface
  interface Look {
    Said look() throws SQLException;
  }

  Aftermath(LocalEnvironment there, Fault fault, List<Attempt> attempts, Rows rows, Outage outage) {
    this.there = there;
    this.fault = fault;
    this.attempts = attempts;
    this.rows = rows;
    this.outage = outage;
  }

  /**
   * How fast it has to be.
   *
   * @param before as it was
   * @param mostPercent of it
   */
  void paced(Pace before, int mostPercent) {
    usual = before;
    mostMicros = Math.max(LEAST_MICROS, before.medianMicros() * mostPercent / 100);
  }

  /**
   * Looks at all of it.
   *
   * @throws SQLException if a server does not say whether it takes commits
   */
  List<DrillCheck> checks(RunControl control) throws SQLException {
    List<DrillCheck> checks = new ArrayList<>();
    checks.add(check(COMMITS, Category.AVAILABILITY, () -> commits(outage)));
    if (fault.served()) {
      checks.add(check(EndpointProbe.NAME, Category.AVAILABILITY, this::endpoints));
    }
    List<LocalEnvironment.Node> writable = writable();
    checks.add(check(ONE_PRIMARY, Category.AVAILABILITY, () -> onePrimary(writable)));
    fault.seen(there).ifPresent(it -> checks.add(check(it.check(), Category.INTEGRITY, it::said)));
    checks.add(check(PROMISED_ROWS, Category.INTEGRITY, this::promisedRows));
    if (writable.size() == 1) {
      checks.addAll(
          ServerChecks.integrity(
              database -> there.connect(writable.get(0), database), control, READING));
    }
    if (outage.firstSuccess().isPresent()) {
      after = Pace.of(attempts, outage.firstSuccess().get(), outage.observedUntil());
    }
    checks.add(check(PACE, Category.PERFORMANCE, () -> pace(after)));
    checks.add(check(PASSWORD, Category.SECURITY, () -> password(there.otherPassword())));
    checks.add(check(ROLE, Category.SECURITY, this::role));
    checks.add(check(BALANCES, Category.BUSINESS, this::balances));
    return checks;
  }

  private static DrillCheck check(String name, Category category, Look look) {
    long begun = System.nanoTime();
    Said said;
    try {
      said = look.look();
    } catch (SQLException e) {
      said = Said.failed("does not answer: " + e.getMessage());
    }
    return new DrillCheck(
        name,
        category,
        true,
        said.outcome(),
        said.detail(),
        (System.nanoTime() - begun) / 1_000_000);
  }

  /** Whether anybody commits after what clients have seen. */
  static Said commits(Outage seen) {
    return seen.firstSuccess().isPresent()
        ? Said.passed("clients commit again")
        : Said.failed("nothing was committed after the disaster");
  }

  /** Whether the application answers. */
  Said endpoints() {
    try {
      DrillCheck answered = there.site().endpoints().check();
      return new Said(answered.outcome(), answered.detail());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Said.notPerformed("was interrupted");
    }
  }

  /** The servers that take commits. */
  List<LocalEnvironment.Node> writable() throws SQLException {
    List<LocalEnvironment.Node> found = new ArrayList<>();
    for (LocalEnvironment.Node node : List.of(there.primary(), there.successor())) {
      if (there.writable(node)) {
        found.add(node);
      }
    }
    return found;
  }

  static Said onePrimary(List<LocalEnvironment.Node> writable) {
    return writable.size() == 1
        ? Said.passed(writable.get(0).name() + " alone takes commits")
        : Said.failed(writable.size() + " servers take commits");
  }

  /** Whether all is there that clients were promised, and nothing else. */
  Said promisedRows() throws SQLException {
    Loss counted = Loss.of(attempts, rows.found());
    if (loss == null) {
      loss = counted;
    }
    Optional<RecoveredPoint> point = there.point();
    if (point.isPresent() && point.get().moment().isPresent()) {
      return promisedRows(counted, point.get(), point.get().moment().get());
    }
    return counted.none()
        ? Said.passed(
            "all "
                + counted.acknowledged()
                + " acknowledged commits are there; of those nobody answered for, "
                + counted.unknownThere()
                + " are and "
                + counted.unknownGone()
                + " are not")
        : Said.failed(
            counted.lost().size()
                + " of "
                + counted.acknowledged()
                + " acknowledged commits are gone, and "
                + counted.contrary().size()
                + " are there that must not be");
  }

  /** Those that came after the damage are given up; that is told, and nothing else is lost. */
  private Said promisedRows(Loss counted, RecoveredPoint point, Instant moment) {
    GivenUp beyond = GivenUp.of(counted, attempts, point, moment, outage.lastSuccess());
    if (givenUp == null) {
      givenUp = beyond;
    }
    String text =
        counted.acknowledged()
            - beyond.commits()
            + " acknowledged commits are there; "
            + beyond.commits()
            + " that came in the "
            + beyond.span().toMillis()
            + " ms after "
            + moment
            + " are given up";
    return beyond.holds()
        ? Said.passed(text)
        : Said.failed(text + ", and " + beyond.others() + " others are gone or must not be there");
  }

  /** Whether it is as fast as it has to be; nothing: nobody commits. */
  Said pace(@Nullable Pace now) {
    if (now == null || now.commits() == 0) {
      return Said.failed("nothing was committed");
    }
    String text =
        "a commit takes " + now.medianMicros() + " µs, before " + usual.medianMicros() + " µs";
    return now.medianMicros() <= mostMicros ? Said.passed(text) : Said.failed(text);
  }

  /** Whether somebody is let in with a password. */
  Said password(String tried) {
    try (Connection session = there.client(tried)) {
      return Said.failed("somebody without the password was let in: " + session.getMetaData());
    } catch (SQLException e) {
      return String.valueOf(e.getSQLState()).startsWith("28")
              || String.valueOf(e.getMessage()).contains("password")
              || String.valueOf(e.getMessage()).contains("SASL")
          ? Said.passed("nobody gets in with another password")
          : Said.notPerformed("does not answer: " + e.getMessage());
    }
  }

  /** Whether the application may more than it has to. */
  Said role() throws SQLException {
    try (Connection session = there.client(PATIENCE);
        Statement statement = session.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT rolsuper OR rolcreaterole OR rolreplication FROM pg_roles WHERE rolname ="
                    + " current_user")) {
      if (!row.next()) {
        throw new SQLException("No answer");
      }
      return row.getBoolean(1)
          ? Said.failed("the application's role has power over the server")
          : Said.passed("the application's role has no power over the server");
    }
  }

  /** Whether what bookings moved adds up. */
  Said balances() throws SQLException {
    try (Connection session = there.client(PATIENCE)) {
      return Soundness.problem(session)
          .map(Said::failed)
          .orElseGet(() -> Said.passed("what bookings moved adds up"));
    }
  }

  /** What the fault itself has seen; empty where that is nothing. */
  Optional<Fault.Seen> seen() {
    return fault.seen(there);
  }

  List<Attempt> attempts() {
    return attempts;
  }

  Outage outage() {
    return outage;
  }

  long mostMicros() {
    return mostMicros;
  }

  /** What became of the rows, as it was seen first. */
  @Nullable Loss loss() {
    return loss;
  }

  /** What came after the moment that was brought back, as it was seen first. */
  @Nullable GivenUp givenUp() {
    return givenUp;
  }

  /** How fast it was after the recovery. */
  @Nullable Pace after() {
    return after;
  }
}
