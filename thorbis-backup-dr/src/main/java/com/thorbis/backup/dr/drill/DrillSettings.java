package com.thorbis.backup.dr.drill;

import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.internal.Sha256;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** How a source is tried. */
public final class DrillSettings {
  /** The checks that every drill makes, and that are required unless said otherwise. */
  public static final List<String> REQUIRED =
      List.of(
          Checks.STARTED,
          Checks.CLUSTER,
          Checks.TARGET,
          Checks.LOG,
          Checks.TABLES,
          Checks.INDEXES,
          Checks.HEAP,
          Checks.CONSTRAINTS,
          Checks.PAGES);

  /** Of {@link #copy}: the one that was tried longest ago. */
  public static final String EACH_COPY = "each";

  private final @Nullable SentinelTable sentinel;
  private final List<Assertion> assertions;
  private final List<Assertion.Pace> paces;
  private final Set<String> advisory;
  private final Duration deadline;
  private final Duration readBudget;
  private final Duration statementTimeout;
  private final @Nullable Duration mostLoss;
  private final @Nullable Path workDirectory;
  private final Map<String, String> server;
  private final @Nullable String copy;

  private DrillSettings(Builder builder) {
    this.sentinel = builder.sentinel;
    this.assertions = List.copyOf(builder.assertions);
    this.paces = List.copyOf(builder.paces);
    this.advisory = Set.copyOf(builder.advisory);
    this.deadline = builder.deadline;
    this.readBudget = builder.readBudget;
    this.statementTimeout = builder.statementTimeout;
    this.mostLoss = builder.mostLoss;
    this.workDirectory = builder.workDirectory;
    this.server = Map.copyOf(builder.server);
    this.copy = builder.copy;
  }

  /** Starts some. Without more, the built-in checks are made. */
  public static Builder builder() {
    return new Builder();
  }

  /** Where sentinels are written and looked for; empty: there are none. */
  public Optional<SentinelTable> sentinel() {
    return Optional.ofNullable(sentinel);
  }

  /** What must be true of the data. */
  public List<Assertion> assertions() {
    return assertions;
  }

  /** What must not become slower. */
  public List<Assertion.Pace> paces() {
    return paces;
  }

  /** The checks whose failure is told and does not count. */
  public Set<String> advisory() {
    return advisory;
  }

  /** How long the whole drill may take. */
  public Duration deadline() {
    return deadline;
  }

  /** How long reading tables may take. */
  public Duration readBudget() {
    return readBudget;
  }

  /** How long one assertion may take. */
  public Duration statementTimeout() {
    return statementTimeout;
  }

  /** How much time may be lost where the latest moment is recovered; empty: it is told only. */
  public Optional<Duration> mostLoss() {
    return Optional.ofNullable(mostLoss);
  }

  /** Below which folder the server is laid; empty to let the engine choose. */
  public Optional<Path> workDirectory() {
    return Optional.ofNullable(workDirectory);
  }

  /** Settings of the server's that it cannot work without. */
  public Map<String, String> server() {
    return server;
  }

  /**
   * The copy of the repository that scheduled drills read alone, or {@link #EACH_COPY}: one after
   * the other; empty: they read all of them.
   */
  public Optional<String> copy() {
    return Optional.ofNullable(copy);
  }

  /** Tells these settings from others: SHA-256, 64 hexadecimal digits. */
  public String digest() {
    Map<String, Object> all = new LinkedHashMap<>();
    sentinel().ifPresent(table -> all.put("sentinel", table.toString()));
    all.put("assertions", assertions.stream().map(Assertion::toString).toList());
    all.put("paces", paces.stream().map(Assertion.Pace::toString).toList());
    all.put("advisory", advisory.stream().sorted().toList());
    mostLoss().ifPresent(most -> all.put("most-loss", most.toString()));
    all.put("server", server);
    return Sha256.hex(CanonicalJson.encode(all));
  }

  /**
   * Where sentinels lie.
   *
   * @param database where it is
   * @param schema its schema
   * @param table its name
   */
  public record SentinelTable(String database, String schema, String table) {
    String sql() {
      return Sql.name(schema) + "." + Sql.name(table);
    }

    /** What makes it, and lets a role write there and nothing more. */
    public String grants(String role) {
      return "CREATE TABLE IF NOT EXISTS "
          + sql()
          + " (id text PRIMARY KEY, written_at timestamptz NOT NULL);\n"
          + "GRANT USAGE ON SCHEMA "
          + Sql.name(schema)
          + " TO "
          + Sql.name(role)
          + ";\nGRANT SELECT, INSERT, DELETE ON "
          + sql()
          + " TO "
          + Sql.name(role)
          + ";\n";
    }
  }

  /** Collects settings. */
  public static final class Builder {
    private final Set<String> names = new LinkedHashSet<>();
    private final List<Assertion> assertions = new ArrayList<>();
    private final List<Assertion.Pace> paces = new ArrayList<>();
    private final Set<String> advisory = new LinkedHashSet<>();
    private final Map<String, String> server = new LinkedHashMap<>();
    private @Nullable SentinelTable sentinel;
    private Duration deadline = Duration.ofHours(12);
    private Duration readBudget = Duration.ofHours(2);
    private Duration statementTimeout = Duration.ofMinutes(5);
    private @Nullable Duration mostLoss;
    private @Nullable Path workDirectory;
    private @Nullable String copy;

    private Builder() {
      names.addAll(REQUIRED);
      names.addAll(Checks.OPTIONAL);
    }

    /** Writes sentinels to this table of the source, and looks for them. */
    public Builder sentinel(SentinelTable table) {
      this.sentinel = table;
      return this;
    }

    /** Adds what must be true of the data; each check has a name of its own. */
    public Builder assertion(Assertion assertion) {
      once(assertion.name());
      assertions.add(assertion);
      return this;
    }

    /** Adds what must not become slower; each check has a name of its own. */
    public Builder pace(Assertion.Pace pace) {
      once(pace.name());
      paces.add(pace);
      return this;
    }

    /** Tells the outcome of a check, and lets the drill pass without it. */
    public Builder advisory(String check) {
      advisory.add(Objects.requireNonNull(check, "check"));
      return this;
    }

    /** Ends a drill that takes longer; 12 hours if not called. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** Reads tables for so long; 2 hours if not called. */
    public Builder readBudget(Duration budget) {
      this.readBudget = budget;
      return this;
    }

    /** Lets an assertion take so long; 5 minutes if not called. */
    public Builder statementTimeout(Duration timeout) {
      this.statementTimeout = timeout;
      return this;
    }

    /** Fails a drill to the latest moment that loses more than this. */
    public Builder mostLoss(Duration most) {
      this.mostLoss = most;
      return this;
    }

    /** Lays the server into a new folder below this one. */
    public Builder workDirectory(Path folder) {
      this.workDirectory = folder;
      return this;
    }

    /** Starts the server with this, such as a library that it cannot work without. */
    public Builder server(String setting, String value) {
      server.put(setting, value);
      return this;
    }

    /** Has scheduled drills read this copy alone, or {@link #EACH_COPY} in turn. */
    public Builder copy(String name) {
      this.copy = name;
      return this;
    }

    /** The settings. */
    public DrillSettings build() {
      for (String each : advisory) {
        if (!names.contains(each)) {
          throw new IllegalArgumentException(
              "advisory: there is no check \"" + each + "\", but " + String.join(", ", names));
        }
      }
      return new DrillSettings(this);
    }

    private void once(String name) {
      if (!names.add(name)) {
        throw new IllegalArgumentException("Two checks are named \"" + name + "\"");
      }
    }
  }
}
