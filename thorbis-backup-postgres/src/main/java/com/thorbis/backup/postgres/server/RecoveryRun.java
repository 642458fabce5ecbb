package com.thorbis.backup.postgres.server;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.RestoreRequest.Action;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegment;
import com.thorbis.backup.postgres.serve.WalServer;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.ObjLongConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Starts a server on restored files, gives it WAL, and proves from what the server itself says that
 * it reached the plan's target. Claims nothing that the server does not say.
 */
public final class RecoveryRun {
  private static final long POLL_MILLIS = 20;
  private static final int LOG_LINES = 25;
  private static final Pattern RESTORED =
      Pattern.compile("LOG: +restored log file \"([^\"]+)\" from archive");
  private static final String STOPPING = "LOG:  recovery stopping ";

  private static final String ASK =
      "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text, pg_last_xact_replay_timestamp(),"
          + " CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() END";

  /** Locks that replay holds for transactions whose end was not replayed. */
  private static final String LOCKED =
      "SELECT string_agg(coalesce(CASE WHEN d.datname = current_database() THEN"
          + " l.relation::regclass::text END, d.datname || ', relation ' || l.relation), '; ')"
          + " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
          + " LEFT JOIN pg_database d ON d.oid = l.database"
          + " WHERE a.backend_type = 'startup' AND l.locktype = 'relation'"
          + " AND l.mode = 'AccessExclusiveLock' AND l.granted";

  private final PostgresSettings settings;
  private final Repository repository;
  private final String incarnation;
  private final RunControl control;
  private final Set<String> databases = new LinkedHashSet<>();
  private boolean thrownAway;

  /**
   * Prepares one run.
   *
   * @param incarnation whose log the server follows
   */
  public RecoveryRun(
      PostgresSettings settings, Repository repository, String incarnation, RunControl control) {
    this.settings = settings;
    this.repository = repository;
    this.incarnation = incarnation;
    this.control = control;
    settings.database().ifPresent(databases::add);
    databases.addAll(ThrowAwayServer.MAINTENANCE);
  }

  /**
   * How it ended.
   *
   * @param reached the proven position
   * @param walSegments how many segments the server fetched
   * @param running whether the server runs
   * @param port where, if it does
   * @param next what to tell about it
   */
  public record Outcome(
      Reached reached, long walSegments, boolean running, int port, List<String> next) {
    /** Copies the list. */
    public Outcome {
      next = List.copyOf(next);
    }
  }

  /**
   * Runs.
   *
   * @param standby whether it stays in recovery: it is there when it can be asked
   * @param stage told the name of each stage as it begins
   */
  public Outcome run(
      Path dataDirectory,
      ServerUser account,
      Action action,
      boolean standby,
      RestorePlan plan,
      ObjLongConsumer<String> stage)
      throws IOException {
    ServerPrograms programs =
        ServerPrograms.find(settings.binDirectory(), plan.backup().cluster().majorVersion());
    stage.accept("start", 0);
    Map<String, String> more = new LinkedHashMap<>();
    more.put("hot_standby", "on");
    if (action == Action.SHUTDOWN) {
      // A server that has stopped cannot be asked: it waits, is asked, and is stopped then.
      more.put("recovery_target_action", Action.PAUSE.label());
    }
    Cancellation enough = new Cancellation();
    Thread serving = serve(dataDirectory, enough);
    RecoveryServer server = null;
    boolean proven = false;
    try {
      server = RecoveryServer.start(programs, account, dataDirectory, more);
      stage.accept("recover", 0);
      Reached reached = await(server, dataDirectory, action, standby, plan);
      long segments = segments(server);
      Outcome outcome;
      if (action == Action.SHUTDOWN) {
        server.stop("fast");
        outcome =
            new Outcome(
                reached,
                segments,
                false,
                0,
                List.of(
                    "The server reached the target and was stopped. Before it goes on from there,"
                        + " set recovery_target_action to promote, or it stops again."));
      } else {
        List<String> next = new ArrayList<>();
        next.add(
            "The server listens on 127.0.0.1:"
                + server.port()
                + " and in "
                + server.socketFolder()
                + ", and writes to "
                + server.logFile());
        if (action == Action.PAUSE && !(plan.target() instanceof RecoveryTarget.Latest)) {
          next.addAll(paused(server));
        }
        server.open();
        outcome = new Outcome(reached, segments, true, server.port(), next);
      }
      proven = true;
      return outcome;
    } finally {
      if (!proven && server != null) {
        server.abandon();
      }
      enough.cancel();
      join(serving);
    }
  }

