package com.thorbis.backup.spi.repository;

import com.thorbis.backup.api.BackupType;
import java.time.Instant;
import java.util.Optional;

/**
 * What a backup begins with.
 *
 * @param source the registered source's name
 * @param type what it will read and reference
 * @param label the operator's words for it
 * @param startedAt when it began
 */
public record BackupStart(
    String source, BackupType type, Optional<String> label, Instant startedAt) {}
