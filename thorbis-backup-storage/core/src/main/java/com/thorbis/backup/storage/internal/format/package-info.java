/** What every kind of object is written with: names, documents, numbers, lengths. */
@NullMarked
package com.thorbis.backup.storage.internal.format;

import org.jspecify.annotations.NullMarked;
