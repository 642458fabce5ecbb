/**
 * The commit log, the catalogue that folds over it, the keys, and who may write.
 *
 * <p>Authority is judged where the log is read, from what the commits before say and from nothing
 * else ({@link com.thorbis.backup.storage.internal.catalog.Authority}). A commit without it is
 * passed over and does not end the log: whoever can create one object must not be able to stop a
 * restore. A checkpoint has no authority at all, since a signature would only tell that some writer
 * made it, not that it says what the commits say; it counts where this machine has compared it.
 */
@NullMarked
package com.thorbis.backup.storage.internal.catalog;

import org.jspecify.annotations.NullMarked;
