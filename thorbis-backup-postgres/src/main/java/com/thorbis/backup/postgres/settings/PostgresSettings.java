package com.thorbis.backup.postgres.settings;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.AuthenticationPolicy.ChannelBinding;
import com.thorbis.backup.postgres.settings.AuthenticationPolicy.Method;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;

/** Everything that is configured for one source, read once and checked. Immutable. */
public final class PostgresSettings implements AutoCloseable {
  private static final Pattern SLOT = Pattern.compile("[a-z0-9_]{1,63}");

  private final String source;
  private final ServerAddress address;
  private final String user;
  private final Optional<SecretValue> password;
  private final Optional<String> database;
  private final String applicationName;
  private final TlsSettings tls;
  private final AuthenticationPolicy authentication;
  private final Duration connectTimeout;
  private final Duration readTimeout;
  private final boolean fastCheckpoint;
  private final boolean verifyChecksums;
  private final long rateLimit;
  private final int parallelism;
  private final Optional<Path> dataDirectory;
  private final Optional<Path> binDirectory;
  private final Optional<Path> clientToolsDirectory;
  private final Optional<String> serverUser;
  private final Optional<Path> launcher;
  private final Optional<Path> configFile;
  private final Reader reader;
  private final List<String> dumpedDatabases;
  private final List<String> excludedTables;
  private final long splitTablesAbove;
  private final Optional<ChangesSettings> changes;
  private final String slot;
  private final Duration shipInterval;
  private final Duration maxDelay;
  private final long slotBudget;
  private final Duration walWait;
  private final Duration getDeadline;
  private final Path stateDirectory;
  private final Clock clock;

  /** A way in which backups are read. */
  public enum Reader {
    /** The best that can be had. */
    AUTO("auto"),
    /** From the data directory, which this host sees. */
    LOCAL("local"),
    /** With the server's functions that read files, over ordinary sessions. */
    SQL("sql"),
    /** Over the replication protocol. */
    REPLICATION("replication"),
    /** Not at all: the server exports what it holds, and backups are dumps. */
    DUMP("dump");

    private final String label;

    Reader(String label) {
      this.label = label;
    }

    /** The name in configurations and backups; never changes. */
    public String label() {
      return label;
    }
  }

  private PostgresSettings(String source, ProviderContext context) {
    Settings settings = context.settings();
    this.source = source;
    this.stateDirectory = context.stateDirectory();
    this.clock = context.clock();

    ConnectionUrl url = ConnectionUrl.parse(settings.describe("url"), settings.require("url"));
    Map<String, String> parameters = url.parameters();
    this.address = url.address();
    this.user =
        settings
            .find("user")
            .or(() -> Optional.ofNullable(parameters.get("user")))
            .orElseGet(() -> settings.require("user"));
    this.password = settings.findSecret("password");
    this.database = url.database();
    this.applicationName = parameters.getOrDefault("application_name", "thorbis-" + source);

    this.tls = tls(settings, parameters, address);
    this.authentication = authentication(settings, parameters, address);
    this.connectTimeout =
        settings.duration(
            "connect-timeout",
            Duration.ofSeconds(seconds(settings, parameters, "connect_timeout", 10)));
    this.readTimeout = settings.duration("read-timeout", Duration.ofMinutes(1));

    this.reader =
        choice(settings, "reader", Reader.AUTO.label(), List.of(Reader.values()), Reader::label);
    this.dumpedDatabases = settings.find("databases").map(TablePattern::split).orElseGet(List::of);
    dumpedDatabases.forEach(
        each -> TablePattern.ofName(settings.describe("databases"), each, "database"));
    this.excludedTables =
        settings.find("exclude-tables").map(TablePattern::split).orElseGet(List::of);
    excludedTables.forEach(each -> TablePattern.parse(settings.describe("exclude-tables"), each));
    this.splitTablesAbove = settings.bytes("split-tables-above", Long.MAX_VALUE);
    this.changes = ChangesParser.of(settings, source);
    choice(settings, "wal.mode", "stream", List.of("stream", "archive"), Function.identity());
    this.fastCheckpoint =
        choice(settings, "checkpoint", "fast", List.of("fast", "spread"), Function.identity())
            .equals("fast");
    this.verifyChecksums = settings.flag("verify-checksums", true);
    this.rateLimit = settings.bytes("rate-limit", 0);
    this.parallelism =
        settings.integer(
            "parallelism", Math.max(1, Runtime.getRuntime().availableProcessors()), 1, 256);
    this.dataDirectory = settings.find("data-directory").map(Path::of);
    if (reader == Reader.LOCAL && dataDirectory.isEmpty()) {
      throw dataDirectoryMissing(source);
    }
    this.binDirectory = settings.find("bin-directory").map(Path::of);
    this.clientToolsDirectory = settings.find("client-tools-directory").map(Path::of);
    this.serverUser = settings.find("server-user");
    this.launcher = settings.find("launcher").map(Path::of).map(Path::toAbsolutePath);
    this.configFile = settings.find("config-file").map(Path::of).map(Path::toAbsolutePath);

    this.slot = slot(settings, source);
    this.shipInterval = settings.duration("wal.ship-interval", Duration.ofSeconds(10));
    this.maxDelay = settings.duration("wal.max-delay", Duration.ofMinutes(15));
    this.slotBudget = settings.bytes("wal.slot-budget", 32L << 30);
    this.walWait = settings.duration("wal.wait", Duration.ofMinutes(10));
    this.getDeadline = settings.duration("wal.get-deadline", Duration.ofMinutes(1));
    positive(settings, "connect-timeout", connectTimeout);
    positive(settings, "read-timeout", readTimeout);
    positive(settings, "wal.ship-interval", shipInterval);
  }

