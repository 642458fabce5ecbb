package com.thorbis.backup.api;

import com.thorbis.backup.spi.SecretValue;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What of a dump to bring into which database. */
public final class LoadRequest {
  private final BackupId backup;
  private final String into;
  private final @Nullable String user;
  private final @Nullable SecretValue password;
  private final @Nullable String database;
  private final List<Table> tables;
  private final Set<String> schemas;
  private final boolean replace;
  private final boolean owners;

  private LoadRequest(Builder builder) {
    this.backup = builder.backup;
    this.into = builder.into;
    this.user = builder.user;
    this.password = builder.password;
    this.database = builder.database;
    this.tables = List.copyOf(builder.tables);
    this.schemas = Set.copyOf(builder.schemas);
    this.replace = builder.replace;
    this.owners = builder.owners;
    if (!tables.isEmpty() && !schemas.isEmpty()) {
      throw new IllegalArgumentException("Choose tables or schemas, not both");
    }
  }

  /**
   * Starts one.
   *
   * @param into {@code jdbc:postgresql://host/database}, without a password
   */
  public static Builder builder(BackupId backup, String into) {
    return new Builder(backup, into);
  }

  /** The dump. */
  public BackupId backup() {
    return backup;
  }

  /** The database it goes into. */
  public String into() {
    return into;
  }

  /** The role that loads it; empty where the URL names it. */
  public Optional<String> user() {
    return Optional.ofNullable(user);
  }

  /** The role's password, lent: the caller erases it when the load has ended. */
  public Optional<SecretValue> password() {
    return Optional.ofNullable(password);
  }

  /** Which database of the dump to load; may be empty where it is of one alone. */
  public Optional<String> database() {
    return Optional.ofNullable(database);
  }

  /** The tables to load; empty for all. */
  public List<Table> tables() {
    return tables;
  }

  /** The schemas to load; empty for all. */
  public Set<String> schemas() {
    return schemas;
  }

  /**
   * Whether what is there under the same names is dropped first, in the same transaction: not
   * tables alone, but everything that has the name of something in the dump.
   */
  public boolean replace() {
    return replace;
  }

  /** Whether objects get the owners and privileges that they had. */
  public boolean owners() {
    return owners;
  }

  /**
   * A table by its names as the catalogue has them, without quotes.
   *
   * @param schema its schema
   * @param name its name
   */
  public record Table(String schema, String name) {
    @Override
    public String toString() {
      return schema + "." + name;
    }
  }

  /** Collects a request. */
  public static final class Builder {
    private final BackupId backup;
    private final String into;
    private @Nullable String user;
    private @Nullable SecretValue password;
    private @Nullable String database;
    private final List<Table> tables = new ArrayList<>();
    private final Set<String> schemas = new LinkedHashSet<>();
    private boolean replace;
    private boolean owners;

    private Builder(BackupId backup, String into) {
      this.backup = Objects.requireNonNull(backup, "backup");
      this.into = Objects.requireNonNull(into, "into");
    }

    /** The role, if the URL does not name it. */
    public Builder user(String user) {
      this.user = user;
      return this;
    }

    /** The role's password, which stays the caller's. */
    public Builder password(SecretValue password) {
      this.password = password;
      return this;
    }

    /** Chooses a database of the dump; needed where it is of several. */
    public Builder database(String database) {
      this.database = database;
      return this;
    }

    /** One more table to load; all if never called. */
    public Builder table(Table table) {
      tables.add(table);
      return this;
    }

    /** One more schema to load; all if never called. */
    public Builder schema(String schema) {
      schemas.add(schema);
      return this;
    }

    /** Drops what is there under the same names first; without it that refuses the load. */
    public Builder replace(boolean replace) {
      this.replace = replace;
      return this;
    }

    /** Gives objects the owners and privileges that they had; the roles must exist. */
    public Builder owners(boolean owners) {
      this.owners = owners;
      return this;
    }

    /**
     * The request.
     *
     * @throws IllegalArgumentException if both tables and schemas are chosen
     */
    public LoadRequest build() {
      return new LoadRequest(this);
    }
  }
}
