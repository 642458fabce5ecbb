/**
 * Reads the write-ahead log: its records, what they say of recovery targets, and timeline
 * histories.
 */
@NullMarked
package com.thorbis.backup.postgres.wal;

import org.jspecify.annotations.NullMarked;
