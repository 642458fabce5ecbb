/** How providers are found and configured. */
@NullMarked
package com.thorbis.backup.spi;

import org.jspecify.annotations.NullMarked;
