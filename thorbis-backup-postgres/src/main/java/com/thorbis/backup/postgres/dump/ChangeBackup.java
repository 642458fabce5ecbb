package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.postgres.changes.ChangeFrames;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.changes.ChangeLog.Followed;
import com.thorbis.backup.postgres.changes.ChangeLog.Segment;
import com.thorbis.backup.postgres.changes.ChangeLog.Sequence;
import com.thorbis.backup.postgres.changes.ChangeStream;
import com.thorbis.backup.postgres.changes.LogicalSlots;
import com.thorbis.backup.postgres.changes.PgOutput;
import com.thorbis.backup.postgres.changes.Publication;
import com.thorbis.backup.postgres.changes.TableStates;
import com.thorbis.backup.postgres.cluster.RateLimit;
import com.thorbis.backup.postgres.dump.DatabaseSession.Relation;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.tools.ClientTools.Tool;
import com.thorbis.backup.postgres.tools.ToolConnection;
import com.thorbis.backup.postgres.wire.Failures;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
import com.thorbis.backup.postgres.wire.SqlConnections;
import com.thorbis.backup.postgres.wire.SqlSession;
import com.thorbis.backup.spi.repository.Arrival;
import com.thorbis.backup.spi.repository.BackupFacts;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.BackupStart;
import com.thorbis.backup.spi.repository.BackupWriter;
import com.thorbis.backup.spi.repository.PieceCheck;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import com.thorbis.backup.spi.repository.StoredFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes what was changed since the last dump, or incremental, and stores it beside what that one
 * has. The server keeps it until the backup is durable: whatever breaks off before, the next run
 * gets it again; whatever breaks off behind, the next run tells the server where it is. Where
 * something may be missing, a dump is taken instead, which says why.
 */
public final class ChangeBackup {
  private static final Logger LOG = LoggerFactory.getLogger(ChangeBackup.class);
  private static final int PRIVATE_MODE = 0600;
  private static final int MOST_NAMED = 5;

  /** What was committed before lies before it, and is in the log for good once it is. */
  private static final String MARK =
      "SELECT pg_catalog.pg_logical_emit_message(true, 'thorbis-backup', '')::text";

  private static final String SEQUENCES =
      """
      SELECT n.nspname, c.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'S' AND c.relpersistence <> 't'
         AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                            AND (d.objsubid = 0 AND d.deptype = 'e'
                                 OR d.deptype IN ('a', 'i') AND d.refobjid = ANY (?)))
       ORDER BY 1, 2
      """;

  private final PostgresSettings settings;
  private final BackupRequest request;
  private final Repository repository;
  private final RunControl control;

  /** One run of a source whose settings say how changes are followed. */
  public ChangeBackup(
      PostgresSettings settings, BackupRequest request, Repository repository, RunControl control) {
    this.settings = settings;
    this.request = request;
    this.repository = repository;
    this.control = control;
  }

  /** Something may be missing, so that only a dump is right. */
  static final class NotWhole extends IOException {
    private static final long serialVersionUID = 1L;

    NotWhole(String reason) {
      super(reason);
    }
  }

  /** Takes it, or a dump in its place. */
  public BackupDescriptor run() throws IOException {
    String reason;
    try (SqlSession server = SqlSession.open(settings)) {
      SystemIdentity identity = server.identify();
      ClusterIdentity cluster =
          new ClusterIdentity(identity.systemId(), server.majorVersion(), server.segmentSize());
      repository.register(settings.source(), "postgres", cluster);
      ChangeChain.Found found = ChangeChain.newest(settings, repository);
      if (found.chain().isPresent()) {
        ClientTools tools =
            ClientTools.find(
                settings.clientToolsDirectory(),
                EnumSet.of(Tool.PG_DUMP, Tool.PG_DUMPALL),
                cluster.majorVersion(),
                settings.stateDirectory());
        ChangeChain chain = found.chain().get();
        if (settings.changes().orElseThrow() instanceof ChangesSettings.Columns columns) {
          return new ColumnBackup(settings, columns, request, repository, control)
              .take(chain, identity, tools);
        }
        return take(chain, identity, tools);
      }
      reason = found.reason();
    } catch (NotWhole e) {
      reason = String.valueOf(e.getMessage());
    } catch (SQLException e) {
      control.cancellation().check();
      throw Failures.of(settings, e);
    }
    LOG.info("source={} a dump instead of changes: {}", settings.source(), reason);
    return new DumpBackup(settings, request, repository, control, Optional.of(reason)).run();
  }

