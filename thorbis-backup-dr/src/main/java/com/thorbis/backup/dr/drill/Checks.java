package com.thorbis.backup.dr.drill;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.SourceStatus;
import com.thorbis.backup.api.SourceStatus.Window;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalGap;
import com.thorbis.backup.dr.drill.DrillCheck.Outcome;
import com.thorbis.backup.spi.engine.Trial;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What is asked of a restored server. Each answers the same whether damage was planted or not. */
final class Checks {
  static final String COPY = "copy";
  static final String STARTED = "started";
  static final String CLUSTER = "cluster";
  static final String TIMELINE = "timeline";
  static final String TARGET = "target";
  static final String LOG = "log";
  static final String TABLES = "tables";
  static final String INDEXES = "indexes";
  static final String HEAP = "heap";
  static final String CONSTRAINTS = "constraints";
  static final String PAGES = "pages";
  static final String SENTINEL = "sentinel";
  static final String LOSS = "loss";
  static final String ROLES = "roles";
  static final String REACH = "reach";

  /** Made where they are configured, or told only. */
  static final List<String> OPTIONAL = List.of(COPY, TIMELINE, SENTINEL, LOSS, ROLES, REACH);

  /** What every cluster has; the database postgres may be gone. */
  static final String MAINTENANCE = "template1";

  private static final int MOST_NAMED = 20;
  private static final String OURS = "thorbis_drill";

  private static final String DATABASES =
      "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname";

  /** Nothing of the cluster's acts on what is asked, and no setting of a role gets in between. */
  private static final List<String> SESSION =
      List.of(
          "SET session_replication_role = replica",
          "SET default_transaction_read_only = off",
          "SET statement_timeout = 0",
          "SET lock_timeout = 0",
          "SET idle_in_transaction_session_timeout = 0",
          "SET idle_session_timeout = 0",
          "SET row_security = off");

  private static final String TABLE =
      "SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid ="
          + " c.relnamespace WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND (c.relkind"
          + " = 'r' OR c.relispopulated) ORDER BY c.oid";

  private static final String INDEX =
      "SELECT n.nspname, c.relname, c.oid::text FROM pg_index i JOIN pg_class c ON c.oid ="
          + " i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid ="
          + " c.relam WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND"
          + " i.indisvalid AND i.indisready ORDER BY c.oid";

  private static final String STORED =
      "SELECT n.nspname, c.relname, c.oid::text FROM pg_class c JOIN pg_namespace n ON n.oid ="
          + " c.relnamespace JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'heap' AND c.relkind IN"
          + " ('r', 'm', 't') AND c.relpersistence = 'p' ORDER BY c.oid";

  private static final String CONSTRAINT =
      "SELECT n.nspname, c.relname, k.oid::text, k.conname, k.convalidated FROM pg_constraint k JOIN"
          + " pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE"
          + " k.contype IN ('f', 'c') AND c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog',"
          + " 'information_schema') ORDER BY k.oid";

  private final ServerChecks.Sessions sessions;
  private final RunControl control;
  private final @Nullable Trial known;

  Checks(Trial trial, RunControl control) {
    this.sessions = trial::connect;
    this.control = control;
    this.known = trial;
  }

  /** For what can be asked of a server of which nothing else is known. */
  Checks(ServerChecks.Sessions sessions, RunControl control) {
    this.sessions = sessions;
    this.control = control;
    this.known = null;
  }

  private Trial trial() {
    return Objects.requireNonNull(known);
  }

  /**
   * What came of one.
   *
   * @param detail what was seen, or why nothing was
   */
  record Finding(Outcome outcome, String detail) {
    static Finding passed(String detail) {
      return new Finding(Outcome.PASSED, detail);
    }

    static Finding failed(String detail) {
      return new Finding(Outcome.FAILED, detail);
    }

    static Finding notPerformed(String reason) {
      return new Finding(Outcome.NOT_PERFORMED, reason);
    }
  }

  /**
   * Of which objects something is looked at.
   *
   * @param database empty for all
   * @param schema empty for all
   */
  record Scope(Optional<String> database, Optional<String> schema) {
    static final Scope ALL = new Scope(Optional.empty(), Optional.empty());

    private boolean has(String name) {
      return schema.isEmpty() || schema.get().equals(name);
    }
  }

  /** A thing in a schema. */
  private record Named(String schema, String name, String more) {
    private static Named of(ResultSet row) throws SQLException {
      return new Named(row.getString(1), row.getString(2), row.getString(3));
    }

