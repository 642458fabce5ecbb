package com.thorbis.backup.postgres.dump;

import com.thorbis.backup.api.BackupDescriptor;
import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupRequest;
import com.thorbis.backup.api.BackupStatus;
import com.thorbis.backup.api.BackupType;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.LoadRequest.Table;
import com.thorbis.backup.postgres.changes.ChangeFrames;
import com.thorbis.backup.postgres.changes.ChangeLog;
import com.thorbis.backup.postgres.changes.ChangeLog.Followed;
import com.thorbis.backup.postgres.changes.ChangeLog.Reading;
import com.thorbis.backup.postgres.changes.ChangeLog.Segment;
import com.thorbis.backup.postgres.changes.ChangeMessages;
import com.thorbis.backup.postgres.changes.Horizon;
import com.thorbis.backup.postgres.changes.KeyMerge;
import com.thorbis.backup.postgres.changes.TableStates;
import com.thorbis.backup.postgres.changes.Watermark;
import com.thorbis.backup.postgres.cluster.RateLimit;
import com.thorbis.backup.postgres.dump.ChangeBackup.NotWhole;
import com.thorbis.backup.postgres.dump.DatabaseSession.Relation;
import com.thorbis.backup.postgres.settings.ChangesSettings;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.postgres.tools.ClientTools;
import com.thorbis.backup.postgres.wire.ReplicationConnection.SystemIdentity;
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
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at every table for what is another than it was, all under one snapshot. A row that is new,
 * or another, is known by which transaction wrote it, or by a time that an application keeps in it;
 * one that is gone by its key, which is compared with those that were there. What goes is stored
 * before what comes, so that no two rows ever have what only one may have.
 */
final class ColumnBackup {
  private static final Logger LOG = LoggerFactory.getLogger(ColumnBackup.class);
  private static final int PRIVATE_MODE = 0600;
  private static final int LONGEST_ROW = ChangeFrames.LONGEST / 2;

  private final PostgresSettings settings;
  private final ChangesSettings.Columns columns;
  private final BackupRequest request;
  private final Repository repository;
  private final RunControl control;

  ColumnBackup(
      PostgresSettings settings,
      ChangesSettings.Columns columns,
      BackupRequest request,
      Repository repository,
      RunControl control) {
    this.settings = settings;
    this.columns = columns;
    this.request = request;
    this.repository = repository;
    this.control = control;
  }

  /** What a session sees, as transactions. */
  static Horizon.Snapshot snapshot(DatabaseSession session) throws SQLException {
    return Horizon.Snapshot.parse(session.text("SELECT pg_catalog.pg_current_snapshot()::text"));
  }

  /** Which columns tables are read by. */
  static String columns(ChangeLog log) {
    List<String> words = new ArrayList<>();
    int others = 0;
    for (Followed each : log.followed()) {
      String column = each.reading().map(Reading::column).orElse("");
      if (column.equals(ChangesSettings.Columns.EVERY_ROW)) {
        others++;
      } else {
        words.add(each.table() + " by " + column);
      }
    }
    words.add(others + " tables by " + ChangesSettings.Columns.EVERY_ROW);
    return String.join(", ", words);
  }

  /** What may have been changed and is not in a backup, table by table. */
  static List<String> notSeen(ChangeLog log) {
    if (!(log.means() instanceof ChangeLog.Columns means)) {
      return List.of();
    }
    List<String> found = new ArrayList<>();
    for (Followed each : log.followed()) {
      Optional<Reading> reading = each.reading().filter(one -> one.whole() < means.since());
      reading.ifPresent(
          one ->
              found.add(
                  "updates of "
                      + each.table()
                      + " since "
                      + one.wholeAsOf()
                      + " that left "
                      + one.column()
                      + " alone"));
    }
    return found;
  }

