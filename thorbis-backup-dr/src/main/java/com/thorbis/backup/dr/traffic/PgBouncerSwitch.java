package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One database of one PgBouncer: pauses it, changes its entry in the configuration file, lets
 * PgBouncer read that, looks, and resumes it. Clients stay connected and wait meanwhile. A database
 * that was left paused, by an earlier call or by somebody, is resumed once it points to where it
 * shall. The database never stays paused without a failure that says so.
 */
public final class PgBouncerSwitch implements TrafficSwitch {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_.-]+");
  private static final Pattern PARAMETER =
      Pattern.compile("([a-z_]+)\\s*=\\s*('(?:[^']|'')*'|[^\\s']\\S*)?");

  private final String database;
  private final Console console;
  private final Duration pause;
  private final Duration timeout;
  private final boolean kill;
  private final String thing;
  private final EditedFile file;

  PgBouncerSwitch(Builder builder, Console console) {
    this.database = Objects.requireNonNull(builder.database, "database");
    this.console = console;
    this.pause = builder.pause;
    this.timeout = builder.timeout;
    this.kill = builder.kill;
    Path path = Objects.requireNonNull(builder.file, "file");
    this.thing = "PgBouncer database " + database + " in " + path;
    this.file = new EditedFile(thing, path);
  }

  /** What has to be said: file, database and console. */
  public static Builder builder() {
    return new Builder();
  }

  @Override
  public String kind() {
    return "pgbouncer";
  }

  @Override
  public String describe() {
    return thing;
  }

  @Override
  public String current() throws SwitchException {
    Place configured = get(file.read());
    Running running = running();
    if (!running.place().equals(configured.filled())) {
      throw SwitchException.inBetween(thing, configured.toString(), running.place().toString());
    }
    return configured.toString();
  }

  @Override
  public boolean points(String place) throws SwitchException {
    Place wanted = Place.parse(thing, place);
    return get(file.read()).equals(wanted) && running().serves(wanted);
  }

  @Override
  public Duration set(String expected, String place) throws SwitchException {
    Place from = Place.parse(thing, expected);
    Place to = Place.parse(thing, place);
    String seen = file.read();
    Place found = get(seen);
    if (!found.equals(from) && !found.equals(to)) {
      throw SwitchException.changed(thing, expected, found.toString());
    }
    Running running = running();
    if (!running.place().equals(from.filled()) && !running.place().equals(to.filled())) {
      throw SwitchException.changed(thing, expected, running.place().toString());
    }
    if (running.disabled()) {
      throw SwitchException.unsafe(
          thing, "is disabled, so that clients reach no server at all", "ENABLE " + quoted() + ";");
    }
    if (found.equals(to) && running.serves(to)) {
      return Duration.ZERO;
    }
    if (!found.equals(to) || !running.place().equals(to.filled())) {
      String old = found.equals(from) ? seen : put(seen, from);
      move(seen, put(seen, to), to, old, from);
    }
    resume(null);
    return Duration.ZERO;
  }

  @Override
  public String toString() {
    return thing;
  }

  /** Leaves the database paused, at the new place; or resumed at the old one, with a failure. */
  private void move(String seen, String text, Place to, String old, Place from)
      throws SwitchException {
    pause();
    try {
      if (!text.equals(seen)) {
        file.replace(seen, text);
      }
      reload(to);
    } catch (SwitchException e) {
      bringBack(old, from, e);
      throw e;
    }
  }

  private void pause() throws SwitchException {
    SwitchException failure;
    try {
      console.ask("PAUSE " + quoted(), pause);
      return;
    } catch (Console.Late e) {
      if (kill) {
        try {
          command("KILL"); // which leaves it paused
          return;
        } catch (SwitchException not) {
          failure = not;
        }
      } else {
        failure =
            new SwitchException(
                "traffic.busy",
                FailureKind.TRANSIENT,
                thing,
                "transactions did not end within " + pause + "; nothing was changed",
                "End them, give them more time, or let them be dropped (kill).",
                e);
      }
    } catch (IOException e) {
      failure = failure("PAUSE", e);
    }
    resume(failure);
    throw failure;
  }

  private void reload(Place to) throws SwitchException {
    command("RELOAD");
    Place now = running().place();
    if (!now.equals(to.filled())) {
      throw new SwitchException(
          "traffic.refused",
          FailureKind.PERMANENT,
          thing,
          "PgBouncer goes on with \"" + now + "\" after it was told to read the file again",
          "See its log, which says what it does not accept, and whether this is the file that it"
              + " reads.",
          null);
    }
  }

  /** After a failure: the old entry, the old place, and no longer paused. */
  private void bringBack(String text, Place from, SwitchException failure) throws SwitchException {
    boolean interrupted = Thread.interrupted();
    try {
      String now = file.read();
      if (!now.equals(text)) {
        file.replace(now, text);
      }
      reload(from);
    } catch (SwitchException e) {
      SwitchException unknown =
          SwitchException.outcomeUnknown(
              thing, "the change was begun, and could be neither finished nor undone", failure);
      unknown.addSuppressed(e);
      resume(unknown);
      throw unknown;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
    resume(failure);
  }

  private void resume(@Nullable SwitchException before) throws SwitchException {
    boolean interrupted = Thread.interrupted();
    try {
      if (running().paused()) {
        command("RESUME");
        if (running().paused()) {
          throw SwitchException.unavailable(thing, "is paused after RESUME", null);
        }
      }
    } catch (SwitchException e) {
      SwitchException unknown =
          SwitchException.outcomeUnknown(
              thing, "may be paused: clients wait until RESUME " + quoted(), e);
      if (before != null) {
        unknown.addSuppressed(before);
      }
      throw unknown;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private Running running() throws SwitchException {
    List<Map<String, String>> rows;
    try {
      rows = console.ask("SHOW DATABASES", timeout);
    } catch (IOException e) {
      throw failure("SHOW DATABASES", e);
    }
    for (Map<String, String> row : rows) {
      if (database.equals(row.get("name"))) {
        String port = row.get("port");
        if (port == null || !row.containsKey("paused")) {
          throw SwitchException.unavailable(thing, "gave an answer of another form", null);
        }
        return new Running(
            new Place(row.getOrDefault("host", ""), port),
            !"0".equals(row.get("paused")),
            !"0".equals(row.getOrDefault("disabled", "0")));
      }
    }
    throw SwitchException.invalid(thing, "the console does not know this database");
  }

  private void command(String verb) throws SwitchException {
    try {
      console.ask(verb.equals("RELOAD") ? verb : verb + " " + quoted(), timeout);
    } catch (IOException e) {
      throw failure(verb, e);
    }
  }

  private String quoted() {
    return "\"" + database + "\"";
  }

  private SwitchException failure(String command, IOException e) {
    String problem = command + " at the console, " + console + ": " + e.getMessage();
    return e instanceof Console.Refused
        ? SwitchException.refused(thing, problem, e)
        : SwitchException.unavailable(thing, problem, e);
  }

  private Place get(String text) throws SwitchException {
    Entry entry = entry(text);
    return Place.parse(thing, new Place(entry.value("host"), entry.value("port")).toString());
  }

  private String put(String text, Place place) throws SwitchException {
    Entry entry = entry(text);
    entry.lines().set(entry.number(), entry.with("port", place.port()));
    entry = entry(entry.lines().toString());
    entry.lines().set(entry.number(), entry.with("host", place.host()));
    return entry.lines().toString();
  }

  private Entry entry(String text) throws SwitchException {
    Ini lines = Ini.section(thing, text, "databases");
    String name = Pattern.quote(database);
    Pattern key = Pattern.compile("\\s*(?:\"" + name + "\"|" + name + ")\\s*=");
    int number = lines.find(key);
    if (number < 0) {
      throw SwitchException.invalid(thing, "there is no entry of its own for this database");
    }
    String line = lines.line(number);
    return new Entry(lines, number, line, line.indexOf('=') + 1);
  }

  private record Running(Place place, boolean paused, boolean disabled) {
    boolean serves(Place wanted) {
      return place.equals(wanted.filled()) && !paused && !disabled;
    }
  }

  private record Entry(Ini lines, int number, String line, int from) {
    String value(String name) {
      Matcher found = PARAMETER.matcher(line).region(from, line.length());
      while (found.find()) {
        if (found.group(1).equals(name)) {
          String value = found.group(2) == null ? "" : found.group(2);
          return value.startsWith("'") ? value.substring(1, value.length() - 1) : value;
        }
      }
      return "";
    }

    String with(String name, String value) {
      String written = value.isEmpty() ? "" : name + "=" + value;
      Matcher found = PARAMETER.matcher(line).region(from, line.length());
      while (found.find()) {
        if (found.group(1).equals(name)) {
          String rest = line.substring(found.end());
          return line.substring(0, found.start())
              + (written.isEmpty() ? rest.stripLeading() : written + rest);
        }
      }
      String rest = line.substring(from).stripLeading();
      return written.isEmpty() ? line : line.substring(0, from) + " " + written + " " + rest;
    }
  }

  /** Says which PgBouncer and which database. */
  public static final class Builder {
    private @Nullable Path file;
    private @Nullable String database;
    private @Nullable Path socket;
    private String host = "";
    private int port;
    private String user = "pgbouncer";
    private @Nullable SecretValue password;
    private Duration pause = Duration.ofSeconds(10);
    private Duration timeout = Duration.ofSeconds(10);
    private boolean kill;

    private Builder() {}

    /** The configuration file with the section {@code [databases]}. */
    public Builder file(Path path) {
      file = path;
      return this;
    }

    /** The database's name, as clients use it. */
    public Builder database(String name) {
      if (!NAME.matcher(name).matches()) {
        throw new IllegalArgumentException("Not the name of a database: \"" + name + "\"");
      }
      database = name;
      return this;
    }

    /** The console behind the Unix socket in this folder, {@code unix_socket_dir}. */
    public Builder console(Path folder, int number) {
      socket = folder.resolve(".s.PGSQL." + number);
      return this;
    }

    /** The console behind {@code listen_addr} and {@code listen_port}. There is no TLS. */
    public Builder console(String name, int number) {
      socket = null;
      host = name;
      port = number;
      return this;
    }

    /**
     * One of the {@code admin_users}. Unless said, {@code pgbouncer}, who may do everything from
     * the account that PgBouncer runs under, through the socket and without a password.
     */
    public Builder user(String name) {
      user = name;
      return this;
    }

    /** The user's password, which the caller closes. */
    public Builder password(SecretValue secret) {
      password = secret;
      return this;
    }

    /** How long transactions may take to end; 10 s unless said. */
    public Builder pause(Duration longest) {
      pause = longest;
      return this;
    }

    /** How long each other command may take; 10 s unless said. */
    public Builder timeout(Duration longest) {
      timeout = longest;
      return this;
    }

    /** Drops all clients of the database if transactions have not ended, instead of giving up. */
    public Builder kill(boolean drop) {
      kill = drop;
      return this;
    }

    /** The switch. */
    public PgBouncerSwitch build() {
      if (socket == null && host.isEmpty()) {
        throw new NullPointerException("console");
      }
      return new PgBouncerSwitch(this, new SimpleQuery(socket, host, port, user, password));
    }
  }

  /**
   * Makes them by settings: {@code file}, {@code database}; {@code host}, which is a folder if it
   * begins with a slash, {@code port}, {@code user}, {@code password}; {@code pause}, {@code
   * timeout} and {@code kill}.
   */
  public static final class Factory implements TrafficSwitchFactory {
    /** For the service loader. */
    public Factory() {}

    @Override
    public String type() {
      return "pgbouncer";
    }

    @Override
    public TrafficSwitch open(Settings settings) {
      return BuiltIn.pgBouncer(settings);
    }
  }
}
