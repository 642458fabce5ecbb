/** Key providers: who may open a repository. */
@NullMarked
package com.thorbis.backup.spi.crypto;

import org.jspecify.annotations.NullMarked;
