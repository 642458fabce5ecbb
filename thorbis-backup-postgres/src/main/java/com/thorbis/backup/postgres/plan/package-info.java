/** Which moments can be reached, from which backup and how. */
@NullMarked
package com.thorbis.backup.postgres.plan;

import org.jspecify.annotations.NullMarked;
