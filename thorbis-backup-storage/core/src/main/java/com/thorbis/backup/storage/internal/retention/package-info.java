/** Deciding which backups stay, from what the catalogue says alone. */
@NullMarked
package com.thorbis.backup.storage.internal.retention;

import org.jspecify.annotations.NullMarked;
