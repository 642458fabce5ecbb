package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.Cancellation;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A connection to a server's WAL sender (PostgreSQL 55.4). Used by one thread; {@link #close} may
 * be called by any.
 */
public final class ReplicationConnection implements ServerSession {
  private static final Logger LOG = LoggerFactory.getLogger(ReplicationConnection.class);

  /** How often a waiting thread looks whether it was cancelled. */
  private static final Duration TICK = Duration.ofMillis(200);

  private static final int CANCEL_REQUEST = 80877102;
  private static final int MOST_ROWS = 100_000;
  private static final int MOST_NOTICES = 100;
  private static final long MOST_KIB = (1L << 50) - 1;
  private static final String DATA_CORRUPTED = "XX001";
  private static final Pattern SLOT_NAME = Pattern.compile("[a-z0-9_]{1,63}");
  private static final String UNDEFINED_OBJECT = "42704";
  private static final Pattern PARAMETER = Pattern.compile("[a-z_.]{1,63}");

  private final PostgresSettings settings;
  private final Cancellation cancellation;
  private final Transport transport;
  private final MessageReader in;
  private final MessageWriter out;
  private final List<ServerMessage> notices = new ArrayList<>();
  private String serverVersion = "";
  private int processId;
  private int cancelKey;
  private boolean busy;
  private boolean lost;
  private volatile boolean closed;

  private ReplicationConnection(
      PostgresSettings settings, Cancellation cancellation, Transport transport)
      throws IOException {
    this.settings = settings;
    this.cancellation = cancellation;
    this.transport = transport;
    this.in = new MessageReader(transport.socket().getInputStream());
    this.out = new MessageWriter(transport.socket().getOutputStream());
  }

  /**
   * Connects and logs in.
   *
   * @throws BackupException if it is refused, by the server or by our settings
   */
  public static ReplicationConnection open(PostgresSettings settings, Cancellation cancellation)
      throws IOException {
    return open(settings, Optional.empty(), cancellation);
  }

  /**
   * The same, for the changes of one database.
   *
   * @throws BackupException if it is refused, by the server or by our settings
   */
  public static ReplicationConnection open(
      PostgresSettings settings, String database, Cancellation cancellation) throws IOException {
    return open(settings, Optional.of(database), cancellation);
  }

  private static ReplicationConnection open(
      PostgresSettings settings, Optional<String> database, Cancellation cancellation)
      throws IOException {
    cancellation.check();
    Transport.Asking[] attempts = Transport.attempts(settings.tls().mode());
    for (int attempt = 0; ; attempt++) {
      try {
        return over(settings, database, cancellation, Transport.open(settings, attempts[attempt]));
      } catch (ServerException e) {
        // Class 28: pg_hba.conf may allow with TLS what it refuses without, or the other way round.
        if (!e.sqlState().equals("28000") || attempt + 1 == attempts.length) {
          throw e;
        }
      }
    }
  }

  /** Logs in over an open transport, which is closed if that fails. */
  static ReplicationConnection over(
      PostgresSettings settings, Cancellation cancellation, Transport transport)
      throws IOException {
    return over(settings, Optional.empty(), cancellation, transport);
  }