  /**
   * Reads all settings of a source and contacts nobody.
   *
   * @throws BackupException of kind CONFIGURATION that names what is wrong
   */
  public static PostgresSettings of(String source, ProviderContext context) {
    return new PostgresSettings(source, context);
  }

  /**
   * The same way to another server, where something is loaded.
   *
   * @param url without a password
   * @param user the role; empty where the URL names it
   * @param password stays the caller's
   */
  public PostgresSettings into(String url, Optional<String> user, Optional<SecretValue> password) {
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("url", url);
    user.ifPresent(name -> values.put("user", name));
    password.ifPresent(secret -> values.put("password", secret));
    Settings settings = Settings.of("into", values);
    return new PostgresSettings(
        source,
        new ProviderContext() {
          @Override
          public Settings settings() {
            return settings;
          }

          @Override
          public Clock clock() {
            return clock;
          }

          @Override
          public Path stateDirectory() {
            return stateDirectory;
          }
        });
  }

  /** The host's name for the source. */
  public String source() {
    return source;
  }

  /** Where the server listens. */
  public ServerAddress address() {
    return address;
  }

  /** The role that connects. */
  public String user() {
    return user;
  }

  /** The role's password, lent; {@link #close} erases it. */
  public Optional<SecretValue> password() {
    return password;
  }

  /** The database that SQL is run in; replication needs none. */
  public Optional<String> database() {
    return database;
  }

  /** How our sessions call themselves in the server's views. */
  public String applicationName() {
    return applicationName;
  }

  /** How connections are protected. */
  public TlsSettings tls() {
    return tls;
  }

  /** Which proofs of identity we give. */
  public AuthenticationPolicy authentication() {
    return authentication;
  }

  /** How long to wait for a connection. */
  public Duration connectTimeout() {
    return connectTimeout;
  }

  /** How long a server that owes an answer may be silent. */
  public Duration readTimeout() {
    return readTimeout;
  }

  /** Whether a backup asks for its checkpoint at once instead of spread over time. */
  public boolean fastCheckpoint() {
    return fastCheckpoint;
  }

  /** Whether page checksums are verified while a backup passes. */
  public boolean verifyChecksums() {
    return verifyChecksums;
  }

  /** Bytes per second that a backup may read; 0 for no limit. */
  public long rateLimit() {
    return rateLimit;
  }

  /** How many threads a restore may use, and sessions a dump for one table. */
  public int parallelism() {
    return parallelism;
  }

