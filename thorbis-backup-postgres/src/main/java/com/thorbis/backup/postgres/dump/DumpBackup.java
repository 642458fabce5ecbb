package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.cluster.RateLimit;
import com.thorbis.backup.postgres.dump.Contents.Apart;
import com.thorbis.backup.postgres.dump.Contents.DumpedTable;
import com.thorbis.backup.postgres.dump.Contents.Part;
import com.thorbis.backup.postgres.dump.DatabaseSession.Relation;
import com.thorbis.backup.postgres.dump.DatabaseSession.Sum;
import com.thorbis.backup.postgres.dump.ParallelExport.Large;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.settings.TablePattern;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.tools.ToolConnection;
import com.thorbis.backup.postgres.tools.ToolRun;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.SqlSession;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Takes one dump: of databases, and of what their cluster has besides. */
public final class DumpBackup {
  /** Roles, their settings and memberships, and tablespaces. */
  static final String GLOBALS_FILE = "globals.sql";

  private static final Logger LOG = LoggerFactory.getLogger(DumpBackup.class);
  private static final int PRIVATE_MODE = 0600;
  private static final int CHUNK = 1 << 17;
  private static final int MOST_WARNINGS = 20;

  private static final int MOST_NAMED = 3;

  /** Less than what Linux lets a program have, with what else it is given. */
  private static final int MOST_ARGUMENT_CHARACTERS = 1_000_000;

  private final PostgresSettings settings;
  private final BackupRequest request;
  private final Repository repository;
  private final RunControl control;
  private final Optional<String> insteadOfChanges;
  private final List<String> warnings = new ArrayList<>();
  private final Map<String, String> attributes = new LinkedHashMap<>();

  /** What warnings begin with where there are several databases. */
  private String about = "";

  /** One run. */
  public DumpBackup(
      PostgresSettings settings, BackupRequest request, Repository repository, RunControl control) {
    this(settings, request, repository, control, Optional.empty());
  }

  /**
   * One run.
   *
   * @param insteadOfChanges why it is no incremental, where one was asked for
   */
  DumpBackup(
      PostgresSettings settings,
      BackupRequest request,
      Repository repository,
      RunControl control,
      Optional<String> insteadOfChanges) {
    this.insteadOfChanges = insteadOfChanges;
    this.settings = settings;
    this.request = request;
    this.repository = repository;
    this.control = control;
  }

  /** Takes it. */
  public BackupDescriptor run() throws IOException {
    try (SqlSession server = SqlSession.open(settings)) {
      SystemIdentity identity = server.identify();
      ClusterIdentity cluster =
          new ClusterIdentity(identity.systemId(), server.majorVersion(), server.segmentSize());
      ClientTools tools =
          ClientTools.find(
              settings.clientToolsDirectory(),
              EnumSet.of(Tool.PG_DUMP, Tool.PG_DUMPALL),
              cluster.majorVersion(),
              settings.stateDirectory());
      repository.register(settings.source(), "postgres", cluster);
      attributes.put("postgres.server-version", server.serverVersion());
      attributes.put("postgres.reader", PostgresSettings.Reader.DUMP.label());
      return take(server, tools, cluster.majorVersion());
    } catch (SQLException e) {
      control.cancellation().check();
      throw Failures.of(settings, e);
    }
  }

  private BackupDescriptor take(SqlSession server, ClientTools tools, int serverMajor)
      throws IOException, SQLException {
    List<String> databases;
    Instant startedAt;
    boolean passwords;
    try (DatabaseSession session = DatabaseSession.open(settings, control.cancellation())) {
      databases = databases(settings, session);
      for (String closed : session.closedDatabases()) {
        if (settings.dumpedDatabases().stream()
            .anyMatch(text -> TablePattern.ofName("databases", text, "database").matches(closed))) {
          warn("database " + closed + " lets nobody connect, so it is not in this dump");
        }
      }
      startedAt = now(session);
      passwords =
          session.flag("SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')");
    }
    boolean partial = !settings.excludedTables().containsAll(request.excludedTables());
    insteadOfChanges.ifPresent(why -> warn("a dump and no incremental, because " + why));
    Optional<Following> changes =
        settings.changes().isEmpty() || partial
            ? Optional.empty()
            : Optional.of(follow(settings.changes().get(), databases));
    try {
      BackupDescriptor taken =
          take(
              server,
              tools,
              serverMajor,
              databases,
              changes,
              changes.isEmpty() ? startedAt : settledAt(),
              passwords,
              partial);
      changes.ifPresent(Following::keep);
      return taken;
    } finally {
      changes.ifPresent(Following::close);
    }
  }

