package com.thorbis.backup.api;

import com.thorbis.backup.spi.SecretValue;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Which tables of a database, or which database as a whole, to bring back, from which moment, and
 * to where.
 */
public final class TableRestoreRequest {
  private final String source;
  private final String database;
  private final List<TableName> tables;
  private final Destination destination;
  private final RecoveryTarget target;
  private final @Nullable Timeline timeline;
  private final @Nullable BackupId backup;
  private final @Nullable String asSchema;
  private final @Nullable Path workDirectory;
  private final boolean owners;
  private final boolean foreignKeys;

  private TableRestoreRequest(Builder builder) {
    this.source = builder.source;
    this.database = builder.databases().iterator().next();
    this.tables = List.copyOf(builder.tables);
    this.destination = builder.destination;
    this.target = builder.target;
    this.timeline = builder.timeline;
    this.backup = builder.backup;
    this.asSchema = builder.asSchema;
    this.workDirectory = builder.workDirectory;
    this.owners = builder.owners;
    this.foreignKeys = builder.foreignKeys;
  }

  /** Starts one. */
  public static Builder builder(String source, RecoveryTarget target, Destination destination) {
    return new Builder(source, target, destination);
  }

  /** The source's name. */
  public String source() {
    return source;
  }

  /**
   * The database that they are of, or that is brought back as a whole, by its name then or its
   * object id.
   */
  public String database() {
    return database;
  }

  /** Whether all of the database is brought back. */
  public boolean whole() {
    return tables.isEmpty();
  }

  /**
   * The tables, all of one database; none for the whole of it. Partitions come with the table that
   * they are of.
   */
  public List<TableName> tables() {
    return tables;
  }

  /** Where they go. */
  public Destination destination() {
    return destination;
  }

  /** The moment. */
  public RecoveryTarget target() {
    return target;
  }

  /** The timeline to follow; empty for the latest. */
  public Optional<Timeline> timeline() {
    return Optional.ofNullable(timeline);
  }

  /** The backup to start from; empty to let the planner choose. */
  public Optional<BackupId> backup() {
    return Optional.ofNullable(backup);
  }

  /** A schema that does not exist yet, for tables that lie beside those there are now. */
  public Optional<String> asSchema() {
    return Optional.ofNullable(asSchema);
  }

  /** Below which folder the throw-away server lies; empty for the state directory. */
  public Optional<Path> workDirectory() {
    return Optional.ofNullable(workDirectory);
  }

  /** Whether the tables belong again to whom they did, with what was granted on them. */
  public boolean owners() {
    return owners;
  }

  /** Whether foreign keys to tables that are not restored with them come back. */
  public boolean foreignKeys() {
    return foreignKeys;
  }

  /** Where tables go. */
  public sealed interface Destination permits Into, Output {}

  /**
   * A database of a running server: tables in one transaction; a whole database into a new one,
   * that has its name only once all of it is there.
   *
   * @param url as a source's, without a secret
   * @param user the role; empty for the one in the URL, else the source's
   * @param password lent, and not closed; empty for the source's, where the server and the role are
   *     the source's
   */
  public record Into(String url, Optional<String> user, Optional<SecretValue> password)
      implements Destination {}

  /**
   * A file that does not exist yet, for its owner alone: a script if its name ends in {@code .sql},
   * else an archive for {@code pg_restore}.
   *
   * @param file where
   */
  public record Output(Path file) implements Destination {}

  /** Collects a request. */
  public static final class Builder {
    private final String source;
    private final RecoveryTarget target;
    private final Destination destination;
    private final Set<TableName> tables = new LinkedHashSet<>();
    private @Nullable String database;
    private @Nullable Timeline timeline;
    private @Nullable BackupId backup;
    private @Nullable String asSchema;
    private @Nullable Path workDirectory;
    private boolean owners = true;
    private boolean foreignKeys = true;

    private Builder(String source, RecoveryTarget target, Destination destination) {
      this.source = Objects.requireNonNull(source, "source");
      this.target = Objects.requireNonNull(target, "target");
      this.destination = Objects.requireNonNull(destination, "destination");
    }

    /** Adds a table. */
    public Builder table(TableName table) {
      tables.add(table);
      return this;
    }

    /** Brings back all of a database. */
    public Builder database(String name) {
      this.database = name;
      return this;
    }

    /** Follows this timeline instead of the latest. */
    public Builder timeline(Timeline timeline) {
      this.timeline = timeline;
      return this;
    }

    /** Starts from this backup instead of the best. */
    public Builder backup(BackupId backup) {
      this.backup = backup;
      return this;
    }

    /**
     * Puts the tables into a new schema, without foreign keys to tables that stay outside, and no
     * longer as parts of a table that stays outside.
     */
    public Builder asSchema(String schema) {
      this.asSchema = schema;
      return this;
    }

    /** Lays the throw-away server into a new folder below this one. */
    public Builder workDirectory(Path folder) {
      this.workDirectory = folder;
      return this;
    }

    /** Leaves the tables to the role that loads them if false. */
    public Builder owners(boolean owners) {
      this.owners = owners;
      return this;
    }

    /** Leaves foreign keys to other tables out if false. */
    public Builder foreignKeys(boolean foreignKeys) {
      this.foreignKeys = foreignKeys;
      return this;
    }

    /**
     * The request.
     *
     * @throws IllegalArgumentException unless it names a database, or tables of one; or with
     *     choices for tables where it names a database
     */
    public TableRestoreRequest build() {
      if (databases().size() != 1 || (database == null) == tables.isEmpty()) {
        throw new IllegalArgumentException("Name a database, or tables of one");
      }
      if (database != null && (asSchema != null || !foreignKeys)) {
        throw new IllegalArgumentException(
            "A schema, and foreign keys to leave out, can be chosen for tables alone");
      }
      return new TableRestoreRequest(this);
    }

    private Set<String> databases() {
      return database == null
          ? tables.stream().map(TableName::database).collect(Collectors.toSet())
          : Set.of(database);
    }
  }
}
