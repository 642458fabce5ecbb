/**
 * Lays a backup down as a data directory that a server can be started on.
 *
 * <p>Until the last step nobody but us can enter the target folder, and everything below it was
 * made by this run: no link can be planted on the way to a file, and no check has to be repeated.
 * {@code global/pg_control} comes last, because without it no server starts on what is there.
 *
 * <p>A restored cluster comes up <em>fenced</em>: nothing it does reaches the systems the source
 * works with. The fence is a block at the end of {@code postgresql.auto.conf}, marked by the
 * setting {@code thorbis.fenced}, which a session can read.
 */
@NullMarked
package com.thorbis.backup.postgres.restore;

import org.jspecify.annotations.NullMarked;
