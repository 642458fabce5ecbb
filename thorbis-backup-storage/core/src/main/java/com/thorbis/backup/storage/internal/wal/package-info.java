/**
 * The write-ahead log: segments, parts of segments, history files.
 *
 * <p>A segment has two forms, whole and in parts; it is absent only if neither is there. There are
 * no objects of several segments: a segment is acknowledged when it is stored by itself, so that
 * such an object could only be written in addition and read instead later. It would save requests
 * to nobody who writes, cost writing everything twice, and be a third form that every reader must
 * look for before it may say "absent", and that expiry, verification and copies must take apart.
 * What a writer does against many requests is to send several segments at once, and of an open one
 * no more than a part for each interval.
 */
@NullMarked
package com.thorbis.backup.storage.internal.wal;

import org.jspecify.annotations.NullMarked;
