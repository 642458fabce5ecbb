package com.thorbis.backup.api;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What to bring back, to which moment, and where. */
public final class RestoreRequest {
  private final String source;
  private final Path targetDirectory;
  private final RecoveryTarget target;
  private final @Nullable Timeline timeline;
  private final @Nullable BackupId backup;
  private final @Nullable Action action;
  private final Map<String, Path> tablespaces;
  private final Set<String> databases;
  private final List<String> includes;
  private final @Nullable Standby standby;
  private final boolean delta;
  private final boolean start;

  private RestoreRequest(Builder builder) {
    this.source = builder.source;
    this.targetDirectory = builder.targetDirectory;
    this.target = builder.target;
    this.timeline = builder.timeline;
    this.backup = builder.backup;
    this.action = builder.action;
    this.tablespaces = Map.copyOf(builder.tablespaces);
    this.databases = Set.copyOf(builder.databases);
    this.includes = List.copyOf(builder.includes);
    this.standby = builder.standby;
    this.delta = builder.delta;
    this.start = builder.start;
  }

  /** Starts one. Without {@link Builder#delta} the folder must be new or empty. */
  public static Builder builder(String source, Path targetDirectory) {
    return new Builder(source, targetDirectory);
  }

  /** The source's name. */
  public String source() {
    return source;
  }

  /** The data directory to write. */
  public Path targetDirectory() {
    return targetDirectory;
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

  /**
   * What the server does at the target: promotes at {@code Latest}, pauses at others unless told
   * otherwise.
   */
  public Action action() {
    if (action != null) {
      return action;
    }
    return target instanceof RecoveryTarget.Latest ? Action.PROMOTE : Action.PAUSE;
  }

  /** What was chosen to happen at the target. */
  public Optional<Action> chosenAction() {
    return Optional.ofNullable(action);
  }

  /** New places of tablespaces, by the old one's path, name or object id. */
  public Map<String, Path> tablespaces() {
    return tablespaces;
  }

  /**
   * The databases whose content is laid, by name or object id, besides those that every cluster
   * has; empty for all.
   */
  public Set<String> databases() {
    return databases;
  }

  /** Patterns of the files that are brought back, of a source of files; empty for all. */
  public List<String> includes() {
    return includes;
  }

  /**
   * How the restored server follows the source instead of ending recovery; empty if it does not.
   */
  public Optional<Standby> standby() {
    return Optional.ofNullable(standby);
  }

  /** Whether a stopped cluster of the source that lies in the folder is brought to the backup. */
  public boolean delta() {
    return delta;
  }

  /** Whether to start the server on the restored files and prove the position reached. */
  public boolean start() {
    return start;
  }

  /**
   * What the server does when it reaches the target (PostgreSQL 20.5.5, recovery_target_action).
   */
  public enum Action {
    /** Ends recovery and accepts writes. */
    PROMOTE("promote"),
    /** Stays readable, to be looked at first. */
    PAUSE("pause"),
    /** Stops. */
    SHUTDOWN("shutdown");

    private final String label;

    Action(String label) {
      this.label = label;
    }

    /** The name PostgreSQL and the command line use. */
    public String label() {
      return label;
    }
  }

  /**
   * A server that stays in recovery and follows the source.
   *
   * @param primaryConninfo how it connects, without a password, as a libpq connection string; empty
   *     to be made from where the source is
   * @param slot the physical replication slot it uses; empty for none
   */
  public record Standby(Optional<String> primaryConninfo, Optional<String> slot) {}

  /** Collects a request. */
  public static final class Builder {
    private final String source;
    private final Path targetDirectory;
    private final Map<String, Path> tablespaces = new LinkedHashMap<>();
    private RecoveryTarget target = new RecoveryTarget.Latest();
    private @Nullable Timeline timeline;
    private @Nullable BackupId backup;
    private @Nullable Action action;
    private final Set<String> databases = new LinkedHashSet<>();
    private final List<String> includes = new ArrayList<>();
    private @Nullable Standby standby;
    private boolean delta;
    private boolean start;

    private Builder(String source, Path targetDirectory) {
      this.source = Objects.requireNonNull(source, "source");
      this.targetDirectory = Objects.requireNonNull(targetDirectory, "targetDirectory");
    }

    /** Chooses the moment; the latest if not called. */
    public Builder target(RecoveryTarget target) {
      this.target = target;
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

    /** Chooses what happens at the target. */
    public Builder action(Action action) {
      this.action = action;
      return this;
    }

    /** Lays a tablespace elsewhere. */
    public Builder tablespace(String old, Path place) {
      tablespaces.put(old, place);
      return this;
    }

    /**
     * Lays only the content of this database, and of others it is called for: every other one gets
     * files without content, so that the server starts and it can be dropped.
     */
    public Builder database(String nameOrOid) {
      databases.add(nameOrOid);
      return this;
    }

    /**
     * Brings back only what this pattern matches, and all below it, and what others match that it
     * is called for. For sources of files alone.
     */
    public Builder include(String pattern) {
      includes.add(pattern);
      return this;
    }

    /** Makes the server a standby of the source; it recovers to no target. */
    public Builder standby(Standby standby) {
      this.standby = standby;
      return this;
    }

    /**
     * Where a stopped cluster of this source lies in the folder, or what an interrupted restore of
     * it left, changes what differs from the backup and removes what does not belong to it.
     */
    public Builder delta(boolean delta) {
      this.delta = delta;
      return this;
    }

    /** Starts the server and proves the position reached. */
    public Builder start(boolean start) {
      this.start = start;
      return this;
    }

    /** The request; a standby can have no target and no action. */
    public RestoreRequest build() {
      if (standby != null && (!(target instanceof RecoveryTarget.Latest) || action != null)) {
        throw new IllegalArgumentException("A standby has no target, and nothing to do there");
      }
      return new RestoreRequest(this);
    }
  }
}
