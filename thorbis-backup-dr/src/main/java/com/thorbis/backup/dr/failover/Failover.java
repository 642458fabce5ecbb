package com.thorbis.backup.dr.failover;

import com.thorbis.backup.api.Lsn;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What a source has to fail over with. Immutable. */
public final class Failover {
  /** What plans call the server that is the primary as long as nothing has happened. */
  public static final String PRIMARY = "primary";

  /** What plans call the other one. */
  public static final String STANDBY = "standby";

  private final String source;
  private final ServerAccess primary;
  private final ServerAccess standby;
  private final @Nullable Detector detector;
  private final Fence primaryFence;
  private final Fence standbyFence;
  private final @Nullable HaManager manager;
  private final OptionalLong system;
  private final Supplier<Optional<Lsn>> known;
  private final Duration patience;

  private Failover(Builder builder) {
    this.source = builder.source;
    this.primary = builder.primary;
    this.standby = builder.standby;
    this.detector = builder.detector;
    this.primaryFence = fence(builder.primary, builder.primaryFence);
    this.standbyFence = fence(builder.standby, builder.standbyFence);
    this.manager = builder.manager;
    this.system = builder.system;
    this.known = builder.known;
    this.patience = builder.patience;
    if (primary.name().equals(standby.name()) || primary.address().equals(standby.address())) {
      throw new IllegalArgumentException(
          "Primary and standby of " + source + " are the same: " + primary + ", " + standby);
    }
  }

  private static Fence fence(ServerAccess server, @Nullable Fence given) {
    if (given != null) {
      return given;
    }
    return server.cluster().isPresent() ? LocalFence.of(server) : new HandFence(server);
  }

  /**
   * Starts one.
   *
   * @param source its name in plans
   * @param primary the primary as long as nothing has happened
   * @param standby follows it directly
   */
  public static Builder builder(String source, ServerAccess primary, ServerAccess standby) {
    return new Builder(source, primary, standby);
  }

  /** Its name in plans. */
  String source() {
    return source;
  }

  Optional<Detector> detector() {
    return Optional.ofNullable(detector);
  }

  Optional<HaManager> manager() {
    return Optional.ofNullable(manager);
  }

  OptionalLong system() {
    return system;
  }

  Optional<Lsn> known() {
    return Objects.requireNonNull(known.get());
  }

  Duration patience() {
    return patience;
  }

  /**
   * A server by its role or name.
   *
   * @throws IllegalArgumentException if there is none
   */
  ServerAccess server(String name) {
    if (name.equals(PRIMARY) || name.equals(primary.name())) {
      return primary;
    }
    if (name.equals(STANDBY) || name.equals(standby.name())) {
      return standby;
    }
    throw new IllegalArgumentException(
        source
            + " has no server "
            + name
            + "; it has "
            + primary.name()
            + " ("
            + PRIMARY
            + ") and "
            + standby.name()
            + " ("
            + STANDBY
            + ")");
  }

  ServerAccess other(ServerAccess server) {
    return server == primary ? standby : primary;
  }

  Fence fence(ServerAccess server) {
    return server == primary ? primaryFence : standbyFence;
  }

  /** Collects what there is. */
  public static final class Builder {
    private final String source;
    private final ServerAccess primary;
    private final ServerAccess standby;
    private @Nullable Detector detector;
    private @Nullable Fence primaryFence;
    private @Nullable Fence standbyFence;
    private @Nullable HaManager manager;
    private OptionalLong system = OptionalLong.empty();
    private Supplier<Optional<Lsn>> known = Optional::empty;
    private Duration patience = Duration.ofSeconds(20);

    private Builder(String source, ServerAccess primary, ServerAccess standby) {
      this.source = source;
      this.primary = primary;
      this.standby = standby;
    }

    /** Establishes whether the primary is down. */
    public Builder detector(Detector value) {
      this.detector = value;
      return this;
    }

    /**
     * Keeps the primary from writing. Unless it is given: stopping it where its files lie on this
     * host, and asking a person where they do not.
     */
    public Builder fence(Fence value) {
      this.primaryFence = value;
      return this;
    }

    /** The same for the standby, for the way back. */
    public Builder standbyFence(Fence value) {
      this.standbyFence = value;
      return this;
    }

    /** Is in charge of who is the primary; then all goes through it. */
    public Builder manager(HaManager value) {
      this.manager = value;
      return this;
    }

    /** The identifier of the cluster; needed where a fenced server cannot be asked for it. */
    public Builder system(long identifier) {
      this.system = OptionalLong.of(identifier);
      return this;
    }

    /**
     * Up to where the log goes that clients were told is committed, where that is known without the
     * primary: with synchronous capture, the end of what is stored. Never what may lag behind;
     * rather empty.
     */
    public Builder known(Supplier<Optional<Lsn>> end) {
      this.known = end;
      return this;
    }

    /** How long a server has to stop, and a promotion to come true. */
    public Builder patience(Duration span) {
      this.patience = span;
      return this;
    }

    /** What a source has to fail over with. */
    public Failover build() {
      return new Failover(this);
    }
  }
}