  private BackupDescriptor take(ChangeChain chain, SystemIdentity identity, ClientTools tools)
      throws IOException, SQLException {
    ChangeLog before = chain.log();
    requireSame(settings, chain, identity, control);
    if (!(before.means() instanceof ChangeLog.Slot means)) {
      throw new NotWhole("changes.mode is another than with the last dump");
    }
    ChangesSettings.Slot changes = (ChangesSettings.Slot) settings.changes().orElseThrow();
    require(
        changes.slots().contains(means.slot()) && changes.publication().equals(means.publication()),
        "changes.slot or changes.publication is another than with the last dump");
    try (Connection sql = SqlConnections.open(settings, before.database())) {
      ChangeStart.requirePrimary(settings, sql);
      requireSlot(sql, before, means);
      requirePublished(sql, means);
      Instant asOf = now(sql);
      Lsn mark = Lsn.parse(text(sql, MARK));
      ChangeStream stream =
          new ChangeStream(
              settings,
              before.database(),
              means.slot(),
              means.publication(),
              control.cancellation());
      BackupDescriptor taken = store(chain, stream, mark, asOf, tools);
      confirm(stream, taken);
      return taken;
    }
  }

  /** The next run says it again: it is no failure of a backup that is there. */
  private void confirm(ChangeStream stream, BackupDescriptor taken) {
    try {
      stream.confirm(taken.stopLsn());
    } catch (IOException | BackupException e) {
      LOG.warn("backup={} is stored, and its slot does not know yet", taken.id(), e);
      control
          .progress()
          .warning(
              "the server holds the log of what is stored until the next run: " + e.getMessage());
    }
  }

  /** What a dump fixes for all that builds on it. */
  static void requireSame(
      PostgresSettings settings, ChangeChain chain, SystemIdentity identity, RunControl control)
      throws NotWhole, SQLException {
    ChangeLog before = chain.log();
    List<String> databases = DumpBackup.databases(settings, control.cancellation());
    DumpBackup.requireOne(databases);
    require(
        databases.contains(before.database()), "the last dump is of database " + before.database());
    require(
        chain.contents().patterns().equals(settings.excludedTables()),
        "exclude-tables is another than with the last dump");
    require(
        before.timeline().equals(identity.timeline()),
        "the server is on timeline "
            + identity.timeline()
            + ", and what is stored ends on timeline "
            + before.timeline());
    require(
        before.to().compareTo(identity.position()) <= 0,
        "the server's log ends at "
            + identity.position()
            + ", before "
            + before.to()
            + " where what is stored ends");
  }

  private void requireSlot(Connection sql, ChangeLog before, ChangeLog.Slot means)
      throws SQLException, NotWhole {
    String name = means.slot();
    LogicalSlots.Slot slot =
        LogicalSlots.find(sql, name, before.database())
            .orElseThrow(() -> new NotWhole("slot " + name + " is gone, and what it kept with it"));
    require(slot.decodes(), "slot " + name + " is of another database or plugin");
    require(!slot.lost(), "the server has removed log that slot " + name + " was to keep");
    Lsn confirmed =
        slot.confirmed().orElseThrow(() -> new NotWhole("slot " + name + " keeps no changes"));
    require(
        confirmed.compareTo(before.to()) <= 0,
        "somebody has read from slot "
            + name
            + " up to "
            + confirmed
            + ", past "
            + before.to()
            + " where what is stored ends");
    if (slot.active()) {
      throw ChangeStart.inUse(settings, name, true);
    }
  }

  private static void requirePublished(Connection sql, ChangeLog.Slot means)
      throws SQLException, NotWhole {
    require(
        new Publication(means.publication()).state(sql).equals(Optional.of(means.published())),
        "publication " + means.publication() + " was altered");
  }

  static void require(boolean right, String otherwise) throws NotWhole {
    if (!right) {
      throw new NotWhole(otherwise);
    }
  }