  /** Takes it. */
  BackupDescriptor take(ChangeChain chain, SystemIdentity identity, ClientTools tools)
      throws IOException, SQLException {
    ChangeBackup.requireSame(settings, chain, identity, control);
    ChangeLog before = chain.log();
    if (!(before.means() instanceof ChangeLog.Columns means)) {
      throw new NotWhole("changes.mode is another than with the last dump");
    }
    // What is truncated or written anew can be seen in no snapshot, so that is kept off first.
    try (TableLocks locks =
        TableLocks.take(
            settings,
            before.database(),
            before.followed().stream().map(Followed::table).toList(),
            control.cancellation())) {
      ChangeStart.requirePrimary(settings, locks.connection());
      Watermark watermark = Watermark.read(locks.connection());
      try (DatabaseSession session =
              DatabaseSession.open(settings, before.database(), control.cancellation());
          BackupReader reader = repository.open(chain.backup().id())) {
        return new Run(chain, means, session, reader, watermark, identity).take(tools);
      }
    } catch (ColumnTable.Broken e) {
      throw e.failure();
    }
  }

  /** One incremental. */
  private final class Run {
    private final ChangeChain chain;
    private final ChangeLog before;
    private final ChangeLog.Columns means;
    private final DatabaseSession session;
    private final BackupReader reader;
    private final Watermark watermark;
    private final Instant asOf;
    private final SystemIdentity identity;
    private final Horizon.Snapshot snapshot;
    private final Map<Long, TableStates.State> states;
    private final List<Followed> after = new ArrayList<>();
    private final Set<String> renewed = new HashSet<>();

    Run(
        ChangeChain chain,
        ChangeLog.Columns means,
        DatabaseSession session,
        BackupReader reader,
        Watermark watermark,
        SystemIdentity identity)
        throws SQLException {
      this.chain = chain;
      this.before = chain.log();
      this.means = means;
      this.session = session;
      this.reader = reader;
      this.watermark = watermark;
      this.asOf = watermark.now();
      this.identity = identity;
      this.snapshot = snapshot(session);
      this.states = new HashMap<>();
    }

    BackupDescriptor take(ClientTools tools) throws IOException, SQLException {
      ChangeBackup.require(
          snapshot.next() >= means.since(),
          "the server's transactions are numbered up to "
              + snapshot.next()
              + ", and what is stored goes up to "
              + means.since());
      List<Relation> relations = session.relations();
      Set<Long> excluded = DumpBackup.excluded(chain.contents().patterns(), relations);
      List<TableStates.State> found =
          TableStates.readByKey(session.connection(), ChangeBackup.withRows(relations, excluded));
      ChangeBackup.requireShapes(before, found);
      found.forEach(state -> states.put(state.oid(), state));
      ChangeBackup.requireDefinitions(
          settings, session, chain, relations, excluded, tools, control);
      List<Followed> followed = before.followed();
      boolean partial =
          !before.others().isEmpty() || followed.stream().anyMatch(each -> !whole(each));
      try (BackupWriter writer =
          repository.begin(
              new BackupStart(
                  settings.source(),
                  BackupType.CHANGES,
                  Optional.of(chain.backup().id()),
                  request.label(),
                  asOf,
                  partial))) {
        LOG.info(
            "backup={} source={} base={} type=changes begins",
            writer.id(),
            settings.source(),
            chain.backup().id());
        Map<String, StoredFile> keys = carry(writer);
        Segment segment = changes(writer);
        for (Followed each : after) {
          String file = each.reading().orElseThrow().keys();
          if (renewed.contains(file)) {
            requireCount(each, table(each).writeKeys(writer, settings.clock().instant()));
          } else if (!file.isEmpty()) {
            ChangeBackup.carry(writer, Objects.requireNonNull(keys.get(file), file));
          }
        }
        List<Segment> segments = new ArrayList<>(before.segments());
        segments.add(segment);
        ChangeLog log =
            new ChangeLog(
                before.database(),
                new ChangeLog.Columns(
                    snapshot.since(), watermark.from(columns.margin(), means.watermark())),
                before.schema(),
                before.timeline(),
                identity.position(),
                asOf,
                after,
                before.others(),
                ChangeBackup.sequences(session, excluded),
                segments);
        return commit(writer, log);
      }
    }

