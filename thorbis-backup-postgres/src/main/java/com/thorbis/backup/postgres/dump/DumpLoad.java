package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadPlan;
import com.thorbis.backup.api.LoadReport;
import com.thorbis.backup.api.LoadReport.LoadedTable;
import com.thorbis.backup.api.LoadReport.Outcome;
import com.thorbis.backup.api.LoadRequest;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.api.Progress;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.dump.Contents.DumpedTable;
import com.thorbis.backup.postgres.dump.DatabaseSession.Sum;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.PrivateFile;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.tools.ToolConnection;
import com.thorbis.backup.postgres.tools.ToolRun;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.spi.Names;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a dump into a running server, in one transaction, and compares what is there then with
 * what was dumped.
 */
public final class DumpLoad {
  private static final Logger LOG = LoggerFactory.getLogger(DumpLoad.class);
  private static final int MOST_NAMED = 5;

  private final PostgresSettings source;
  private final LoadRequest request;
  private final Repository repository;
  private final RunControl control;

  /** One run. */
  public DumpLoad(
      PostgresSettings source, LoadRequest request, Repository repository, RunControl control) {
    this.source = source;
    this.request = request;
    this.repository = repository;
    this.control = control;
  }

  /** What it would do. */
  public LoadPlan plan() throws IOException {
    PostgresSettings into = into();
    try (BackupReader reader = open()) {
      Archive archive = archive(reader);
      return plan(into, archive);
    }
  }

  /** Does it. */
  public LoadReport run() throws IOException {
    Instant begun = source.clock().instant();
    PostgresSettings into = into();
    List<String> warnings = new ArrayList<>();
    Archive archive;
    LoadPlan plan;
    boolean loaded = false;
    BackupReader reader = open();
    try {
      archive = archive(reader);
      plan = plan(into, archive);
      if (!plan.existing().isEmpty() && !request.replace()) {
        throw exist(plan);
      }
      requireReplaceable(plan, archive);
      warnings.addAll(load(into, reader, archive, plan));
      loaded = true;
    } finally {
      close(reader::close, loaded, warnings);
    }
    List<LoadedTable> tables;
    try {
      tables = compare(into, archive, warnings);
    } catch (IOException | BackupException e) {
      throw notCompared(plan, e);
    }
    LOG.info("backup={} is loaded, {} tables", request.backup(), tables.size());
    return new LoadReport(
        request.backup(),
        plan.target(),
        tables,
        plan.excluded(),
        warnings,
        Duration.between(begun, source.clock().instant()).toMillis());
  }

  /** What fails after the commit takes nothing back. */
  static void close(Closeable used, boolean loaded, List<String> warnings) {
    try {
      used.close();
    } catch (IOException e) {
      LOG.warn("What a load used cannot be closed", e);
      if (loaded) {
        warnings.add("all is loaded, but afterwards: " + e.getMessage());
      }
    }
  }

  private BackupException notCompared(LoadPlan plan, Exception e) {
    return BackupException.of(
            "load.not-compared",
            control.cancellation().requested() ? FailureKind.CANCELLED : FailureKind.PERMANENT,
            "Backup "
                + request.backup()
                + " is loaded into "
                + plan.target()
                + ", whole and committed, and its tables were not compared: "
                + e.getMessage())
        .remedy("Do not load it again. Look at the tables, or load it elsewhere to compare.")
        .cause(e)
        .build();
  }

  /** Never closed: that would erase the password, which is the caller's. */
  private PostgresSettings into() {
    return source.into(request.into(), request.user(), request.password());
  }

  private BackupReader open() throws IOException {
    BackupReader reader = repository.open(request.backup());
    BackupDescriptor backup = reader.descriptor();
    if (backup.type().physical()) {
      reader.close();
      throw BackupException.of(
              "load.no-dump",
              FailureKind.REFUSED,
              "Backup " + backup.id() + " is no dump but one of type " + backup.type().label())
          .remedy("Bring it back with restore.")
          .build();
    }
    return reader;
  }