  /** By the server's clock, now that no transaction is open any more which the dump is without. */
  private Instant settledAt() throws SQLException {
    try (DatabaseSession session = DatabaseSession.open(settings, control.cancellation())) {
      return now(session);
    }
  }

  private Following follow(ChangesSettings changes, List<String> databases)
      throws IOException, SQLException {
    requireOne(databases);
    Set<Long> dumped = new HashSet<>();
    try (DatabaseSession session =
        DatabaseSession.open(settings, databases.get(0), control.cancellation())) {
      List<Relation> relations = session.relations();
      Set<Long> excluded = excluded(settings.excludedTables(), relations);
      relations.stream()
          .filter(one -> one.hasRows() && !excluded.contains(one.oid()))
          .forEach(one -> dumped.add(one.oid()));
    }
    if (changes instanceof ChangesSettings.Columns columns) {
      return ColumnStart.open(settings, columns, databases.get(0), dumped, control);
    }
    return ChangeStart.open(
        settings, (ChangesSettings.Slot) changes, databases.get(0), dumped, repository, control);
  }

  /** Changes are of one database: each has a log of its own kind, and positions of its own. */
  static void requireOne(List<String> databases) {
    if (databases.size() != 1) {
      throw BackupException.of(
              "changes.several-databases",
              FailureKind.CONFIGURATION,
              "Changes are followed in one database, and this source dumps "
                  + String.join(", ", databases))
          .remedy("Give each database a source of its own, with changes.mode where wanted.")
          .build();
    }
  }

  private BackupDescriptor take(
      SqlSession server,
      ClientTools tools,
      int serverMajor,
      List<String> databases,
      Optional<Following> changes,
      Instant startedAt,
      boolean passwords,
      boolean partial)
      throws IOException, SQLException {
    SystemIdentity position = server.identify();
    try (BackupWriter writer =
        repository.begin(
            new BackupStart(
                settings.source(),
                BackupType.DUMP,
                Optional.empty(),
                request.label(),
                startedAt,
                partial))) {
      LOG.info("backup={} source={} type=dump begins", writer.id(), settings.source());
      List<Summary> summaries = new ArrayList<>();
      for (String database : databases) {
        about = databases.size() == 1 ? "" : "database " + database + ": ";
        try (DatabaseSession session = open(database, changes.flatMap(Following::snapshot))) {
          ArchiveFiles files =
              databases.size() == 1
                  ? ArchiveFiles.ALONE
                  : ArchiveFiles.numbered(summaries.size() + 1);
          Summary summary = take(writer, session, tools, database, files, serverMajor);
          summaries.add(summary);
          if (changes.isPresent()) {
            String schema =
                SchemaDigest.of(
                    tools,
                    ToolConnection.of(settings, database),
                    summary.snapshot(),
                    summary.contents().excluded(),
                    control.cancellation());
            ChangeLog log =
                changes
                    .get()
                    .log(
                        session,
                        writer,
                        summary.contents(),
                        schema,
                        position.timeline(),
                        position.position(),
                        startedAt);
            write(writer, ChangeLog.FILE, log.format());
            attributes.putAll(
                ChangeBackup.attributes(log, summary.contents(), session.configurations()));
          }
        }
      }
      about = "";
      globals(writer, tools, passwords);
      writer.settle();
      describe(summaries, tools);
      BackupFacts facts =
          new BackupFacts(
              changes.flatMap(Following::position).orElse(position.position()),
              changes.flatMap(Following::position).orElse(position.position()),
              position.timeline(),
              startedAt,
              summaries.get(summaries.size() - 1).endedAt(),
              List.of(),
              attributes,
              warnings);
      return writer.commit(
          facts, warnings.isEmpty() ? BackupStatus.COMPLETE : BackupStatus.COMPLETED_WITH_WARNING);
    }
  }

