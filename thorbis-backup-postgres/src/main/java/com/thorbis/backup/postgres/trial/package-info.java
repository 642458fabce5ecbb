/** Brings a cluster back to be tried, apart from everything, and throws it away. */
@NullMarked
package com.thorbis.backup.postgres.trial;

import org.jspecify.annotations.NullMarked;
