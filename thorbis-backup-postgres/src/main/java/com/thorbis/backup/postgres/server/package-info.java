/** Finds PostgreSQL's programs, starts servers over restored files and asks them where they are. */
@NullMarked
package com.thorbis.backup.postgres.server;

import org.jspecify.annotations.NullMarked;
