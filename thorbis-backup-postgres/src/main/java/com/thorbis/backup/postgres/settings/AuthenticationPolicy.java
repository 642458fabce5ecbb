package com.thorbis.backup.postgres.settings;

import java.util.Set;

/**
 * Which ways to prove who we are may be used when the server asks for them.
 *
 * @param accepted the acceptable ones
 * @param channelBinding whether SCRAM must be bound to the TLS connection
 */
public record AuthenticationPolicy(Set<Method> accepted, ChannelBinding channelBinding) {
  /** Copies the set. */
  public AuthenticationPolicy {
    accepted = Set.copyOf(accepted);
  }

  /** A way to prove who we are, in libpq's words for {@code require_auth}. */
  public enum Method {
    /** The server asks for nothing. */
    NONE("none"),
    /** The password itself. */
    PASSWORD("password"),
    /** A salted MD5 hash. */
    MD5("md5"),
    /** SCRAM-SHA-256, with or without channel binding. */
    SCRAM("scram-sha-256");

    private final String label;

    Method(String label) {
      this.label = label;
    }

    /** The name in settings. */
    public String label() {
      return label;
    }
  }

  /** Whether SCRAM is bound to the TLS connection. */
  public enum ChannelBinding {
    /** Never. */
    DISABLE("disable"),
    /** If both sides can. */
    PREFER("prefer"),
    /** Nothing else is accepted. */
    REQUIRE("require");

    private final String label;

    ChannelBinding(String label) {
      this.label = label;
    }

    /** The name in settings. */
    public String label() {
      return label;
    }
  }
}