  private BackupDescriptor store(
      ChangeChain chain, ChangeStream stream, Lsn mark, Instant asOf, ClientTools tools)
      throws IOException, SQLException {
    ChangeLog before = chain.log();
    BackupFacts facts;
    List<StoredFile> files = new ArrayList<>();
    try (BackupReader reader = repository.open(chain.backup().id())) {
      facts = reader.facts();
      reader.entries(files::add);
    }
    try (BackupWriter writer =
        repository.begin(
            new BackupStart(
                settings.source(),
                BackupType.CHANGES,
                Optional.of(chain.backup().id()),
                request.label(),
                asOf,
                !before.others().isEmpty()))) {
      LOG.info(
          "backup={} source={} base={} type=changes begins",
          writer.id(),
          settings.source(),
          chain.backup().id());
      for (StoredFile file : files) {
        if (!file.path().equals(ChangeLog.FILE)) {
          carry(writer, file);
        }
      }
      Recorded recorded = write(writer, before, stream, mark);
      Unaltered unaltered = unaltered(chain, recorded, asOf, tools);
      ChangeLog log = unaltered.log();
      byte[] content = log.format();
      try (BackupWriter.FileWriter out =
          writer.file(
              entry(StoredFile.Area.META, ChangeLog.FILE, content.length), PieceCheck.NONE)) {
        out.write(content, 0, content.length);
        out.finish();
      }
      writer.settle();
      Map<String, String> attributes = new LinkedHashMap<>(facts.attributes());
      attributes.putAll(attributes(log, chain.contents(), unaltered.configurations()));
      List<String> warnings = warnings(log, chain.contents());
      return writer.commit(
          new BackupFacts(
              log.to(),
              log.to(),
              log.timeline(),
              asOf,
              unaltered.endedAt(),
              List.of(),
              attributes,
              warnings),
          warnings.isEmpty() ? BackupStatus.COMPLETE : BackupStatus.COMPLETED_WITH_WARNING);
    }
  }

  /** A file that the base has, as it is. */
  static void carry(BackupWriter writer, StoredFile file) throws IOException {
    try (BackupWriter.FileWriter out = writer.file(file, PieceCheck.NONE, new Arrival.Sparse())) {
      out.unchanged(file.length());
      out.finish();
    }
  }

  /** What came, and what became of the tables. */
  private record Recorded(Segment segment, Map<Long, Followed> tables) {}

  /** And when the server was looked at last. */
  private record Unaltered(ChangeLog log, Instant endedAt, List<Table> configurations) {}

  private Recorded write(BackupWriter writer, ChangeLog before, ChangeStream stream, Lsn mark)
      throws IOException {
    String file = "changes-" + (before.segments().size() + 1) + ".pgoutput";
    RateLimit limit = new RateLimit(settings.rateLimit(), control.cancellation());
    control.progress().begin("changes", -1);
    try (BackupWriter.FileWriter out =
        writer.file(entry(StoredFile.Area.DATA, file, 0), PieceCheck.NONE)) {
      Recording recording = new Recording(before, writer, out, limit);
      Lsn to = stream.read(before.to(), mark, recording);
      out.finish();
      control.progress().end("changes");
      return new Recorded(recording.segment(file, before.to(), to), recording.tables);
    }
  }

  /** Writes changes down as they come, and counts. */
  private final class Recording implements ChangeStream.Target {
    private final BackupWriter writer;
    private final BackupWriter.FileWriter out;
    private final RateLimit limit;
    private final Map<Long, Followed> tables = new HashMap<>();
    private long transactions;
    private long inserts;
    private long updates;
    private long deletes;
    private long truncates;

    Recording(ChangeLog before, BackupWriter writer, BackupWriter.FileWriter out, RateLimit limit) {
      before.followed().forEach(each -> tables.put(each.oid(), each));
      this.writer = writer;
      this.out = out;
      this.limit = limit;
    }

    @Override
    public void message(PgOutput.Message message, ByteBuffer bytes) throws IOException {
      if (message instanceof PgOutput.Remark) {
        return;
      }
      if (message instanceof PgOutput.Relation relation) {
        requireKnown(relation);
      } else if (message instanceof PgOutput.Commit) {
        transactions++;
      } else if (message instanceof PgOutput.Insert insert) {
        inserts++;
        count(insert.relation(), 1);
      } else if (message instanceof PgOutput.Update update) {
        updates++;
        count(update.relation(), 0);
      } else if (message instanceof PgOutput.Delete delete) {
        deletes++;
        count(delete.relation(), -1);
      } else if (message instanceof PgOutput.Truncate truncate) {
        truncates++;
        for (long relation : truncate.relations()) {
          Followed table = known(relation);
          tables.put(relation, counted(table, OptionalLong.of(0)));
        }
      }
      int length = bytes.remaining();
      limit.take(length);
      byte[] head = ChangeFrames.head(length);
      out.write(head, 0, head.length);
      out.write(bytes.array(), bytes.arrayOffset() + bytes.position(), length);
      control.progress().advance(writer.bytesRead(), -1);
    }

