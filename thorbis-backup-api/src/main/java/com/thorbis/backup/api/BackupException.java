package com.thorbis.backup.api;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What hosts see when something did not work. The message names the thing and the problem. */
public final class BackupException extends RuntimeException implements ClassifiedFailure {
  private static final long serialVersionUID = 1L;

  private final String code;
  private final FailureKind kind;
  private final String remedy;
  private final transient Map<String, String> details;

  private BackupException(Builder builder) {
    super(builder.message, builder.cause);
    this.code = builder.code;
    this.kind = builder.kind;
    this.remedy = builder.remedy;
    this.details = Collections.unmodifiableMap(new LinkedHashMap<>(builder.details));
  }

  /** Starts one; {@code code} is stable and dotted, {@code message} for people. */
  public static Builder of(String code, FailureKind kind, String message) {
    return new Builder(code, kind, message);
  }

  /** What a host sees of a checked failure: its own classification where it has one. */
  public static BackupException from(IOException failure) {
    if (failure instanceof ClassifiedFailure classified) {
      Builder builder =
          of(classified.code(), classified.kind(), String.valueOf(failure.getMessage()))
              .remedy(classified.remedy())
              .cause(failure);
      classified.details().forEach(builder::detail);
      return builder.build();
    }
    if (failure instanceof NoSuchFileException missing) {
      return of("file.not-found", FailureKind.NOT_FOUND, "There is no " + missing.getFile())
          .remedy("Correct the path.")
          .cause(failure)
          .build();
    }
    if (failure instanceof AccessDeniedException refused) {
      return of(
              "file.refused",
              FailureKind.PERMANENT,
              "This account may not touch " + refused.getFile())
          .remedy("Let it, or run as another account.")
          .cause(failure)
          .build();
    }
    return of("io", FailureKind.TRANSIENT, failure.toString()).cause(failure).build();
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
  public String remedy() {
    return remedy;
  }

  @Override
  public Map<String, String> details() {
    return details;
  }

  /** Collects what is known about a failure. */
  public static final class Builder {
    private final String code;
    private final FailureKind kind;
    private final String message;
    private final Map<String, String> details = new LinkedHashMap<>();
    private String remedy = "";
    private @Nullable Throwable cause;

    private Builder(String code, FailureKind kind, String message) {
      this.code = code;
      this.kind = kind;
      this.message = message;
    }

    /** What a person can do about it. */
    public Builder remedy(String text) {
      this.remedy = text;
      return this;
    }

    /** A value for machines; never a secret. */
    public Builder detail(String name, String value) {
      details.put(name, value);
      return this;
    }

    /** What led to it. */
    public Builder cause(@Nullable Throwable throwable) {
      this.cause = throwable;
      return this;
    }

    /** The exception, ready to be thrown. */
    public BackupException build() {
      return new BackupException(this);
    }
  }
}
