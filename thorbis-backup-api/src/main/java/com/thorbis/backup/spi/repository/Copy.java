package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.spi.storage.ObjectStore;
import com.thorbis.backup.spi.storage.StorageTier;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One place that holds a repository, and what its owner says of that place. */
public final class Copy {
  private static final Duration LEAST_LOCK = Duration.ofDays(1);
  private static final Duration MOST_LOCK = Duration.ofDays(36_500);

  private final ObjectStore store;
  private final String name;
  private final @Nullable String medium;
  private final @Nullable String domain;
  private final @Nullable String location;
  private final boolean offsite;
  private final boolean immutable;
  private final @Nullable RetentionPolicy retention;
  private final StorageTier tier;
  private final List<TierStep> tiers;
  private final @Nullable Duration lock;

  private Copy(Builder builder) {
    this.store = builder.store;
    this.name = builder.name;
    this.medium = builder.medium;
    this.domain = builder.domain;
    this.location = builder.location;
    this.offsite = builder.offsite;
    this.immutable = builder.immutable;
    this.retention = builder.retention;
    this.tier = builder.tier;
    this.tiers = builder.tiers;
    this.lock = builder.lock;
  }

  /** A store of which nothing more is said. */
  public static Copy of(ObjectStore store) {
    return builder(store).build();
  }

  /** Starts one. */
  public static Builder builder(ObjectStore store) {
    return new Builder(store);
  }

  /** Where the objects lie. */
  public ObjectStore store() {
    return store;
  }

  /** What messages and reports call it, without secrets. */
  public String name() {
    return name;
  }

  /** What it is kept on, such as {@code disk}. */
  public Optional<String> medium() {
    return Optional.ofNullable(medium);
  }

  /** What fails with it: a host, an account, a region. */
  public Optional<String> domain() {
    return Optional.ofNullable(domain);
  }

  /** Where in the world it is. */
  public Optional<String> location() {
    return Optional.ofNullable(location);
  }

  /** Whether it lies at another site than what is protected. */
  public boolean offsite() {
    return offsite;
  }

  /** Whether its owner says that nobody can delete there before a time. */
  public boolean immutable() {
    return immutable;
  }

  /**
   * What it keeps of what the repository keeps; empty: all of it. A prune lets go of the rest there
   * alone.
   */
  public Optional<RetentionPolicy> retention() {
    return Optional.ofNullable(retention);
  }

  /**
   * Where it keeps content, and log at most where it is read at once; what plans, status and the
   * next backup read is always hot.
   */
  public StorageTier tier() {
    return tier;
  }

  /** Where it keeps the same when it is older, youngest first; prune moves it. */
  public List<TierStep> tiers() {
    return tiers;
  }

  /** For how long after it was written or last needed nothing can be removed there; may be none. */
  public Optional<Duration> lock() {
    return Optional.ofNullable(lock);
  }

  /** The same copy, reached through another store. */
  public Copy through(ObjectStore other) {
    Builder copy = new Builder(other).name(name).offsite(offsite).immutable(immutable).tier(tier);
    copy.medium = medium;
    copy.domain = domain;
    copy.location = location;
    copy.retention = retention;
    copy.tiers = tiers;
    copy.lock = lock;
    return copy.build();
  }

  @Override
  public String toString() {
    return name;
  }

  /** Collects what is known of a copy. */
  public static final class Builder {
    private final ObjectStore store;
    private String name;
    private @Nullable String medium;
    private @Nullable String domain;
    private @Nullable String location;
    private boolean offsite;
    private boolean immutable;
    private @Nullable RetentionPolicy retention;
    private StorageTier tier = StorageTier.HOT;
    private List<TierStep> tiers = List.of();
    private @Nullable Duration lock;

    private Builder(ObjectStore store) {
      this.store = store;
      this.name = store.describe();
    }

    /** What messages and reports call it; what its store says of itself otherwise. */
    public Builder name(String name) {
      this.name = name;
      return this;
    }

    /** What it is kept on. */
    public Builder medium(String medium) {
      this.medium = medium;
      return this;
    }

    /** What fails with it. */
    public Builder domain(String domain) {
      this.domain = domain;
      return this;
    }

    /** Where in the world it is. */
    public Builder location(String location) {
      this.location = location;
      return this;
    }

    /** Whether it lies at another site. */
    public Builder offsite(boolean offsite) {
      this.offsite = offsite;
      return this;
    }

    /** Whether nobody can delete there before a time. */
    public Builder immutable(boolean immutable) {
      this.immutable = immutable;
      return this;
    }

    /**
     * What it keeps of what the repository keeps. At least one copy must have no retention of its
     * own, and holds everything.
     */
    public Builder retention(RetentionPolicy retention) {
      this.retention = retention;
      return this;
    }

    /** Where it keeps content, and log at most where it is read at once. */
    public Builder tier(StorageTier tier) {
      this.tier = tier;
      return this;
    }

    /**
     * Where it keeps the same when it is older.
     *
     * @param steps each later and deeper than the one before
     */
    public Builder tiers(List<TierStep> steps) {
      for (int i = 1; i < steps.size(); i++) {
        if (steps.get(i).after().compareTo(steps.get(i - 1).after()) <= 0
            || steps.get(i).tier().compareTo(steps.get(i - 1).tier()) <= 0) {
          throw BackupException.of(
                  "configuration.tiers",
                  FailureKind.CONFIGURATION,
                  name + ": tiers: each is to be later and deeper than the one before")
              .remedy("Write them in order, such as cold after 30d, then archive after 90d.")
              .build();
        }
      }
      this.tiers = List.copyOf(steps);
      return this;
    }

    /**
     * For how long after it was written or last needed nothing can be removed there. Renewed for
     * what is kept by backups, prune and sync, so that one of them must run more often.
     *
     * @param lock a day or more, in the store's own kind of lock
     */
    public Builder lock(Duration lock) {
      if (lock.compareTo(LEAST_LOCK) < 0 || lock.compareTo(MOST_LOCK) > 0) {
        throw BackupException.of(
                "configuration.lock",
                FailureKind.CONFIGURATION,
                name + ": a lock of " + lock.toHours() + " hours (1 day to 100 years)")
            .remedy("Choose how long a deletion may go unnoticed, such as 30d.")
            .build();
      }
      this.lock = lock;
      return this;
    }

    /** The copy. */
    public Copy build() {
      return new Copy(this);
    }
  }
}
