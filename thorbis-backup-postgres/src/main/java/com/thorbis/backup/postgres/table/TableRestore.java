package com.thorbis.backup.postgres.table;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.CheckItem;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RestorePlan;
import com.thorbis.backup.api.RestoreRequest;
import com.thorbis.backup.api.TableRestorePlan;
import com.thorbis.backup.api.TableRestoreReport;
import com.thorbis.backup.api.TableRestoreReport.Table;
import com.thorbis.backup.api.TableRestoreRequest;
import com.thorbis.backup.api.TableRestoreRequest.Into;
import com.thorbis.backup.api.TableRestoreRequest.Output;
import com.thorbis.backup.postgres.restore.Stages;
import com.thorbis.backup.postgres.restore.ThawedRestore;
import com.thorbis.backup.postgres.server.RecoveryRun;
import com.thorbis.backup.postgres.server.ServerPrograms;
import com.thorbis.backup.postgres.server.ThrowAway;
import com.thorbis.backup.postgres.server.ThrowAway.Dropped;
import com.thorbis.backup.postgres.server.ThrowAwayServer;
import com.thorbis.backup.postgres.settings.OwnerOnly;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupFacts.Tablespace;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.SourceInfo;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Brings tables, or a whole database, back through a throw-away server. */
public final class TableRestore {
  private final PostgresSettings settings;
  private final SourceInfo source;
  private final Repository repository;

  /** For the configured source. */
  public TableRestore(PostgresSettings settings, SourceInfo source, Repository repository) {
    this.settings = settings;
    this.source = source;
    this.repository = repository;
  }

  /** What would be done. */
  public TableRestorePlan plan(TableRestoreRequest request) throws IOException {
    checkDestination(request);
    Path parent = ThrowAway.parent(settings, request.workDirectory());
    Path nowhere = parent.resolve("thorbis-planned").resolve("data");
    RestorePlan plan;
    try {
      plan =
          new ThawedRestore(settings, source, repository)
              .plan(
                  files(request, nowhere),
                  facts ->
                      fitted(request, nowhere, facts, oid -> nowhere.resolveSibling(oid + "")));
    } catch (BackupException e) {
      throw ofTables(e);
    }
    return look(plan, parent, request);
  }

  /** The new database that a whole one goes into. */
  private Optional<NewDatabase> fresh(TableRestoreRequest request) {
    return request.whole() && request.destination() instanceof Into into
        ? Optional.of(NewDatabase.of(settings, into))
        : Optional.empty();
  }

  private TableRestorePlan look(RestorePlan plan, Path parent, TableRestoreRequest request)
      throws IOException {
    int major = plan.backup().cluster().majorVersion();
    Set<Tool> needed = needed(request);
    ClientTools tools = Definitions.find(settings, needed, major);
    fresh(request).ifPresent(into -> into.requireVersion(major, tools));
    List<String> used = new ArrayList<>();
    used.add(ServerPrograms.find(settings.binDirectory(), major).program("postgres"));
    for (Tool tool : needed) {
      used.add(tools.folder().resolve(tool.label()) + " (" + tools.version() + ")");
    }
    return new TableRestorePlan(
        plan, parent, ThrowAway.neededBytes(plan), ThrowAway.freeBytes(parent), used);
  }

  private static Set<Tool> needed(TableRestoreRequest request) {
    return request.whole() && request.destination() instanceof Into
        ? EnumSet.of(Tool.PG_DUMP, Tool.PG_RESTORE)
        : EnumSet.of(Tool.PG_DUMP);
  }

  /** Brings them back. */
  public TableRestoreReport restore(TableRestoreRequest request, RunControl control)
      throws IOException {
    sweep(request, control);
    checkDestination(request);
    Path parent = ThrowAway.parent(settings, request.workDirectory());
    Stages stages = new Stages(control);
    Optional<Path> output =
        request.destination() instanceof Output to
            ? Optional.of(to.file().toAbsolutePath().normalize())
            : Optional.empty();
    Optional<NewDatabase> fresh = fresh(request);
    ThrowAway place = ThrowAway.make(settings, parent, output, fresh.map(NewDatabase::address));
    try {
      return restore(request, parent, output, fresh, place, stages);
    } finally {
      close(place, control);
    }
  }

