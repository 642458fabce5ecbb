/** Pieces of content and the packs they lie in: compressing, checking, sealing, reading. */
@NullMarked
package com.thorbis.backup.storage.internal.pack;

import org.jspecify.annotations.NullMarked;
