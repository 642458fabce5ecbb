/** What an engine writes to and reads from. An engine never sees a store, a key or the format. */
@NullMarked
package com.thorbis.backup.spi.repository;

import org.jspecify.annotations.NullMarked;
