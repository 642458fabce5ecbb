/** Backups: manifests, file tables and maps, writing and reading. */
@NullMarked
package com.thorbis.backup.storage.internal.backup;

import org.jspecify.annotations.NullMarked;