    private void requireKnown(PgOutput.Relation relation) throws NotWhole {
      Followed table = known(relation.oid());
      Table named = new Table(relation.schema(), relation.name());
      require(
          named.equals(table.table()) && relation.columns().equals(table.columns()),
          "table " + table.table() + " has other columns, or another name, than it had");
    }

    private Followed known(long relation) throws NotWhole {
      Followed table = tables.get(relation);
      if (table == null) {
        throw new NotWhole("there are changes of a table that the dump does not have");
      }
      return table;
    }

    private void count(long relation, int more) throws NotWhole {
      Followed table = known(relation);
      OptionalLong rows = table.rows();
      tables.put(
          relation,
          counted(
              table,
              rows.isPresent() ? OptionalLong.of(rows.getAsLong() + more) : OptionalLong.empty()));
    }

    private static Followed counted(Followed table, OptionalLong rows) {
      return new Followed(
          table.table(), table.oid(), table.shape(), table.columns(), rows, true, table.reading());
    }

    Segment segment(String file, Lsn from, Lsn to) {
      return new Segment(file, from, to, transactions, inserts, updates, deletes, truncates);
    }
  }

  /**
   * What is stored of the changes, once nothing was found that they do not say: what is looked at
   * here is as it is behind them.
   */
  private Unaltered unaltered(ChangeChain chain, Recorded recorded, Instant asOf, ClientTools tools)
      throws IOException, SQLException {
    ChangeLog before = chain.log();
    try (DatabaseSession session =
        DatabaseSession.open(settings, before.database(), control.cancellation())) {
      List<Relation> relations = session.relations();
      Set<Long> excluded = DumpBackup.excluded(chain.contents().patterns(), relations);
      requireShapes(before, TableStates.read(session.connection(), withRows(relations, excluded)));
      requirePublished(session.connection(), (ChangeLog.Slot) before.means());
      requireDefinitions(settings, session, chain, relations, excluded, tools, control);
      List<Followed> followed =
          before.followed().stream()
              .map(each -> Objects.requireNonNull(recorded.tables().get(each.oid())))
              .toList();
      List<Segment> segments = new ArrayList<>(before.segments());
      segments.add(recorded.segment());
      ChangeLog log =
          new ChangeLog(
              before.database(),
              before.means(),
              before.schema(),
              before.timeline(),
              recorded.segment().to(),
              asOf,
              followed,
              before.others(),
              sequences(session, excluded),
              segments);
      return new Unaltered(log, DumpBackup.now(session), session.configurations());
    }
  }

  static void requireDefinitions(
      PostgresSettings settings,
      DatabaseSession session,
      ChangeChain chain,
      List<Relation> relations,
      Set<Long> excluded,
      ClientTools tools,
      RunControl control)
      throws IOException, SQLException {
    require(
        chain.contents().largeObjects() > 0
            || !session.flag("SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)"),
        "there are large objects now, and none were in the last dump");
    String schema =
        SchemaDigest.of(
            tools,
            ToolConnection.of(settings, chain.log().database()),
            session.exportSnapshot(),
            relations.stream()
                .filter(one -> excluded.contains(one.oid()))
                .map(Relation::table)
                .toList(),
            control.cancellation());
    require(
        schema.equals(chain.log().schema()),
        "definitions in the database are not what they were with the last dump, or pg_dump is of"
            + " another version");
  }

  static List<Long> withRows(List<Relation> relations, Set<Long> excluded) {
    return relations.stream()
        .filter(one -> one.hasRows() && !excluded.contains(one.oid()))
        .map(Relation::oid)
        .toList();
  }

  static void requireShapes(ChangeLog before, List<TableStates.State> states) throws NotWhole {
    Map<Long, TableStates.State> now =
        states.stream().collect(Collectors.toMap(TableStates.State::oid, state -> state));
    for (Followed table : before.followed()) {
      TableStates.State state = now.remove(table.oid());
      require(state != null, "table " + table.table() + " is gone");
      require(
          state != null
              && state.followable()
              && state.table().equals(table.table())
              && state.shape().equals(table.shape()),
          "table " + table.table() + " was altered");
    }
    List<Table> others = before.others().stream().map(ChangeLog.Other::table).toList();
    for (TableStates.State state : now.values()) {
      require(
          others.contains(state.table()) && !state.followable(),
          "table " + state.table() + " is new, or can be followed now");
    }
  }

