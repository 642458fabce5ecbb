package com.thorbis.backup.dr.failover;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A manager of high availability could not be asked, refused, or may have done something. */
public final class HaException extends IOException implements ClassifiedFailure {
  private static final long serialVersionUID = 1L;

  private final String code;
  private final FailureKind kind;
  private final String thing;
  private final String remedy;

  private HaException(
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

  /** It did not answer; nothing was changed. */
  public static HaException unavailable(String thing, String problem, @Nullable Throwable cause) {
    return new HaException(
        "ha.unavailable",
        FailureKind.TRANSIENT,
        thing,
        problem,
        "See that it runs and can be reached from here.",
        cause);
  }

  /** It answered that it will not; nothing was changed. */
  public static HaException refused(String thing, String problem) {
    return new HaException(
        "ha.refused",
        FailureKind.REFUSED,
        thing,
        problem,
        "Follow what it says: it knows its servers better than anything here.",
        null);
  }

  /** It may have done it. */
  public static HaException outcomeUnknown(
      String thing, String problem, @Nullable Throwable cause) {
    return new HaException(
        "ha.outcome-unknown",
        FailureKind.OUTCOME_UNKNOWN,
        thing,
        problem,
        "Look who is the primary before anything else is done.",
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
    return Map.of("manager", thing);
  }

  @Override
  public String remedy() {
    return remedy;
  }
}