    private BackupDescriptor commit(BackupWriter writer, ChangeLog log)
        throws IOException, SQLException {
      byte[] content = log.format();
      try (BackupWriter.FileWriter out =
          writer.file(
              new StoredFile(
                  StoredFile.Area.META,
                  ChangeLog.FILE,
                  StoredFile.Kind.FILE,
                  content.length,
                  PRIVATE_MODE,
                  settings.clock().instant()),
              PieceCheck.NONE)) {
        out.write(content, 0, content.length);
        out.finish();
      }
      writer.settle();
      Map<String, String> attributes = new LinkedHashMap<>(reader.facts().attributes());
      attributes.putAll(ChangeBackup.attributes(log, chain.contents(), session.configurations()));
      List<String> warnings = ChangeBackup.warnings(log, chain.contents());
      return writer.commit(
          new BackupFacts(
              log.to(),
              log.to(),
              log.timeline(),
              asOf,
              DumpBackup.now(session),
              List.of(),
              attributes,
              warnings),
          warnings.isEmpty() ? BackupStatus.COMPLETE : BackupStatus.COMPLETED_WITH_WARNING);
    }

    /** All that stays as it is; the files of keys are decided about later. */
    private Map<String, StoredFile> carry(BackupWriter writer) throws IOException {
      List<StoredFile> files = new ArrayList<>();
      reader.entries(files::add);
      Set<String> ofKeys =
          before.followed().stream()
              .map(each -> each.reading().orElseThrow().keys())
              .collect(Collectors.toSet());
      for (StoredFile file : files) {
        if (!file.path().equals(ChangeLog.FILE) && !ofKeys.contains(file.path())) {
          ChangeBackup.carry(writer, file);
        }
      }
      return files.stream()
          .filter(file -> ofKeys.contains(file.path()))
          .collect(Collectors.toMap(StoredFile::path, Function.identity()));
    }

    private Segment changes(BackupWriter writer) throws IOException, SQLException {
      String file = "changes-" + (before.segments().size() + 1) + ".pgoutput";
      control.progress().begin("changes", -1);
      try (BackupWriter.FileWriter out =
          writer.file(
              new StoredFile(
                  StoredFile.Area.DATA,
                  file,
                  StoredFile.Kind.FILE,
                  0,
                  PRIVATE_MODE,
                  settings.clock().instant()),
              PieceCheck.NONE,
              new Arrival.Chunked())) {
        Recording recording =
            new Recording(writer, out, new RateLimit(settings.rateLimit(), control.cancellation()));
        for (Followed each : before.followed()) {
          control.cancellation().check();
          after.add(changes(each, recording));
        }
        out.finish();
        control.progress().end("changes");
        return recording.segment(file);
      }
    }

    private ColumnTable table(Followed followed) {
      return new ColumnTable(session, state(followed));
    }

    private TableStates.State state(Followed followed) {
      return Objects.requireNonNull(states.get(followed.oid()));
    }

    /** Whether all updates of a table are looked for, whatever column they touched. */
    private boolean whole(Followed followed) {
      Reading reading = followed.reading().orElseThrow();
      return columns.verify()
          || means.watermark().isEmpty()
          || ColumnTable.column(columns, state(followed)).equals(ChangesSettings.Columns.EVERY_ROW)
          || Duration.between(reading.wholeAsOf(), asOf).compareTo(columns.wholeEvery()) >= 0;
    }