  private static ReplicationConnection over(
      PostgresSettings settings,
      Optional<String> database,
      Cancellation cancellation,
      Transport transport)
      throws IOException {
    try {
      ReplicationConnection connection =
          new ReplicationConnection(settings, cancellation, transport);
      new Login(settings, transport, connection.in, connection.out, database).run();
      transport.socket().setSoTimeout(Math.toIntExact(TICK.toMillis()));
      connection.awaitReady();
      return connection;
    } catch (IOException | RuntimeException e) {
      try {
        transport.close();
      } catch (IOException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
  }

  @Override
  public String serverVersion() {
    return serverVersion;
  }

  /** What the server remarked since the last call. */
  public List<ServerMessage> takeNotices() {
    List<ServerMessage> taken = List.copyOf(notices);
    notices.clear();
    return taken;
  }

  @Override
  public SystemIdentity identify() throws IOException {
    Row row = single("IDENTIFY_SYSTEM");
    return new SystemIdentity(
        parse(row, 0, Long::parseUnsignedLong),
        parse(row, 1, text -> new Timeline(Integer.parseUnsignedInt(text))),
        parse(row, 2, Lsn::parse));
  }

  @Override
  public String show(String name) throws IOException {
    if (!PARAMETER.matcher(name).matches()) {
      throw new IllegalArgumentException("Not a parameter: " + name);
    }
    return single("SHOW " + name).text(0);
  }

  @Override
  public Optional<String> find(String name) throws IOException {
    try {
      return Optional.of(show(name)).filter(value -> !value.isEmpty());
    } catch (ServerException e) {
      if (e.sqlState().equals(UNDEFINED_OBJECT)) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /** A duration parameter; empty if it is switched off. */
  public Optional<Duration> showDuration(String name) throws IOException {
    String text = show(name);
    Matcher form = Pattern.compile("([0-9]{1,9})(us|ms|s|min|h|d)?").matcher(text);
    if (!form.matches()) {
      throw new ProtocolException("a duration of \"" + text + "\"");
    }
    long number = Long.parseLong(form.group(1));
    if (number == 0) {
      return Optional.empty();
    }
    return Optional.of(
        switch (form.group(2) == null ? "ms" : form.group(2)) {
          case "us" -> Duration.ofNanos(number * 1000);
          case "s" -> Duration.ofSeconds(number);
          case "min" -> Duration.ofMinutes(number);
          case "h" -> Duration.ofHours(number);
          case "d" -> Duration.ofDays(number);
          default -> Duration.ofMillis(number);
        });
  }

  /** Creates a physical slot that keeps WAL from now on. */
  public void createSlot(String name) throws IOException {
    single("CREATE_REPLICATION_SLOT " + slot(name) + " PHYSICAL RESERVE_WAL");
  }

  /** Creates a physical slot that goes away with this connection. */
  public void createTemporarySlot(String name) throws IOException {
    single("CREATE_REPLICATION_SLOT " + slot(name) + " TEMPORARY PHYSICAL RESERVE_WAL");
  }

  /** Removes a slot that nobody uses. */
  public void dropSlot(String name) throws IOException {
    query("DROP_REPLICATION_SLOT " + slot(name));
  }

  /** A slot; empty if there is none of this name. Needs PostgreSQL 15. */
  public Optional<Slot> readSlot(String name) throws IOException {
    Row row = single("READ_REPLICATION_SLOT " + slot(name));
    if (row.isNull(0)) {
      return Optional.empty();
    }
    return Optional.of(
        new Slot(
            row.text(0),
            row.isNull(1) ? Optional.empty() : Optional.of(parse(row, 1, Lsn::parse))));
  }

  @Override
  public byte[] timelineHistory(Timeline timeline) throws IOException {
    Row row = single("TIMELINE_HISTORY " + timeline);
    return row.bytes(1);
  }

  /**
   * Tells the server of an earlier backup, which an incremental one will build on. Needs PostgreSQL
   * 17.
   *
   * @param manifest writes the manifest that the server made for it
   */
  public void uploadManifest(ManifestSource manifest) throws IOException {
    send("UPLOAD_MANIFEST");
    expect('G');
    manifest.writeTo(
        content -> {
          byte[] some = new byte[content.remaining()];
          content.get(some);
          out.send('d', some);
        });
    out.send('c', new byte[0]);
    finish("UPLOAD_MANIFEST");
  }

  /** Where a manifest comes from. */
  @FunctionalInterface
  public interface ManifestSource {
    /** Writes all of it. */
    void writeTo(ManifestTarget target) throws IOException;
  }

  /** Where a manifest goes to. */
  @FunctionalInterface
  public interface ManifestTarget {
    /** Takes the next bytes. */
    void write(ByteBuffer content) throws IOException;
  }

  /**
   * Runs a base backup to its end.
   *
   * @return where its WAL ends, and whether the server saw damaged pages, which its notices name
   */
  public BaseBackupEnd baseBackup(BaseBackupOptions options, BaseBackupListener listener)
      throws IOException {
    boolean modern = majorVersion() >= 15;
    send(options.command(modern));
    WalPosition start = position(rows("BASE_BACKUP", Patience.LONG));
    List<BaseBackupListener.Archive> archives = new ArrayList<>();
    long expectedKib = 0;
    for (Row row : rows("BASE_BACKUP", Patience.LONG)) {
      archives.add(
          row.isNull(0)
              ? new BaseBackupListener.Archive(0, "")
              : new BaseBackupListener.Archive(
                  parse(row, 0, Integer::parseUnsignedInt) & 0xFFFFFFFFL, row.text(1)));
      expectedKib += row.isNull(2) ? 0 : Math.max(0, parse(row, 2, Long::parseLong) & MOST_KIB);
    }
    listener.begin(start, archives, expectedKib << 10);
    if (modern) {
      copyTagged(archives, listener);
    } else {
      for (BaseBackupListener.Archive archive : archives) {
        listener.archive(archive);
        copyPlain(listener::data);
        listener.endArchive();
      }
      copyPlain(listener::manifest);
    }
    listener.endManifest();
    WalPosition stop = position(rows("BASE_BACKUP", Patience.LONG));
    try {
      finish("BASE_BACKUP");
      return new BaseBackupEnd(stop, false);
    } catch (ServerException e) {
      // All has been sent; this only says that pages failed their checksums.
      if (e.sqlState().equals(DATA_CORRUPTED)) {
        return new BaseBackupEnd(stop, true);
      }
      throw e;
    }
  }

  private void copyTagged(List<BaseBackupListener.Archive> archives, BaseBackupListener listener)
      throws IOException {
    expect('H');
    boolean manifest = false;
    boolean open = false;
    int begun = 0;
    while (true) {
      int type = next(Patience.LONG);
      if (type == 'c') {
        if (open) {
          listener.endArchive();
        }
        if (begun != archives.size()) {
          throw new ProtocolException(begun + " archives instead of " + archives.size());
        }
        return;
      }
      if (type != 'd') {
        throw new ProtocolException("message '" + MessageReader.printable(type) + "' in a backup");
      }
      int tag = in.readByte();
      switch (tag) {
        case 'd' -> {
          if (manifest) {
            listener.manifest(in.array(), in.position(), in.remaining());
          } else if (open) {
            listener.data(in.array(), in.position(), in.remaining());
          } else {
            throw new ProtocolException("content of no archive");
          }
        }
        case 'n' -> {
          if (open) {
            listener.endArchive();
          }
          if (manifest) {
            throw new ProtocolException("an archive after the manifest");
          }
          listener.archive(archive(archives, in.readText()));
          open = true;
          begun++;
        }
        case 'm' -> {
          if (open) {
            listener.endArchive();
          }
          open = false;
          manifest = true;
        }
        case 'p' -> {
          // We count what we take.
        }
        default -> throw new ProtocolException("a backup message of kind " + tag);
      }
    }
  }

  private static BaseBackupListener.Archive archive(
      List<BaseBackupListener.Archive> archives, String name) throws ProtocolException {
    for (BaseBackupListener.Archive archive : archives) {
      if (name.equals(archive.oid() == 0 ? "base.tar" : archive.oid() + ".tar")) {
        return archive;
      }
    }
    throw new ProtocolException("an archive of the name \"" + name + "\"");
  }

  private void copyPlain(Bytes target) throws IOException {
    expect('H');
    while (true) {
      int type = next(Patience.LONG);
      if (type == 'c') {
        return;
      }
      if (type != 'd') {
        throw new ProtocolException("message '" + MessageReader.printable(type) + "' in a backup");
      }
      target.accept(in.array(), in.position(), in.remaining());
    }
  }

  /**
   * Starts streaming WAL.
   *
   * @param slot the slot to use, or none
   * @param from where to start
   * @param timeline the timeline to follow
   */
  public WalStream startStreaming(Optional<String> slot, Lsn from, Timeline timeline)
      throws IOException {
    String command =
        "START_REPLICATION "
            + slot.map(name -> "SLOT " + slot(name) + " ").orElse("")
            + "PHYSICAL "
            + from
            + " TIMELINE "
            + timeline;
    send(command);
    int type = next(Patience.NORMAL);
    if (type == 'W') {
      return new WalStream(this, false);
    }
    if (type == 'T') {
      // All of a past timeline was asked for already.
      return new WalStream(this, true);
    }
    throw new ProtocolException("message '" + MessageReader.printable(type) + "' to a stream");
  }

  /**
   * Creates a slot that keeps the changes of this database from now on, once every transaction has
   * ended that is open now, and exports the snapshot that they begin behind. It lasts until the
   * next command, or the end of the connection.
   */
  public LogicalStart createLogicalSlot(String name) throws IOException {
    String command = "CREATE_REPLICATION_SLOT " + slot(name) + " LOGICAL pgoutput EXPORT_SNAPSHOT";
    send(command);
    List<Row> rows = rows(command, Patience.LONG);
    finish(command);
    if (rows.size() != 1) {
      throw new ProtocolException(rows.size() + " rows to " + command);
    }
    return new LogicalStart(parse(rows.get(0), 1, Lsn::parse), rows.get(0).text(2));
  }

  /**
   * Where changes begin.
   *
   * @param position the first one lies behind it
   * @param snapshot the name of a snapshot that has everything before it, and nothing else
   */
  public record LogicalStart(Lsn position, String snapshot) {}

  /**
   * Starts streaming the changes of a database, as {@code pgoutput} says them in its first version:
   * whole transactions, in the order of their commits.
   *
   * @param slot the slot to use
   * @param from transactions that were committed before are passed over
   * @param publication which tables
   * @param longest the longest message that is taken, which holds one row or two
   */
  public WalStream startChanges(String slot, Lsn from, String publication, int longest)
      throws IOException {
    in.allowData(longest);
    send(
        "START_REPLICATION SLOT "
            + slot(slot)
            + " LOGICAL "
            + from
            + " (proto_version '1', publication_names '"
            + slot(publication)
            + "')");
    int type = next(Patience.LONG); // it may first read what it has kept
    if (type != 'W') {
      throw new ProtocolException("message '" + MessageReader.printable(type) + "' to a stream");
    }
    return new WalStream(this, false);
  }

  MessageReader reader() {
    return in;
  }

  MessageWriter writer() {
    return out;
  }

  /** Where the next timeline begins: the row that follows the end of one. */
  Optional<WalPosition> timelineEnd(boolean descriptionTaken) throws IOException {
    Optional<WalPosition> end = Optional.empty();
    boolean described = descriptionTaken;
    while (true) {
      int type = next(Patience.NORMAL);
      switch (type) {
        case 'T' -> described = true;
        case 'D' -> {
          Row row = row();
          if (!described || end.isPresent()) {
            throw new ProtocolException("rows after a stream");
          }
          end =
              Optional.of(
                  new WalPosition(
                      parse(row, 1, Lsn::parse),
                      parse(row, 0, text -> new Timeline(Integer.parseUnsignedInt(text)))));
        }
        case 'C' -> {}
        case 'Z' -> {
          busy = false;
          return end;
        }
        default ->
            throw new ProtocolException(
                "message '" + MessageReader.printable(type) + "' after a stream");
      }
    }
  }

  /** Reads on to the end of a stream of changes; returns whether it came in time. */
  boolean endOfChanges(Duration patience) throws IOException {
    long deadline = System.nanoTime() + patience.toNanos();
    while (System.nanoTime() < deadline) {
      int type = next(Patience.NONE);
      switch (type) {
        case 'Z' -> {
          busy = false;
          return true;
        }
        case 0, 'd', 'c', 'C' -> {
          // A sign of life may come behind what it calls the end.
        }
        default ->
            throw new ProtocolException(
                "message '" + MessageReader.printable(type) + "' at the end of a stream");
      }
    }
    return false;
  }

  /** How long a silent server is waited for. */
  enum Patience {
    /** It owes an answer at once. */
    NORMAL,
    /** It may be busy with a checkpoint; only a broken connection ends the wait. */
    LONG,
    /** Return after one tick. */
    NONE
  }

  /**
   * The type of the next message that is not a remark; 0 with {@link Patience#NONE} if none came.
   */
  int next(Patience patience) throws IOException {
    long since = System.nanoTime();
    while (true) {
      cancellation.check();
      int type;
      try {
        type = in.next();
      } catch (SocketTimeoutException e) {
        if (patience == Patience.NONE) {
          return 0;
        }
        long silent = System.nanoTime() - Math.max(since, in.lastReceived());
        if (patience == Patience.NORMAL && silent > settings.readTimeout().toNanos()) {
          throw new SocketTimeoutException(
              "The server was silent for " + settings.readTimeout().toSeconds() + " s");
        }
        continue;
      } catch (IOException e) {
        lost = true;
        throw e;
      }
      switch (type) {
        case 'N' -> {
          ServerMessage notice = ServerMessage.read(in);
          if (notices.size() < MOST_NOTICES) {
            notices.add(notice);
          }
        }
        case 'S' -> {
          if (in.readText().equals("server_version")) {
            serverVersion = in.readText();
          }
        }
        case 'A' -> {
          // A notification nobody listens to.
        }
        case 'E' -> throw failed(ServerMessage.read(in));
        default -> {
          return type;
        }
      }
    }
  }

  /** Reads on to where the session is usable again, if it will be. */
  private ServerException failed(ServerMessage message) {
    ServerException failure = new ServerException(message);
    lost = message.ends();
    if (!lost) {
      try {
        long deadline = System.nanoTime() + settings.readTimeout().toNanos();
        while (System.nanoTime() < deadline) {
          try {
            if (in.next() == 'Z') {
              busy = false;
              return failure;
            }
          } catch (SocketTimeoutException e) {
            cancellation.check();
          }
        }
      } catch (IOException e) {
        failure.addSuppressed(e);
      }
    }
    return failure;
  }

  private void awaitReady() throws IOException {
    while (true) {
      int type = next(Patience.NORMAL);
      switch (type) {
        case 'K' -> {
          processId = in.readInt();
          cancelKey = in.readInt();
        }
        case 'Z' -> {
          return;
        }
        default ->
            throw new ProtocolException(
                "message '" + MessageReader.printable(type) + "' after the login");
      }
    }
  }

  private void send(String command) throws IOException {
    if (busy || lost) {
      throw new IOException("The connection broke off in the middle of another command");
    }
    LOG.debug("{} <- {}", settings.address(), command);
    busy = true;
    out.send('Q', command);
  }

  private void expect(char wanted) throws IOException {
    int type = next(Patience.LONG);
    if (type != wanted) {
      throw new ProtocolException(
          "message '" + MessageReader.printable(type) + "' instead of '" + wanted + "'");
    }
  }

  private void finish(String command) throws IOException {
    while (true) {
      int type = next(Patience.NORMAL);
      switch (type) {
        case 'C' -> {}
        case 'Z' -> {
          busy = false;
          return;
        }
        default ->
            throw new ProtocolException(
                "message '" + MessageReader.printable(type) + "' at the end of " + command);
      }
    }
  }

  private List<Row> query(String command) throws IOException {
    send(command);
    List<Row> rows = List.of();
    while (true) {
      int type = next(Patience.NORMAL);
      switch (type) {
        case 'T' -> rows = rowsUntilComplete(command, Patience.NORMAL);
        case 'C' -> {}
        case 'Z' -> {
          busy = false;
          return rows;
        }
        default ->
            throw new ProtocolException(
                "message '" + MessageReader.printable(type) + "' to " + command);
      }
    }
  }

  private Row single(String command) throws IOException {
    List<Row> rows = query(command);
    if (rows.size() != 1) {
      throw new ProtocolException(rows.size() + " rows to " + command);
    }
    return rows.get(0);
  }

  /** One row set: a description, rows, the end. */
  private List<Row> rows(String command, Patience patience) throws IOException {
    int type = next(patience);
    if (type != 'T') {
      throw new ProtocolException(
          "message '" + MessageReader.printable(type) + "' instead of rows to " + command);
    }
    return rowsUntilComplete(command, patience);
  }

  private List<Row> rowsUntilComplete(String command, Patience patience) throws IOException {
    List<Row> rows = new ArrayList<>();
    while (true) {
      int type = next(patience);
      switch (type) {
        case 'D' -> {
          if (rows.size() >= MOST_ROWS) {
            throw new ProtocolException("too many rows to " + command);
          }
          rows.add(row());
        }
        case 'C' -> {
          return rows;
        }
        default ->
            throw new ProtocolException(
                "message '" + MessageReader.printable(type) + "' among rows to " + command);
      }
    }
  }

  private Row row() throws ProtocolException {
    int columns = in.readShort();
    if (columns > 64) {
      throw new ProtocolException("a row of " + columns + " columns");
    }
    List<byte @Nullable []> values = new ArrayList<>(columns);
    for (int i = 0; i < columns; i++) {
      int length = in.readInt();
      values.add(length == -1 ? null : in.readBytes(length));
    }
    return new Row(values);
  }

  private static WalPosition position(List<Row> rows) throws ProtocolException {
    if (rows.size() != 1) {
      throw new ProtocolException(rows.size() + " rows for a position");
    }
    Row row = rows.get(0);
    return new WalPosition(
        parse(row, 0, Lsn::parse),
        parse(row, 1, text -> new Timeline(Integer.parseUnsignedInt(text))));
  }

  private static <T> T parse(Row row, int column, java.util.function.Function<String, T> parser)
      throws ProtocolException {
    String text = row.text(column);
    try {
      return parser.apply(text);
    } catch (IllegalArgumentException e) {
      throw new ProtocolException("a value that does not parse");
    }
  }

  private static String slot(String name) {
    if (!SLOT_NAME.matcher(name).matches()) {
      throw new IllegalArgumentException("Not a slot name: " + name);
    }
    return name;
  }

  /** Asks the server over a connection of its own to drop what it does for this one. */
  private void cancelCommand() {
    if (processId == 0) {
      return;
    }
    try (Transport other =
        Transport.open(
            settings, transport.encrypted() ? Transport.Asking.ALWAYS : Transport.Asking.NEVER)) {
      other
          .socket()
          .getOutputStream()
          .write(
              ByteBuffer.allocate(16)
                  .putInt(16)
                  .putInt(CANCEL_REQUEST)
                  .putInt(processId)
                  .putInt(cancelKey)
                  .array());
      other.socket().getOutputStream().flush();
      // The server closes when it has passed the word on.
      if (other.socket().getInputStream().read() >= 0) {
        LOG.debug("{}: bytes after a request to cancel", settings.address());
      }
    } catch (IOException e) {
      LOG.debug("{}: could not ask to cancel", settings.address(), e);
    }
  }

  /** Ends the session, and what the server does for it. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    try (transport) {
      if (busy && !lost) {
        cancelCommand();
      } else if (!lost) {
        out.send('X', new byte[0]);
      }
    } catch (IOException e) {
      LOG.debug("{}: the connection was gone already", settings.address(), e);
    }
  }

  @FunctionalInterface
  private interface Bytes {
    void accept(byte[] bytes, int offset, int length) throws IOException;
  }

  /** One row of text values. */
  private record Row(List<byte @Nullable []> values) {
    boolean isNull(int column) throws ProtocolException {
      return cell(column) == null;
    }

    byte[] bytes(int column) throws ProtocolException {
      byte[] value = cell(column);
      if (value == null) {
        throw new ProtocolException("no value in column " + column);
      }
      return value;
    }

    String text(int column) throws ProtocolException {
      return new String(bytes(column), StandardCharsets.UTF_8);
    }

    private byte @Nullable [] cell(int column) throws ProtocolException {
      if (column >= values.size()) {
        throw new ProtocolException("a row of " + values.size() + " columns");
      }
      return values.get(column);
    }
  }

  /**
   * Who a server is.
   *
   * @param systemId what {@code initdb} drew, unsigned
   * @param timeline the timeline it is on
   * @param position how far its log is flushed
   */
  public record SystemIdentity(long systemId, Timeline timeline, Lsn position) {}

  /**
   * A place in the log.
   *
   * @param lsn the position
   * @param timeline the branch
   */
  public record WalPosition(Lsn lsn, Timeline timeline) {}

  /**
   * The end of a base backup.
   *
   * @param stop where its WAL ends
   * @param damagedPages whether pages failed the server's check of their checksums
   */
  public record BaseBackupEnd(WalPosition stop, boolean damagedPages) {}

  /**
   * A replication slot.
   *
   * @param type {@code physical} or {@code logical}
   * @param restartLsn from where it keeps WAL; empty if it keeps none
   */
  public record Slot(String type, Optional<Lsn> restartLsn) {}
}
