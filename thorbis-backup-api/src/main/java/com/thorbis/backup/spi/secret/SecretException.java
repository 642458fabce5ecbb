package com.thorbis.backup.spi.secret;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A place of secrets did not do what it was asked. Never holds a value. */
public final class SecretException extends IOException implements ClassifiedFailure {
  /** The secret is positively not there. */
  public static final String NOT_FOUND = "secrets.not-found";

  /** The place itself is not there, or is hidden from this credential: nothing was looked at. */
  public static final String NO_SUCH_PLACE = "secrets.no-such-place";

  /** The credential is not accepted: nothing was looked at. */
  public static final String UNAUTHORIZED = "secrets.unauthorized";

  /** The credential is accepted and not allowed to do this: nothing was looked at. */
  public static final String FORBIDDEN = "secrets.forbidden";

  /** The platform could not be asked, or does not answer now. */
  public static final String UNAVAILABLE = "secrets.unavailable";

  /** The platform gives no value of this secret to anybody. */
  public static final String UNREADABLE = "secrets.unreadable";

  /** The condition of a write does not hold: nothing was written. */
  public static final String CONFLICT = "secrets.conflict";

  /** The platform does not take this secret: nothing was written. */
  public static final String REFUSED = "secrets.refused";

  /** The platform did not say whether it wrote. */
  public static final String OUTCOME_UNKNOWN = "secrets.outcome-unknown";

  /** The answer is none that is understood. */
  public static final String UNEXPECTED = "secrets.unexpected-answer";

  private static final long serialVersionUID = 1L;

  private final String code;
  private final FailureKind kind;
  private final String subject;
  private final String remedy;

  /**
   * Any failure.
   *
   * @param subject the secret or place concerned
   */
  public SecretException(
      String code,
      FailureKind kind,
      String message,
      String subject,
      String remedy,
      @Nullable Throwable cause) {
    super(message, cause);
    this.code = code;
    this.kind = kind;
    this.subject = subject;
    this.remedy = remedy;
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
    return Map.of("secret", subject);
  }

  @Override
  public String remedy() {
    return remedy;
  }
}
