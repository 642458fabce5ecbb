/** The sealed form of every object, the keys it is sealed with, and who may open them. */
@NullMarked
package com.thorbis.backup.crypto;

import org.jspecify.annotations.NullMarked;
