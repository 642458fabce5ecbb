package com.thorbis.backup.storage.internal.upkeep;

import com.thorbis.backup.api.BackupId;
import java.time.Instant;

/**
 * That a backup was read back from a copy and found whole.
 *
 * @param backup which backup
 * @param level how closely, such as {@code data} or {@code restore}
 * @param at when
 * @param copy what the copy is called
 */
public record ReadBack(BackupId backup, String level, Instant at, String copy) {}
