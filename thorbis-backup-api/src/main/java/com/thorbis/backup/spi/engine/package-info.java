/** What knows how to protect one kind of source. */
@NullMarked
package com.thorbis.backup.spi.engine;

import org.jspecify.annotations.NullMarked;
