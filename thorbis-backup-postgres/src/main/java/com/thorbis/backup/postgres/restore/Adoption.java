package com.thorbis.backup.postgres.restore;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalRange;
import com.thorbis.backup.postgres.plan.FenceMark;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.wal.TimelineHistory;
import com.thorbis.backup.postgres.wire.ReplicationConnection;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import com.thorbis.backup.spi.repository.WalArchive;
import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes a restored cluster the source: a new incarnation that leaves the one it was restored from
 * where the server itself says that it did, a slot, and the end of the fence. May be repeated.
 */
public final class Adoption {
  private static final Pattern MARKER =
      Pattern.compile("[^/]+/([0-9a-f]{16})(?:" + FenceMark.STANDBY + ")?");
  private static final String INSUFFICIENT_PRIVILEGE = "42501";

  private final PostgresSettings settings;
  private final Repository repository;
  private final RunControl control;

  /** Prepares the adoption of the cluster that the source's URL leads to. */
  public Adoption(PostgresSettings settings, Repository repository, RunControl control) {
    this.settings = settings;
    this.repository = repository;
    this.control = control;
  }

  /** Adopts. */
  public SourceInfo run(SourceInfo source) throws IOException {
    try (Connection session = SqlConnections.open(settings)) {
      String parent = checkFenced(session, source);
      checkIdentity(session, source);
      Timeline timeline =
          Timeline.parseHex(
              text(session, "SELECT pg_walfile_name(pg_current_wal_lsn())").substring(0, 8));
      SourceInfo adopted;
      try (ReplicationConnection replication =
          ReplicationConnection.open(settings, control.cancellation())) {
        TimelineHistory history =
            TimelineHistory.parse(timeline, replication.timelineHistory(timeline));
        adopted = adopt(source, parent, history, replication);
      }
      createSlot(session);
      lift(session);
      return adopted;
    } catch (SQLException e) {
      throw BackupException.of(
              "postgres.unreachable",
              FailureKind.TRANSIENT,
              "The server at " + settings.address() + " could not be asked: " + e.getMessage())
          .remedy("Check url, user and password of source " + settings.source() + ".")
          .cause(e)
          .build();
    }
  }

  /** Returns the incarnation that the cluster was restored from. */
  private String checkFenced(Connection session, SourceInfo source) throws SQLException {
    if (text(session, "SELECT pg_is_in_recovery()::text").equals("true")) {
      throw refused(
          "adopt.in-recovery",
          "The server at " + settings.address() + " is still in recovery",
          "Promote it first: SELECT pg_promote()");
    }
    String marker =
        text(session, "SELECT coalesce(current_setting('" + Fence.MARKER + "', true), '')");
    Matcher form = MARKER.matcher(marker);
    if (!form.matches()) {
      throw refused(
          "adopt.not-fenced",
          "The server at " + settings.address() + " is no restored cluster under a fence",
          "Point url at the restored server. One that was adopted before needs nothing.");
    }
    String parent = form.group(1);
    if (source.incarnations().stream().noneMatch(life -> life.id().equals(parent))) {
      throw refused(
          "adopt.other-repository",
          "The server at "
              + settings.address()
              + " was restored from incarnation "
              + parent
              + ", which this repository does not have of source "
              + source.name(),
          "Use the configuration that it was restored with.");
    }
    return parent;
  }

  private void checkIdentity(Connection session, SourceInfo source) throws SQLException {
    String systemId = text(session, "SELECT system_identifier::text FROM pg_control_system()");
    long expected = source.current().cluster().systemId();
    long found = Long.parseLong(systemId);
    if (found != expected) {
      throw refused(
          "source.identity-mismatch",
          "The server at "
              + settings.address()
              + " is cluster "
              + Long.toUnsignedString(found)
              + ", source "
              + source.name()
              + " is "
              + Long.toUnsignedString(expected),
          "Point url at the restored server.");
    }
  }

  private SourceInfo adopt(
      SourceInfo source, String parent, TimelineHistory history, ReplicationConnection replication)
      throws IOException {
    WalArchive archive = repository.wal(source.name(), parent);
    int left = lastShared(history, archive);
    TimelineHistory.Ancestor ancestor = history.ancestors().get(left);
    SourceInfo.Fork fork = new SourceInfo.Fork(parent, ancestor.timeline(), ancestor.switchPoint());
    checkStored(archive, ancestor);
    SourceInfo adopted = source;
    if (!source.current().fork().equals(Optional.of(fork))) {
      adopted = repository.adopt(source.name(), source.current().cluster(), fork);
    }
    WalArchive own = repository.wal(source.name());
    for (int i = left + 1; i < history.ancestors().size(); i++) {
      Timeline between = history.ancestors().get(i).timeline();
      own.storeHistory(between, replication.timelineHistory(between));
    }
    own.storeHistory(history.timeline(), replication.timelineHistory(history.timeline()));
    return adopted;
  }