    private String sql() {
      return Sql.name(schema) + "." + Sql.name(name);
    }
  }

  /** What was found wrong, named up to a number. */
  private static final class Wrong {
    private final List<String> named = new ArrayList<>();
    private int count;

    void add(String what) {
      if (count++ < MOST_NAMED) {
        named.add(what);
      }
    }

    Finding or(String passed) {
      if (count == 0) {
        return Finding.passed(passed);
      }
      return Finding.failed(
          String.join("; ", named)
              + (count > named.size() ? "; and " + (count - named.size()) + " more" : ""));
    }
  }

  private Cancellation cancellation() {
    return control.cancellation();
  }

  /** A superuser's session that no trigger acts on. */
  Sql session(String database) throws SQLException {
    Sql session = new Sql(sessions.connect(database), cancellation());
    try {
      for (String each : SESSION) {
        session.execute(each);
      }
      return session;
    } catch (SQLException e) {
      try (session) {
        throw e;
      }
    }
  }

  /** The databases that let sessions in. */
  List<String> databases() throws SQLException {
    try (Sql session = session(MAINTENANCE)) {
      return session.texts(DATABASES);
    }
  }

  private List<String> databases(Scope scope) throws SQLException {
    return scope.database().isPresent() ? List.of(scope.database().get()) : databases();
  }

  /** Whether it is the planned cluster, on a branch of the planned line. */
  Finding cluster(Timeline planned) throws SQLException {
    try (Sql session = session(MAINTENANCE)) {
      String id = session.text("SELECT system_identifier FROM pg_control_system()");
      String wanted = trial().plan().backup().cluster().systemIdText();
      if (!id.equals(wanted)) {
        return Finding.failed("the control file is of cluster " + id + ", not of " + wanted);
      }
      int version = Integer.parseInt(session.text("SHOW server_version_num")) / 10_000;
      if (version != trial().plan().backup().cluster().majorVersion()) {
        return Finding.failed("the server is of version " + version);
      }
      Timeline now = trial().reached().timeline();
      Optional<Timeline> parent =
          parent(session.text("SELECT pg_read_file('pg_wal/" + now.historyFileName() + "')"));
      if (!parent.equals(Optional.of(planned))) {
        return Finding.failed(
            "timeline "
                + now
                + " branches off timeline "
                + parent.map(Timeline::toString).orElse("unknown")
                + ", not off "
                + planned);
      }
      return Finding.passed(
          "cluster " + id + ", PostgreSQL " + version + ", branched off timeline " + planned);
    }
  }

  /** Whether the way led along the branch that the live source is on. */
  static Finding timeline(Timeline planned, Timeline live) {
    return planned.equals(live)
        ? Finding.passed("the live source is on timeline " + live + ", too")
        : Finding.failed(
            "the log leads along timeline "
                + planned
                + ", and the live source is on timeline "
                + live);
  }

  static Optional<Timeline> parent(String history) {
    return history
        .lines()
        .map(String::strip)
        .filter(line -> !line.isEmpty() && !line.startsWith("#"))
        .reduce((first, second) -> second)
        .map(line -> new Timeline(Integer.parseUnsignedInt(line.split("\\s+")[0])));
  }

  /** Whether what the server says it reached is what was planned. */
  static Finding target(RestorePlan plan, Reached reached) {
    RecoveryTarget target = plan.target();
    if (reached.lsn().compareTo(plan.backup().stopLsn()) < 0) {
      return Finding.failed(
          "it is at " + reached.lsn() + ", before the backup's end at " + plan.backup().stopLsn());
    }
    if (target instanceof RecoveryTarget.AtTime at
        && reached.time().isPresent()
        && reached.time().get().isAfter(at.time())) {
      return Finding.failed("it replayed a commit of " + reached.time().get());
    }
    Optional<Lsn> until = plan.until();
    if (target instanceof RecoveryTarget.Latest
        && until.isPresent()
        && reached.lsn().compareTo(until.get()) < 0) {
      return Finding.failed("it is at " + reached.lsn() + ", before " + until.get());
    }
    return Finding.passed(
        "it is at " + reached.lsn() + reached.time().map(time -> ", " + time).orElse(""));
  }

