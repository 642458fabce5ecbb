package com.thorbis.backup.dr.plan;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** What starts a scenario, and how it is noticed. */
public final class Trigger {
  private final Builder parts;

  private Trigger(Builder parts) {
    this.parts = parts;
  }

  /**
   * Starts one.
   *
   * @param id its stable id
   * @param cause what kind of trouble it is
   */
  public static Builder builder(String id, Cause cause) {
    return new Builder(id, cause);
  }

  /** Its stable id. */
  public String id() {
    return parts.id;
  }

  /** What kind of trouble it is. */
  public Cause cause() {
    return parts.cause;
  }

  /** What it is noticed by. */
  public List<Signal> signals() {
    return parts.signals;
  }

  /** How many of them have to agree. */
  public int quorum() {
    return parts.quorum;
  }

  /** From the outage until it is noticed. */
  public Optional<Duration> detection() {
    return parts.detection;
  }

  /** From there until somebody has decided what to do; zero where nobody is asked. */
  public Optional<Duration> decision() {
    return parts.decision;
  }

  /** Whether recovery starts without anybody. */
  public boolean automatic() {
    return parts.automatic;
  }

  /** What kind of trouble something is, and so what can help. */
  public enum Cause {
    /** Something does not answer; what it holds is right. A standby helps. */
    OUTAGE("outage"),

    /** What is stored is wrong, on standbys too. Only a moment before helps. */
    DAMAGE("damage"),

    /** Somebody is inside. Only what they have not touched helps. */
    COMPROMISE("compromise");

    private final String label;

    Cause(String label) {
      this.label = label;
    }

    /** As it is written in plans. */
    public String label() {
      return label;
    }
  }

  /**
   * One way to notice.
   *
   * @param id its stable id
   * @param from where it looks from; signals are independent if this differs
   */
  public record Signal(String id, String from) {}

  /** Collects a trigger. */
  public static final class Builder {
    private final String id;
    private final Cause cause;
    private List<Signal> signals = List.of();
    private int quorum = 1;
    private Optional<Duration> detection = Optional.empty();
    private Optional<Duration> decision = Optional.empty();
    private boolean automatic;

    private Builder(String id, Cause cause) {
      this.id = id;
      this.cause = cause;
    }

    private Builder(Builder other) {
      this(other.id, other.cause);
      signals = other.signals;
      quorum = other.quorum;
      detection = other.detection;
      decision = other.decision;
      automatic = other.automatic;
    }

    /** What it is noticed by. */
    public Builder signals(List<Signal> all) {
      this.signals = List.copyOf(all);
      return this;
    }

    /** How many of them have to agree. */
    public Builder quorum(int agreeing) {
      this.quorum = agreeing;
      return this;
    }

    /** From the outage until it is noticed. */
    public Builder detection(Duration span) {
      this.detection = Optional.of(span);
      return this;
    }

    /** From there until somebody has decided what to do. */
    public Builder decision(Duration span) {
      this.decision = Optional.of(span);
      return this;
    }

    /** Whether recovery starts without anybody. */
    public Builder automatic(boolean unattended) {
      this.automatic = unattended;
      return this;
    }

    /** The trigger. */
    public Trigger build() {
      return new Trigger(new Builder(this));
    }
  }
}
