package com.thorbis.backup.spi.crypto;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A recipient did not wrap or open a key. */
public final class KeyException extends IOException implements ClassifiedFailure {
  private static final long serialVersionUID = 1L;

  private final String code;
  private final FailureKind kind;
  private final String recipient;
  private final String remedy;

  /**
   * Any failure.
   *
   * @param recipient names the recipient, without secrets
   */
  public KeyException(
      String code,
      FailureKind kind,
      String message,
      String recipient,
      String remedy,
      @Nullable Throwable cause) {
    super(message, cause);
    this.code = code;
    this.kind = kind;
    this.recipient = recipient;
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
    return Map.of("recipient", recipient);
  }

  @Override
  public String remedy() {
    return remedy;
  }
}
