package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.RetentionPolicy;
import com.thorbis.backup.spi.storage.ObjectStore;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One place that holds a repository, and what its owner says of that place. */
public final class Copy {
  private final ObjectStore store;
  private final String name;
  private final @Nullable String medium;
  private final @Nullable String domain;
  private final @Nullable String location;
  private final boolean offsite;
  private final boolean immutable;
  private final @Nullable RetentionPolicy retention;

  private Copy(Builder builder) {
    this.store = builder.store;
    this.name = builder.name;
    this.medium = builder.medium;
    this.domain = builder.domain;
    this.location = builder.location;
    this.offsite = builder.offsite;
    this.immutable = builder.immutable;
    this.retention = builder.retention;
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

    /** The copy. */
    public Copy build() {
      return new Copy(this);
    }
  }
}