  /**
   * One database of the dump: what is in it, and the file that has it.
   *
   * @param changes what was followed behind it, if anything was
   */
  private record Archive(Contents contents, String file, Optional<ChangeLog> changes) {
    /** What a table has at the end. */
    OptionalLong rows(DumpedTable table) {
      return followed(table).map(ChangeLog.Followed::rows).orElse(table.rows());
    }

    /** Of rows that were changed since only if they were digested again. */
    Optional<String> digest(DumpedTable table) {
      Optional<ChangeLog.Followed> followed = followed(table);
      return followed.isEmpty() || !followed.get().touched()
          ? table.digest()
          : followed.get().reading().flatMap(ChangeLog.Reading::digest);
    }

    private Optional<ChangeLog.Followed> followed(DumpedTable table) {
      return changes.stream()
          .flatMap(log -> log.followed().stream())
          .filter(each -> each.oid() == table.oid())
          .findFirst();
    }

    boolean is(StoredFile stored) {
      return stored.area() == StoredFile.Area.DATA && stored.path().equals(file);
    }
  }

  /** The database that is asked for, or the only one. */
  private Archive archive(BackupReader reader) throws IOException {
    List<Archive> all = new ArrayList<>();
    Optional<Archive> next = archive(reader, ArchiveFiles.ALONE);
    if (next.isEmpty()) {
      next = archive(reader, ArchiveFiles.numbered(1));
    }
    while (next.isPresent()) {
      all.add(next.get());
      next = archive(reader, ArchiveFiles.numbered(all.size() + 1));
    }
    if (all.isEmpty()) {
      throw new IOException(
          "Backup "
              + request.backup()
              + " has no "
              + ArchiveFiles.ALONE.contents()
              + ", which says what a dump holds");
    }
    List<String> names = all.stream().map(one -> one.contents().database()).sorted().toList();
    if (request.database().isEmpty() && all.size() > 1) {
      throw BackupException.of(
              "load.several-databases",
              FailureKind.REFUSED,
              "Backup "
                  + request.backup()
                  + " is of several databases: "
                  + String.join(", ", names))
          .remedy("Name one of them with --database.")
          .detail("databases", String.join(", ", names))
          .build();
    }
    String wanted = request.database().orElse(names.get(0));
    return all.stream()
        .filter(one -> one.contents().database().equals(wanted))
        .findFirst()
        .orElseThrow(
            () ->
                missing(
                    "load.no-such-database",
                    "database " + wanted,
                    Optional.of("It has " + String.join(", ", names) + ".")));
  }

  private static Optional<Archive> archive(BackupReader reader, ArchiveFiles files)
      throws IOException {
    Optional<byte[]> content = reader.read(StoredFile.Area.META, files.contents());
    if (content.isEmpty()) {
      return Optional.empty();
    }
    Optional<byte[]> changes = reader.read(StoredFile.Area.META, ChangeLog.FILE);
    if (changes.isEmpty() && reader.descriptor().type() == BackupType.CHANGES) {
      throw new IOException("Backup " + reader.descriptor().id() + " has no " + ChangeLog.FILE);
    }
    return Optional.of(
        new Archive(
            Contents.parse(content.get()),
            files.archive(),
            changes.isEmpty()
                ? Optional.empty()
                : Optional.of(ChangeLog.parse(changes.get()))
                    .filter(log -> !log.segments().isEmpty())));
  }

