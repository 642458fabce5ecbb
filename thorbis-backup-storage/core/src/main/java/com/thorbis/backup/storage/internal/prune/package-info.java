/** Deletion: giving backups up, and removing later what nothing needs. */
@NullMarked
package com.thorbis.backup.storage.internal.prune;

import org.jspecify.annotations.NullMarked;
