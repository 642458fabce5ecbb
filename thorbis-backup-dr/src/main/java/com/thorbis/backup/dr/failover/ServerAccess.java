package com.thorbis.backup.dr.failover;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One server, and the ways to it that there are from here. Immutable. */
public final class ServerAccess {
  private final String name;
  private final String host;
  private final int port;
  private final Connector connector;
  private final @Nullable Cluster cluster;

  /**
   * Its files, where they lie on this host.
   *
   * @param dataDirectory its data directory
   * @param binDirectory the folder of its version's {@code pg_ctl} and {@code pg_controldata}
   */
  public record Cluster(Path dataDirectory, Path binDirectory) {}

  private ServerAccess(Builder builder) {
    this.name = builder.name;
    this.host = builder.host;
    this.port = builder.port;
    this.connector = builder.connector;
    this.cluster = builder.cluster;
  }

  /**
   * Starts one.
   *
   * @param name what plans call it; where a manager of high availability is in charge, its name
   *     there
   * @param host where it is reached directly: no address that moves, no pool and no balancer
   */
  public static Builder builder(String name, String host, int port, Connector connector) {
    return new Builder(name, host, port, connector);
  }

  /** What plans call it. */
  public String name() {
    return name;
  }

  /** Its host. */
  String host() {
    return host;
  }

  /** Its port. */
  int port() {
    return port;
  }

  /** Opens sessions in it. */
  Connector connector() {
    return connector;
  }

  /** Its files; empty: they are not on this host. */
  Optional<Cluster> cluster() {
    return Optional.ofNullable(cluster);
  }

  /** Host and port, as clients are sent to it. */
  public String address() {
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }

  @Override
  public String toString() {
    return name + " (" + address() + ")";
  }

  /** Collects the ways. */
  public static final class Builder {
    private final String name;
    private final String host;
    private final int port;
    private final Connector connector;
    private @Nullable Cluster cluster;

    private Builder(String name, String host, int port, Connector connector) {
      this.name = name;
      this.host = host;
      this.port = port;
      this.connector = connector;
    }

    /** Its files lie on this host, and we may write there and end its processes. */
    public Builder cluster(Path dataDirectory, Path binDirectory) {
      this.cluster = new Cluster(dataDirectory, binDirectory);
      return this;
    }

    /** The server. */
    public ServerAccess build() {
      return new ServerAccess(this);
    }
  }
}
