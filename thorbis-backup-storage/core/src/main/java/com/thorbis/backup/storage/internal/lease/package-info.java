/** Leases: who works on a repository now, in the store's own time. */
@NullMarked
package com.thorbis.backup.storage.internal.lease;

import org.jspecify.annotations.NullMarked;
