/** The repository: backups and WAL, sealed, in any object store. */
@NullMarked
package com.thorbis.backup.storage;

import org.jspecify.annotations.NullMarked;
