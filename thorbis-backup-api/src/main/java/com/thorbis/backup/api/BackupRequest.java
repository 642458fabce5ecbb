package com.thorbis.backup.api;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What to back up, and how. */
public final class BackupRequest {
  private final String source;
  private final @Nullable BackupType type;
  private final List<String> excludedTables;
  private final @Nullable String label;

  private BackupRequest(Builder builder) {
    this.source = builder.source;
    this.type = builder.type;
    this.excludedTables = List.copyOf(builder.excludedTables);
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

  /** What to read; full if nothing was chosen. */
  public BackupType type() {
    return type == null ? BackupType.FULL : type;
  }

  /** What to read, if it was chosen: a source may have another default than full. */
  public Optional<BackupType> chosenType() {
    return Optional.ofNullable(type);
  }

  /** Patterns of tables that a dump leaves out, besides those of the source's settings. */
  public List<String> excludedTables() {
    return excludedTables;
  }

  /** The operator's words for it. */
  public Optional<String> label() {
    return Optional.ofNullable(label);
  }

  /** Collects a request. */
  public static final class Builder {
    private final String source;
    private @Nullable BackupType type;
    private final List<String> excludedTables = new ArrayList<>();
    private @Nullable String label;

    private Builder(String source) {
      this.source = Objects.requireNonNull(source, "source");
    }

    /** Chooses what to read; full if not called, or what the source's settings say. */
    public Builder type(BackupType type) {
      this.type = type;
      return this;
    }

    /**
     * Leaves tables out of a dump, and those that inherit from them: {@code schema.name} or {@code
     * name}, for one in any schema; an asterisk stands for any characters, a question mark for one;
     * what stands in double quotes stands for itself.
     */
    public Builder excludeTable(String pattern) {
      excludedTables.add(pattern);
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