  private LoadPlan plan(PostgresSettings into, Archive archive) throws IOException {
    Contents contents = archive.contents();
    List<DumpedTable> chosen = chosen(contents);
    List<String> notes = new ArrayList<>();
    try (DatabaseSession session = DatabaseSession.open(into, control.cancellation())) {
      if (session.majorVersion() < contents.serverMajor()) {
        notes.add(
            "the dump is of PostgreSQL "
                + contents.serverMajor()
                + ", the target is "
                + session.majorVersion()
                + ", which may not know all that is in it");
      }
      if (!session.encoding().equals(contents.encoding())) {
        notes.add(
            "the dump is in "
                + contents.encoding()
                + ", the target in "
                + session.encoding()
                + ", which may lack characters");
      }
      archive
          .changes()
          .ifPresent(
              log -> {
                notes.add(
                    "the dump, and what was changed until "
                        + log.asOf()
                        + ": "
                        + changes(log)
                        + " of "
                        + log.followed().size()
                        + " tables");
                List<String> notSeen = ColumnBackup.notSeen(log);
                if (!notSeen.isEmpty()) {
                  notes.add("not in it, if there were any: " + String.join(", ", notSeen));
                }
                if (!log.others().isEmpty()) {
                  notes.add(
                      "as they were dumped: "
                          + log.others().stream()
                              .map(each -> each.table() + " (" + each.why() + ")")
                              .collect(Collectors.joining(", ")));
                }
              });
      if (!request.tables().isEmpty()) {
        notes.add("triggers, policies, rules and foreign keys of single tables are not loaded");
      }
      if (request.replace()) {
        notes.add(
            "whatever the target has under the name of something that is loaded is dropped:"
                + " tables, views, functions, types and all else");
        if (replacesLargeObjects(session, contents)) {
          notes.add("the target has large objects, which refuses a load that replaces");
        }
      }
      if (!request.owners()) {
        notes.add("everything will belong to role \"" + into.user() + "\", without privileges");
      }
      Set<Table> existing = session.existing(chosen.stream().map(DumpedTable::table).toList());
      return new LoadPlan(
          request.backup(),
          contents.database(),
          into.address() + "/" + session.text("SELECT pg_catalog.current_database()"),
          chosen.stream()
              .filter(each -> !each.partitioned())
              .map(each -> new LoadPlan.PlannedTable(each.table(), archive.rows(each)))
              .toList(),
          chosen.stream().map(DumpedTable::table).filter(existing::contains).toList(),
          contents.excluded(),
          notes);
    } catch (SQLException e) {
      control.cancellation().check();
      throw Failures.of(into, e);
    }
  }

  private static String changes(ChangeLog log) {
    return log.means() instanceof ChangeLog.Slot
        ? log.segments().stream().mapToLong(ChangeLog.Segment::transactions).sum() + " transactions"
        : log.segments().stream()
                .mapToLong(one -> one.inserts() + one.updates() + one.deletes())
                .sum()
            + " rows";
  }

  /** What is asked for, which has to be there. */
  private List<DumpedTable> chosen(Contents contents) {
    Set<Table> known =
        contents.tables().stream()
            .map(DumpedTable::table)
            .collect(Collectors.toCollection(LinkedHashSet::new));
    for (Table wanted : request.tables()) {
      if (!known.contains(wanted)) {
        throw missing(
            "load.no-such-table",
            "table " + wanted,
            contents.excluded().contains(wanted)
                ? Optional.of("It was left out of this dump: take another.")
                : Names.nearest(
                        wanted.toString(), known.stream().map(Table::toString).sorted().toList())
                    .map(near -> "Did you mean " + near + "?"));
      }
    }
    List<String> schemas = known.stream().map(Table::schema).distinct().sorted().toList();
    for (String wanted : request.schemas()) {
      if (!schemas.contains(wanted)) {
        throw missing(
            "load.no-such-schema",
            "table in schema " + wanted,
            Names.nearest(wanted, schemas).map(near -> "Did you mean " + near + "?"));
      }
    }
    if (!request.tables().isEmpty()) {
      return TableOfContents.withPartitions(contents, request.tables());
    }
    return contents.tables().stream()
        .filter(
            each ->
                request.schemas().isEmpty() || request.schemas().contains(each.table().schema()))
        .toList();
  }

  private BackupException missing(String code, String what, Optional<String> remedy) {
    return BackupException.of(
            code, FailureKind.NOT_FOUND, "Backup " + request.backup() + " has no " + what)
        .remedy(remedy.orElse("See what it has with load --plan."))
        .build();
  }

