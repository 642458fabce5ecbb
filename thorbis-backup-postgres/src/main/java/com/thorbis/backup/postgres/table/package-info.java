/**
 * Brings tables of an earlier moment back: a throw-away server is recovered to it with the files of
 * one database, and what is wanted of it is copied into a running server or written to a file.
 *
 * <p>The copy is made over two sessions of this process, in one transaction of the running server:
 * definitions come from {@code pg_dump}, rows from one {@code COPY} to the other, so that both
 * counts are compared before anything counts.
 */
@NullMarked
package com.thorbis.backup.postgres.table;

import org.jspecify.annotations.NullMarked;
