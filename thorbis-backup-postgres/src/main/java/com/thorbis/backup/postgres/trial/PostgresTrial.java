package com.thorbis.backup.postgres.trial;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreReport.Reached;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.postgres.restore.Stages;
import com.thorbis.backup.postgres.restore.ThawedRestore;
import com.thorbis.backup.postgres.server.RecoveryRun;
import com.thorbis.backup.postgres.server.ServerPrograms;
import com.thorbis.backup.postgres.server.ThrowAway;
import com.thorbis.backup.postgres.server.ThrowAwayServer;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.engine.Trial;
import com.thorbis.backup.spi.engine.TrialRequest;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupFacts.Tablespace;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongFunction;

/** A restored cluster whose server runs on this host for nobody but this process. */
public final class PostgresTrial implements Trial {
  private static final String CHECKSUMS = "SELECT current_setting('data_checksums') = 'on'";

  private final ThrowAway place;
  private final ThawedRestore.Laid laid;
  private final Isolation isolation;
  private final ThrowAwayServer server;
  private final Stages stages;
  private final boolean checksums;
  private boolean closed;

  private PostgresTrial(
      ThrowAway place,
      ThawedRestore.Laid laid,
      Isolation isolation,
      ThrowAwayServer server,
      Stages stages,
      boolean checksums) {
    this.place = place;
    this.laid = laid;
    this.isolation = isolation;
    this.server = server;
    this.stages = stages;
    this.checksums = checksums;
  }

  /** The way that {@link #begin} would go. */
  public static RestorePlan plan(
      PostgresSettings settings, SourceInfo source, TrialRequest request, Repository repository)
      throws IOException {
    Path nowhere =
        ThrowAway.parent(settings, request.workDirectory())
            .resolve("thorbis-planned")
            .resolve("data");
    RestorePlan plan =
        new ThawedRestore(settings, source, repository)
            .plan(
                files(request, nowhere).build(),
                facts -> fitted(request, nowhere, facts, oid -> nowhere.resolveSibling(oid + "")));
    ServerPrograms.find(settings.binDirectory(), plan.backup().cluster().majorVersion());
    return plan;
  }

  /** Brings it back, proves that it can reach nothing, and starts it. */
  public static PostgresTrial begin(
      PostgresSettings settings,
      SourceInfo source,
      TrialRequest request,
      Repository repository,
      RunControl control)
      throws IOException {
    for (String swept : ThrowAway.sweep(settings, ThrowAway.Databases.NONE)) {
      control.progress().note("Removed " + swept + ", which a run that was killed left");
    }
    Path parent = ThrowAway.parent(settings, request.workDirectory());
    ThrowAway place = ThrowAway.make(settings, parent, Optional.empty(), Optional.empty());
    boolean begun = false;
    try {
      PostgresTrial trial = begin(settings, source, request, repository, control, parent, place);
      begun = true;
      return trial;
    } finally {
      if (!begun) {
        try {
          place.close();
        } catch (IOException e) {
          control
              .progress()
              .warning("The next run removes what this one could not: " + e.getMessage());
        }
      }
    }
  }

  private static PostgresTrial begin(
      PostgresSettings settings,
      SourceInfo source,
      TrialRequest request,
      Repository repository,
      RunControl control,
      Path parent,
      ThrowAway place)
      throws IOException {
    Stages stages = new Stages(control);
    ThawedRestore.Laid laid =
        new ThawedRestore(settings, source, repository)
            .lay(
                files(request, place.dataDirectory()).build(),
                facts -> fitted(request, place.dataDirectory(), facts, place::tablespace),
                plan -> requireRoom(plan, parent),
                stages);
    Isolation isolation = new Isolation(settings, place);
    ThrowAwayServer server =
        new RecoveryRun(settings, repository, source.current().id(), control)
            .hidden(
                laid.dataDirectory(),
                laid.owner(),
                place.sockets(),
                laid.plan(),
                request.server(),
                isolation,
                stages::begin);
    boolean asked = false;
    try {
      stages.end();
      boolean checksums = checksums(server);
      asked = true;
      return new PostgresTrial(place, laid, isolation, server, stages, checksums);
    } finally {
      if (!asked) {
        server.close();
      }
    }
  }

  private static boolean checksums(ThrowAwayServer server) throws IOException {
    try (Connection session = server.connect("template1");
        Statement statement = session.createStatement();
        ResultSet row = statement.executeQuery(CHECKSUMS)) {
      return row.next() && row.getBoolean(1);
    } catch (SQLException e) {
      throw new IOException("The restored server does not answer", e);
    }
  }

  private static void requireRoom(RestorePlan plan, Path parent) {
    try {
      ThrowAway.requireRoom(parent, ThrowAway.neededBytes(plan), ThrowAway.freeBytes(parent));
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  private static RestoreRequest.Builder files(TrialRequest request, Path dataDirectory) {
    RestoreRequest.Builder files =
        RestoreRequest.builder(request.source(), dataDirectory)
            .target(request.target())
            .action(RestoreRequest.Action.PROMOTE)
            .start(true);
    request.timeline().ifPresent(files::timeline);
    request.backup().ifPresent(files::backup);
    return files;
  }

  /** Every tablespace lies beside: where it was, the source may have it. */
  private static RestoreRequest fitted(
      TrialRequest request, Path dataDirectory, BackupFacts facts, LongFunction<Path> places) {
    RestoreRequest.Builder files = files(request, dataDirectory);
    for (Tablespace each : facts.tablespaces()) {
      if (Path.of(each.location()).isAbsolute()) {
        files.tablespace(Long.toString(each.oid()), places.apply(each.oid()));
      }
    }
    return files.build();
  }

  @Override
  public RestorePlan plan() {
    return laid.plan();
  }

  @Override
  public List<CheckItem> isolation() {
    return isolation.items();
  }

  @Override
  public Reached reached() {
    return server.reached();
  }

  @Override
  public Map<String, Long> stages() {
    return Collections.unmodifiableMap(stages.millis());
  }

  @Override
  public long bytesFetched() {
    return laid.bytesFetched();
  }

  @Override
  public Connection connect(String database) throws SQLException {
    return server.connect(database);
  }

  @Override
  public void stop() throws IOException {
    server.stop();
  }

  @Override
  public Pages pages(RunControl control) throws IOException {
    return checksums ? new RestingPages(place).check(control) : new Pages(false, 0, List.of());
  }

  @Override
  public String damagePage() throws IOException {
    return new RestingPages(place).damage();
  }

  @Override
  public void close() throws IOException {
    if (!closed) {
      closed = true;
      server.close();
      place.close();
    }
  }
}