  private static BackupException exist(LoadPlan plan) {
    List<String> names = plan.existing().stream().map(Table::toString).toList();
    return BackupException.of(
            "load.tables-exist",
            FailureKind.REFUSED,
            plan.target()
                + " already has "
                + String.join(", ", names.subList(0, Math.min(MOST_NAMED, names.size())))
                + (names.size() > MOST_NAMED
                    ? " and " + (names.size() - MOST_NAMED) + " more"
                    : ""))
        .remedy("Load into another database, or replace what is there with --clean --yes.")
        .detail("tables", String.join(", ", names))
        .build();
  }

  /** What an index of a partitioned table needs of its partitions cannot be dropped by itself. */
  private void requireReplaceable(LoadPlan plan, Archive archive) {
    if (request.replace() && archive.changes().isPresent()) {
      throw BackupException.of(
              "load.replaces-changes",
              FailureKind.REFUSED,
              "What was followed behind a dump cannot be loaded with what replaces: its keys come"
                  + " before the changes, and what refers to them behind")
          .remedy("Load into another database, or drop first what is to be replaced.")
          .build();
    }
    Contents contents = archive.contents();
    List<String> split =
        apart(chosen(contents)).stream().map(each -> each.table().toString()).toList();
    if (request.replace() && !split.isEmpty()) {
      throw BackupException.of(
              "load.replaces-split",
              FailureKind.REFUSED,
              "Tables that were split when they were dumped cannot be loaded with what replaces,"
                  + " such as "
                  + split.get(0))
          .remedy("Load into another database, or drop first what is to be replaced.")
          .detail("tables", String.join(", ", split))
          .build();
    }
    List<String> names =
        chosen(contents).stream()
            .filter(each -> each.parent().isPresent() && !each.parts().isEmpty())
            .map(DumpedTable::table)
            .filter(plan.existing()::contains)
            .map(Table::toString)
            .toList();
    if (!names.isEmpty()) {
      throw BackupException.of(
              "load.replaces-partition",
              FailureKind.REFUSED,
              "pg_restore cannot replace partitions that have indexes or keys, such as "
                  + names.get(0))
          .remedy("Load into another database, or drop the partitioned tables first.")
          .detail("tables", String.join(", ", names))
          .build();
    }
  }

  /** They are known by a number alone, which may be that of one that has nothing to do with it. */
  private boolean replacesLargeObjects(DatabaseSession session, Contents contents)
      throws SQLException {
    return contents.largeObjects() > 0
        && request.tables().isEmpty()
        && request.schemas().isEmpty()
        && session.flag("SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)");
  }

  private BackupException largeObjects(LoadPlan plan) {
    return BackupException.of(
            "load.replaces-large-objects",
            FailureKind.REFUSED,
            plan.target()
                + " has large objects, and the dump has some: pg_restore would drop those with the"
                + " same numbers, whatever they are")
        .remedy("Load into another database, or unlink the large objects of this one first.")
        .build();
  }