  /** The tables are back then, or it is known why not. */
  private static void close(ThrowAway place, RunControl control) {
    try {
      place.close();
    } catch (IOException e) {
      control
          .progress()
          .warning(
              "What was made on this host for it could not be removed, which the next"
                  + " restore-table or drill tries again: "
                  + e.getMessage());
    }
  }

  private TableRestoreReport restore(
      TableRestoreRequest request,
      Path parent,
      Optional<Path> output,
      Optional<NewDatabase> fresh,
      ThrowAway place,
      Stages stages)
      throws IOException {
    ThawedRestore.Laid laid;
    try {
      laid =
          new ThawedRestore(settings, source, repository)
              .lay(
                  files(request, place.dataDirectory()),
                  facts -> fitted(request, place.dataDirectory(), facts, place::tablespace),
                  plan -> {
                    TableRestorePlan found = looked(plan, parent, request);
                    ThrowAway.requireRoom(parent, found.neededBytes(), found.freeBytes());
                  },
                  stages);
    } catch (BackupException e) {
      throw ofTables(e);
    }
    try (ThrowAwayServer server =
            new RecoveryRun(settings, repository, source.current().id(), stages.control())
                .hidden(
                    laid.dataDirectory(),
                    laid.owner(),
                    place.sockets(),
                    laid.plan(),
                    stages::begin);
        Past past =
            request.whole()
                ? Past.whole(server, request.database(), fresh.map(none -> place.database()))
                : Past.find(server, request.tables())) {
      Definitions definitions =
          new Definitions(
              Definitions.find(
                  settings, needed(request), laid.plan().backup().cluster().majorVersion()),
              past,
              request.owners(),
              stages.control().cancellation());
      Map<Long, Long> rows;
      if (request.whole()) {
        past.prepareWhole(fresh.map(NewDatabase::superuser), request.owners());
        rows =
            fresh.isPresent()
                ? fresh.get().load(past, request, definitions, place, stages)
                : write(past, definitions, request, output.orElseThrow(), place, stages);
      } else {
        past.prepare(
            request.asSchema(), request.foreignKeys(), request.destination() instanceof Into);
        rows =
            request.destination() instanceof Into into
                ? LiveDatabase.of(settings, into).load(past, request, definitions, stages)
                : write(past, definitions, request, output.orElseThrow(), place, stages);
      }
      stages.end();
      return new TableRestoreReport(
          laid.plan().backup().id(),
          tables(past, rows),
          laid.bytesFetched(),
          server.reached(),
          stages.totalMillis(),
          stages.millis(),
          past.next());
    }
  }

  private TableRestorePlan looked(RestorePlan plan, Path parent, TableRestoreRequest request) {
    try {
      return look(plan, parent, request);
    } catch (IOException e) {
      throw BackupException.from(e);
    }
  }

  private static List<Table> tables(Past past, Map<Long, Long> rows) {
    List<Table> tables = new ArrayList<>();
    past.wanted()
        .forEach(
            (name, parts) ->
                tables.add(
                    new Table(
                        name,
                        parts.get(0).schema(),
                        parts.stream().mapToLong(one -> rows.getOrDefault(one.oid(), 0L)).sum(),
                        parts.size() - 1)));
    return tables;
  }

  /** Removes what killed runs of this source left. */
  private void sweep(TableRestoreRequest request, RunControl control) throws IOException {
    PostgresSettings reached =
        request.destination() instanceof Into into ? LiveDatabase.target(settings, into) : settings;
    for (String swept :
        ThrowAway.sweep(
            settings,
            (address, name) ->
                address.equals(reached.address().toString())
                    ? NewDatabase.drop(reached, name)
                    : Dropped.unknown("it is on another server"))) {
      control.progress().note("Removed " + swept + ", which a run that was killed left");
    }
  }

