/** Connections to a server: the replication protocol, and SQL. */
@NullMarked
package com.thorbis.backup.postgres.wire;

import org.jspecify.annotations.NullMarked;
