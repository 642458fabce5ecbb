package com.thorbis.backup.application.secrets;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A set of secrets that is not what was stored, or not the newest. Holds no value. */
public final class SetException extends IOException implements ClassifiedFailure {
  /** The bytes are no set, or end early. */
  public static final String MALFORMED = "secrets.set-malformed";

  /**
   * The list of what the set holds does not open: what stands before it, or itself, was changed.
   */
  public static final String INDEX_ALTERED = "secrets.index-altered";

  /** Bytes of one entry stand where those of another belong. */
  public static final String EXCHANGED = "secrets.entry-exchanged";

  /** An entry is gone. */
  public static final String MISSING = "secrets.entry-missing";

  /** There is an entry that the list does not name, or one of another set. */
  public static final String FOREIGN = "secrets.entry-foreign";

  /**
   * An entry was changed, or was sealed under another name, place, version, position or number of
   * entries than the list says.
   */
  public static final String ALTERED = "secrets.entry-altered";

  /** The set is of another name than the one that was asked for. */
  public static final String OTHER_SET = "secrets.set-other";

  /** Nobody who may write sets signed this one as it is. */
  public static final String FOREIGN_WRITER = "secrets.set-foreign-writer";

  /** The set has the next number, and follows another one than the newest. */
  public static final String FORKED = "secrets.set-forked";

  /** The set is older than one that was seen, or another of the same number. */
  public static final String STALE = "secrets.set-stale";

  /** The set would be too large to be held in memory. */
  public static final String TOO_LARGE = "secrets.set-too-large";

  private static final long serialVersionUID = 1L;

  private final String code;
  private final FailureKind kind;
  private final String subject;
  private final String remedy;

  SetException(
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

  static SetException damaged(String code, String subject, String problem) {
    return new SetException(
        code,
        FailureKind.DAMAGED,
        subject + ": " + problem,
        subject,
        "Read the set from another copy; nothing of it was restored.",
        null);
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
