/**
 * Delivers WAL to recovering servers and takes it from archiving ones, without a JVM per segment.
 *
 * <p><b>The exchange.</b> A server's script and the resident process meet in the folder {@code
 * pg_wal/thorbis} of the server's data directory. It moves with the data directory, has its owner,
 * lies on the file system that segments are renamed into, and is ignored by the server and by
 * {@code pg_verifybackup}. Its files:
 *
 * <ul>
 *   <li>{@code alive}: changes every second while a process serves the folder;
 *   <li>{@code NAME}: a complete segment fetched ahead; whoever renames it has it;
 *   <li>{@code NAME.PID.want}, {@code NAME.PID.push}: what the script with this process id asks;
 *   <li>{@code NAME.PID.file}, {@code .absent}, {@code .done}, {@code .failed}: its answer;
 *   <li>{@code restore}: which incarnation's log this cluster follows.
 * </ul>
 *
 * Every file but the questions, which are empty of meaning, appears whole: written under another
 * name, forced, renamed. An answer belongs to one question and is never read by another script, so
 * that absence is as fresh as the question. Only complete segments, which never change, are laid
 * out ahead.
 *
 * <p><b>What a script may conclude.</b> It ends with 0 after a rename that worked, or when {@code
 * thorbis wal get} ended with 0 and the file is there. It ends with 1, the end of the log, only
 * after an answer {@code .absent}, or when {@code thorbis wal get} ended with 1 <em>and</em>
 * printed {@code absent NAME}: the runtime itself ends with 1 when it cannot start. All else is
 * 126, which the server takes for trouble. Nobody alive, or no sign of life for ten seconds: it
 * asks {@code thorbis wal get}, which asks the repository. Where that is trouble too, it waits as
 * long for somebody who serves and asks once more. A wrong guess about life costs time and nothing
 * else.
 *
 * <p><b>Archiving ahead.</b> The archiver runs one script after the other, and notes all files that
 * are ready in {@code archive_status}. With the first offer the resident process begins to store
 * what follows, several at once, and answers later offers from what it remembers. It remembers of
 * each file which one it read (inode, length, times of its content and of itself); an offer is
 * answered from that only if the file in its place is still that one, unchanged. All else is stored
 * when it is offered. Nothing is remembered on disk, so no answer outlives the process that gave
 * it: a copied or restored data directory cannot hold one.
 *
 * <p><b>Trust.</b> Who can write to the folder is the server's account, which can do anything to
 * the server already. A resident process of root's opens the folder without following links, checks
 * that the data directory's owner owns it, and works relative to it.
 */
@NullMarked
package com.thorbis.backup.postgres.serve;

import org.jspecify.annotations.NullMarked;