  /**
   * Whether a copy has the newest backup and the last log of what all copies have together.
   *
   * @param most so much time may be missing on it; empty: nothing may
   */
  static Finding behind(SourceStatus all, SourceStatus copy, Optional<Duration> most) {
    List<String> lacking = new ArrayList<>();
    List<Timeline> less = new ArrayList<>();
    Optional<BackupDescriptor> newest = all.lastBackup();
    // What came since the others were asked is nothing that it lacks.
    if (newest.isPresent()
        && copy.lastBackup()
            .filter(it -> !it.stoppedAt().isBefore(newest.get().stoppedAt()))
            .isEmpty()) {
      lacking.add("backup " + newest.get().id());
    }
    SortedMap<Timeline, Lsn> ends = ends(all);
    SortedMap<Timeline, Lsn> here = ends(copy);
    ends.forEach(
        (timeline, end) -> {
          Optional<Lsn> at = Optional.ofNullable(here.get(timeline));
          // Of an older one it may have let go of all.
          boolean wanted = at.isPresent() || timeline.equals(ends.lastKey());
          if (wanted && (at.isEmpty() || at.get().compareTo(end) < 0)) {
            less.add(timeline);
            lacking.add(
                "log of timeline "
                    + timeline
                    + " from "
                    + at.map(Lsn::toString).orElse("the first")
                    + " to "
                    + end);
          }
        });
    if (lacking.isEmpty()) {
      return Finding.passed("it has what all copies have");
    }
    // With all log there, only the way is longer.
    Optional<Duration> time =
        copy.windows().isEmpty() ? Optional.empty() : Optional.of(Duration.ZERO);
    for (Timeline timeline : less) {
      Optional<Duration> missing = missing(all, copy, timeline);
      time = time.flatMap(longest -> missing.map(it -> it.compareTo(longest) < 0 ? longest : it));
    }
    String detail =
        "it is behind: it lacks "
            + String.join(" and ", lacking)
            + time.map(it -> ", up to " + it).orElse("");
    boolean little = most.isPresent() && time.isPresent() && time.get().compareTo(most.get()) <= 0;
    return little ? Finding.passed(detail) : Finding.failed(detail);
  }

  /** How much time of a timeline a copy has not; empty if nobody knows. */
  private static Optional<Duration> missing(
      SourceStatus all, SourceStatus copy, Timeline timeline) {
    Predicate<Window> of = window -> window.timeline().equals(timeline);
    Optional<Instant> here = last(copy, of).or(() -> last(copy, any -> true));
    return last(all, of)
        .flatMap(to -> here.map(at -> Duration.between(at, to)))
        .filter(time -> !time.isNegative()); // else it is of a branch that was left
  }

  private static Optional<Instant> last(SourceStatus status, Predicate<Window> which) {
    return status.windows().stream()
        .filter(which)
        .flatMap(window -> window.toTime().stream())
        .max(Comparator.naturalOrder());
  }

  /** Where the log of each timeline ends. */
  private static SortedMap<Timeline, Lsn> ends(SourceStatus status) {
    SortedMap<Timeline, Lsn> ends = new TreeMap<>();
    status
        .windows()
        .forEach(
            window ->
                ends.merge(
                    window.timeline(),
                    window.toLsn(),
                    (one, other) -> one.compareTo(other) < 0 ? other : one));
    return ends;
  }

  /** Whether log is missing behind a backup. */
  static Finding log(List<WalGap> gaps, RestorePlan plan) {
    List<WalGap> behind =
        gaps.stream()
            .filter(gap -> gap.range().end().compareTo(plan.backup().startLsn()) > 0)
            .toList();
    return behind.isEmpty()
        ? Finding.passed("no log is missing behind the backup")
        : Finding.failed(
            behind.stream()
                .limit(MOST_NAMED)
                .map(
                    gap ->
                        "log of timeline "
                            + gap.range().timeline()
                            + " is missing from "
                            + gap.range().start()
                            + " to "
                            + gap.range().end())
                .collect(Collectors.joining("; ")));
  }

  /** Whether every row can be read, also what of it lies out of line. */
  Finding tables(Scope scope, Duration budget) throws SQLException {
    long end = System.nanoTime() + budget.toNanos();
    Wrong wrong = new Wrong();
    int read = 0;
    int left = 0;
    for (String database : databases(scope)) {
      try (Sql session = session(database)) {
        for (Named table : session.rows(Named::of, TABLE)) {
          if (!scope.has(table.schema())) {
            continue;
          }
          if (System.nanoTime() - end > 0) {
            left++;
            continue;
          }
          try {
            session.execute(
                "COPY "
                    + (table.more().equals("r") ? table.sql() : "(TABLE " + table.sql() + ")")
                    + " TO '/dev/null'");
            read++;
          } catch (SQLException e) {
            wrong.add(in(database, table) + ": " + words(e));
          }
        }
      }
    }
    Finding found = wrong.or(read + " tables were read");
    return left > 0 && found.outcome() == Outcome.PASSED
        ? Finding.notPerformed(
            left
                + " of "
                + (read + left)
                + " tables were not read within "
                + budget.toSeconds()
                + " s")
        : found;
  }

