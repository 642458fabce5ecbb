/** Several stores that hold the same objects, seen as one. */
@NullMarked
package com.thorbis.backup.storage.internal.copies;

import org.jspecify.annotations.NullMarked;
