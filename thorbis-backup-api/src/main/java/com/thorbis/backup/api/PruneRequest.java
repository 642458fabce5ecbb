package com.thorbis.backup.api;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What to prune: gives up backups and log by a policy, and removes what was given up earlier; or
 * gives up one backup that somebody chose.
 */
public final class PruneRequest {
  /** How long what was given up stays whole, unless chosen otherwise. */
  public static final Duration GRACE = Duration.ofHours(24);

  private static final Duration LONGEST = Duration.ofDays(3650);

  private final String source;
  private final RetentionPolicy policy;
  private final @Nullable PrunePlan plan;
  private final Duration grace;
  private final boolean confirmed;
  private final @Nullable BackupId backup;
  private final boolean lastAllowed;

  private PruneRequest(Builder builder) {
    this.source = builder.source;
    this.policy = builder.policy;
    this.plan = builder.plan;
    this.grace = builder.grace;
    this.confirmed = builder.confirmed;
    this.backup = builder.backup;
    this.lastAllowed = builder.lastAllowed;
  }

  /** Starts one. */
  public static Builder builder(String source, RetentionPolicy policy) {
    return new Builder(source, policy);
  }

  /** Starts one that gives up this backup and no other, and removes nothing. */
  public static Builder builder(BackupDescriptor backup) {
    Builder builder = new Builder(backup.source(), RetentionPolicy.builder().build());
    builder.backup = backup.id();
    return builder;
  }

  /** The source's name. */
  public String source() {
    return source;
  }

  /** What stays. */
  public RetentionPolicy policy() {
    return policy;
  }

  /** The only backup to give up, whatever a policy says; empty: the policy decides. */
  public Optional<BackupId> backup() {
    return Optional.ofNullable(backup);
  }

  /** Whether somebody agreed to give up the last backup that can be restored, or was verified. */
  public boolean lastAllowed() {
    return lastAllowed;
  }

  /** The plan to carry out, and no other; empty: whatever the policy says now. */
  public Optional<PrunePlan> plan() {
    return Optional.ofNullable(plan);
  }

  /** How long what this run gives up stays whole. */
  public Duration grace() {
    return grace;
  }

  /** Whether somebody agreed to a run that gives up an unusual share of all. */
  public boolean confirmed() {
    return confirmed;
  }

  /** Collects a request. */
  public static final class Builder {
    private final String source;
    private final RetentionPolicy policy;
    private @Nullable PrunePlan plan;
    private Duration grace = GRACE;
    private boolean confirmed;
    private @Nullable BackupId backup;
    private boolean lastAllowed;

    private Builder(String source, RetentionPolicy policy) {
      this.source = Objects.requireNonNull(source, "source");
      this.policy = Objects.requireNonNull(policy, "policy");
    }

    /** Carries out this plan, or nothing. */
    public Builder plan(PrunePlan plan) {
      this.plan = plan;
      return this;
    }

    /** Chooses how long what is given up stays whole; nothing is removed by the same run. */
    public Builder grace(Duration grace) {
      if (grace.isNegative() || grace.compareTo(LONGEST) > 0) {
        throw new IllegalArgumentException("grace: " + grace + " (0 to 10 years)");
      }
      this.grace = grace;
      return this;
    }

    /** Agrees to a run that gives up an unusual share of all. */
    public Builder confirmed(boolean confirmed) {
      this.confirmed = confirmed;
      return this;
    }

    /** Agrees to give up the last backup that can be restored; for a backup that was chosen. */
    public Builder lastAllowed(boolean allowed) {
      this.lastAllowed = allowed;
      return this;
    }

    /** The request. */
    public PruneRequest build() {
      return new PruneRequest(this);
    }
  }
}