  /** Whether each B-tree is in order, and has every row. */
  Finding indexes(Scope scope) throws SQLException {
    Wrong wrong = new Wrong();
    int looked = 0;
    for (String database : databases(scope)) {
      try (Sql session = session(database)) {
        @Nullable String amcheck = amcheck(session);
        if (amcheck == null) {
          return Finding.notPerformed("the extension amcheck is not installed on this host");
        }
        for (Named index : session.rows(Named::of, INDEX)) {
          if (!scope.has(index.schema())) {
            continue;
          }
          try {
            session.execute(
                "SELECT " + amcheck + ".bt_index_check(" + index.more() + "::oid::regclass, true)");
            looked++;
          } catch (SQLException e) {
            wrong.add(in(database, index) + ": " + words(e));
          }
        }
      }
    }
    return wrong.or(looked + " indexes are in order and have every row");
  }

  /** Whether the pages of each table make sense. */
  Finding heap(Scope scope) throws SQLException {
    Wrong wrong = new Wrong();
    int looked = 0;
    for (String database : databases(scope)) {
      try (Sql session = session(database)) {
        @Nullable String amcheck = amcheck(session);
        if (amcheck == null) {
          return Finding.notPerformed("the extension amcheck is not installed on this host");
        }
        for (Named table : session.rows(Named::of, STORED)) {
          if (!scope.has(table.schema())) {
            continue;
          }
          try {
            List<String> damage =
                session.texts(
                    "SELECT 'block ' || blkno || ': ' || msg FROM "
                        + amcheck
                        + ".verify_heapam("
                        + table.more()
                        + "::oid::regclass, on_error_stop => true) LIMIT 1");
            damage.forEach(one -> wrong.add(in(database, table) + ": " + one));
            looked++;
          } catch (SQLException e) {
            wrong.add(in(database, table) + ": " + words(e));
          }
        }
      }
    }
    return wrong.or(looked + " tables are whole");
  }

  /** The schema that has it, or null where it is not installed. */
  private static @Nullable String amcheck(Sql session) throws SQLException {
    String schema =
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE"
            + " e.extname = 'amcheck'";
    List<String> found = session.texts(schema);
    if (found.isEmpty()) {
      if (session
          .texts("SELECT name FROM pg_available_extensions WHERE name = 'amcheck'")
          .isEmpty()) {
        return null;
      }
      session.execute("CREATE SCHEMA IF NOT EXISTS " + OURS);
      session.execute("CREATE EXTENSION amcheck SCHEMA " + OURS);
      found = session.texts(schema);
    }
    return Sql.name(found.get(0));
  }

  /** Whether what the catalogue says to hold does, by having the server validate it again. */
  Finding constraints(Scope scope) throws SQLException {
    Wrong wrong = new Wrong();
    List<String> invalid = new ArrayList<>();
    int looked = 0;
    for (String database : databases(scope)) {
      try (Sql session = session(database)) {
        List<Rule> rules = session.rows(Rule::of, CONSTRAINT);
        for (Rule rule : rules) {
          if (!scope.has(rule.table().schema())) {
            continue;
          }
          String name = in(database, rule.table()) + ", constraint " + rule.name();
          if (!rule.validated()) {
            invalid.add(name);
            continue;
          }
          try {
            session.undone(
                () -> {
                  session.execute(
                      "UPDATE pg_constraint SET convalidated = false WHERE oid = "
                          + rule.table().more());
                  session.execute(
                      "ALTER TABLE "
                          + rule.table().sql()
                          + " VALIDATE CONSTRAINT "
                          + Sql.name(rule.name()));
                  return true;
                });
            looked++;
          } catch (SQLException e) {
            wrong.add(name + ": " + words(e));
          }
        }
      }
    }
    return wrong.or(
        looked
            + " foreign keys and checks hold"
            + (invalid.isEmpty()
                ? ""
                : "; not valid on the source either: "
                    + invalid.stream().limit(MOST_NAMED).collect(Collectors.joining(", "))));
  }

  /** A constraint; {@code more} of the table is its number. */
  private record Rule(Named table, String name, boolean validated) {
    private static Rule of(ResultSet row) throws SQLException {
      return new Rule(Named.of(row), row.getString(4), row.getBoolean(5));
    }
  }

