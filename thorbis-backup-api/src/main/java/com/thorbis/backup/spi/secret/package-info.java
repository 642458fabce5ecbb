/** Places that hold secrets: what can be read of them, and how they are written back. */
@NullMarked
package com.thorbis.backup.spi.secret;

import org.jspecify.annotations.NullMarked;