  /** All but those that belong to tables which were left out. */
  static List<Sequence> sequences(DatabaseSession session, Set<Long> excluded) throws SQLException {
    List<Table> names = new ArrayList<>();
    Connection sql = session.connection();
    try (PreparedStatement statement = sql.prepareStatement(SEQUENCES)) {
      statement.setArray(1, sql.createArrayOf("oid", excluded.toArray()));
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          names.add(new Table(row.getString(1), row.getString(2)));
        }
      }
    }
    List<Sequence> sequences = new ArrayList<>();
    try (Statement statement = session.connection().createStatement()) {
      for (Table name : names) {
        try (ResultSet row =
            statement.executeQuery(
                "SELECT last_value, is_called FROM " + DumpBackup.pattern(name))) {
          row.next();
          sequences.add(new Sequence(name, row.getLong(1), row.getBoolean(2)));
        }
      }
    }
    return sequences;
  }

  /** What is said of the changes besides. */
  static Map<String, String> attributes(
      ChangeLog log, Contents contents, List<Table> configurations) {
    Map<String, String> facts = new LinkedHashMap<>();
    if (log.means() instanceof ChangeLog.Slot slot) {
      facts.put("postgres.changes.mode", "slot");
      facts.put("postgres.changes.slot", slot.slot());
      facts.put("postgres.changes.publication", slot.publication());
    } else {
      facts.put("postgres.changes.mode", "column");
      facts.put("postgres.changes.columns", ColumnBackup.columns(log));
      facts.put("postgres.changes.not-seen", String.join(", ", ColumnBackup.notSeen(log)));
    }
    facts.put("postgres.changes.to", log.to().toString());
    facts.put("postgres.changes.as-of", log.asOf().toString());
    facts.put("postgres.changes.followed", Integer.toString(log.followed().size()));
    facts.put(
        "postgres.changes.not-followed",
        log.others().stream()
            .map(each -> each.table() + " (" + each.why() + ")")
            .collect(Collectors.joining(", ")));
    facts.put("postgres.changes.as-dumped", asDumped(contents, configurations));
    facts.put("postgres.changes.incrementals", Integer.toString(log.segments().size()));
    if (!log.segments().isEmpty()) {
      Segment last = log.segments().get(log.segments().size() - 1);
      facts.put("postgres.changes.from", last.from().toString());
      if (log.means() instanceof ChangeLog.Slot) {
        facts.put("postgres.changes.transactions", Long.toString(last.transactions()));
      }
      facts.put("postgres.changes.inserts", Long.toString(last.inserts()));
      facts.put("postgres.changes.updates", Long.toString(last.updates()));
      facts.put("postgres.changes.deletes", Long.toString(last.deletes()));
      facts.put("postgres.changes.truncates", Long.toString(last.truncates()));
    }
    return facts;
  }

  /** What no change says, and no other definition shows. */
  private static String asDumped(Contents contents, List<Table> configurations) {
    List<String> words = new ArrayList<>();
    if (contents.largeObjects() > 0) {
      words.add(contents.largeObjects() + " large objects");
    }
    configurations.forEach(each -> words.add("rows of an extension's " + each));
    words.add("roles and tablespaces");
    return String.join(", ", words);
  }

  static List<String> warnings(ChangeLog log, Contents contents) {
    List<String> warnings = new ArrayList<>();
    List<String> names =
        log.others().stream().map(each -> each.table() + " (" + each.why() + ")").toList();
    if (!names.isEmpty()) {
      warnings.add(
          "not followed, so as they were dumped: "
              + String.join(", ", names.subList(0, Math.min(MOST_NAMED, names.size())))
              + (names.size() > MOST_NAMED ? " and " + (names.size() - MOST_NAMED) + " more" : ""));
    }
    List<String> notSeen = ColumnBackup.notSeen(log);
    if (!notSeen.isEmpty()) {
      warnings.add(
          "not seen, if there were any: "
              + String.join(", ", notSeen.subList(0, Math.min(MOST_NAMED, notSeen.size())))
              + (notSeen.size() > MOST_NAMED
                  ? " and of " + (notSeen.size() - MOST_NAMED) + " more tables"
                  : ""));
    }
    if (contents.largeObjects() > 0) {
      warnings.add("large objects are as they were dumped");
    }
    return warnings;
  }

  private StoredFile entry(StoredFile.Area area, String path, long length) {
    return new StoredFile(
        area, path, StoredFile.Kind.FILE, length, PRIVATE_MODE, settings.clock().instant());
  }

  static Instant now(Connection sql) throws SQLException {
    return DumpBackup.instant(
        text(
            sql,
            "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint::text"));
  }

  private static String text(Connection sql, String question) throws SQLException {
    try (Statement statement = sql.createStatement();
        ResultSet row = statement.executeQuery(question)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }
}
