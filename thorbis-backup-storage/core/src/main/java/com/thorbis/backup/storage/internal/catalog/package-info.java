/** The commit log, the catalogue that folds over it, and the keys. */
@NullMarked
package com.thorbis.backup.storage.internal.catalog;

import org.jspecify.annotations.NullMarked;
