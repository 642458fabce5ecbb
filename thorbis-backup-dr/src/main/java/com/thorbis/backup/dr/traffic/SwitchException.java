package com.thorbis.backup.dr.traffic;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A switch could not be looked at, was not moved, or may have been moved. */
public final class SwitchException extends IOException implements ClassifiedFailure {
  private static final long serialVersionUID = 1L;

  private final String code;
  private final FailureKind kind;
  private final String thing;
  private final String remedy;

  /**
   * Any failure.
   *
   * @param thing what {@link TrafficSwitch#describe} says
   */
  public SwitchException(
      String code,
      FailureKind kind,
      String thing,
      String problem,
      String remedy,
      @Nullable Throwable cause) {
    super(thing + ": " + problem, cause);
    this.code = code;
    this.kind = kind;
    this.thing = thing;
    this.remedy = remedy;
  }

  /** It did not answer, so nothing is known about it; nothing was changed. */
  public static SwitchException unavailable(
      String thing, String problem, @Nullable Throwable cause) {
    return new SwitchException(
        "traffic.unavailable",
        FailureKind.TRANSIENT,
        thing,
        problem,
        "See that it runs and can be reached from here.",
        cause);
  }

  /** It answered that we may not; nothing was changed. */
  public static SwitchException refused(String thing, String problem, @Nullable Throwable cause) {
    return new SwitchException(
        "traffic.refused",
        FailureKind.PERMANENT,
        thing,
        problem,
        "Correct the credentials, or what they permit.",
        cause);
  }

  /** Clients go neither to where they were expected nor to where they shall go. */
  public static SwitchException changed(String thing, String expected, String found) {
    return new SwitchException(
        "traffic.changed",
        FailureKind.REFUSED,
        thing,
        "points to \"" + found + "\" instead of \"" + expected + "\"; nothing was changed",
        "Find out who has moved it, and decide again.",
        null);
  }

  /** What decides and what runs say different things: somebody is, or was, in between. */
  public static SwitchException inBetween(String thing, String configured, String running) {
    return new SwitchException(
        "traffic.in-between",
        FailureKind.REFUSED,
        thing,
        "is configured for \"" + configured + "\" and runs with \"" + running + "\"",
        "Let the change that was begun be finished or undone.",
        null);
  }

  /** The change is against a rule that protects clients; nothing was changed. */
  public static SwitchException unsafe(String thing, String problem, String remedy) {
    return new SwitchException("traffic.unsafe", FailureKind.REFUSED, thing, problem, remedy, null);
  }

  /** What was asked for does not exist there, or is not in its form; nothing was changed. */
  public static SwitchException invalid(String thing, String problem) {
    return new SwitchException(
        "traffic.invalid",
        FailureKind.CONFIGURATION,
        thing,
        problem,
        "Correct the place, or the names in the settings.",
        null);
  }

  /** It may have been moved, wholly or in part: look before doing anything else. */
  public static SwitchException outcomeUnknown(
      String thing, String problem, @Nullable Throwable cause) {
    return new SwitchException(
        "traffic.outcome-unknown",
        FailureKind.OUTCOME_UNKNOWN,
        thing,
        problem,
        "Look where it points; the same call again finishes it.",
        cause);
  }

  @Override
  public String code() {
    return code;
  }

  @Override
  public FailureKind kind() {
    return kind;
  }

  @Override
  public Map<String, String> details() {
    return Map.of("switch", thing);
  }

  @Override
  public String remedy() {
    return remedy;
  }
}
