package com.thorbis.backup.spi.engine;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.RecoveryTarget;
import com.thorbis.backup.api.Timeline;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What to bring back to be tried, and to which moment. */
public final class TrialRequest {
  private final String source;
  private final RecoveryTarget target;
  private final @Nullable Timeline timeline;
  private final @Nullable BackupId backup;
  private final @Nullable Path workDirectory;
  private final Map<String, String> server;

  private TrialRequest(Builder builder) {
    this.source = builder.source;
    this.target = builder.target;
    this.timeline = builder.timeline;
    this.backup = builder.backup;
    this.workDirectory = builder.workDirectory;
    this.server = Map.copyOf(builder.server);
  }

  /** Starts one. */
  public static Builder builder(String source) {
    return new Builder(source);
  }

  /** The source's name. */
  public String source() {
    return source;
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

  /** Below which folder it is laid; empty to let the engine choose. */
  public Optional<Path> workDirectory() {
    return Optional.ofNullable(workDirectory);
  }

  /** Settings of the server that go before those that it would be started with. */
  public Map<String, String> server() {
    return server;
  }

  /** Collects a request. */
  public static final class Builder {
    private final String source;
    private final Map<String, String> server = new LinkedHashMap<>();
    private RecoveryTarget target = new RecoveryTarget.Latest();
    private @Nullable Timeline timeline;
    private @Nullable BackupId backup;
    private @Nullable Path workDirectory;

    private Builder(String source) {
      this.source = Objects.requireNonNull(source, "source");
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

    /** Lays it into a new folder below this one. */
    public Builder workDirectory(Path folder) {
      this.workDirectory = folder;
      return this;
    }

    /** Starts the server with this, such as a library that it cannot work without. */
    public Builder server(String setting, String value) {
      server.put(setting, value);
      return this;
    }

    /** The request. */
    public TrialRequest build() {
      return new TrialRequest(this);
    }
  }
}
