/** What a source's settings and connection URL say, read once and checked. */
@NullMarked
package com.thorbis.backup.postgres.settings;

import org.jspecify.annotations.NullMarked;