  private List<String> load(
      PostgresSettings into, BackupReader reader, Archive archive, LoadPlan plan)
      throws IOException {
    Contents contents = archive.contents();
    List<DumpedTable> chosen = chosen(contents);
    List<DumpedTable> apart = apart(chosen);
    ClientTools tools =
        ClientTools.find(
            source.clientToolsDirectory(),
            apart.isEmpty() ? EnumSet.of(Tool.PG_RESTORE) : EnumSet.of(Tool.PG_RESTORE, Tool.PSQL),
            contents.toolsMajor(),
            source.stateDirectory());
    ToolConnection connection = ToolConnection.of(into, into.database().orElse("postgres"));
    TableOfContents list = list(tools, connection, reader, archive);
    boolean superuser;
    try (DatabaseSession session = DatabaseSession.open(into, control.cancellation())) {
      superuser = session.flag("SELECT pg_catalog.current_setting('is_superuser') = 'on'");
      if (request.replace() && replacesLargeObjects(session, contents)) {
        throw largeObjects(plan);
      }
    } catch (SQLException e) {
      throw Failures.of(into, e);
    }
    List<String> entries =
        request.tables().isEmpty() ? list.all(superuser) : list.of(chosen, contents.tables());
    List<String> made =
        request.tables().isEmpty() && request.schemas().isEmpty()
            ? List.of()
            : makeSchemas(into, chosen);
    boolean loaded = false;
    try {
      boolean changed = archive.changes().isPresent();
      byte[] wanted =
          listed(entries.stream().filter(e -> !changed || !TableOfContents.behindChanges(e)));
      List<String> said =
          apart.isEmpty()
              ? load(tools, connection, reader, archive, wanted)
              : new ScriptLoad(tools, connection, reader, archive::is, options(), wanted, control)
                  .run(apart);
      loaded = true;
      List<String> warnings = new ArrayList<>(said);
      if (changed) {
        List<String> behind = entries.stream().filter(TableOfContents::behindChanges).toList();
        warnings.addAll(
            changes(
                into,
                reader,
                archive,
                () ->
                    behind.isEmpty()
                        ? List.of()
                        : load(tools, connection, reader, archive, listed(behind.stream()))));
      }
      if (!list.leftOut().isEmpty()) {
        warnings.add("only a superuser can load: " + String.join("; ", list.leftOut()));
      }
      return warnings;
    } catch (ChangesFailed e) {
      throw e.reported(plan);
    } catch (BackupException e) {
      throw failed(e, into, plan);
    } catch (IOException e) {
      throw failed(
          BackupException.of("load.failed", FailureKind.PERMANENT, String.valueOf(e.getMessage()))
              .cause(e)
              .build(),
          into,
          plan);
    } finally {
      if (!loaded) {
        dropSchemas(into, made);
      }
    }
  }

  private static byte[] listed(Stream<String> entries) {
    return (entries.collect(Collectors.joining("\n")) + "\n").getBytes(StandardCharsets.UTF_8);
  }

  /** What comes behind the changes. */
  private interface Rest {
    List<String> load() throws IOException;
  }

  /** The dump is committed, and something behind it failed. */
  private static final class ChangesFailed extends IOException {
    private static final long serialVersionUID = 1L;
    private final BackupException failure;
    private final String left;

    ChangesFailed(BackupException failure, String left) {
      super(failure);
      this.failure = failure;
      this.left = left;
    }

    BackupException reported(LoadPlan plan) {
      return BackupException.of(
              failure.code().startsWith("load.") && !failure.code().equals("load.failed")
                  ? failure.code()
                  : "load.changes-failed",
              failure.kind(),
              failure.getMessage() + " (" + plan.target() + " " + left + ")")
          .remedy("Drop what was loaded, or load into another database. " + failure.remedy())
          .cause(failure)
          .build();
    }
  }

  /**
   * Applies what was changed, in one transaction; then loads what acts upon changes, in another.
   */
  private List<String> changes(
      PostgresSettings into, BackupReader reader, Archive archive, Rest rest) throws IOException {
    ChangeLog log = archive.changes().orElseThrow();
    List<String> said = new ArrayList<>();
    String left = "has the dump, and nothing of the changes";
    try {
      said.addAll(
          new ChangeLoad(into, reader, log, control).run(wanted(archive), sequences(log, archive)));
      left = "has the dump and the changes, without foreign keys, triggers, policies and rules";
      said.addAll(rest.load());
      return said;
    } catch (BackupException e) {
      throw new ChangesFailed(e, left);
    } catch (IOException e) {
      throw new ChangesFailed(
          BackupException.of(
                  "load.changes-failed", FailureKind.PERMANENT, String.valueOf(e.getMessage()))
              .cause(e)
              .build(),
          left);
    }
  }

  private Predicate<Table> wanted(Archive archive) {
    Set<Table> chosen =
        chosen(archive.contents()).stream().map(DumpedTable::table).collect(Collectors.toSet());
    return chosen::contains;
  }