  /**
   * Starts a server that nobody but this process reaches, ends its recovery at the target, and
   * leaves it to the caller.
   *
   * @param sockets an empty folder of ours with a short path
   */
  public ThrowAwayServer hidden(
      Path dataDirectory,
      ServerUser account,
      Path sockets,
      RestorePlan plan,
      ObjLongConsumer<String> stage)
      throws IOException {
    return hidden(dataDirectory, account, sockets, plan, Map.of(), said -> {}, stage);
  }

  /**
   * The same.
   *
   * @param more settings of the host's own, which go before ours
   * @param proof looks at what would be in force, before the server is started
   */
  public ThrowAwayServer hidden(
      Path dataDirectory,
      ServerUser account,
      Path sockets,
      RestorePlan plan,
      Map<String, String> more,
      StartProof proof,
      ObjLongConsumer<String> stage)
      throws IOException {
    Map<String, String> set =
        new LinkedHashMap<>(ThrowAwayServer.hidden(plan.backup().cluster().majorVersion()));
    set.putAll(more);
    ServerPrograms programs =
        ServerPrograms.find(settings.binDirectory(), plan.backup().cluster().majorVersion());
    thrownAway = true;
    stage.accept("start", 0);
    Cancellation enough = new Cancellation();
    Thread serving = serve(dataDirectory, enough);
    RecoveryServer server = null;
    boolean proven = false;
    try {
      server = RecoveryServer.start(programs, account, dataDirectory, sockets, set, proof);
      stage.accept("recover", 0);
      databases.clear();
      databases.addAll(ThrowAwayServer.MAINTENANCE);
      Reached reached = await(server, dataDirectory, Action.PROMOTE, false, plan);
      try (Connection session = connect(server)) {
        if (session == null) {
          throw notReached(server, plan, "it cannot be asked any more");
        }
        ThrowAwayServer hidden = ThrowAwayServer.of(server, session, reached);
        proven = true;
        return hidden;
      } catch (SQLException e) {
        throw new IOException("The restored server does not answer", e);
      }
    } finally {
      if (!proven && server != null) {
        server.abandon();
      }
      enough.cancel();
      join(serving);
    }
  }

  /** What can be done with a server that waits at its target, and what cannot be looked at yet. */
  private List<String> paused(RecoveryServer server) throws IOException {
    List<String> next = new ArrayList<>();
    try (Connection session = connect(server)) {
      if (session != null) {
        try (Statement statement = session.createStatement();
            ResultSet row = statement.executeQuery(LOCKED)) {
          if (row.next() && row.getString(1) != null) {
            next.add(
                "Whoever reads these waits until recovery ends, for a transaction that it stopped"
                    + " before has them locked: "
                    + row.getString(1));
          }
        }
      }
    } catch (SQLException e) {
      control.progress().warning("Locked tables could not be looked for: " + e.getMessage());
    }
    next.add(
        "It can be read only. When it is at the right moment, end recovery as a superuser with:"
            + " SELECT pg_wal_replay_resume()");
    return next;
  }

