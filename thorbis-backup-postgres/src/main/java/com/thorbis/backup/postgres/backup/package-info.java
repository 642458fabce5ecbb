/** Base backups over the replication protocol. */
@NullMarked
package com.thorbis.backup.postgres.backup;

import org.jspecify.annotations.NullMarked;