  /** Those that are loaded with what was asked for. */
  private List<ChangeLog.Sequence> sequences(ChangeLog log, Archive archive) {
    if (request.tables().isEmpty()) {
      return log.sequences().stream()
          .filter(
              each ->
                  request.schemas().isEmpty() || request.schemas().contains(each.name().schema()))
          .toList();
    }
    Set<Table> owned =
        chosen(archive.contents()).stream()
            .flatMap(
                each ->
                    each.parts().stream()
                        .map(part -> new Table(each.table().schema(), part.name())))
            .collect(Collectors.toSet());
    return log.sequences().stream().filter(each -> owned.contains(each.name())).toList();
  }

  /** Those whose rows are not in the archive. */
  private static List<DumpedTable> apart(List<DumpedTable> tables) {
    return tables.stream().filter(each -> each.apart().isPresent()).toList();
  }

  private List<String> options() {
    List<String> arguments = new ArrayList<>();
    arguments.add("--no-subscriptions"); // a copy that follows somebody is no copy for long
    if (!request.owners()) {
      arguments.add("--no-owner");
      arguments.add("--no-privileges");
    }
    if (request.replace()) {
      arguments.add("--clean");
      arguments.add("--if-exists");
    }
    for (String schema : request.schemas()) {
      arguments.add("--schema=" + schema);
    }
    return arguments;
  }

