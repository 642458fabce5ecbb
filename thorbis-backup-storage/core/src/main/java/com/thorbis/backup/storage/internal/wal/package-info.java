/** The write-ahead log: segments, parts of segments, history files. */
@NullMarked
package com.thorbis.backup.storage.internal.wal;

import org.jspecify.annotations.NullMarked;