  /** The way in which backups are read. */
  public Reader reader() {
    return reader;
  }

  /** Patterns of the databases that a dump is of; empty for the one that is connected to. */
  public List<String> dumpedDatabases() {
    return dumpedDatabases;
  }

  /** Patterns of the tables that a dump leaves out. */
  public List<String> excludedTables() {
    return excludedTables;
  }

  /** From how many bytes on a dump reads a table with several sessions at once. */
  public long splitTablesAbove() {
    return splitTablesAbove;
  }

  /** How changes are followed behind a dump; empty if they are not. */
  public Optional<ChangesSettings> changes() {
    return changes;
  }

  /** Where the server keeps its data, if this host can see it. */
  public Optional<Path> dataDirectory() {
    return dataDirectory;
  }

  /** Where PostgreSQL's programs lie, if configured. */
  public Optional<Path> binDirectory() {
    return binDirectory;
  }

  /** Where {@code pg_dump} and the like lie, if configured. */
  public Optional<Path> clientToolsDirectory() {
    return clientToolsDirectory;
  }

  /** The account that restored files belong to and a restored server runs as, if configured. */
  public Optional<String> serverUser() {
    return serverUser;
  }

  /**
   * The {@code thorbis} command, for the settings that we write into a server's configuration. The
   * command itself puts it into the settings; a host that embeds the library may leave it out.
   */
  public Optional<Path> launcher() {
    return launcher;
  }

  /** The configuration file that {@link #launcher} is to read. */
  public Optional<Path> configFile() {
    return configFile;
  }

  /** The physical slot that keeps WAL for us. */
  public String slot() {
    return slot;
  }

  /** How long new WAL of an open segment may stay unshipped. */
  public Duration shipInterval() {
    return shipInterval;
  }

  /** How far behind the stored WAL may be before that is a finding. */
  public Duration maxDelay() {
    return maxDelay;
  }

  /** How much WAL the slot may keep on the server before that is a finding. */
  public long slotBudget() {
    return slotBudget;
  }

  /** How long a backup waits for its WAL. */
  public Duration walWait() {
    return walWait;
  }

  /** How long delivering WAL to a recovering server is retried. */
  public Duration getDeadline() {
    return getDeadline;
  }

  /** A folder for local state that may be lost. */
  public Path stateDirectory() {
    return stateDirectory;
  }

  /** The time. */
  public Clock clock() {
    return clock;
  }

  /** Erases the secrets. */
  @Override
  public void close() {
    password.ifPresent(SecretValue::close);
    tls.keyPassword().ifPresent(SecretValue::close);
  }

  private static TlsSettings tls(
      Settings settings, Map<String, String> parameters, ServerAddress address) {
    String fallback =
        parameters.containsKey("sslmode")
            ? parameters.get("sslmode")
            : "true".equals(parameters.get("ssl"))
                ? TlsSettings.Mode.VERIFY_FULL.label()
                : address.unixSocket()
                    ? TlsSettings.Mode.DISABLE.label()
                    : address.local()
                        ? TlsSettings.Mode.PREFER.label()
                        : TlsSettings.Mode.VERIFY_FULL.label();
    TlsSettings.Mode mode =
        choice(settings, "tls", fallback, List.of(TlsSettings.Mode.values()), m -> m.label());
    String negotiation = parameters.getOrDefault("sslnegotiation", "postgres");
    if (!negotiation.equals("postgres") && !negotiation.equals("direct")) {
      throw wrong(settings, "url", "sslnegotiation=" + negotiation, "postgres or direct");
    }
    boolean direct = negotiation.equals("direct");
    if (direct && !mode.demandsTls()) {
      throw wrong(
          settings, "url", "sslnegotiation=direct with " + mode.label(), "a mode from require on");
    }
    return new TlsSettings(
        mode,
        path(parameters, "sslrootcert").filter(file -> !file.equals(Path.of("system"))),
        path(parameters, "sslcert"),
        path(parameters, "sslkey"),
        settings.findSecret("tls-key-password"),
        direct);
  }

