package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A repository did not do what it was asked, or holds bytes that are not what was stored. */
public final class RepositoryException extends IOException implements ClassifiedFailure {
  private static final long serialVersionUID = 1L;

  private final String code;
  private final FailureKind kind;
  private final String remedy;
  private final transient Map<String, String> details;

  /** Any failure. */
  public RepositoryException(
      String code,
      FailureKind kind,
      String message,
      Map<String, String> details,
      String remedy,
      @Nullable Throwable cause) {
    super(message, cause);
    this.code = code;
    this.kind = kind;
    this.details = Map.copyOf(details);
    this.remedy = remedy;
  }

  /** An object whose bytes are not what was stored. */
  public static RepositoryException damaged(
      String object, String problem, @Nullable Throwable cause) {
    return new RepositoryException(
        "repository.damaged",
        FailureKind.DAMAGED,
        object + ": " + problem,
        Map.of("object", object),
        "Run verify to see what else is damaged.",
        cause);
  }

  /**
   * What was asked for needs a server, and there is none.
   *
   * @param whose what has none, such as {@code Source tokens}
   */
  public static RepositoryException noServer(String whose) {
    return new RepositoryException(
        "source.no-server",
        FailureKind.REFUSED,
        whose
            + " has no server: there is no write-ahead log of it, no moment between two backups, no"
            + " data directory and nothing to dump",
        Map.of(),
        "Take backups of it, and bring back one of them: each is complete in itself.",
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
    return details;
  }

  @Override
  public String remedy() {
    return remedy;
  }
}
