package com.thorbis.backup.spi.storage;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.time.Instant;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A store did not do what it was asked. */
public class StorageException extends IOException implements ClassifiedFailure {
  private static final long serialVersionUID = 1L;
  private static final String OFFLINE = "storage.offline";

  private final String code;
  private final FailureKind kind;
  private final String object;
  private final String remedy;

  /**
   * Any failure.
   *
   * @param object the key or place concerned
   */
  public StorageException(
      String code,
      FailureKind kind,
      String message,
      String object,
      String remedy,
      @Nullable Throwable cause) {
    super(message, cause);
    this.code = code;
    this.kind = kind;
    this.object = object;
    this.remedy = remedy;
  }

  /** The store has no such thing. Nothing was done. */
  public static StorageException unsupported(ObjectStore store, String what, String object) {
    return new StorageException(
        "storage.unsupported",
        FailureKind.CONFIGURATION,
        store.describe() + " cannot " + what,
        object,
        "Do without it, or use a store that offers it.",
        null);
  }

  /**
   * An object cannot be removed or replaced before its lock ends. Nothing was done.
   *
   * @param until when that is, as far as the store told
   */
  public static StorageException locked(
      ObjectKey key, @Nullable Instant until, @Nullable Throwable cause) {
    return new StorageException(
        "storage.locked",
        FailureKind.REFUSED,
        key + " is locked" + (until == null ? "" : " until " + until),
        key.value(),
        "Wait until its lock ends.",
        cause);
  }

  /** Content could not be read on its way in. Nothing was written. */
  public static StorageException sourceFailed(ObjectKey key, Throwable cause) {
    return new StorageException(
        "storage.source-failed",
        FailureKind.PERMANENT,
        "Write " + key + ": the content could not be read: " + cause,
        key.value(),
        "See the cause; nothing was written.",
        cause);
  }

  /** Content is shorter or longer than it said. Nothing was written. */
  public static StorageException sourceLength(ObjectKey key, long announced) {
    return new StorageException(
        "storage.source-length",
        FailureKind.PERMANENT,
        "Write " + key + ": the content is not of the length it was announced with, " + announced,
        key.value(),
        "Let the content stay as it is while it is written.",
        null);
  }

  /** Whether a failure says that an object must be asked for before it can be read. */
  public static boolean isOffline(Throwable failure) {
    return failure instanceof ClassifiedFailure known && known.code().equals(OFFLINE);
  }

  /** An object lies in a tier that cannot be read at once. */
  public static StorageException offline(ObjectKey key, @Nullable Throwable cause) {
    return new StorageException(
        OFFLINE,
        FailureKind.TRANSIENT,
        key + " lies in an archive tier and was not brought back yet",
        key.value(),
        "Ask for it, and try again when it can be read.",
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
    return Map.of("object", object);
  }

  @Override
  public String remedy() {
    return remedy;
  }

  /** The store positively has no such object. */
  public static final class NotFound extends StorageException {
    private static final long serialVersionUID = 1L;

    /** Names the object. */
    public NotFound(ObjectKey key, @Nullable Throwable cause) {
      super(
          "storage.not-found",
          FailureKind.NOT_FOUND,
          "No such object: " + key,
          key.value(),
          "",
          cause);
    }
  }

  /** The key is taken. Nothing was written. */
  public static final class AlreadyExists extends StorageException {
    private static final long serialVersionUID = 1L;

    /** Names the object. */
    public AlreadyExists(ObjectKey key, @Nullable Throwable cause) {
      super("storage.exists", FailureKind.REFUSED, "Object exists: " + key, key.value(), "", cause);
    }
  }

  /** The write may or may not have happened. */
  public static final class OutcomeUnknown extends StorageException {
    private static final long serialVersionUID = 1L;

    /** Names the object. */
    public OutcomeUnknown(ObjectKey key, @Nullable Throwable cause) {
      super(
          "storage.outcome-unknown",
          FailureKind.OUTCOME_UNKNOWN,
          "The store did not say whether it wrote " + key,
          key.value(),
          "",
          cause);
    }
  }

  /** The store could not be asked, or could not answer. Nothing is known about the object. */
  public static final class Unavailable extends StorageException {
    private static final long serialVersionUID = 1L;

    /** Names what was attempted and the object or place. */
    public Unavailable(String action, String object, @Nullable Throwable cause) {
      super(
          "storage.unavailable",
          FailureKind.TRANSIENT,
          action + " " + object + ": " + (cause == null ? "no answer" : cause),
          object,
          "Check that the place exists and can be reached.",
          cause);
    }
  }
}
