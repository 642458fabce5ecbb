/**
 * A server's files, read from outside while it runs, and what makes such a copy a backup. {@link
 * com.thorbis.backup.postgres.cluster.ClusterFiles} is how they are reached; everything else is the
 * same whichever way that is.
 */
@NullMarked
package com.thorbis.backup.postgres.cluster;

import org.jspecify.annotations.NullMarked;