  /** The newest timeline on the cluster's line that is the same one in the life it came from. */
  private int lastShared(TimelineHistory history, WalArchive archive) throws IOException {
    for (int i = history.ancestors().size() - 1; i >= 0; i--) {
      Timeline timeline = history.ancestors().get(i).timeline();
      List<TimelineHistory.Ancestor> before = history.ancestors().subList(0, i);
      boolean shared =
          before.isEmpty()
              || archive
                  .history(timeline)
                  .map(content -> TimelineHistory.parse(timeline, content).ancestors())
                  .map(ancestors -> sameLine(ancestors, before))
                  .orElse(false);
      if (shared) {
        return i;
      }
    }
    throw refused(
        "adopt.no-fork",
        "The server at " + settings.address() + " did not leave a timeline of the source",
        "Only a cluster that was restored from this repository and promoted can be adopted.");
  }

  private static boolean sameLine(
      List<TimelineHistory.Ancestor> one, List<TimelineHistory.Ancestor> other) {
    if (one.size() != other.size()) {
      return false;
    }
    for (int i = 0; i < one.size(); i++) {
      if (!one.get(i).timeline().equals(other.get(i).timeline())
          || !one.get(i).switchPoint().equals(other.get(i).switchPoint())) {
        return false;
      }
    }
    return true;
  }

  /** What the cluster shares with its origin must be stored, or its past could not be restored. */
  private void checkStored(WalArchive archive, TimelineHistory.Ancestor ancestor)
      throws IOException {
    Lsn last = new Lsn(ancestor.switchPoint().value() - 1);
    for (WalRange range : archive.ranges(ancestor.timeline())) {
      if (range.contains(last)) {
        return;
      }
    }
    throw refused(
        "adopt.position-not-stored",
        "The server left timeline "
            + ancestor.timeline()
            + " at "
            + ancestor.switchPoint()
            + ", and the repository's log does not reach that position",
        "It replayed log that this repository never had; register it as a source of its own.");
  }

  private void createSlot(Connection session) throws SQLException {
    try (PreparedStatement statement =
        session.prepareStatement(
            "SELECT pg_create_physical_replication_slot(?, true)"
                + " WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = ?)")) {
      statement.setString(1, settings.slot());
      statement.setString(2, settings.slot());
      statement.execute();
    }
  }

  private void lift(Connection session) throws SQLException {
    Optional<String> before =
        Optional.of(
                text(session, "SELECT coalesce(current_setting('" + Fence.BEFORE + "', true), '')"))
            .filter(settings -> !settings.isEmpty());
    List<String> statements = new ArrayList<>();
    int version = Integer.parseInt(text(session, "SHOW server_version_num")) / 10_000;
    for (String name : Fence.names(version)) {
      statements.add("ALTER SYSTEM RESET " + name);
    }
    if (before.isPresent()) {
      statements.add("ALTER SYSTEM RESET " + Fence.BEFORE);
    }
    // Last, so that what failed half-way is still seen as fenced and can be repeated.
    statements.add("ALTER SYSTEM RESET " + Fence.MARKER);
    statements.add("SELECT pg_reload_conf()");
    try (Statement statement = session.createStatement()) {
      for (String sql : statements) {
        statement.execute(sql);
      }
    } catch (SQLException e) {
      if (!INSUFFICIENT_PRIVILEGE.equals(e.getSQLState())) {
        throw e;
      }
      throw refused(
          "adopt.still-fenced",
          "The cluster is adopted and still FENCED: role "
              + settings.user()
              + " may not change its settings",
          "Run as a superuser, then restart the server:\n" + String.join(";\n", statements) + ";");
    }
    before.ifPresent(
        settings ->
            control
                .progress()
                .warning(
                    "The source had these settings in postgresql.auto.conf, which the fence replaced."
                        + " Set again what still holds: "
                        + settings));
    control
        .progress()
        .warning("Restart the server: archive_mode and other settings take effect then");
  }

  private static String text(Connection session, String sql) throws SQLException {
    try (Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      if (!row.next() || row.getString(1) == null) {
        throw new SQLException("No answer to " + sql);
      }
      return row.getString(1);
    }
  }

  private static BackupException refused(String code, String message, String remedy) {
    return BackupException.of(code, FailureKind.REFUSED, message).remedy(remedy).build();
  }
}
