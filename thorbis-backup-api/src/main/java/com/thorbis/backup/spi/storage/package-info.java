/** Object stores: bytes under keys, and nothing else. */
@NullMarked
package com.thorbis.backup.spi.storage;

import org.jspecify.annotations.NullMarked;