  /** Whether each page of the stopped server is what was written. */
  Finding pages() throws IOException {
    Trial.Pages pages = trial().pages(control);
    if (!pages.checksums()) {
      return Finding.notPerformed("the cluster has no data checksums");
    }
    Wrong wrong = new Wrong();
    pages.damaged().forEach(wrong::add);
    return wrong.or(pages.read() + " pages have their checksum");
  }

  /** Whether an assertion holds, in a session that only reads. */
  Finding assertion(Assertion assertion, Instant moment, Duration timeout) throws SQLException {
    try (Sql session = session(assertion.database())) {
      return session.undone(
          () -> {
            session.execute("SET TRANSACTION READ ONLY");
            return judge(session, assertion, moment, timeout);
          });
    }
  }

  /** The same, in a transaction that somebody else has begun. */
  static Finding judge(Sql session, Assertion assertion, Instant moment, Duration timeout) {
    try {
      ask(session, timeout);
      Object value = first(session, assertion.query());
      Optional<String> problem = assertion.expectation().problem(value, moment);
      return problem
          .map(Finding::failed)
          .orElseGet(
              () ->
                  Finding.passed(
                      "it is " + value + " (" + assertion.expectation().describe() + ")"));
    } catch (SQLException e) {
      return Finding.failed("the query fails: " + words(e));
    }
  }

  static void ask(Sql session, Duration timeout) throws SQLException {
    session.execute("SET LOCAL search_path = \"$user\", public");
    session.execute("SET LOCAL statement_timeout = " + timeout.toMillis());
  }

  static @Nullable Object first(Sql session, String query) throws SQLException {
    List<Object[]> rows =
        session.rows(
            row -> {
              Object value = row.getObject(1);
              return new Object[] {
                value instanceof java.sql.Timestamp
                        && row.getMetaData().getColumnTypeName(1).equals("timestamptz")
                    ? row.getObject(1, java.time.OffsetDateTime.class)
                    : value
              };
            },
            query);
    return rows.isEmpty() ? null : rows.get(0)[0];
  }

  /** How long a query takes that must not become slower. */
  long pace(Assertion.Pace pace, Duration timeout) throws SQLException {
    try (Sql session = session(pace.database())) {
      return session.undone(
          () -> {
            session.execute("SET TRANSACTION READ ONLY");
            ask(session, timeout);
            first(session, pace.query()); // what the first one brings into memory is not measured
            long start = System.nanoTime();
            first(session, pace.query());
            return Math.max(1, (System.nanoTime() - start) / 1_000_000);
          });
    }
  }

  /** Who may do everything and shows no password, or one that is kept weakly. */
  Finding roles() throws SQLException {
    try (Sql session = session(MAINTENANCE)) {
      Wrong wrong = new Wrong();
      session
          .texts(
              "SELECT rolname || ' is a superuser without a password' FROM pg_authid WHERE rolsuper"
                  + " AND rolcanlogin AND rolpassword IS NULL UNION ALL SELECT rolname || ' has a"
                  + " password that is kept as MD5' FROM pg_authid WHERE rolpassword LIKE 'md5%'")
          .forEach(wrong::add);
      return wrong.or("every superuser has a password, and none is kept as MD5");
    }
  }

  /** What in the data would lead out of it, were the server let. */
  Finding reach() throws SQLException {
    Wrong wrong = new Wrong();
    for (String database : databases()) {
      try (Sql session = session(database)) {
        session
            .texts(
                "SELECT 'foreign server ' || s.srvname || ', for ' || count(m.umid) || ' roles'"
                    + " FROM pg_foreign_server s LEFT JOIN pg_user_mappings m ON m.srvid = s.oid"
                    + " GROUP BY s.srvname UNION ALL SELECT 'subscription ' || subname FROM"
                    + " pg_subscription WHERE subenabled AND subdbid = (SELECT oid FROM"
                    + " pg_database WHERE datname = current_database()) UNION ALL SELECT"
                    + " 'extension ' || extname FROM pg_extension WHERE extname IN ('dblink',"
                    + " 'pg_cron', 'http', 'pg_net')")
            .forEach(one -> wrong.add(database + ": " + one));
      }
    }
    return wrong.or("nothing in it leads to other systems");
  }

  private static String in(String database, Named what) {
    return database + "." + what.schema() + "." + what.name();
  }

  /** The server's own words, one line. */
  static String words(SQLException e) {
    String text = String.valueOf(e.getMessage());
    return text.replace('\n', ' ').strip();
  }
}
