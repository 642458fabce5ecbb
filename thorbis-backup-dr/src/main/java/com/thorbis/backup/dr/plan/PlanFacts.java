package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/** What was measured, to hold a plan against. What is absent could not be looked at. */
public final class PlanFacts {
  private final Instant asOf;
  private final Map<String, SourceFacts> sources;
  private final Map<String, Instant> exercised;
  private final Set<String> actions;

  private PlanFacts(Builder builder) {
    this.asOf = builder.asOf;
    this.sources = Map.copyOf(builder.sources);
    this.exercised = Map.copyOf(builder.exercised);
    this.actions = Set.copyOf(builder.actions);
  }

  /** Nothing was measured. */
  public static PlanFacts none(Instant asOf) {
    return builder(asOf).build();
  }

  /** Starts some, as they were at a moment. */
  public static Builder builder(Instant asOf) {
    return new Builder(asOf);
  }

  /** When it was looked at. */
  public Instant asOf() {
    return asOf;
  }

  /** What is known of a source; nothing, where it is not listed. */
  public SourceFacts source(String id) {
    return sources.getOrDefault(id, SourceFacts.UNKNOWN);
  }

  /** When an exercise was done last, with evidence. */
  public Optional<Instant> exercised(String exercise) {
    return Optional.ofNullable(exercised.get(exercise));
  }

  /** The actions that steps may name. */
  public Set<String> actions() {
    return actions;
  }

  /**
   * What is known of one source.
   *
   * @param maxDelay how far behind its capture is allowed to be, as it is configured
   * @param backups the longest time between two backups of a type, by type, as it is configured;
   *     empty where nobody could look
   * @param lag how far behind it is
   * @param restore how long its last proven restore took
   * @param bytes how much there is to restore
   * @param bytesPerSecond how fast restores of it were
   * @param thaw how long until its copies can be read
   */
  public record SourceFacts(
      Optional<Duration> maxDelay,
      Optional<Map<String, Duration>> backups,
      Optional<Duration> lag,
      Optional<Duration> restore,
      OptionalLong bytes,
      OptionalLong bytesPerSecond,
      Duration thaw) {
    /** Copies the map. */
    public SourceFacts {
      backups = backups.map(Map::copyOf);
    }

    /** Nothing is known. */
    public static final SourceFacts UNKNOWN =
        new SourceFacts(
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            Duration.ZERO);

    /** How long a restore takes, by what was measured: the longer of both ways to tell. */
    public Optional<Duration> predictedRestore() {
      Optional<Duration> bySize =
          bytes.isPresent() && bytesPerSecond.isPresent() && bytesPerSecond.getAsLong() > 0
              ? Optional.of(Duration.ofSeconds(1 + bytes.getAsLong() / bytesPerSecond.getAsLong()))
              : Optional.empty();
      Optional<Duration> longer =
          bySize.isPresent() && restore.isPresent()
              ? Optional.of(
                  bySize.get().compareTo(restore.get()) > 0 ? bySize.get() : restore.get())
              : bySize.or(() -> restore);
      return longer.map(thaw::plus);
    }
  }

  /** Collects facts. */
  public static final class Builder {
    private final Instant asOf;
    private final Map<String, SourceFacts> sources = new LinkedHashMap<>();
    private final Map<String, Instant> exercised = new LinkedHashMap<>();
    private final Set<String> actions = new LinkedHashSet<>(ActionNames.ALL);

    private Builder(Instant asOf) {
      this.asOf = asOf;
    }

    /** What is known of a source. */
    public Builder source(String id, SourceFacts facts) {
      sources.put(id, facts);
      return this;
    }

    /** When an exercise was done last, with evidence. */
    public Builder exercised(String exercise, Instant at) {
      exercised.put(exercise, at);
      return this;
    }

    /** An action of the host's own that steps may name. */
    public Builder action(String name) {
      actions.add(name);
      return this;
    }

    /** The facts. */
    public PlanFacts build() {
      return new PlanFacts(this);
    }
  }
}
