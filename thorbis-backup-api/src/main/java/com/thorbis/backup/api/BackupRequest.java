package com.thorbis.backup.api;

import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What to back up, and how. */
public final class BackupRequest {
  private final String source;
  private final BackupType type;
  private final @Nullable String label;

  private BackupRequest(Builder builder) {
    this.source = builder.source;
    this.type = builder.type;
    this.label = builder.label;
  }

  /** Starts one for a configured source. */
  public static Builder builder(String source) {
    return new Builder(source);
  }

  /** The source's name. */
  public String source() {
    return source;
  }

  /** What to read. */
  public BackupType type() {
    return type;
  }

  /** The operator's words for it. */
  public Optional<String> label() {
    return Optional.ofNullable(label);
  }

  /** Collects a request. */
  public static final class Builder {
    private final String source;
    private BackupType type = BackupType.FULL;
    private @Nullable String label;

    private Builder(String source) {
      this.source = Objects.requireNonNull(source, "source");
    }

    /** Chooses what to read; full if not called. */
    public Builder type(BackupType type) {
      this.type = type;
      return this;
    }

    /** Words that find it again. */
    public Builder label(String label) {
      this.label = label;
      return this;
    }

    /** The request. */
    public BackupRequest build() {
      return new BackupRequest(this);
    }
  }
}
