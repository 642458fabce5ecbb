package com.thorbis.backup.crypto;

import com.thorbis.backup.api.ClassifiedFailure;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Bytes that are not the sealed object they should be. Nothing of them was handed out. */
public final class MalformedObjectException extends IOException implements ClassifiedFailure {
  /** The header is not one of ours. */
  public static final String HEADER = "seal.header";

  /** The object was sealed with another key, or as another object, or under another name. */
  public static final String WRONG_KEY_OR_NAME = "seal.wrong-key-or-name";

  /** The content is not what was sealed. */
  public static final String ALTERED = "seal.altered";

  /** The content ends too early. */
  public static final String TRUNCATED = "seal.truncated";

  private static final long serialVersionUID = 1L;

  private final String code;
  private final String object;

  MalformedObjectException(String code, String object, String problem, @Nullable Throwable cause) {
    super(object + ": " + problem, cause);
    this.code = code;
    this.object = object;
  }

  @Override
  public String code() {
    return code;
  }

  @Override
  public FailureKind kind() {
    return FailureKind.DAMAGED;
  }

  @Override
  public Map<String, String> details() {
    return Map.of("object", object);
  }

  @Override
  public String remedy() {
    return "Read it from another copy; verify shows what else is damaged.";
  }
}
