package com.thorbis.backup.dr.simulate;

import com.thorbis.backup.dr.simulate.Attempt.Outcome;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Clients that commit numbered bookings the way an application does, and keep for each whether they
 * were promised it. They know nothing of the servers behind their address.
 */
public final class Probe implements AutoCloseable {
  static final String TABLE = "thorbis_booking";
  static final String ACCOUNTS = "thorbis_account";

  /** A booking and what it moves come together or not at all. */
  static final String BOOK =
      "WITH moved AS (UPDATE "
          + ACCOUNTS
          + " SET balance = balance + CASE id WHEN ? THEN 1 ELSE -1 END WHERE id IN (?, ?))"
          + " INSERT INTO "
          + TABLE
          + " (number) VALUES (?)";

  private static final long PAUSE_MILLIS = 10;
  private static final Duration LAST_ATTEMPT = Duration.ofSeconds(30);

  private final Sessions sessions;
  private final Supplier<Teller> tellers;
  private final Clock clock;
  private final AtomicLong numbers = new AtomicLong();
  private final List<Attempt> attempts = new ArrayList<>();
  private final List<Thread> clients = new ArrayList<>();
  private volatile boolean enough;

  /** Opens a session of a client, with a short patience for every answer. */
  @FunctionalInterface
  public interface Sessions {
    /**
     * One more.
     *
     * @return the caller's to close
     */
    Connection open() throws SQLException;
  }

  /** Who takes the bookings of one client. */
  interface Teller extends AutoCloseable {
    /** Asks for one, and tells what the client knows of it. */
    Told book(int account, long number) throws InterruptedException;

    @Override
    void close();
  }

  /** What a client knows. */
  record Told(Outcome outcome, String detail) {}

  private Probe(Sessions sessions, Supplier<Teller> tellers, Clock clock) {
    this.sessions = sessions;
    this.tellers = tellers;
    this.clock = clock;
  }

  /**
   * Makes the table and starts clients.
   *
   * @param clients how many work at a time
   */
  public static Probe start(Sessions sessions, Clock clock, int clients) throws SQLException {
    return start(sessions, () -> new Direct(sessions), clock, clients);
  }

  /** The same, of clients that somebody else takes bookings from. */
  static Probe start(Sessions sessions, Supplier<Teller> tellers, Clock clock, int clients)
      throws SQLException {
    try (Connection session = sessions.open();
        Statement statement = session.createStatement()) {
      statement.execute("CREATE TABLE " + TABLE + " (number bigint PRIMARY KEY)");
      statement.execute(
          "CREATE TABLE " + ACCOUNTS + " (id int PRIMARY KEY, balance bigint NOT NULL)");
      statement.execute(
          "INSERT INTO "
              + ACCOUNTS
              + " SELECT id, 0 FROM generate_series(1, "
              + 2 * clients
              + ") id");
    }
    Probe probe = new Probe(sessions, tellers, clock);
    for (int i = 0; i < clients; i++) {
      int account = 2 * i + 1;
      Thread client = new Thread(() -> probe.work(account), "probe-" + i);
      client.setDaemon(true);
      client.start();
      probe.clients.add(client);
    }
    return probe;
  }

  private void work(int account) {
    try (Teller teller = tellers.get()) {
      while (!enough) {
        long number = numbers.incrementAndGet();
        Instant begun = clock.instant();
        Told told = teller.book(account, number);
        note(number, begun, told);
        TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Books in a session of its own. */
  private static final class Direct implements Teller {
    private final Sessions sessions;
    private @Nullable Connection session;

    Direct(Sessions sessions) {
      this.sessions = sessions;
    }

    @Override
    public Told book(int account, long number) {
      Connection open = session;
      if (open == null) {
        try {
          open = sessions.open();
          session = open;
        } catch (SQLException e) {
          return new Told(Outcome.REFUSED, said(e));
        }
      }
      try (PreparedStatement booking = open.prepareStatement(BOOK)) {
        booking.setInt(1, account);
        booking.setInt(2, account);
        booking.setInt(3, account + 1);
        booking.setLong(4, number);
        booking.executeUpdate();
        SQLWarning warning = booking.getWarnings();
        return warning == null
            ? new Told(Outcome.ACKNOWLEDGED, "")
            : new Told(Outcome.UNKNOWN, said(warning)); // such as that it is in one place only
      } catch (SQLException e) {
        close();
        return new Told(outcome(e), said(e));
      }
    }

    @Override
    public void close() {
      Connection open = session;
      session = null;
      if (open != null) {
        try {
          open.close();
        } catch (SQLException e) {
          return; // it is gone either way
        }
      }
    }
  }

  /**
   * An error of the statement is an answer: the row is not there. One of the connection or the
   * server is none, as it may have come after the commit.
   */
  static Outcome outcome(SQLException e) {
    String state = String.valueOf(e.getSQLState());
    boolean answered =
        state.length() == 5
            && List.of("22", "23", "25", "28", "40", "42", "53", "55")
                .contains(state.substring(0, 2))
            && !state.equals("40003");
    return answered ? Outcome.REFUSED : Outcome.UNKNOWN;
  }

  private static String said(SQLException e) {
    return String.valueOf(e.getSQLState()) + " " + e.getMessage();
  }

  private void note(long number, Instant begun, Told told) {
    Attempt attempt = new Attempt(number, begun, clock.instant(), told.outcome(), told.detail());
    synchronized (attempts) {
      attempts.add(attempt);
    }
  }

  /** What clients know so far. */
  public List<Attempt> attempts() {
    synchronized (attempts) {
      return List.copyOf(attempts);
    }
  }

  /** How many rows were promised since. */
  public long acknowledgedSince(Instant moment) {
    return attempts().stream()
        .filter(it -> it.outcome() == Outcome.ACKNOWLEDGED && it.begun().isAfter(moment))
        .count();
  }

  /** Ends the clients, and returns when none is in the middle of a commit. */
  public void stop() throws InterruptedException {
    enough = true;
    for (Thread client : clients) {
      client.join(LAST_ATTEMPT.toMillis());
      if (client.isAlive()) {
        throw new IllegalStateException(client.getName() + " does not end");
      }
    }
  }

  /** The rows that are there. */
  public Set<Long> found() throws SQLException {
    Set<Long> found = new HashSet<>();
    try (Connection session = sessions.open();
        Statement statement = session.createStatement();
        ResultSet rows = statement.executeQuery("SELECT number FROM " + TABLE)) {
      while (rows.next()) {
        found.add(rows.getLong(1));
      }
    }
    return found;
  }

  /** Ends the clients. */
  @Override
  public void close() {
    enough = true;
    clients.forEach(Thread::interrupt);
  }
}
