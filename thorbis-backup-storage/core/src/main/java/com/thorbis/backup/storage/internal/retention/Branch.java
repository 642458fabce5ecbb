package com.thorbis.backup.storage.internal.retention;

import com.thorbis.backup.api.Lsn;

/**
 * Where a line of log left another, as a timeline history file or the fork of an adopted cluster
 * tells.
 *
 * @param line the younger one
 * @param parent the one it left
 * @param position the last position they share
 */
public record Branch(Line line, Line parent, Lsn position) {}
