package com.thorbis.backup.dr.plan;

import java.time.Duration;

/**
 * Where recovery is practised.
 *
 * @param id its stable id
 * @param purpose for people
 * @param isolation what keeps it from production
 * @param masked whether personal data is masked there
 * @param lease how long it is kept before it is removed, whatever happened
 */
public record Environment(
    String id, String purpose, Isolation isolation, boolean masked, Duration lease) {
  /** What keeps an environment from production. */
  public enum Isolation {
    /** Nothing of it is shared: no network, accounts, credentials or outbound mail. */
    COMPLETE("complete"),

    /** The network alone. */
    NETWORK_ONLY("network-only");

    private final String label;

    Isolation(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }
}
