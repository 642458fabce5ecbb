/** Capturing WAL over the replication protocol. */
@NullMarked
package com.thorbis.backup.postgres.capture;

import org.jspecify.annotations.NullMarked;
