/** What must be so before a cluster is protected. */
@NullMarked
package com.thorbis.backup.postgres.check;

import org.jspecify.annotations.NullMarked;