  private Thread serve(Path dataDirectory, Cancellation until) {
    WalServer walServer = new WalServer(settings, () -> repository);
    Thread thread =
        new Thread(
            () -> {
              try {
                walServer.serveOnly(dataDirectory, new RunControl(until, Progress.NONE));
              } catch (IOException e) {
                // The server's script sees that nobody is alive any more, and the run shows its
                // log.
                control.progress().warning("WAL is not served any more: " + e.getMessage());
              }
            },
            "restore-wal");
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private static void join(Thread thread) {
    boolean interrupted = Thread.interrupted();
    try {
      thread.join(TimeUnit.SECONDS.toMillis(10));
    } catch (InterruptedException e) {
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private Reached await(
      RecoveryServer server, Path dataDirectory, Action action, boolean standby, RestorePlan plan)
      throws IOException {
    Connection session = null;
    try {
      while (true) {
        control.cancellation().check();
        if (!server.alive()) {
          throw notReached(server, plan, "the server ended");
        }
        if (session == null && server.ready()) {
          session = connect(server);
        }
        if (session != null) {
          try {
            Optional<Reached> reached =
                standby
                    ? follows(session, plan)
                    : ask(session, server, dataDirectory, action, plan);
            if (reached.isPresent()) {
              return reached.get();
            }
          } catch (SQLException e) {
            // A session may be ended while recovery ends or a conflict is resolved.
            close(session);
            session = null;
          }
        }
        TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while the server recovered");
    } finally {
      close(session);
    }
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

  /** As a role that the cluster has: the one that took the backup, or the usual ones. */
  private @Nullable Connection connect(RecoveryServer server) throws IOException {
    Set<String> roles = new LinkedHashSet<>();
    roles.add(settings.user());
    roles.add("postgres");
    SQLException last = null;
    for (String role : roles) {
      for (String database : databases) {
        try {
          return server.connect(role, database);
        } catch (SQLException e) {
          last = e;
          String state = String.valueOf(e.getSQLState());
          if (state.startsWith("57") || state.startsWith("08")) {
            return null; // still starting, or at its end: asked again
          }
        }
      }
    }
    throw BackupException.of(
            "restore.cannot-ask",
            FailureKind.PERMANENT,
            "The restored server lets none of the roles " + roles + " in to be asked where it is")
        .remedy("Set user to a role that could log in when the backup was taken.")
        .cause(last)
        .build();
  }

  private Optional<Reached> ask(
      Connection session,
      RecoveryServer server,
      Path dataDirectory,
      Action action,
      RestorePlan plan)
      throws SQLException, IOException {
    boolean recovering;
    @Nullable String position;
    @Nullable Instant time;
    @Nullable String pause;
    try (Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery(ASK)) {
      if (!row.next()) {
        throw new SQLException("No answer");
      }
      recovering = row.getBoolean(1);
      position = row.getString(2);
      OffsetDateTime at = row.getObject(3, OffsetDateTime.class);
      time = at == null ? null : at.toInstant();
      pause = row.getString(4);
    }
    boolean promotes = action == Action.PROMOTE || plan.target() instanceof RecoveryTarget.Latest;
    if (recovering) {
      if (!"paused".equals(pause)) {
        return Optional.empty();
      }
      if (!stopped(server)) {
        throw notReached(server, plan, "the server paused before it");
      }
      if (promotes || position == null) {
        return Optional.empty();
      }
      Lsn lsn = Lsn.parse(position);
      prove(server, plan, lsn, time);
      return Optional.of(
          new Reached(lsn, Optional.ofNullable(time), lineTo(plan).owner(before(lsn))));
    }
    if (!promotes) {
      throw notReached(server, plan, "the server promoted instead of stopping there");
    }
    if (position == null) {
      throw notReached(server, plan, "the server did not recover at all");
    }
    Timeline timeline = currentTimeline(session);
    Lsn lsn = Lsn.parse(position);
    TimelineHistory history =
        TimelineHistory.parse(
            timeline,
            Files.readAllBytes(
                dataDirectory.resolve("pg_wal").resolve(timeline.historyFileName())));
    Lsn fork = history.ancestors().get(history.ancestors().size() - 1).switchPoint();
    if (!fork.equals(lsn)) {
      throw notReached(
          server, plan, "the server replayed to " + lsn + " and left its timeline at " + fork);
    }
    if (!(plan.target() instanceof RecoveryTarget.Latest) && !stopped(server)) {
      throw notReached(server, plan, "the server's log does not say that it stopped there");
    }
    prove(server, plan, lsn, time);
    return Optional.of(new Reached(lsn, Optional.ofNullable(time), timeline));
  }

  /** Where a standby is that lets sessions in, as it does once it is consistent. */
  private Optional<Reached> follows(Connection session, RestorePlan plan)
      throws SQLException, IOException {
    try (Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery(ASK)) {
      String position = row.next() && row.getBoolean(1) ? row.getString(2) : null;
      if (position == null || Lsn.parse(position).compareTo(plan.backup().stopLsn()) < 0) {
        return Optional.empty();
      }
      Lsn lsn = Lsn.parse(position);
      OffsetDateTime at = row.getObject(3, OffsetDateTime.class);
      return Optional.of(
          new Reached(
              lsn,
              Optional.ofNullable(at).map(OffsetDateTime::toInstant),
              lineTo(plan).owner(before(lsn))));
    }
  }

  private static Lsn before(Lsn position) {
    return new Lsn(position.value() - 1);
  }

  private static Timeline currentTimeline(Connection session) throws SQLException {
    try (Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery("SELECT pg_walfile_name(pg_current_wal_lsn())")) {
      if (!row.next()) {
        throw new SQLException("No answer");
      }
      return Timeline.parseHex(row.getString(1).substring(0, 8));
    }
  }

  private TimelineHistory lineTo(RestorePlan plan) throws IOException {
    WalArchive archive = repository.wal(settings.source(), incarnation);
    Timeline timeline = plan.timeline().orElseThrow();
    return archive
        .history(timeline)
        .map(content -> TimelineHistory.parse(timeline, content))
        .orElseGet(() -> TimelineHistory.first(timeline));
  }

  /** Compares what the server says with the target, as far as each kind of target allows. */
  private void prove(
      RecoveryServer server, RestorePlan plan, Lsn reached, @Nullable Instant lastCommit)
      throws IOException {
    RecoveryTarget target = plan.target();
    if (reached.compareTo(plan.backup().stopLsn()) < 0) {
      throw notReached(
          server, plan, "it is at " + reached + ", before the backup's end is reached");
    }
    if (target instanceof RecoveryTarget.AtTime time && lastCommit != null) {
      boolean within =
          time.inclusive() ? !lastCommit.isAfter(time.time()) : lastCommit.isBefore(time.time());
      if (!within) {
        throw notReached(server, plan, "it replayed a transaction that ended at " + lastCommit);
      }
    }
    Optional<Lsn> until = plan.until();
    if (until.isEmpty() || target instanceof RecoveryTarget.Immediate) {
      return;
    }
    boolean tooShort = reached.compareTo(until.get()) < 0;
    if (stopsBefore(target)) {
      // The record before it may end a page header, or the rest of a segment, earlier. And where
      // the clock was set back, the first commit behind a time may come before the one we know.
      long gap = until.get().value() - reached.value();
      boolean early = gap > plan.backup().cluster().segmentSize().bytes();
      if (gap < 0 || early && !(target instanceof RecoveryTarget.AtTime)) {
        throw notReached(
            server, plan, "it is at " + reached + " instead of just before " + until.get());
      }
    } else if (tooShort) {
      throw notReached(server, plan, "it is at " + reached + " instead of at " + until.get());
    }
  }

  private static boolean stopsBefore(RecoveryTarget target) {
    return target instanceof RecoveryTarget.AtTime
        || (target instanceof RecoveryTarget.AtLsn lsn && !lsn.inclusive())
        || (target instanceof RecoveryTarget.AtTransaction transaction && !transaction.inclusive());
  }

  private static boolean stopped(RecoveryServer server) throws IOException {
    try (Stream<String> lines = server.log()) {
      return lines.anyMatch(line -> line.contains(STOPPING));
    }
  }

  private static long segments(RecoveryServer server) throws IOException {
    try (Stream<String> lines = server.log()) {
      return lines
          .map(RESTORED::matcher)
          .filter(Matcher::find)
          .filter(line -> WalSegment.isName(line.group(1)))
          .count();
    }
  }

  private BackupException notReached(RecoveryServer server, RestorePlan plan, String problem)
      throws IOException {
    List<String> last = server.lastLines(LOG_LINES);
    return BackupException.of(
            "restore.target-not-reached",
            FailureKind.PERMANENT,
            "The restored server did not reach its target: "
                + problem
                + ". Its last words:\n"
                + String.join("\n", last))
        .remedy(
            thrownAway
                ? "The files are gone. To look at them: restore --start."
                : "See " + server.logFile() + "; the files stay for a look.")
        .detail("backup", plan.backup().id().value())
        .detail("log", thrownAway ? "" : server.logFile().toString())
        .build();
  }
}
