/** Keeping copies alike: what each holds, catching up, healing. */
@NullMarked
package com.thorbis.backup.storage.internal.upkeep;

import org.jspecify.annotations.NullMarked;
