/**
 * Logical backups: what {@code pg_dump} says of a database streams into the repository, and from
 * there into {@code pg_restore}; neither is ever whole on this machine.
 *
 * <p>A dump has three files. Among the data {@code database.dump}, in {@code pg_dump}'s custom
 * format and not compressed by it, for the repository does that. Among the metadata {@code
 * globals.sql}, what {@code pg_dumpall --globals-only} says, which may hold the hashes of
 * passwords; and {@code dump.json}, a {@link com.thorbis.backup.postgres.dump.Contents}: what was
 * dumped and left out, and for each table its rows and their digest, taken under the very snapshot
 * that {@code pg_dump} read.
 *
 * <p>The digest of a table is that of its rows in any order: of the SHA-256 of each row as text in
 * UTF-8, under settings that are always the same, the first two 64-bit words, each summed up over
 * all rows modulo 2^64.
 *
 * <p>Where changes are followed, {@code changes.json} is among the metadata, a {@link
 * com.thorbis.backup.postgres.changes.ChangeLog}; a backup of type {@code changes} has the files of
 * its dump and besides, for each incremental up to it, {@code changes-N.pgoutput} among the data:
 * messages of {@code pgoutput} in its first version, each behind its length in four bytes, the
 * highest first; whole transactions in the order of their commits. Each file tells its tables anew.
 */
@NullMarked
package com.thorbis.backup.postgres.dump;

import org.jspecify.annotations.NullMarked;