    private Followed changes(Followed followed, Recording recording)
        throws IOException, SQLException {
      Reading reading = followed.reading().orElseThrow();
      recording.of(followed);
      ColumnTable table = table(followed);
      String mayBeNew = new Horizon(reading.whole(), snapshot.next()).condition();
      boolean whole = whole(followed);
      long rows = followed.rows().orElseThrow();
      long now;
      if (reading.keys().isEmpty()) {
        now = anew(followed, table, mayBeNew, recording);
      } else if (whole) {
        ColumnTable.Counts counts = table.count(mayBeNew);
        now = counts.rows();
        // With as many rows as before and no new one, there is none that went.
        if (now != rows || counts.changed() != 0) {
          compare(followed, table, mayBeNew, Optional.empty(), recording);
        }
      } else {
        String stamped =
            table.since(
                ColumnTable.column(columns, state(followed)),
                means.watermark().orElseThrow(),
                new Horizon(means.since(), snapshot.next()));
        Compared compared = compare(followed, table, mayBeNew, Optional.of(stamped), recording);
        now = compared.rows();
        whole = compared.whole();
      }
      boolean touched = recording.begun();
      return new Followed(
          followed.table(),
          followed.oid(),
          followed.shape(),
          followed.columns(),
          OptionalLong.of(now),
          followed.touched() || touched,
          Optional.of(
              new Reading(
                  ColumnTable.column(columns, state(followed)),
                  reading.keys(),
                  whole ? snapshot.since() : reading.whole(),
                  whole ? asOf : reading.wholeAsOf(),
                  digest(followed, touched))));
    }

    /** A table whose rows nobody can tell apart: all of them, if any is new or gone. */
    private long anew(Followed followed, ColumnTable table, String mayBeNew, Recording recording)
        throws IOException, SQLException {
      ColumnTable.Counts counts = table.count(mayBeNew);
      long rows = followed.rows().orElseThrow();
      if (counts.rows() == rows && counts.changed() == 0) {
        return rows;
      }
      if (rows > 0) {
        recording.truncate();
      }
      requireAsMany(followed, recording.rows(table.rows("true")), counts.rows());
      return counts.rows();
    }

    /** What a table has, and whether all its updates were looked for in the end. */
    private record Compared(long rows, boolean whole) {}

    /**
     * Stores the differences.
     *
     * @param mayBeNew the condition that leaves no new row out
     * @param stamped a condition that leaves out new rows whose time was not kept, if it is used
     */
    private Compared compare(
        Followed followed,
        ColumnTable table,
        String mayBeNew,
        Optional<String> stamped,
        Recording recording)
        throws IOException, SQLException {
      String file = followed.reading().orElseThrow().keys();
      long rows = followed.rows().orElseThrow();
      if (table.empty()) {
        if (rows > 0) {
          recording.truncate();
          renewed.add(file);
        }
        return new Compared(0, true);
      }
      ColumnTable.Lines present = table.keys(stamped.orElse(mayBeNew), stamped.isPresent());
      KeyMerge merge = new KeyMerge(table.order(), present::next, recording::remove, true);
      compare(file, merge);
      if (merge.gone() + merge.appeared() + merge.unexplained() > 0) {
        renewed.add(file);
      }
      recording.updates += merge.replaced();
      recording.deletes += merge.gone();
      long expected = merge.replaced() + merge.appeared();
      String which = stamped.orElse(mayBeNew);
      boolean whole = stamped.isEmpty();
      if (merge.unexplained() > 0) {
        // There are new rows without a new time: then there may be others that are another.
        ChangeBackup.require(
            stamped.isPresent(),
            "table "
                + followed.table()
                + " has rows that it did not have, and no transaction wrote");
        String unstamped = mayBeNew + " AND (" + stamped.orElseThrow() + ") IS NOT TRUE";
        ColumnTable.Lines others = table.changedKeys(unstamped);
        KeyMerge rest = new KeyMerge(table.order(), others::next, recording::remove, false);
        compare(file, rest);
        ChangeBackup.require(
            rest.appeared() == merge.unexplained(),
            "table "
                + followed.table()
                + " has rows that it did not have, and no transaction wrote");
        recording.updates += rest.replaced();
        expected += rest.replaced() + rest.appeared();
        which = mayBeNew;
        whole = true;
      }
      if (expected > 0) {
        requireAsMany(followed, recording.rows(table.rows(which)), expected);
        recording.inserts -= recording.lastUpdates();
      }
      return new Compared(merge.keys(), whole);
    }