  /** What killed runs of a source left on this host; changes nothing. */
  public static Optional<CheckItem> check(PostgresSettings settings) throws IOException {
    List<String> left = ThrowAway.leftovers(settings);
    return left.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new CheckItem(
                "postgres.throw-away",
                CheckItem.Outcome.WARN,
                "A restore-table or drill that was killed left "
                    + String.join(", ", left)
                    + ", and maybe a server that works there",
                "The next one of "
                    + settings.source()
                    + " removes it, and a database if it goes into the same server."));
  }

  private void checkDestination(TableRestoreRequest request) throws IOException {
    if (request.destination() instanceof Output to) {
      Path file = to.file().toAbsolutePath().normalize();
      if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
        throw outputExists(file);
      }
      Path folder = file.getParent();
      if (folder == null || !Files.isDirectory(folder)) {
        throw BackupException.of(
                "restore.no-output-folder",
                FailureKind.CONFIGURATION,
                "There is no folder for " + file)
            .remedy("Make it, or name another file.")
            .build();
      }
    } else if (request.destination() instanceof Into into) {
      if (request.whole()) {
        NewDatabase.of(settings, into).check();
      } else {
        LiveDatabase.of(settings, into).check(request);
      }
    }
  }

  private static BackupException outputExists(Path file) {
    return BackupException.of(
            "restore.output-exists", FailureKind.REFUSED, file + " exists; nothing was written")
        .remedy("Name a file that does not exist.")
        .detail("path", file.toString())
        .build();
  }

  /** The files that are needed: those of one database, and what all share. */
  private RestoreRequest files(TableRestoreRequest request, Path dataDirectory) {
    return builder(request, dataDirectory).build();
  }

  private static RestoreRequest.Builder builder(TableRestoreRequest request, Path dataDirectory) {
    RestoreRequest.Builder files =
        RestoreRequest.builder(request.source(), dataDirectory)
            .target(request.target())
            .action(RestoreRequest.Action.PROMOTE)
            .database(request.database())
            .start(true);
    request.timeline().ifPresent(files::timeline);
    request.backup().ifPresent(files::backup);
    return files;
  }

  /** Where a tablespace is laid. */
  @FunctionalInterface
  private interface Places {
    Path of(long oid);
  }

  /** Every tablespace lies beside: where it was, the source may have it. */
  private RestoreRequest fitted(
      TableRestoreRequest request, Path dataDirectory, BackupFacts facts, Places places) {
    RestoreRequest.Builder files = builder(request, dataDirectory);
    for (Tablespace each : facts.tablespaces()) {
      if (Path.of(each.location()).isAbsolute()) {
        files.tablespace(Long.toString(each.oid()), places.of(each.oid()));
      }
    }
    return files.build();
  }

  /** A database that the backup does not have is not a mistake in the configuration here. */
  private static BackupException ofTables(BackupException e) {
    if (!e.code().equals("restore.unknown-database")) {
      return e;
    }
    return BackupException.of(e.code(), FailureKind.NOT_FOUND, String.valueOf(e.getMessage()))
        .remedy(
            e.remedy()
                + " If it was made after the backup, restore the whole cluster with restore"
                + " --start.")
        .cause(e)
        .build();
  }

  private static Map<Long, Long> write(
      Past past,
      Definitions definitions,
      TableRestoreRequest request,
      Path output,
      ThrowAway place,
      Stages stages)
      throws IOException {
    stages.begin("dump", -1);
    Map<Long, Long> rows = new LinkedHashMap<>();
    for (Relation one : past.all()) {
      rows.put(one.oid(), past.rows(one));
    }
    Path fresh = place.unfinished();
    try (FileChannel file =
        FileChannel.open(
            fresh,
            Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
            OwnerOnly.FILE)) {
      boolean script = output.toString().endsWith(".sql");
      if (request.whole()) {
        definitions.writeWhole(fresh, script);
      } else {
        definitions.write(fresh, script, request.asSchema().isPresent());
      }
      file.force(true);
    }
    try {
      Files.createLink(output, fresh); // fails if the name is taken; a rename would replace it
    } catch (FileAlreadyExistsException e) {
      throw outputExists(output);
    }
    try (FileChannel names = FileChannel.open(output.getParent())) {
      names.force(true);
    }
    return rows;
  }
}