  private DatabaseSession open(String database, Optional<String> snapshot) throws SQLException {
    return snapshot.isPresent()
        ? DatabaseSession.open(settings, database, snapshot.get(), control.cancellation())
        : DatabaseSession.open(settings, database, control.cancellation());
  }

  /**
   * The databases that a dump of this source is of.
   *
   * @throws BackupException code {@code dump.no-such-database} if a pattern matches none
   */
  public static List<String> databases(PostgresSettings settings, Cancellation cancellation)
      throws SQLException {
    try (DatabaseSession session = DatabaseSession.open(settings, cancellation)) {
      return databases(settings, session);
    }
  }

  private static List<String> databases(PostgresSettings settings, DatabaseSession session)
      throws SQLException {
    if (settings.dumpedDatabases().isEmpty()) {
      return List.of(session.text("SELECT pg_catalog.current_database()"));
    }
    List<String> all = session.databases();
    Set<String> meant = new HashSet<>();
    for (String text : settings.dumpedDatabases()) {
      TablePattern pattern = TablePattern.ofName("databases", text, "database");
      if (all.stream().noneMatch(pattern::matches)) {
        throw BackupException.of(
                "dump.no-such-database",
                FailureKind.CONFIGURATION,
                settings.address() + " has no database " + text + " that can be dumped")
            .remedy("Correct databases; the server has " + String.join(", ", all) + ".")
            .build();
      }
      all.stream().filter(pattern::matches).forEach(meant::add);
    }
    return all.stream().filter(meant::contains).toList();
  }

  /** What is said of the dump of one database. */
  private record Summary(Contents contents, String snapshot, Instant endedAt) {}

  private Summary take(
      BackupWriter writer,
      DatabaseSession session,
      ClientTools tools,
      String database,
      ArchiveFiles files,
      int serverMajor)
      throws IOException, SQLException {
    String snapshot = session.exportSnapshot();
    List<String> patterns = new ArrayList<>(settings.excludedTables());
    patterns.addAll(request.excludedTables());
    List<Relation> relations = session.relations();
    Set<Long> excluded = excluded(patterns, relations);
    boolean standby = session.flag("SELECT pg_catalog.pg_is_in_recovery()");
    List<Relation> dumped =
        relations.stream()
            .filter(one -> !excluded.contains(one.oid()))
            .filter(one -> one.kind() == 'r' || one.kind() == 'p')
            .filter(one -> !(standby && one.unlogged()))
            .toList();
    Map<Long, List<Part>> parts = session.parts();
    long largeObjects =
        Long.parseLong(
            session.text("SELECT count(*)::text FROM pg_catalog.pg_largeobject_metadata"));
    List<Table> left =
        relations.stream()
            .filter(one -> excluded.contains(one.oid()))
            .map(Relation::table)
            .toList();
    if (!left.isEmpty()) {
      control.progress().note(about + "Left out of this dump: " + joined(left));
    }
    if (standby && relations.stream().anyMatch(Relation::unlogged)) {
      warn("a standby has nothing of unlogged tables, so their rows are not in this dump");
    }

    Map<Relation, Large> split = split(session, dumped, files);
    List<String> arguments =
        arguments(
            snapshot,
            session.encoding(),
            left,
            split.keySet().stream().map(Relation::table).toList());
    List<Sum> sums;
    try (ParallelExport export =
        new ParallelExport(
            settings, database, snapshot, List.copyOf(split.values()), control.cancellation())) {
      List<Relation> whole = dumped.stream().filter(one -> !split.containsKey(one)).toList();
      Map<Relation, Sum> found = new HashMap<>();
      List<Sum> others = dump(writer, session, tools, database, files, arguments, whole, export);
      for (int i = 0; i < whole.size(); i++) {
        found.put(whole.get(i), others.get(i));
      }
      for (Large table : split.values()) {
        found.put(table.relation(), rows(writer, export, table));
      }
      sums = dumped.stream().map(one -> Objects.requireNonNull(found.get(one))).toList();
    }
    List<DumpedTable> tables = new ArrayList<>();
    for (int i = 0; i < dumped.size(); i++) {
      Relation one = dumped.get(i);
      tables.add(
          DatabaseSession.recorded(
              one,
              sums.get(i),
              parts.getOrDefault(one.oid(), List.of()),
              Optional.ofNullable(split.get(one)).map(Large::apart)));
    }
    judge(tables, sums);
    Contents contents =
        new Contents(
            database,
            session.encoding(),
            serverMajor,
            tools.major(),
            patterns,
            left,
            tables,
            largeObjects);
    write(writer, files.contents(), contents.format());
    return new Summary(contents, snapshot, now(session));
  }

