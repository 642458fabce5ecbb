/**
 * What sealed writers store, and how it gets into the repository.
 *
 * <p>A sealed writer has no key of the repository, so it cannot write the log, and nothing may
 * count that is not judged at its place there. Instead of a second kind of log, what one process of
 * it stores is a small repository of the same format, below a prefix, over a store that shows it
 * nothing but what it put itself: so writing backups, shipping log, signing and every check are the
 * code that everybody runs. Adopting is to write it anew instead of referring to it. That costs
 * reading and writing once more, and buys that no source has more than one tree, that retention,
 * sweeps, copies and verification know nothing of sessions, that every byte is proven before it
 * counts, and that nothing that lasts is under a key which a database host ever had.
 */
@NullMarked
package com.thorbis.backup.storage.internal.session;

import org.jspecify.annotations.NullMarked;