    private void compare(String file, KeyMerge merge) throws IOException {
      StoredKeys.read(reader, file, merge::stored, control);
      merge.end();
    }

    private void requireAsMany(Followed followed, long rows, long expected) throws IOException {
      if (rows != expected) {
        throw new IOException(
            "Table " + followed.table() + " has " + rows + " rows where its keys say " + expected);
      }
    }

    private void requireCount(Followed followed, long keys) throws IOException {
      requireAsMany(followed, keys, followed.rows().orElseThrow());
    }

    private Optional<String> digest(Followed followed, boolean touched)
        throws SQLException, NotWhole {
      Optional<String> known =
          followed.reading().flatMap(Reading::digest).or(() -> dumped(followed));
      if (!columns.verify()) {
        return touched ? Optional.empty() : followed.reading().flatMap(Reading::digest);
      }
      Optional<String> now = session.sum(followed.table()).digest();
      ChangeBackup.require(
          touched || known.isEmpty() || now.isEmpty() || known.equals(now),
          "the content of table "
              + followed.table()
              + " is another than what is stored, and no row says so");
      return now;
    }

    private Optional<String> dumped(Followed followed) {
      return followed.touched()
          ? Optional.empty()
          : chain.contents().tables().stream()
              .filter(each -> each.oid() == followed.oid())
              .findFirst()
              .flatMap(Contents.DumpedTable::digest);
    }

    private Segment segmentOf(String file, Recording recording) {
      return new Segment(
          file,
          before.to(),
          identity.position(),
          0,
          recording.inserts,
          recording.updates,
          recording.deletes,
          recording.truncates);
    }

    /** Writes changes down, and counts. */
    private final class Recording {
      private final BackupWriter writer;
      private final BackupWriter.FileWriter out;
      private final RateLimit limit;
      private Table table = new Table("", "");
      private ChangeMessages messages = new ChangeMessages(table, 0, List.of());
      private boolean begun;
      private long updatesBefore;
      private long inserts;
      private long updates;
      private long deletes;
      private long truncates;

      Recording(BackupWriter writer, BackupWriter.FileWriter out, RateLimit limit) {
        this.writer = writer;
        this.out = out;
        this.limit = limit;
      }

      void of(Followed followed) {
        table = followed.table();
        messages = new ChangeMessages(table, followed.oid(), followed.columns());
        begun = false;
        updatesBefore = updates;
      }

      /** Whether anything is of this table. */
      boolean begun() {
        return begun;
      }

      /** Those rows of this table that came in place of others. */
      long lastUpdates() {
        return updates - updatesBefore;
      }

      void remove(byte[] key) throws IOException {
        write(messages.delete(key));
      }

      void truncate() throws IOException {
        write(messages.truncate());
        truncates++;
      }

      long rows(ColumnTable.Lines rows) throws IOException {
        long count = 0;
        for (byte[] row = rows.next(); row != null; row = rows.next()) {
          requireShort(row.length);
          write(messages.insert(row));
          count++;
        }
        inserts += count;
        return count;
      }

      /** It is in memory several times while it is taken apart. */
      private void requireShort(int length) {
        if (length > LONGEST_ROW) {
          throw BackupException.of(
                  "changes.row-too-long",
                  FailureKind.PERMANENT,
                  "A row of table "
                      + table
                      + " has "
                      + length
                      + " bytes, more than the "
                      + LONGEST_ROW
                      + " that this program's memory allows")
              .remedy("Give the program more memory, or take dumps.")
              .build();
        }
      }

      private void write(byte[] message) throws IOException {
        if (!begun) {
          begun = true;
          write(messages.relation());
        }
        limit.take(message.length);
        byte[] head = ChangeFrames.head(message.length);
        out.write(head, 0, head.length);
        out.write(message, 0, message.length);
        control.progress().advance(writer.bytesRead(), -1);
      }

      Segment segment(String file) {
        return segmentOf(file, this);
      }
    }
  }
}
