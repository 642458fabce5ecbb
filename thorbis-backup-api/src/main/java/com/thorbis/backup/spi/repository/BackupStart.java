package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.BackupType;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What a backup begins with.
 *
 * @param source the registered source's name
 * @param type what it will read and reference
 * @param base the committed backup of the same source that it may reference; none for a full one or
 *     a dump
 * @param label the operator's words for it
 * @param startedAt when it began
 * @param partial whether it alone leaves out what other backups of the source hold
 * @param members backups, of any sources, that it is nothing without: its commit puts a hold on
 *     each, and the sweep that removes it lifts them
 */
public record BackupStart(
    String source,
    BackupType type,
    Optional<BackupId> base,
    Optional<String> label,
    Instant startedAt,
    boolean partial,
    List<BackupId> members) {
  /** Refuses a full backup or a dump with a base, and any other without. */
  public BackupStart {
    members = List.copyOf(members);
    if (base.isPresent() == type.independent()) {
      throw new IllegalArgumentException("A backup of type " + type.label() + ", base " + base);
    }
  }

  /** One that stands for itself. */
  public BackupStart(
      String source,
      BackupType type,
      Optional<BackupId> base,
      Optional<String> label,
      Instant startedAt,
      boolean partial) {
    this(source, type, base, label, startedAt, partial, List.of());
  }

  /** One that leaves nothing out. */
  public BackupStart(
      String source,
      BackupType type,
      Optional<BackupId> base,
      Optional<String> label,
      Instant startedAt) {
    this(source, type, base, label, startedAt, false);
  }

  /** One that leaves nothing out and references nothing. */
  public BackupStart(String source, BackupType type, Optional<String> label, Instant startedAt) {
    this(source, type, Optional.empty(), label, startedAt);
  }
}