  private static AuthenticationPolicy authentication(
      Settings settings, Map<String, String> parameters, ServerAddress address) {
    boolean md5 = settings.flag("allow-md5", false);
    boolean cleartext = settings.flag("allow-cleartext", false);
    Set<Method> accepted = EnumSet.noneOf(Method.class);
    if (parameters.containsKey("require_auth")) {
      boolean negated = parameters.get("require_auth").startsWith("!");
      if (negated) {
        accepted.addAll(EnumSet.allOf(Method.class));
      }
      for (String word : parameters.get("require_auth").split(",")) {
        String name = word.strip().toLowerCase(Locale.ROOT);
        Method method =
            Arrays.stream(Method.values())
                .filter(m -> m.label().equals(negated ? name.replaceFirst("^!", "") : name))
                .findFirst()
                .orElseThrow(
                    () ->
                        wrong(
                            settings,
                            "url",
                            "require_auth=" + parameters.get("require_auth"),
                            "a list of none, password, md5, scram-sha-256"));
        if (negated) {
          accepted.remove(method);
        } else {
          accepted.add(method);
        }
      }
    } else if (address.local()) {
      accepted.addAll(EnumSet.allOf(Method.class));
    } else {
      accepted.add(Method.SCRAM);
    }
    if (md5) {
      accepted.add(Method.MD5);
    }
    if (cleartext) {
      accepted.add(Method.PASSWORD);
    }
    String binding = parameters.getOrDefault("channel_binding", ChannelBinding.PREFER.label());
    ChannelBinding channelBinding =
        Arrays.stream(ChannelBinding.values())
            .filter(value -> value.label().equals(binding))
            .findFirst()
            .orElseThrow(
                () ->
                    wrong(
                        settings,
                        "url",
                        "channel_binding=" + binding,
                        "disable, prefer or require"));
    return new AuthenticationPolicy(accepted, channelBinding);
  }

  private static String slot(Settings settings, String source) {
    Optional<String> given = settings.find("wal.slot");
    if (given.isPresent() && !SLOT.matcher(given.get()).matches()) {
      throw wrong(
          settings, "wal.slot", given.get(), "1 to 63 lower-case letters, digits and underscores");
    }
    String derived = "thorbis_" + source.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9_]", "_");
    return given.orElse(derived.substring(0, Math.min(63, derived.length())));
  }

  private static Optional<Path> path(Map<String, String> parameters, String name) {
    return Optional.ofNullable(parameters.get(name)).filter(text -> !text.isEmpty()).map(Path::of);
  }

  private static int seconds(
      Settings settings, Map<String, String> parameters, String name, int fallback) {
    String text = parameters.get(name);
    if (text == null) {
      return fallback;
    }
    try {
      int value = Integer.parseInt(text);
      if (value > 0 && value <= 3600) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Reported below like a number out of range.
    }
    throw wrong(settings, "url", name + "=" + text, "a number of seconds from 1 to 3600");
  }

  private static void positive(Settings settings, String key, Duration value) {
    if (value.isZero() || value.isNegative()) {
      throw wrong(settings, key, value.toString(), "a duration above zero");
    }
  }

  private static <T> T choice(
      Settings settings,
      String key,
      String fallback,
      List<T> choices,
      Function<? super T, String> label) {
    String text = settings.find(key).orElse(fallback);
    return choices.stream()
        .filter(choice -> label.apply(choice).equals(text))
        .findFirst()
        .orElseThrow(
            () ->
                wrong(
                    settings,
                    key,
                    text,
                    "one of " + String.join(", ", choices.stream().map(label).toList())));
  }

  /** What is wrong where the reader of local files does not know where they are. */
  public static BackupException dataDirectoryMissing(String source) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            "sources." + source + ".data-directory is missing, which reader: local needs")
        .remedy("Write what SHOW data_directory says, as this host sees it.")
        .build();
  }

  private static BackupException wrong(
      Settings settings, String key, String value, String expected) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            settings.describe(key) + ": \"" + value + "\" is not " + expected)
        .remedy("Write " + expected + ".")
        .build();
  }
}