  /** The tables whose rows are read by several sessions, and where they go. */
  private Map<Relation, Large> split(
      DatabaseSession session, List<Relation> dumped, ArchiveFiles files) throws SQLException {
    Map<Relation, Large> found = new LinkedHashMap<>();
    if (settings.splitTablesAbove() == Long.MAX_VALUE) {
      return found;
    }
    if (!session.encoding().equals("UTF8")) {
      warn(
          "split-tables-above counts for databases in UTF8 alone, and this one is in "
              + session.encoding());
      return found;
    }
    Map<Long, Long> blocks = session.blocks(dumped, settings.splitTablesAbove());
    for (Relation one : dumped) {
      Long size = blocks.get(one.oid());
      List<String> columns = size == null ? List.of() : session.filled(one.table());
      if (size != null && !columns.isEmpty()) {
        Apart apart = new Apart(files.rows(found.size() + 1), columns);
        found.put(one, new Large(one, apart, size));
      }
    }
    return found;
  }

  private Sum rows(BackupWriter writer, ParallelExport export, Large table)
      throws IOException, SQLException {
    RateLimit limit = new RateLimit(settings.rateLimit(), control.cancellation());
    control.progress().begin("rows of " + table.relation().table(), -1);
    try (BackupWriter.FileWriter out =
        writer.file(entry(StoredFile.Area.DATA, table.apart().file(), 0), PieceCheck.NONE)) {
      Sum sum =
          export.read(
              table,
              (rows, length) -> {
                limit.take(length);
                out.write(rows, 0, length);
                control.progress().advance(writer.bytesRead(), -1);
              });
      out.finish();
      control.progress().end("rows of " + table.relation().table());
      return sum;
    }
  }

  /** The tables to leave out, and those that inherit from them. */
  static Set<Long> excluded(List<String> patterns, List<Relation> relations) {
    List<TablePattern> parsed =
        patterns.stream().map(each -> TablePattern.parse("exclude-tables", each)).toList();
    Set<Long> found = new HashSet<>();
    for (Relation one : relations) {
      if (parsed.stream()
          .anyMatch(pattern -> pattern.matches(one.table().schema(), one.table().name()))) {
        found.add(one.oid());
      }
    }
    boolean more = !found.isEmpty();
    while (more) {
      more = false;
      for (Relation one : relations) {
        if (one.partitionOf().isPresent() && found.contains(one.partitionOf().getAsLong())) {
          more |= found.add(one.oid());
        }
      }
    }
    return found;
  }