  private List<String> load(
      ClientTools tools,
      ToolConnection connection,
      BackupReader reader,
      Archive archive,
      byte[] entries)
      throws IOException {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--dbname=" + connection.databaseArgument(),
                "--single-transaction",
                "--exit-on-error"));
    arguments.addAll(options());
    ToolRun run =
        tools.start(
            Tool.PG_RESTORE,
            connection,
            arguments,
            List.of(new PrivateFile("--use-list=", entries)),
            control.cancellation());
    List<String> said = new ArrayList<>();
    boolean loaded = false;
    try {
      long expected = length(reader, archive);
      Feed feed = new Feed(run.input(), fed -> control.progress().advance(fed, expected));
      control.progress().begin("load", expected);
      try {
        reader.extract(archive::is, feed, control);
        feed.end();
      } catch (IOException e) {
        if (!feed.broken()) {
          control.cancellation().check();
          throw e;
        }
        // It has what it needs, or failed, which its end tells.
      }
      said.addAll(run.finish());
      loaded = true;
      control.progress().end("load");
      return said;
    } finally {
      close(run::close, loaded, said);
    }
  }

  private static long length(BackupReader reader, Archive archive) throws IOException {
    AtomicLong length = new AtomicLong();
    reader.entries(
        file -> {
          if (archive.is(file)) {
            length.set(file.length());
          }
        });
    return length.get();
  }

  /** What is in the dump; only its beginning is fetched for that. */
  private TableOfContents list(
      ClientTools tools, ToolConnection connection, BackupReader reader, Archive archive)
      throws IOException {
    try (ToolRun run =
        tools.start(Tool.PG_RESTORE, connection, List.of("--list"), control.cancellation())) {
      FutureTask<byte[]> printed = new FutureTask<>(() -> run.output().readAllBytes());
      Thread thread = new Thread(printed, "thorbis-dump-list");
      thread.setDaemon(true);
      thread.start();
      Feed feed = new Feed(run.input(), fed -> {});
      try {
        reader.extract(archive::is, feed, new RunControl(control.cancellation(), Progress.NONE));
        feed.end();
      } catch (IOException e) {
        control.cancellation().check();
        if (!feed.broken()) {
          throw e;
        }
        // It has read as much as it needs.
      }
      byte[] list = printed.get();
      run.finish();
      return TableOfContents.parse(new String(list, StandardCharsets.UTF_8));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while the dump's contents were read");
    } catch (ExecutionException e) {
      throw new IOException("The dump's contents cannot be read", e.getCause());
    }
  }

  /** Where single tables go has to be there; it is not in the transaction that fills it. */
  private static List<String> makeSchemas(PostgresSettings into, List<DumpedTable> chosen)
      throws IOException {
    List<String> wanted =
        chosen.stream().map(each -> each.table().schema()).distinct().sorted().toList();
    List<String> made = new ArrayList<>();
    try (Connection sql = SqlConnections.open(into);
        Statement statement = sql.createStatement()) {
      for (String schema : wanted) {
        if (!DatabaseSession.schemaExists(sql, schema)) {
          statement.execute("CREATE SCHEMA " + DatabaseSession.quoted(schema));
          made.add(schema);
        }
      }
      return made;
    } catch (SQLException e) {
      dropSchemas(into, made);
      throw Failures.of(into, e);
    }
  }

  private static void dropSchemas(PostgresSettings into, List<String> made) {
    if (made.isEmpty()) {
      return;
    }
    try (Connection sql = SqlConnections.open(into);
        Statement statement = sql.createStatement()) {
      for (String schema : made) {
        statement.execute("DROP SCHEMA " + DatabaseSession.quoted(schema)); // only an empty one
      }
    } catch (SQLException e) {
      LOG.warn("Schemas that were made for a load that failed are still there: {}", made, e);
    }
  }

  /** Says what is there now, as far as that can be asked. */
  private BackupException failed(BackupException e, PostgresSettings into, LoadPlan plan) {
    String left;
    FailureKind kind = e.kind();
    if (request.replace()) {
      if (e.kind() == FailureKind.CANCELLED) {
        return e;
      }
      left = "nothing was replaced unless the connection broke at the very end";
    } else {
      try (DatabaseSession session = DatabaseSession.open(into, new Cancellation())) {
        boolean none =
            session
                .existing(plan.tables().stream().map(LoadPlan.PlannedTable::table).toList())
                .isEmpty();
        if (none && e.kind() == FailureKind.CANCELLED) {
          return e;
        }
        left = none ? "nothing was loaded" : "it was loaded all the same, and is not compared";
        kind = none ? kind : FailureKind.OUTCOME_UNKNOWN;
      } catch (SQLException again) {
        left = "whether anything was loaded could not be asked";
        kind = FailureKind.OUTCOME_UNKNOWN;
      }
    }
    return BackupException.of("load.failed", kind, e.getMessage() + " (" + left + ")")
        .remedy(e.remedy())
        .cause(e)
        .build();
  }

  private List<LoadedTable> compare(PostgresSettings into, Archive archive, List<String> warnings)
      throws IOException {
    Contents contents = archive.contents();
    control.progress().begin("compare", -1);
    List<LoadedTable> compared = new ArrayList<>();
    try (DatabaseSession session = DatabaseSession.open(into, control.cancellation())) {
      boolean comparable =
          session.encoding().equals(contents.encoding())
              || !session.encoding().equals(DatabaseSession.NO_CONVERSION)
                  && !contents.encoding().equals(DatabaseSession.NO_CONVERSION);
      for (DumpedTable each : chosen(contents)) {
        control.cancellation().check();
        if (!each.partitioned()) {
          Sum sum = session.sum(each.table());
          sum.problem().ifPresent(why -> warnings.add(each.table() + ": " + why));
          compared.add(
              new LoadedTable(
                  each.table(),
                  archive.rows(each),
                  sum.rows(),
                  outcome(archive.rows(each), archive.digest(each), sum, comparable)));
        }
      }
    } catch (SQLException e) {
      control.cancellation().check();
      throw Failures.of(into, e);
    }
    control.progress().end("compare");
    return compared;
  }

  private static Outcome outcome(
      OptionalLong rows, Optional<String> digest, Sum sum, boolean comparable) {
    if (rows.isEmpty()) {
      return Outcome.UNKNOWN;
    }
    if (!rows.equals(sum.rows())) {
      return Outcome.DIFFERENT;
    }
    if (digest.isEmpty() || sum.digest().isEmpty() || !comparable) {
      return Outcome.COUNTED;
    }
    return digest.equals(sum.digest()) ? Outcome.SAME : Outcome.DIFFERENT;
  }
}
