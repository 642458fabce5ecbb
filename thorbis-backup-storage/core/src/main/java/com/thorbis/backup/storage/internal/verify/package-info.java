/** Looking whether all is as it was stored. */
@NullMarked
package com.thorbis.backup.storage.internal.verify;

import org.jspecify.annotations.NullMarked;