  private static List<String> arguments(
      String snapshot, String encoding, List<Table> left, List<Table> split) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "--format=custom",
                // The repository compresses better, and pieces that stay the same stay so.
                "--compress=0",
                "--blobs",
                "--lock-wait-timeout=600000",
                "--snapshot=" + snapshot));
    boolean plain = true;
    int length = 0;
    List<String> unwanted = new ArrayList<>();
    left.forEach(table -> unwanted.add("--exclude-table=" + pattern(table)));
    split.forEach(table -> unwanted.add("--exclude-table-data=" + pattern(table)));
    for (String argument : unwanted) {
      plain &= StandardCharsets.US_ASCII.newEncoder().canEncode(argument);
      length += argument.length();
    }
    arguments.addAll(unwanted);
    if (!plain && !encoding.equals("UTF8")) {
      arguments.add("--encoding=UTF8"); // as its arguments are
    }
    if (length > MOST_ARGUMENT_CHARACTERS) {
      throw BackupException.of(
              "dump.too-many-excluded",
              FailureKind.CONFIGURATION,
              left.size()
                  + " tables are to be left out and "
                  + split.size()
                  + " to be split, more than pg_dump can be told at once")
          .remedy("Write narrower patterns under exclude-tables, or raise split-tables-above.")
          .build();
    }
    return arguments;
  }

  static String pattern(Table table) {
    return DatabaseSession.quoted(table.schema()) + "." + DatabaseSession.quoted(table.name());
  }

  /** Streams the dump into the repository; counts and digests the tables meanwhile. */
  private List<Sum> dump(
      BackupWriter writer,
      DatabaseSession session,
      ClientTools tools,
      String database,
      ArchiveFiles files,
      List<String> arguments,
      List<Relation> dumped,
      ParallelExport export)
      throws IOException, SQLException {
    Cancellation enough = new Cancellation();
    FutureTask<List<Sum>> sums = new FutureTask<>(() -> sums(session, dumped, enough));
    control.progress().begin("dump", -1);
    try (Cancellation.Registration registration = control.cancellation().onCancel(enough::cancel);
        ToolRun run =
            tools.start(
                Tool.PG_DUMP,
                ToolConnection.of(settings, database),
                arguments,
                control.cancellation())) {
      run.input().close();
      InputStream output = run.output();
      RateLimit limit = new RateLimit(settings.rateLimit(), control.cancellation());
      byte[] buffer = new byte[CHUNK];
      boolean begun = false;
      try (BackupWriter.FileWriter out =
          writer.file(entry(StoredFile.Area.DATA, files.archive(), 0), PieceCheck.NONE)) {
        for (int length = output.read(buffer); length >= 0; length = output.read(buffer)) {
          limit.take(length);
          out.write(buffer, 0, length);
          control.progress().advance(writer.bytesRead(), -1);
          if (!begun) {
            // With its first words it has locked every table, and we wait behind nobody for long.
            begun = true;
            export.lock();
            Thread thread = new Thread(sums, "thorbis-dump-sums");
            thread.setDaemon(true);
            thread.start();
          }
        }
        run.finish().forEach(this::warn);
        out.finish();
      }
      control.progress().end("dump");
      sums.run(); // nothing if it runs already
      return get(sums);
    } finally {
      enough.cancel();
      if (!sums.isDone()) {
        session.abort();
      }
    }
  }

  private static List<Sum> get(FutureTask<List<Sum>> sums) throws IOException, SQLException {
    try {
      return sums.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("Interrupted while tables were counted");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof SQLException failure) {
        throw failure;
      }
      if (e.getCause() instanceof BackupException failure) {
        throw failure;
      }
      throw new IOException("Tables could not be counted", e.getCause());
    }
  }

  private static List<Sum> sums(DatabaseSession session, List<Relation> dumped, Cancellation enough)
      throws SQLException {
    session.lock(dumped);
    List<Sum> found = new ArrayList<>();
    for (Relation one : dumped) {
      enough.check();
      found.add(
          one.hasRows()
              ? session.sum(one.table())
              : new Sum(OptionalLong.empty(), Optional.empty(), Optional.empty()));
    }
    return found;
  }

  private void judge(List<DumpedTable> tables, List<Sum> sums) {
    List<String> unknown = new ArrayList<>();
    for (int i = 0; i < tables.size(); i++) {
      if (sums.get(i).problem().isPresent()) {
        unknown.add(tables.get(i).table() + " (" + sums.get(i).problem().get() + ")");
      }
    }
    if (!unknown.isEmpty()) {
      warn(
          "a load cannot compare the rows of "
              + String.join(", ", unknown.subList(0, Math.min(MOST_NAMED, unknown.size())))
              + (unknown.size() > MOST_NAMED
                  ? " and " + (unknown.size() - MOST_NAMED) + " more"
                  : ""));
    }
  }

  /** What belongs to no database, as far as the role may read it. */
  private void globals(BackupWriter writer, ClientTools tools, boolean passwords)
      throws IOException {
    ToolConnection connection = ToolConnection.of(settings, settings.database().orElse("postgres"));
    List<String> arguments = new ArrayList<>();
    arguments.add("--globals-only");
    arguments.add("--database=" + connection.databaseArgument());
    if (!passwords) {
      arguments.add("--no-role-passwords");
      warn(
          "role \""
              + settings.user()
              + "\" may not read pg_authid, so the roles are in this dump without passwords");
    }
    byte[] script;
    try (ToolRun run =
        tools.start(Tool.PG_DUMPALL, connection, arguments, control.cancellation())) {
      run.input().close();
      script = run.output().readAllBytes();
      run.finish().forEach(this::warn);
    } catch (BackupException e) {
      if (e.kind() == FailureKind.CANCELLED) {
        throw e;
      }
      attributes.put("postgres.dump.globals", "none");
      warn("roles, their settings and tablespaces are not in this dump: " + e.getMessage());
      return;
    }
    attributes.put("postgres.dump.globals", passwords ? "with-passwords" : "without-passwords");
    write(writer, GLOBALS_FILE, script);
  }

  private void describe(List<Summary> summaries, ClientTools tools) {
    List<Contents> all = summaries.stream().map(Summary::contents).toList();
    List<DumpedTable> tables = all.stream().flatMap(one -> one.tables().stream()).toList();
    attributes.put("postgres.dump.database", joined(all.stream().map(Contents::database)));
    attributes.put(
        "postgres.dump.encoding", joined(all.stream().map(Contents::encoding).distinct()));
    attributes.put("postgres.dump.tools-version", tools.version());
    attributes.put("postgres.dump.snapshot", joined(summaries.stream().map(Summary::snapshot)));
    attributes.put("postgres.dump.tables", Integer.toString(tables.size()));
    attributes.put(
        "postgres.dump.rows",
        Long.toString(tables.stream().mapToLong(one -> one.rows().orElse(0)).sum()));
    attributes.put(
        "postgres.dump.large-objects",
        Long.toString(all.stream().mapToLong(Contents::largeObjects).sum()));
    attributes.put("postgres.dump.exclude-tables", joined(all.get(0).patterns().stream()));
    attributes.put(
        "postgres.dump.excluded",
        joined(
            all.stream()
                .flatMap(
                    one ->
                        one.excluded().stream()
                            .map(
                                table ->
                                    all.size() == 1
                                        ? table.toString()
                                        : one.database() + "." + table))));
  }

  private static String joined(Stream<String> words) {
    return words.collect(Collectors.joining(", "));
  }

  private static String joined(List<Table> tables) {
    return joined(tables.stream().map(Table::toString));
  }

  private void write(BackupWriter writer, String path, byte[] content) throws IOException {
    try (BackupWriter.FileWriter out =
        writer.file(entry(StoredFile.Area.META, path, content.length), PieceCheck.NONE)) {
      out.write(content, 0, content.length);
      out.finish();
    }
  }

  private StoredFile entry(StoredFile.Area area, String path, long length) {
    return new StoredFile(
        area, path, StoredFile.Kind.FILE, length, PRIVATE_MODE, settings.clock().instant());
  }

  private void warn(String what) {
    String text = about + what;
    if (warnings.size() < MOST_WARNINGS) {
      warnings.add(text);
    }
    control.progress().warning(text);
  }

  static Instant now(DatabaseSession session) throws SQLException {
    return instant(
        session.text(
            "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint::text"));
  }

  static Instant instant(String micros) {
    long value = Long.parseLong(micros);
    return Instant.ofEpochSecond(
        Math.floorDiv(value, 1_000_000L), Math.floorMod(value, 1_000_000L) * 1000L);
  }
}
